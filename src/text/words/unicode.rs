//! Unicode words: segments of UAX #29 that hold a letter or digit. ASCII and the common alphabets are segmented here; where
//! anything else stands, the library decides. Equality with the library is property-tested.

use unicode_segmentation::UnicodeSegmentation;

use super::Span;

/// A letter or digit.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
/// Joins letters and digits: `_`.
const JOINER: u8 = 4;
/// Joins letters: `:`, `.`, `'`.
const MID_LETTER: u8 = 8;
/// Joins digits: `,`, `;`, `.`, `'`.
const MID_DIGIT: u8 = 16;
/// Space, tab, line feed.
const SPACE: u8 = 32;
/// Neither a letter nor a digit of ASCII, nor a space.
const NOT_PLAIN: u8 = 64;
/// Beyond ASCII.
const HIGH: u8 = 128;
const WORD: u8 = LETTER | DIGIT | JOINER;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut class = [HIGH | NOT_PLAIN; 256];
    let mut byte = 0;
    while byte < 128 {
        class[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'_' => JOINER | NOT_PLAIN,
            b'.' | b'\'' => MID_LETTER | MID_DIGIT | NOT_PLAIN,
            b':' => MID_LETTER | NOT_PLAIN,
            b',' | b';' => MID_DIGIT | NOT_PLAIN,
            b' ' | b'\n' | b'\t' => SPACE,
            _ => NOT_PLAIN,
        };
        byte += 1;
    }
    class
}

#[inline]
fn class(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).map_or(0, |b| CLASS[*b as usize])
}

/// Appends the Unicode words of `text` to `out`.
pub fn words(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        // A space is a boundary on both sides, unless a combining mark stands on it: the library sees to that.
        let chunk = at;
        let (end, held) = chunk_end(bytes, at);
        if held & NOT_PLAIN == 0 {
            if end > chunk {
                out.push((chunk as u32, end as u32));
            }
        } else if held & HIGH == 0 {
            ascii(bytes, chunk, end, out);
        } else if !simple(text, chunk, end, out) {
            library(text, chunk, end, out);
        }
        at = end + 1;
    }
}

/// Where the chunk that starts at `at` ends (at a space or the end of the text), and the classes it holds.
#[inline]
fn chunk_end(bytes: &[u8], at: usize) -> (usize, u8) {
    let (mut end, mut held) = (at, 0);
    while let Some(&byte) = bytes.get(end) {
        let class = CLASS[byte as usize];
        if class == SPACE {
            break;
        }
        held |= class;
        end += 1;
    }
    (end, held)
}

/// The library's words of a chunk. It starts at the spaces before, for the first of them may bear a combining mark.
fn library(text: &str, start: usize, end: usize, out: &mut Vec<Span>) {
    if text.get(start..end).is_some_and(|chunk| chunk.trim_start().is_empty()) {
        return;
    }
    let start = text.get(..start).unwrap_or_default().trim_end().len();
    let chunk = text.get(start..end).unwrap_or_default();
    out.extend(chunk.unicode_word_indices().map(|(at, word)| ((start + at) as u32, (start + at + word.len()) as u32)));
}

/// The words of an ASCII chunk without spaces.
#[inline]
fn ascii(bytes: &[u8], start: usize, end: usize, out: &mut Vec<Span>) {
    let bytes = bytes.get(..end).unwrap_or_default();
    let mut at = start;
    while at < end {
        let first = class(bytes, at);
        if first & WORD == 0 {
            at += 1;
            continue;
        }
        let from = at;
        let (mut seen, mut last) = (first, first);
        at += 1;
        while at < end {
            let here = class(bytes, at);
            if here & WORD != 0 {
                (seen, last) = (seen | here, here);
                at += 1;
                continue;
            }
            let next = class(bytes, at + 1);
            let joins = (here & MID_LETTER != 0 && last & next & LETTER != 0)
                || (here & MID_DIGIT != 0 && last & next & DIGIT != 0);
            if !joins {
                break;
            }
            last = next;
            at += 2;
        }
        // Joiners alone are no word.
        if seen & (LETTER | DIGIT) != 0 {
            out.push((from as u32, at as u32));
        }
    }
}

/// What a character beyond ASCII is to the scanner of common alphabets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A letter like those of ASCII.
    Letter,
    /// A word of its own: Han, Hiragana.
    Alone,
    /// No word, and joins nothing.
    Mark,
    /// Joins letters and digits as the dot does: `’`.
    Mid,
}

