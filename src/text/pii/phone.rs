//! Telephone numbers, by the numbering plans of the countries as libphonenumber keeps them (`phones.tsv`, made by
//! `phones.py`; a test holds us to what it says of each number).
//!
//! A number written internationally (`+44 20 …`, `0044 20 …`) is valid by its calling code's plan. One written nationally is
//! looked for only as in the regions asked for, and has to look like a telephone number: grouped, with the trunk prefix
//! where there is one, or after a word such as `tel`. Dates, years and parts of longer numbers are not.

use std::cell::OnceCell;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::{before, byte, digits_from, follows};

/// One region's plan.
#[derive(Debug)]
struct Plan {
    region: &'static str,
    code: &'static str,
    trunk: &'static str,
    numbers: &'static str,
}

/// Every region's plan, and which are looked for nationally.
#[derive(Debug)]
struct Plans {
    all: Vec<Plan>,
    national: Vec<usize>,
}

/// Recognizes telephone numbers. Patterns are compiled as they are met, by each clone for itself.
#[derive(Debug)]
pub struct Phones {
    plans: Arc<Plans>,
    compiled: Vec<OnceCell<Option<Regex>>>,
}

impl Clone for Phones {
    fn clone(&self) -> Self {
        Self { plans: self.plans.clone(), compiled: self.compiled.clone() }
    }
}

/// Words after which digits are a telephone number.
const CUES: [&str; 30] = [
    "tel",
    "telephone",
    "phone",
    "ph",
    "fax",
    "mobile",
    "mob",
    "cell",
    "call",
    "sms",
    "whatsapp",
    "telefon",
    "telefono",
    "tlf",
    "tfno",
    "handy",
    "mobil",
    "movil",
    "celular",
    "telefax",
    "telefone",
    "phones",
    "tél",
    "téléphone",
    "teléfono",
    "móvil",
    "телефон",
    "тел",
    "电话",
    "電話",
];

/// Fewest and most digits of a number (E.164 allows 15 with the calling code), and most groups they are written in.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
const GROUPS: usize = 7;

/// Whether there is a numbering plan for `region`, an ISO 3166 code such as `US`.
pub fn region_exists(region: &str) -> bool {
    rows().any(|plan| plan.region == region)
}

fn rows() -> impl Iterator<Item = Plan> {
    include_str!("phones.tsv").lines().filter(|l| !l.starts_with('#')).filter_map(|line| {
        let mut columns = line.split('\t');
        let mut column = || columns.next();
        Some(Plan { region: column()?, code: column()?, trunk: column()?, numbers: column()? })
    })
}

/// How a number is written.
struct Written {
    digits: [u8; 18],
    count: usize,
    /// Digits up to the end of each group, and the group's end in the text.
    ends: [(usize, usize); GROUPS],
    groups: usize,
    /// Whether only spaces stand between the groups.
    spaced: bool,
}

impl Phones {
    /// Nationally written numbers are looked for as in `regions`.
    pub fn new(regions: &[String]) -> Self {
        let all: Vec<Plan> = rows().collect();
        let national =
            all.iter().enumerate().filter(|(_, p)| regions.iter().any(|r| r == p.region)).map(|(i, _)| i).collect();
        let compiled = all.iter().map(|_| OnceCell::new()).collect();
        Self { plans: Arc::new(Plans { all, national }), compiled }
    }

