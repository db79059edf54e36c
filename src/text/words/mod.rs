//! Words, as the ways of counting them that recipes name.

pub mod dictionary;
pub mod spacy;
pub mod unicode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chars;

/// Start and end of a word, in bytes.
pub type Span = (u32, u32);

/// How words are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// Unicode words (UAX #29): no punctuation.
    #[default]
    Unicode,
    /// Whatever whitespace separates, as Python's `str.split` does it.
    Whitespace,
    /// Tokens of spaCy 3.8's blank English pipeline, which datatrove ≥ 0.4 counts as words: punctuation marks are words too.
    Spacy,
    /// Unicode words, but those of Chinese, Japanese, Thai, Lao, Khmer and Burmese, which are written without spaces, as ICU's
    /// dictionaries have them.
    Dictionary,
}

impl Words {
    /// How many ways there are.
    pub const WAYS: usize = 4;

    /// Appends the words of `text` to `out`.
    pub fn find(self, text: &str, out: &mut Vec<Span>) {
        match self {
            Self::Unicode => unicode::words(text, out),
            Self::Whitespace => whitespace(text, out),
            Self::Spacy => spacy::words(text, out),
            Self::Dictionary => dictionary::words(text, out),
        }
    }
}

/// What Python's `str.split` gives, as byte spans.
pub fn whitespace(text: &str, out: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let (mut at, mut start) = (0, None);
    while let Some(&byte) = bytes.get(at) {
        let (space, length) = space_at(text, at, byte);
        match (space, start) {
            (true, Some(from)) => {
                out.push((from, at as u32));
                start = None;
            }
            (false, None) => start = Some(at as u32),
            _ => {}
        }
        at += length;
    }
    if let Some(from) = start {
        out.push((from, text.len() as u32));
    }
}

/// fastText's words that begin with a letter or digit (Python's `isalnum`), which DCLM counts. fastText cuts at ASCII's whitespace and at
/// zeros alone.
pub fn fasttext(text: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| matches!(c, ' ' | '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\0');
    text.split(ends).filter(|word| is_lettered(word))
}

/// Whether `word` begins with a letter or digit (Python's `isalnum`).
#[inline]
pub fn is_lettered(word: &str) -> bool {
    word.chars().next().is_some_and(|c| c != '_' && chars::chars().is(c, chars::WORD))
}

/// Whether a character of whitespace starts at `at`, where `byte` is, and the bytes to go on by. Only lead bytes of whitespace
/// are decoded: of other characters, one byte is passed at a time.
#[inline]
fn space_at(text: &str, at: usize, byte: u8) -> (bool, usize) {
    match byte {
        0..=127 => (chars::ASCII[byte as usize] & chars::SPACE != 0, 1),
        0xc2 | 0xe1 | 0xe2 | 0xe3 => match text.get(at..).and_then(|t| t.chars().next()) {
            Some(c) => (chars::is_space(c), c.len_utf8()),
            None => (false, 1),
        },
        _ => (false, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whitespace_words_are_pythons(text in "[ab\\u{85}\\u{1c} \\n\\u{3000}é\\u{e000}日]{0,20}") {
            let mut found = Vec::new();
            whitespace(&text, &mut found);
            let words: Vec<&str> = found.iter().map(|s| &text[s.0 as usize..s.1 as usize]).collect();
            let split: Vec<&str> = text.split(chars::is_space).filter(|w| !w.is_empty()).collect();
            prop_assert_eq!(words, split);
        }
    }
}