/// `None`: the library must look.
#[inline]
fn kind(c: char) -> Option<Kind> {
    match c as u32 {
        0xc0..=0xd6
        | 0xd8..=0xf6
        | 0xf8..=0x2b8
        | 0x388..=0x38a
        | 0x38e..=0x3a1
        | 0x3a3..=0x3f5
        | 0x3f7..=0x481
        | 0x48a..=0x52f
        | 0x1e00..=0x1f15 => Some(Kind::Letter),
        0x4e00..=0x9fef | 0x3041..=0x3096 => Some(Kind::Alone),
        0xa1 | 0xa7 | 0xa9 | 0xab | 0xae | 0xb0 | 0xb1 | 0xbb | 0xbf | 0xd7 | 0xf7 | 0x2013 | 0x2014 | 0x201c
        | 0x201d | 0x2022 | 0x2026 | 0x3001 | 0x3002 | 0x300c | 0x300d | 0xff08 | 0xff09 | 0xff01 | 0xff1f => {
            Some(Kind::Mark)
        }
        0x2019 => Some(Kind::Mid),
        _ => None,
    }
}

/// The words of a chunk of ASCII and common alphabets; nothing, and false, if another character stands in it.
fn simple(text: &str, start: usize, end: usize, out: &mut Vec<Span>) -> bool {
    let before = out.len();
    let Some(chunk) = text.get(start..end) else { return false };
    let mut scan = Scan { word: None, pending: None, start: start as u32, out };
    for (at, c) in chunk.char_indices() {
        let class = if c.is_ascii() {
            CLASS[c as usize]
        } else {
            match kind(c) {
                Some(Kind::Letter) => LETTER,
                Some(Kind::Mid) => MID_LETTER | MID_DIGIT,
                Some(Kind::Mark) => 0,
                Some(Kind::Alone) => {
                    scan.close(at);
                    scan.out.push(((start + at) as u32, (start + at + c.len_utf8()) as u32));
                    continue;
                }
                None => {
                    out.truncate(before);
                    return false;
                }
            }
        };
        scan.push(at, class);
    }
    scan.close(chunk.len());
    true
}

/// A word being read.
struct Scan<'o> {
    /// Where it starts, what it holds, and its last class.
    word: Option<(usize, u8, u8)>,
    /// A joining mark that waits for its right side, and where it is.
    pending: Option<(usize, u8)>,
    start: u32,
    out: &'o mut Vec<Span>,
}

impl Scan<'_> {
    fn push(&mut self, at: usize, class: u8) {
        if class & WORD != 0 {
            if let (Some((mark, mid)), Some((_, _, last))) = (self.pending, self.word) {
                let joins = (mid & MID_LETTER != 0 && last & class & LETTER != 0)
                    || (mid & MID_DIGIT != 0 && last & class & DIGIT != 0);
                if !joins {
                    self.close(mark);
                }
            }
            self.pending = None;
            self.word = match self.word {
                Some((from, seen, _)) => Some((from, seen | class, class)),
                None => Some((at, class, class)),
            };
        } else if class & (MID_LETTER | MID_DIGIT) != 0 && self.pending.is_none() && self.word.is_some() {
            self.pending = Some((at, class));
        } else {
            self.close(at);
        }
    }

    fn close(&mut self, at: usize) {
        let end = self.pending.take().map_or(at, |(mark, _)| mark);
        if let Some((from, seen, _)) = self.word.take()
            && seen & (LETTER | DIGIT) != 0
        {
            self.out.push((self.start + from as u32, self.start + end as u32));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ours(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        words(text, &mut out);
        out.iter().map(|s| &text[s.0 as usize..s.1 as usize]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn ascii_equals_the_library(text in "[a-c0-2_.,;:' \\n\\t()\\r\\u{1}-]{0,24}") {
            prop_assert_eq!(ours(&text), text.unicode_words().collect::<Vec<_>>());
        }

        #[test]
        fn alphabets_equal_the_library(text in "[ab1_.,:' \\n«»éßЖжῄ日本かカ。’“\\u{301}\\u{200d}\\u{ad}😀🇩🇪אב\"ه]{0,24}") {
            prop_assert_eq!(ours(&text), text.unicode_words().collect::<Vec<_>>());
        }

        #[test]
        fn anything_equals_the_library(text in "\\PC{0,24}") {
            prop_assert_eq!(ours(&text), text.unicode_words().collect::<Vec<_>>());
        }
    }

    /// Every character that is not left to the library, among letters, digits, marks and spaces.
    #[test]
    fn every_simple_character_is_what_the_scanner_takes_it_for() {
        for c in (0x80..0x1_0000).filter_map(char::from_u32).filter(|c| kind(*c).is_some()) {
            for text in [
                format!("a{c}b"),
                format!("1{c}2"),
                format!("{c}"),
                format!("_{c} {c}{c}"),
                format!("a.{c}.1,{c}{c}'b"),
            ] {
                assert_eq!(ours(&text), text.unicode_words().collect::<Vec<_>>(), "{c:?} in {text:?}");
            }
        }
    }
}