    /// The number whose first digits are `start..end`: where it begins, a `+` or bracket included, and ends. It may stand
    /// right after another find, which ends at `floor`: a boundary now, and after that is replaced.
    pub fn at(&mut self, text: &str, start: usize, end: usize, floor: usize) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        let plus = before(bytes, start) == b'+';
        let open = matches!(before(bytes, start), b'(' | b'[');
        if end - start > *DIGITS.end()
            || (!plus && self.plans.national.is_empty() && !bytes.get(start..)?.starts_with(b"00"))
        {
            return None;
        }
        let first = start - usize::from(plus || open);
        let prefixed = plus && matches!(before(bytes, first), b'(');
        let first = first - usize::from(prefixed);
        if first != floor && part_of_something(bytes, first, floor) {
            return None;
        }
        let written = written(text, start)?;
        // The longest beginning of the groups that is a number.
        for groups in (1..=written.groups).rev() {
            let (count, end) = *written.ends.get(groups - 1)?;
            if DIGITS.contains(&count)
                && !goes_on(bytes, end)
                && self.is_number(bytes, &written, groups, count, plus, first)
            {
                // A bracket that was opened inside is closed inside.
                let brackets = bytes.get(first..end)?.iter().filter(|b| **b == b'(').count();
                let closed = bytes.get(first..end)?.iter().filter(|b| **b == b')').count();
                return (brackets == closed)
                    .then_some((first, end))
                    .or((open && brackets == closed + 1).then_some((start, end)));
            }
        }
        None
    }

    fn is_number(
        &self,
        bytes: &[u8],
        written: &Written,
        groups: usize,
        count: usize,
        plus: bool,
        first: usize,
    ) -> bool {
        let Some(digits) = written.digits.get(..count) else { return false };
        if plus {
            return self.international(digits);
        }
        let cued = follows(bytes, first, &CUES);
        if let Some(rest) = digits.strip_prefix(b"00")
            && (groups > 1 || cued)
            && self.international(rest)
        {
            return true;
        }
        self.plans.national.iter().any(|&plan| self.national(plan, digits, written, groups, cued))
            && !dated(written, groups)
    }

    /// Whether `digits` are a calling code and a valid number of it.
    pub fn international(&self, digits: &[u8]) -> bool {
        let plans = self.plans.all.iter().enumerate();
        plans.filter(|(_, plan)| digits.starts_with(plan.code.as_bytes())).any(|(index, plan)| {
            let number = digits.get(plan.code.len()..).unwrap_or_default();
            // `+44 (0)20`: the trunk prefix is written, but not dialled from abroad.
            self.valid(index, number) || trunked(plan, number).is_some_and(|number| self.valid(index, number))
        })
    }

    fn national(&self, index: usize, digits: &[u8], written: &Written, groups: usize, cued: bool) -> bool {
        let Some(plan) = self.plans.all.get(index) else { return false };
        let grouped = written.ends.get(..groups).unwrap_or_default();
        let looks = match (plan.code, plan.trunk) {
            ("1", _) => {
                let shape = || {
                    let lengths = lengths_of(grouped);
                    lengths.strip_prefix(&[1]).unwrap_or(&lengths) == [3, 3, 4]
                };
                digits.len() == 10 + usize::from(digits.first() == Some(&b'1'))
                    && (cued || (!written.spaced && shape()))
            }
            (_, "") => cued || groups >= 3,
            _ => trunked(plan, digits).is_some() && (cued || groups >= 2),
        };
        let number = trunked(plan, digits).unwrap_or(digits);
        looks && (self.valid(index, number) || self.valid(index, digits))
    }

    /// Whether `number`, without calling code and trunk prefix, is one of the plan.
    fn valid(&self, plan: usize, number: &[u8]) -> bool {
        let (Some(cell), Some(plan)) = (self.compiled.get(plan), self.plans.all.get(plan)) else { return false };
        let pattern =
            cell.get_or_init(|| RegexBuilder::new(&format!("^(?:{})$", plan.numbers)).unicode(false).build().ok());
        pattern.as_ref().is_some_and(|p| p.is_match(number))
    }
}

fn trunked<'d>(plan: &Plan, digits: &'d [u8]) -> Option<&'d [u8]> {
    if plan.trunk.is_empty() { None } else { digits.strip_prefix(plan.trunk.as_bytes()) }
}

fn lengths_of(ends: &[(usize, usize)]) -> Vec<usize> {
    let mut last = 0;
    ends.iter().map(|(digits, _)| digits - std::mem::replace(&mut last, *digits)).collect()
}

/// Whether what stands before makes the digits a part of something else. A digit at the end of another find, which ends at
/// `floor`, does not.
fn part_of_something(bytes: &[u8], first: usize, floor: usize) -> bool {
    match before(bytes, first) {
        b if b.is_ascii_alphanumeric() => true,
        b'_' | b'$' | b'#' | b'@' | b'%' | b'&' | b'*' | b'+' | b'/' | b'\\' => true,
        b'.' | b',' | b'-' | b':' | b'(' => {
            first.checked_sub(1).is_some_and(|at| at != floor && before(bytes, at).is_ascii_digit())
        }
        _ => false,
    }
}

