//! Payment cards (ISO/IEC 7812: an issuer's range, its lengths, Luhn's check digit) and US social security numbers.

use super::{before, byte};

/// Where the card number that begins at `start` ends: in one piece, or in groups with spaces or hyphens.
pub fn card(bytes: &[u8], start: usize) -> Option<usize> {
    if !matches!(byte(bytes, start), b'2'..=b'6' | b'1') || in_number(bytes, start) {
        return None;
    }
    let (mut digits, mut count) = ([0u8; 19], 0usize);
    let (mut groups, mut group) = ([0u8; 6], 0usize);
    let separator = Some(byte(bytes, start + 4)).filter(|b| matches!(b, b' ' | b'-'));
    let (mut at, mut sixteen) = (start, None);
    loop {
        let b = byte(bytes, at);
        if b.is_ascii_digit() {
            let Some(place) = digits.get_mut(count) else { break };
            *place = b - b'0';
            *groups.get_mut(group)? += 1;
            count += 1;
        } else if Some(b) == separator && byte(bytes, at + 1).is_ascii_digit() && group < 4 && count < 19 {
            if groups.get(..=group) == Some(&[4; 4]) {
                sixteen = Some(at);
            }
            group += 1;
        } else {
            break;
        }
        at += 1;
    }
    let grouped = matches!(groups.get(..=group)?, [_] | [4, 4, 4, 4] | [4, 4, 4, 4, 1..=3] | [4, 6, 4] | [4, 6, 5]);
    let valid = |count: usize, end: usize| {
        let digits = digits.get(..count).filter(|digits| issued(digits) && luhn(digits));
        digits.filter(|_| !goes_on(bytes, end)).map(|_| end)
    };
    // Behind a number in four groups of four another may follow.
    grouped.then(|| valid(count, at)).flatten().or_else(|| valid(16, sixteen?))
}

/// Whether the digits at `start` are part of a longer number or word.
fn in_number(bytes: &[u8], start: usize) -> bool {
    let previous = before(bytes, start);
    previous.is_ascii_alphanumeric()
        || previous == b'_'
        || (matches!(previous, b'.' | b',' | b'-' | b'/') && before(bytes, start - 1).is_ascii_alphanumeric())
}

/// Whether the number that ends at `end` is part of a longer number or word.
fn goes_on(bytes: &[u8], end: usize) -> bool {
    match byte(bytes, end) {
        b if b.is_ascii_alphanumeric() || b == b'_' => true,
        b'-' | b'.' | b',' | b'/' => byte(bytes, end + 1).is_ascii_digit(),
        _ => false,
    }
}

/// Whether an issuer gives out numbers of this beginning and length.
fn issued(digits: &[u8]) -> bool {
    let head = |n: usize| digits.iter().take(n).fold(0u32, |sum, d| sum * 10 + u32::from(*d));
    let (two, three, four, six) = (head(2), head(3), head(4), head(6));
    match digits.len() {
        12 => matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763),
        13 => two / 10 == 4 || matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763),
        14 => matches!(three, 300..=305) || four == 3095 || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37) || matches!(four, 1800 | 2131),
        16 => {
            two / 10 == 4
                || (51..=55).contains(&two)
                || (222_100..=272_099).contains(&six)
                || four == 6011
                || (644..=649).contains(&three)
                || matches!(two, 62 | 65)
                || (3528..=3589).contains(&four)
                || (300..=305).contains(&three)
                || matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
        }
        17..=19 => {
            (digits.len() == 19 && two / 10 == 4)
                || matches!(two, 62 | 65)
                || four == 6011
                || (3528..=3589).contains(&four)
                || matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
        }
        _ => false,
    }
}

fn luhn(digits: &[u8]) -> bool {
    let double = |d: u8| if d > 4 { d * 2 - 9 } else { d * 2 };
    let sum: u32 =
        digits.iter().rev().enumerate().map(|(i, d)| u32::from(if i % 2 == 1 { double(*d) } else { *d })).sum();
    sum.is_multiple_of(10) && digits.iter().any(|d| *d != 0)
}

/// Where the social security number that begins at `start` ends: `ddd-dd-dddd`, with an area, group and serial that are given
/// out (areas 000, 666 and 900–999 are not), but not the two that were printed on millions of sample cards.
pub fn ssn(bytes: &[u8], start: usize) -> Option<usize> {
    let shape = bytes.get(start..start + 11)?;
    let separator = *shape.get(3)?;
    let shaped =
        shape.iter().enumerate().all(|(i, b)| if matches!(i, 3 | 6) { *b == separator } else { b.is_ascii_digit() });
    let end = start + 11;
    let whole = !goes_on(bytes, end);
    if !shaped || !whole || !matches!(separator, b'-') || in_number(bytes, start) || before(bytes, start) == b'+' {
        return None;
    }
    let given = !matches!(shape.get(..3)?, b"000" | b"666" | [b'9', ..])
        && shape.get(4..6)? != b"00"
        && shape.get(7..)? != b"0000"
        && !matches!(shape, b"078-05-1120" | b"219-09-9999");
    given.then_some(end)
}
