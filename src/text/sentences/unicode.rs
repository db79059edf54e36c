//! Sentences by UAX #29, line by line: a line feed ends a sentence, and nothing before it matters behind it. Equality with the
//! library is property-tested; where a character is met whose class only the library knows, it decides the line.

use std::sync::LazyLock;

use unicode_segmentation::UnicodeSegmentation;

use crate::text::chars;

/// Classes of the rules (`Sentence_Break`), of which a character has one.
const OTHER: u16 = 1;
/// Ends a paragraph: `Sep`, `CR`, `LF`.
const PARAGRAPH: u16 = 1 << 1;
/// Belongs to what it stands behind: `Extend`, `Format`.
const EXTEND: u16 = 1 << 2;
const SPACE: u16 = 1 << 3;
const LOWER: u16 = 1 << 4;
const UPPER: u16 = 1 << 5;
/// Letters without case.
const LETTER: u16 = 1 << 6;
const NUMERIC: u16 = 1 << 7;
/// A dot: `ATerm`.
const DOT: u16 = 1 << 8;
/// Another mark that ends a sentence: `STerm`.
const STOP: u16 = 1 << 9;
const CLOSE: u16 = 1 << 10;
/// Goes on with a sentence: `SContinue`.
const COMMA: u16 = 1 << 11;
/// Of a later Unicode than the table.
const UNKNOWN: u16 = 1 << 12;

/// The exponent of each character's class.
static CLASSES: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let mut classes = vec![0; 0x11_0000].into_boxed_slice();
    for (pattern, class) in [
        (r"[\r\n\p{sb=sep}]", PARAGRAPH),
        (r"[\p{sb=extend}\p{sb=format}]", EXTEND),
        (r"\p{sb=sp}", SPACE),
        (r"\p{sb=lower}", LOWER),
        (r"\p{sb=upper}", UPPER),
        (r"\p{sb=oletter}", LETTER),
        (r"\p{sb=numeric}", NUMERIC),
        (r"\p{sb=aterm}", DOT),
        (r"\p{sb=sterm}", STOP),
        (r"\p{sb=close}", CLOSE),
        (r"\p{sb=scontinue}", COMMA),
        // What is not assigned in that table's Unicode 16, and a letter that Unicode 17 holds to be without case.
        (r"[\p{Cn}\u{295}]", UNKNOWN),
    ] {
        chars::of_class(pattern, &mut classes, |place| *place = class.trailing_zeros() as u8);
    }
    classes
});

/// Tells where each Unicode sentence of `text` ends.
pub fn unicode(text: &str, mut end: impl FnMut(usize)) {
    let classes = &**CLASSES;
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        let known = line.is_ascii() || line.chars().all(|c| class(classes, c) != UNKNOWN);
        if known {
            Line { text: line, classes }.sentences(|at| end(from + at));
        } else {
            line.split_sentence_bound_indices().for_each(|(at, sentence)| end(from + at + sentence.len()));
        }
        from += line.len();
    }
}

#[inline(always)]
fn class(classes: &[u8], c: char) -> u16 {
    1 << classes.get(c as usize).copied().unwrap_or(0)
}

/// A text that ends with its first line feed, or has none.
struct Line<'t> {
    text: &'t str,
    classes: &'t [u8],
}

