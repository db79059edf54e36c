//! Tokens as spaCy 3.8's `spacy.blank("en")` makes them, which datatrove ≥ 0.4 counts as words.
//!
//! Text is cut at whitespace; of each chunk prefixes and suffixes are split off until a special case, a URL or nothing more to
//! split is left; what is left is cut at infixes. Last, where the affix rules cut a special case to pieces (`:` `)`), the special
//! case is looked for once more among the tokens. spaCy's rules are regular expressions and its special cases a table; here
//! the rules are scanners over classes of characters, which makes them linear in the length of a chunk, and some hundred times
//! faster. Tokens of whitespace, which datatrove drops, are not made. Equality is tested on a golden (`fixtures/goldens/words.py`).

mod affixes;
mod infixes;
mod specials;
#[rustfmt::skip]
#[allow(missing_docs, reason = "made by a script")]
mod table;
mod url;

use super::Span;
use crate::text::chars::{self, ASCII, Chars, SPACE, SPACY_ALPHA};
use specials::Specials;

/// Appends the tokens of `text` that are not whitespace to `out`.
pub fn words(text: &str, out: &mut Vec<Span>) {
    let from = out.len();
    let mut tokenizer =
        Tokenizer { text, chars: chars::chars(), specials: specials::specials(), suffixes: Vec::new(), out };
    tokenizer.chunks();
    specials::specials().rejoin(text, from, out);
}

struct Tokenizer<'t, 'o> {
    text: &'t str,
    chars: &'static Chars,
    specials: &'static Specials,
    /// Suffixes of the chunk at hand, the outermost first.
    suffixes: Vec<Span>,
    out: &'o mut Vec<Span>,
}

/// What ends a run of ASCII letters: a letter, whitespace, a mark that is cut off behind a word, or anything else.
const LETTER: u8 = 0;
const BLANK: u8 = 1;
const MARK: u8 = 2;
const DOT: u8 = 3;
const OTHER: u8 = 4;

static ENDS: [u8; 256] = ends();

const fn ends() -> [u8; 256] {
    let mut ends = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8;
        ends[byte] = if c.is_ascii_alphabetic() {
            LETTER
        } else if ASCII[byte] & SPACE != 0 {
            BLANK
        } else if matches!(c, b',' | b';' | b':' | b'!' | b'?' | b')') {
            MARK
        } else if c == b'.' {
            DOT
        } else {
            OTHER
        };
        byte += 1;
    }
    ends
}

