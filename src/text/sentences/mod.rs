//! Sentences: by Unicode's rules (UAX #29), and as spaCy's `Sentencizer` ends them, which datatrove ≥ 0.4 uses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::chars::{self, ASCII, Chars, PUNCT, SENTENCE_END};
use super::words::Span;

/// How sentences are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sentences {
    /// Unicode sentences (UAX #29): of any script; a line ends a sentence.
    #[default]
    Unicode,
    /// As spaCy 3.8's `Sentencizer` ends them: neither an ellipsis nor a line does.
    Spacy,
}

/// How many Unicode sentences `text` has that are not blank.
pub fn count_unicode(text: &str) -> usize {
    let (mut start, mut count) = (0, 0);
    unicode(text, |end| {
        count += usize::from(!chars::strip(text.get(start..end).unwrap_or_default()).is_empty());
        start = end;
    });
    count
}

/// Tells where each Unicode sentence of `text` ends. ASCII is scanned here, other text by the library.
pub fn unicode(text: &str, mut end: impl FnMut(usize)) {
    if !text.is_ascii() {
        text.split_sentence_bound_indices().for_each(|(at, sentence)| end(at + sentence.len()));
        return;
    }
    let bytes = text.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let (mut start, mut at) = (0, 0);
    while let Some(&here) = bytes.get(at) {
        at += 1;
        let stop = match here {
            b'\n' => Some(at),
            b'\r' => Some(at + usize::from(byte(at) == b'\n')),
            b'.' | b'!' | b'?' => {
                let (after, ends) = behind_mark(bytes, at);
                at = after;
                ends.then_some(after)
            }
            _ => None,
        };
        if let Some(stop) = stop.filter(|stop| *stop < bytes.len()) {
            end(stop);
            (start, at) = (stop, stop);
        }
    }
    if start < bytes.len() {
        end(bytes.len());
    }
}

/// From behind a sentence mark at `at - 1`: where to go on, and whether a sentence ends there. Rules SB6 to SB11.
fn behind_mark(bytes: &[u8], at: usize) -> (usize, bool) {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let dot = byte(at - 1) == b'.';
    let letter_before = at >= 2 && byte(at - 2).is_ascii_alphabetic();
    if dot && (byte(at).is_ascii_digit() || (letter_before && byte(at).is_ascii_uppercase())) {
        return (at, false);
    }
    let run = |from: usize, of: &[u8]| {
        from + bytes.get(from..).unwrap_or_default().iter().take_while(|b| of.contains(b)).count()
    };
    let closed = run(at, b")(][}{\"'");
    let end = run(closed, b" \t\x0b\x0c");
    match byte(end) {
        b'.' | b'!' | b'?' | b',' | b'-' | b':' | b';' if end < bytes.len() => (end, false),
        b'\r' if byte(end + 1) == b'\n' => (end + 2, true),
        b'\n' | b'\r' => (end + 1, true),
        _ if dot && lower_follows(bytes, end) => (end, false),
        _ => (end, true),
    }
}

/// Whether a lower-case letter is the first among letters, line ends and sentence marks from `at` on.
fn lower_follows(bytes: &[u8], at: usize) -> bool {
    let decides = |b: &&u8| b.is_ascii_alphabetic() || matches!(b, b'\n' | b'\r' | b'.' | b'!' | b'?');
    bytes.get(at..).unwrap_or_default().iter().find(decides).is_some_and(u8::is_ascii_lowercase)
}

/// Appends the sentences of `text`, whose spaCy tokens are `words`, to `out`: neighbors without a gap, from the start of the
/// text to its end (datatrove's `split_into_sentences`); an empty text is one empty sentence.
pub fn spacy(text: &str, words: &[Span], out: &mut Vec<Span>) {
    let mut start = 0;
    spacy_ends(text, (0, text.len() as u32), words, |end| {
        out.push((start, end));
        start = end;
    });
}

/// How many sentences datatrove counts in the piece of `text` at `piece`, whose spaCy tokens are `words`.
pub fn count_spacy(text: &str, piece: Span, words: &[Span]) -> usize {
    let mut count = 0;
    spacy_ends(text, piece, words, |_| count += 1);
    count
}

/// A sentence ends behind a token that is one sentence mark, before the next token that is not punctuation; the whitespace
/// between them belongs to the next.
fn spacy_ends(text: &str, piece: Span, words: &[Span], mut out: impl FnMut(u32)) {
    let chars = chars::chars();
    let (mut end, mut seen) = (piece.0, false);
    for &word in words {
        let token = text.get(word.0 as usize..word.1 as usize).unwrap_or_default();
        if seen && blank(text, end, word.0) {
            out(end);
            seen = false;
        }
        let ends = ends_sentence(token, chars);
        if seen && !ends && !is_punctuation(token, chars) {
            out(end);
            seen = false;
        }
        seen |= ends;
        end = word.1;
    }
    if seen && blank(text, end, piece.1) {
        out(end);
    }
    out(piece.1);
}

/// Whether spaCy has a token of whitespace between two tokens: not if there is but one space.
#[inline]
fn blank(text: &str, from: u32, to: u32) -> bool {
    !matches!(text.get(from as usize..to as usize), Some("" | " ") | None)
}

#[inline]
fn ends_sentence(token: &str, chars: &Chars) -> bool {
    match token.as_bytes() {
        [byte] => ASCII.get(*byte as usize).is_some_and(|class| class & SENTENCE_END != 0),
        [0..=127, ..] => false,
        _ => {
            let mut all = token.chars();
            matches!((all.next(), all.next()), (Some(c), None) if chars.is(c, SENTENCE_END))
        }
    }
}

#[inline]
fn is_punctuation(token: &str, chars: &Chars) -> bool {
    token.chars().all(|c| chars.is(c, PUNCT))
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
    }

    #[test]
    fn sentences_of_many_scripts() {
        assert_eq!(count_unicode("It rained. Did it? Yes! 3.5 mm fell."), 4);
        assert_eq!(count_unicode("雨が降った。本当に？はい！"), 3);
        assert_eq!(count_unicode("  \n \n"), 0);
        assert_eq!(count_unicode("Шёл дождь. Снег."), 2);
    }
}