impl Line<'_> {
    fn sentences(&self, mut end: impl FnMut(usize)) {
        let (mut start, mut at) = (0, 0);
        loop {
            let (class, length) = self.at(at);
            if length == 0 {
                break;
            }
            let mark = at;
            at += length;
            let stop = match class {
                PARAGRAPH => Some(self.behind_paragraph(mark)),
                DOT | STOP => {
                    let (after, ends) = self.behind_mark(mark, at, class == DOT);
                    at = after;
                    ends.then_some(after)
                }
                _ => None,
            };
            if let Some(stop) = stop.filter(|stop| *stop < self.text.len()) {
                end(stop);
                (start, at) = (stop, stop);
            }
        }
        if start < self.text.len() {
            end(self.text.len());
        }
    }

    /// The class of the character at `at`, and its bytes: none at the end.
    #[inline(always)]
    fn at(&self, at: usize) -> (u16, usize) {
        match self.text.as_bytes().get(at) {
            Some(byte @ 0..=0x7f) => (class(self.classes, char::from(*byte)), 1),
            _ => match self.text.get(at..).and_then(|rest| rest.chars().next()) {
                Some(c) => (class(self.classes, c), c.len_utf8()),
                None => (OTHER, 0),
            },
        }
    }

    /// Behind the character of a class that ends a paragraph.
    fn behind_paragraph(&self, at: usize) -> usize {
        let together = self.text.get(at..).is_some_and(|rest| rest.starts_with("\r\n"));
        at + if together { 2 } else { self.at(at).1 }
    }

    /// The end of the run of characters of a class from `at`, with what belongs to them.
    fn run(&self, mut at: usize, of: u16) -> usize {
        loop {
            let (class, length) = self.at(at);
            if class & of == 0 || length == 0 {
                return at;
            }
            at += length;
            if of != EXTEND {
                at = self.run(at, EXTEND);
            }
        }
    }

    /// The class of what stands before `at`, but for what belongs to it.
    fn before(&self, at: usize) -> u16 {
        let mut chars = self.text.get(..at).unwrap_or_default().chars().rev().map(|c| class(self.classes, c));
        chars.find(|class| *class != EXTEND).unwrap_or(OTHER)
    }

    /// From behind a mark that stands at `mark..at`: where to go on, and whether a sentence ends there. Rules SB6 to SB11.
    fn behind_mark(&self, mark: usize, at: usize, dot: bool) -> (usize, bool) {
        let at = self.run(at, EXTEND);
        let next = self.at(at).0;
        if dot && (next == NUMERIC || (next == UPPER && self.before(mark) & (UPPER | LOWER) != 0)) {
            return (at, false);
        }
        let end = self.run(self.run(at, CLOSE), SPACE);
        match self.at(end).0 {
            DOT | STOP | COMMA => (end, false),
            PARAGRAPH => (self.behind_paragraph(end), true),
            _ if dot && self.lower_follows(end) => (end, false),
            _ => (end, true),
        }
    }

    /// Whether a lower-case letter is the first among letters, ends of paragraphs and marks from `at` on.
    fn lower_follows(&self, at: usize) -> bool {
        let mut classes = self.text.get(at..).unwrap_or_default().chars().map(|c| class(self.classes, c));
        classes.find(|class| class & (LETTER | UPPER | LOWER | PARAGRAPH | DOT | STOP) != 0) == Some(LOWER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ours(text: &str) -> Vec<&str> {
        let (mut start, mut found) = (0, Vec::new());
        unicode(text, |end| {
            found.push(&text[start..end]);
            start = end;
        });
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn ascii_equals_the_library(text in "[aB1.!?,;:()\"' \\n\\r\\t\\u{b}\\u{c}_$-]{0,16}|[a-cAB.?! ]{0,20}") {
            prop_assert_eq!(ours(&text), text.split_sentence_bounds().collect::<Vec<_>>());
        }

        #[test]
        fn every_class_equals_the_library(
            text in "[aéBЖ日ש7٣.．!。？,、:—(”«»’ \\u{a0}\\u{3000}\\t\\n\\r\\u{85}\\u{2028}\\u{2029}\\u{300}\\u{200d}\\u{ad}+…\\u{295}\\u{378}\\u{10d69}]{0,16}",
        ) {
            prop_assert_eq!(ours(&text), text.split_sentence_bounds().collect::<Vec<_>>());
        }

        #[test]
        fn anything_equals_the_library(text in any::<String>()) {
            prop_assert_eq!(ours(&text), text.split_sentence_bounds().collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_character_is_of_the_librarys_class() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let around = [
                format!("A.{c}a"),
                format!("A. {c}a"),
                format!("1!{c}b"),
                format!("1! {c}b"),
                format!("a{c} A"),
                format!("a{c}.A"),
                format!("1.. {c}"),
                format!("1.{c}A"),
            ];
            for text in around {
                assert_eq!(ours(&text), text.split_sentence_bounds().collect::<Vec<_>>(), "{c:?}");
            }
        }
    }
}