/// Whether what follows makes the digits a part of something longer.
fn goes_on(bytes: &[u8], end: usize) -> bool {
    match byte(bytes, end) {
        // An extension: `212-736-5000x42`.
        b'x' | b'X' if byte(bytes, end + 1).is_ascii_digit() => {
            let extension = digits_from(bytes, end + 1);
            extension > end + 7 || byte(bytes, extension).is_ascii_alphanumeric()
        }
        b if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@' | b'%' | b'$') => true,
        b'.' | b',' | b'-' | b'/' | b':' => byte(bytes, end + 1).is_ascii_digit(),
        _ => false,
    }
}

/// Reads the groups of digits that begin at `start`.
fn written(text: &str, start: usize) -> Option<Written> {
    let bytes = text.as_bytes();
    let mut written = Written { digits: [0; 18], count: 0, ends: [(0, 0); GROUPS], groups: 0, spaced: true };
    let mut at = start;
    while written.groups < GROUPS {
        let end = digits_from(bytes, at).min(at + written.digits.len() + 1);
        let group = bytes.get(at..end)?;
        let Some(room) = written.digits.get_mut(written.count..written.count + group.len()) else { break };
        room.copy_from_slice(group);
        written.count += group.len();
        *written.ends.get_mut(written.groups)? = (written.count, end);
        written.groups += 1;
        let Some((length, spaces)) = separator(text, end) else { break };
        written.spaced &= spaces;
        at = end + length;
    }
    Some(written)
}

/// What stands at `at` between two groups of digits: its length, and whether it is only a space. A few characters at most.
fn separator(text: &str, at: usize) -> Option<(usize, bool)> {
    let (mut length, mut spaces) = (0, true);
    for c in text.get(at..)?.chars().take(4) {
        match c {
            '0'..='9' => return (length > 0).then_some((length, spaces)),
            ' ' | '\u{a0}' | '\u{202f}' => {}
            '-' | '.' | '/' | '(' | ')' | '\u{2010}' | '\u{2011}' | '\u{2013}' => spaces = false,
            _ => return None,
        }
        length += c.len_utf8();
    }
    None
}

/// Whether the groups are a date or years: `2012-10-24`, `24.12.2012`, `1999-2004`.
fn dated(written: &Written, groups: usize) -> bool {
    let ends = written.ends.get(..groups).unwrap_or_default();
    let lengths = lengths_of(ends);
    let year = |group: usize| {
        let end = ends.get(group).map_or(0, |e| e.0);
        lengths.get(group) == Some(&4)
            && matches!(written.digits.get(end.saturating_sub(4)..end), Some([b'1', b'9', ..] | [b'2', b'0', ..]))
    };
    match lengths.as_slice() {
        [4, 4] => year(0) || year(1),
        [4, 1..=2, 1..=2, ..] => year(0),
        [1..=2, 1..=2, 4, ..] => year(2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's phonenumbers says of these numbers (see `fixtures/goldens/phones.py`).
    #[test]
    fn numbers_are_valid_as_libphonenumber_says() {
        let phones = Phones::new(&[]);
        let golden = std::fs::read_to_string("fixtures/goldens/phones.tsv").unwrap();
        let (mut valid, mut wrong) = (0, Vec::new());
        for line in golden.lines().filter(|l| !l.starts_with('#')) {
            let (number, says) = line.split_once('\t').unwrap();
            valid += usize::from(says == "1");
            if phones.international(number.as_bytes()) != (says == "1") {
                wrong.push(line);
            }
        }
        assert!(valid > 900, "{valid}");
        // Gabon's and Norfolk Island's numbers of before their plans changed, which libphonenumber rewrites.
        assert_eq!(wrong, ["241060312343\t1", "67210660\t1"]);
    }

    #[test]
    fn every_pattern_compiles() {
        let phones = Phones::new(&["US".to_owned()]);
        assert!(phones.plans.all.len() > 240);
        for (index, plan) in phones.plans.all.iter().enumerate() {
            phones.valid(index, b"1");
            assert!(phones.compiled[index].get().unwrap().is_some(), "{}", plan.region);
        }
        assert!(region_exists("US") && region_exists("DE") && !region_exists("XX"));
    }
}
