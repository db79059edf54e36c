//! What is split off a chunk at its start and end.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::behind;
use super::table::BEHIND_DIGIT;
use crate::text::chars::{Chars, SPACY_BEFORE_DOT, SPACY_PREFIX, SPACY_SUFFIX, SPACY_UPPER};

/// Length in bytes of the prefix of `text`, 0 if it has none.
#[inline]
pub fn prefix(text: &str, chars: &Chars) -> usize {
    let Some(first) = text.chars().next() else { return 0 };
    match first {
        'a'..='z' | '0'..='9' => 0,
        '.' => run_of_dots(text.bytes()),
        '+' => usize::from(!text.as_bytes().get(1).is_some_and(u8::is_ascii_digit)),
        'U' if text.starts_with("US$") => 3,
        'C' | 'A' if text.as_bytes().get(1) == Some(&b'$') => 2,
        c if chars.is(c, SPACY_PREFIX) => c.len_utf8(),
        _ => 0,
    }
}

/// How many dots, if two or more.
fn run_of_dots(bytes: impl Iterator<Item = u8>) -> usize {
    let dots = bytes.take_while(|b| *b == b'.').count();
    if dots >= 2 { dots } else { 0 }
}

/// Length in bytes of the suffix of `text`, 0 if it has none. It is the longest that any rule gives: the rules are anchored at
/// the end, and the first place to match is the farthest from it.
#[inline]
pub fn suffix(text: &str, chars: &Chars) -> usize {
    let Some(last) = text.chars().next_back() else { return 0 };
    let start = text.len() - last.len_utf8();
    let short = match last {
        '.' => dot(text, start, chars),
        '…' => {
            if text.get(..start).is_some_and(|t| t.ends_with('…')) {
                6
            } else {
                3
            }
        }
        's' | 'S' => match text.get(..start).and_then(|t| t.chars().next_back()) {
            Some('\'') => 2,
            Some('’') => 4,
            _ => 0,
        },
        '+' => usize::from(text.get(..start).is_some_and(|t| t.ends_with(|c: char| c.is_ascii_digit()))),
        c if chars.is(c, SPACY_SUFFIX) => c.len_utf8(),
        _ => 0,
    };
    short.max(behind_digit(text, last))
}

fn dot(text: &str, start: usize, chars: &Chars) -> usize {
    let dots = run_of_dots(text.bytes().rev());
    if dots > 0 {
        return dots;
    }
    let Some(before) = text.get(..start).and_then(|t| t.chars().next_back()) else { return 0 };
    let cut = before.is_ascii_digit()
        || chars.is(before, SPACY_BEFORE_DOT)
        || (chars.is(before, SPACY_UPPER) && behind(text, start - before.len_utf8(), chars, SPACY_UPPER, false))
        || (matches!(before, 'F' | 'C' | 'K') && text.get(..start - 1).is_some_and(|t| t.ends_with('°')));
    usize::from(cut)
}

static UNITS: LazyLock<HashSet<&str, foldhash::fast::FixedState>> =
    LazyLock::new(|| BEHIND_DIGIT.iter().copied().collect());

/// Length in bytes of the unit or currency at the end of `text`, right behind a digit.
fn behind_digit(text: &str, last: char) -> usize {
    // The longest, `тбكم`, has 8 bytes: a digit farther from the end is of no interest.
    if last.is_ascii_digit() {
        return 0;
    }
    let bytes = text.as_bytes();
    let from = bytes.len().saturating_sub(11);
    let Some(digit) = bytes.get(from..).and_then(|tail| tail.iter().rposition(u8::is_ascii_digit)) else { return 0 };
    let unit = text.get(from + digit + 1..).unwrap_or_default();
    if UNITS.contains(unit) { unit.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::chars::chars;

    #[test]
    fn units_fit_the_window() {
        assert!(BEHIND_DIGIT.iter().all(|unit| unit.len() <= 10));
    }

    #[test]
    fn rules_that_look_around() {
        let (prefix, suffix) = (|t| prefix(t, chars()), |t| suffix(t, chars()));
        assert_eq!((prefix("US$5"), prefix("+5"), prefix("+a"), prefix("...a"), prefix(".a")), (3, 0, 1, 3, 0));
        assert_eq!(
            (suffix("5km"), suffix("km"), suffix("a."), suffix("A."), suffix("AB."), suffix("°C.")),
            (2, 0, 1, 0, 1, 1)
        );
        assert_eq!((suffix("a………"), suffix("a…"), suffix("it’s"), suffix("5+"), suffix("a+")), (6, 3, 4, 1, 0));
    }
}
