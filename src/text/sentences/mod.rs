//! Sentences: by Unicode's rules (UAX #29), and as spaCy's `Sentencizer` ends them, which datatrove ≥ 0.4 uses.

mod unicode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chars::{self, ASCII, Chars, PUNCT, SENTENCE_END};
use super::words::Span;
pub use unicode::unicode;

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

    #[test]
    fn sentences_of_many_scripts() {
        assert_eq!(count_unicode("It rained. Did it? Yes! 3.5 mm fell."), 4);
        assert_eq!(count_unicode("雨が降った。本当に？はい！"), 3);
        assert_eq!(count_unicode("  \n \n"), 0);
        assert_eq!(count_unicode("Шёл дождь. Снег."), 2);
    }
}
