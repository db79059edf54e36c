//! A document's text, and the views of it that many stages want, each made once between edits.

use std::cell::OnceCell;

use crate::text::{chars, lines};

pub use crate::text::words::{Span, Words};

/// The text with its cached views. Any edit drops the views.
#[derive(Debug, Clone, Default)]
pub struct Text {
    string: String,
    words: [OnceCell<Vec<Span>>; Words::WAYS],
    lines: OnceCell<Vec<Span>>,
    chars: OnceCell<usize>,
    ascii: OnceCell<bool>,
}

impl Text {
    /// Takes ownership of `string`.
    pub fn new(string: String) -> Self {
        Self { string, ..Self::default() }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.string
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.string.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.string.is_empty()
    }

    /// Number of Unicode scalar values (Python's `len`).
    pub fn chars(&self) -> usize {
        *self.chars.get_or_init(|| chars::count(&self.string))
    }

    /// Whether every byte is ASCII, and so a character.
    pub fn is_ascii(&self) -> bool {
        *self.ascii.get_or_init(|| self.string.is_ascii())
    }

    /// Unicode words (UAX #29 segments with a letter or digit).
    pub fn words(&self) -> &[Span] {
        self.words_by(Words::Unicode)
    }

    /// Words, found the way asked for.
    pub fn words_by(&self, way: Words) -> &[Span] {
        let [unicode, whitespace, spacy, dictionary] = &self.words;
        let view = match way {
            Words::Unicode => unicode,
            Words::Whitespace => whitespace,
            Words::Spacy => spacy,
            Words::Dictionary => dictionary,
        };
        view.get_or_init(|| {
            let mut spans = Vec::with_capacity(self.string.len() / 5);
            way.find(&self.string, &mut spans);
            spans
        })
    }

    /// Lines as Python's `splitlines` cuts them, without their ends.
    pub fn lines(&self) -> &[Span] {
        self.lines.get_or_init(|| {
            let mut spans = Vec::new();
            lines::spans(&self.string, &mut spans);
            spans
        })
    }

    /// The piece at `span`.
    pub fn at(&self, span: Span) -> &str {
        self.string.get(span.0 as usize..span.1 as usize).unwrap_or_default()
    }

    /// Replaces the text.
    pub fn set(&mut self, string: String) {
        *self = Self::new(string);
    }

    /// Edits the text in place.
    pub fn edit(&mut self, edit: impl FnOnce(&mut String)) {
        let mut string = std::mem::take(&mut self.string);
        edit(&mut string);
        self.set(string);
    }

    /// Gives the string up.
    pub fn into_string(self) -> String {
        self.string
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.string == other.string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_drops_the_views() {
        let mut text = Text::new("one two".into());
        assert_eq!(text.words().len(), 2);
        assert_eq!(text.chars(), 7);
        text.edit(|t| t.push_str(" three"));
        assert_eq!(text.words().len(), 3);
        assert_eq!(text.at(text.words()[2]), "three");
    }
}