impl Tokenizer<'_, '_> {
    fn chunks(&mut self) {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let (space, length) = super::space_at(self.text, at, byte);
            if space {
                at += length;
                continue;
            }
            let start = at;
            let class = loop {
                match bytes.get(at) {
                    None => break BLANK,
                    Some(&byte) => match ENDS[byte as usize] {
                        LETTER => at += 1,
                        class => break class,
                    },
                }
            };
            at = self.chunk(start, at, class);
        }
    }

    /// Tokenizes the chunk at `start`, whose ASCII letters end at `letters` with `class`; where it ends.
    #[inline]
    fn chunk(&mut self, start: usize, letters: usize, class: u8) -> usize {
        let bytes = self.text.as_bytes();
        if class == BLANK {
            self.word(start, letters);
            return letters;
        }
        // A word and one mark behind it: nothing but a special case can keep them together.
        let next = bytes.get(letters + 1).map_or(BLANK, |b| ENDS[*b as usize]);
        if class != OTHER && next == BLANK && letters > start && self.marked(start, letters, class) {
            return letters + 1;
        }
        let mut at = letters;
        while let Some(&byte) = bytes.get(at) {
            let (space, length) = super::space_at(self.text, at, byte);
            if space {
                break;
            }
            at += length;
        }
        self.split(start, at);
        at
    }

    /// A chunk, or what is left of one, of ASCII letters.
    #[inline]
    fn word(&mut self, start: usize, end: usize) {
        let word = self.text.as_bytes().get(start..end).unwrap_or_default();
        if self.specials.maybe(word) && self.special(start, end) {
            return;
        }
        self.out.push((start as u32, end as u32));
    }

    /// ASCII letters up to `end` and one mark behind them; false if this is not as simple as that.
    #[inline]
    fn marked(&mut self, start: usize, end: usize, class: u8) -> bool {
        let bytes = self.text.as_bytes();
        let whole = bytes.get(start..end + 1).unwrap_or_default();
        let last = bytes.get(end - 1).copied().unwrap_or(0);
        if self.specials.maybe(whole) || (class == DOT && !last.is_ascii_lowercase()) {
            return false;
        }
        self.word(start, end);
        self.out.push((end as u32, end as u32 + 1));
        true
    }

    /// Pushes the tokens of a special case, if it is one.
    fn special(&mut self, start: usize, end: usize) -> bool {
        let Some(lengths) = self.text.get(start..end).and_then(|t| self.specials.get(t)) else { return false };
        let mut at = start as u32;
        for &length in lengths {
            self.out.push((at, at + u32::from(length)));
            at += u32::from(length);
        }
        true
    }

    fn is_special(&self, start: usize, end: usize) -> bool {
        start < end && self.text.get(start..end).is_some_and(|t| self.specials.get(t).is_some())
    }

    /// The general way with a chunk: affixes, special cases, URLs, infixes.
    fn split(&mut self, start: usize, end: usize) {
        let (start, end) = self.affixes(start, end);
        if start < end && !self.special(start, end) {
            let text = self.text.get(start..end).unwrap_or_default();
            if url::is(text, self.chars) {
                self.out.push((start as u32, end as u32));
            } else {
                infixes::cut(text, start, self.chars, self.out);
            }
        }
        while let Some(suffix) = self.suffixes.pop() {
            self.out.push(suffix);
        }
    }

    /// Pushes prefixes, keeps suffixes, and gives what is left.
    fn affixes(&mut self, mut start: usize, mut end: usize) -> (usize, usize) {
        self.suffixes.clear();
        while start < end && !self.is_special(start, end) {
            let text = self.text.get(start..end).unwrap_or_default();
            let prefix = affixes::prefix(text, self.chars);
            let rest = start + prefix;
            if prefix > 0 && self.is_special(rest, end) {
                self.out.push((start as u32, rest as u32));
                return (rest, end);
            }
            let suffix = affixes::suffix(text.get(prefix..).unwrap_or_default(), self.chars);
            let before = end - suffix;
            if suffix > 0 && self.is_special(start, before) {
                self.suffixes.push((before as u32, end as u32));
                return (start, before);
            }
            if prefix == 0 && suffix == 0 {
                break;
            }
            if prefix > 0 {
                self.out.push((start as u32, rest as u32));
            }
            if suffix > 0 {
                self.suffixes.push((before as u32, end as u32));
            }
            (start, end) = (rest, before);
        }
        (start, end)
    }
}

/// Whether the character before `at` is of `classes` or a digit.
#[inline]
fn behind(text: &str, at: usize, chars: &Chars, classes: u32, digits: bool) -> bool {
    text.get(..at)
        .and_then(|t| t.chars().next_back())
        .is_some_and(|c| (digits && c.is_ascii_digit()) || chars.is(c, classes))
}

/// Whether the character at `at` is of `classes`.
#[inline]
fn ahead(text: &str, at: usize, chars: &Chars, classes: u32) -> bool {
    text.get(at..).and_then(|t| t.chars().next()).is_some_and(|c| chars.is(c, classes))
}

const ALPHA: u32 = SPACY_ALPHA;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::text::{sentences, simplify};

    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        words: Vec<String>,
        sentences: Vec<String>,
        spans: Vec<String>,
        simple: String,
    }

    fn golden() -> Vec<Case> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/goldens/words.jsonl.gz");
        let mut text = String::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn of<'t>(text: &'t str, spans: &[Span]) -> Vec<&'t str> {
        spans.iter().map(|s| &text[s.0 as usize..s.1 as usize]).collect()
    }

    #[test]
    fn words_sentences_and_simple_text_are_the_peers() {
        let golden = golden();
        assert!(golden.len() > 400);
        for case in golden {
            let (mut found, mut ends) = (Vec::new(), Vec::new());
            words(&case.text, &mut found);
            assert_eq!(of(&case.text, &found), case.words, "{:?}", case.text);
            sentences::spacy(&case.text, &found, &mut ends);
            let spans = of(&case.text, &ends);
            assert_eq!(spans, case.spans, "{:?}", case.text);
            let stripped: Vec<&str> = spans.iter().map(|s| chars::strip(s)).filter(|s| !s.is_empty()).collect();
            assert_eq!(stripped, case.sentences, "{:?}", case.text);
            let mut simple = String::new();
            simplify::simplify(&case.text, &mut simple);
            assert_eq!(simple, case.simple, "{:?}", case.text);
        }
    }

    #[test]
    fn long_chunks_take_linear_time() {
        for piece in ["(", ".", "a.", "@", "a@b.", "x-", "'s", ":)", "日", "5%", "…", "\u{301}", "a", "://", "1."] {
            let text = piece.repeat(300_000 / piece.len());
            let mut found = Vec::new();
            words(&text, &mut found);
            assert!(!found.is_empty());
        }
    }
}
