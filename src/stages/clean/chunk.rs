//! Cuts long documents into parts that are documents of their own: for context windows, for classifiers that see a page
//! at a time, for judging a book chapter by chapter.
//!
//! Parts are cut where a paragraph ends if there is such a place, else where a line, a sentence or a word does. A part's
//! id is made of the document's id and the part's number, and its fields say which document it was part of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict, Words};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expand, Expect, Family, Settings, Stage};
use crate::text::cut::{Edge, Limits, last_edge};

/// Settings of `chunk`. At least one limit is needed; the tightest decides.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Chunk {
    /// Most characters of a part.
    pub max_chars: Option<u64>,
    /// Most words of a part.
    pub max_words: Option<u64>,
    /// Most bytes of UTF-8 of a part.
    pub max_bytes: Option<u64>,
    /// Where it may be cut. Where there is no such place within the limit, it is cut at the next finer one.
    pub at: Edge,
    /// Characters that a part repeats of the part before it, begun at a word. At most half of `max_chars`.
    pub overlap_chars: u64,
    /// How words are found.
    pub words: Words,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            max_chars: None,
            max_words: None,
            max_bytes: None,
            at: Edge::Paragraph,
            overlap_chars: 0,
            words: Words::Unicode,
        }
    }
}

impl Settings for Chunk {
    const ABOUT: About = About {
        fields: &[
            ("chunk.of", "the id of the document that it is a part of; nothing for documents that were not cut"),
            ("chunk.number", "its place among the parts, from 0"),
            ("chunk.count", "how many parts there are"),
        ],
        examples: &[
            Example {
                it: "cuts between paragraphs",
                settings: r#"{"max_chars": 20}"#,
                given: "One two three.\n\nFour five.\n\nSix.",
                expect: Expect::Texts(&["One two three.", "Four five.\n\nSix."]),
            },
            Example {
                it: "cuts long paragraphs between sentences",
                settings: r#"{"max_words": 4, "at": "sentence"}"#,
                given: "It was so. It was not. Who knows it?",
                expect: Expect::Texts(&["It was so.", "It was not.", "Who knows it?"]),
            },
            Example {
                it: "lets parts overlap",
                settings: r#"{"max_chars": 12, "at": "word", "overlap_chars": 5}"#,
                given: "aaaa bbbb cccc dddd eeee",
                expect: Expect::Texts(&["aaaa bbbb", "bbbb cccc", "cccc dddd", "dddd eeee"]),
            },
            Example {
                it: "leaves short documents as they are",
                settings: r#"{"max_chars": 9}"#,
                given: "short ",
                expect: Expect::Kept,
            },
        ],
        ..About::new("chunk", Family::Clean, "cuts long documents into parts that are documents of their own")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let limits = Limits { chars: self.max_chars, words: self.max_words, bytes: self.max_bytes };
        if let Some(wrong) = limits.wrong() {
            return Err(
                Error::pipeline(format!("`{}` {wrong}", cx.label)).hint("give `max_chars`, `max_words` or `max_bytes`")
            );
        }
        if self.overlap_chars > self.max_chars.unwrap_or(0) / 2 {
            return Err(Error::pipeline(format!("`{}`: `overlap_chars` is more than half of `max_chars`", cx.label))
                .hint("parts that repeat more than half of the part before never end"));
        }
        if cx.vocabulary().is_ok() {
            return Err(Error::pipeline(format!("`{}` cuts texts that are encoded already", cx.label))
                .hint("put it before `encode`"));
        }
        let fields =
            Fields { of: cx.writes("chunk.of")?, number: cx.writes("chunk.number")?, count: cx.writes("chunk.count")? };
        Ok(Stage::Expand(Box::new(Running {
            limits,
            at: self.at,
            overlap: self.overlap_chars as usize,
            words: self.words,
            fields,
        })))
    }
}

#[derive(Clone)]
struct Running {
    limits: Limits,
    at: Edge,
    overlap: usize,
    words: Words,
    fields: Fields,
}

#[derive(Clone, Copy)]
struct Fields {
    of: Field<String>,
    number: Field<i64>,
    count: Field<i64>,
}

impl Running {
    /// Start and end of each part in bytes, without the whitespace around it.
    fn cut(&self, doc: &Document) -> Vec<(usize, usize)> {
        let text = doc.text.as_str();
        let words = if self.limits.words.is_some() { doc.text.words_by(self.words) } else { &[] };
        let mut parts = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let rest = text.get(start..).unwrap_or_default();
            let limit = self.limits.end(text, words, start);
            // Where not even a letter fits, the letter is a part.
            let least = rest.chars().next().map_or(1, char::len_utf8);
            let length = last_edge(rest, limit - start, self.at).max(least);
            let part = rest.get(..length).unwrap_or(rest);
            if !part.trim().is_empty() {
                parts.push((start, start + part.trim_end().len()));
            }
            let end = start + length;
            start = if end < text.len() { self.next(text, start, end) } else { end };
        }
        parts
    }

    /// Where the part after one that ends at `end` begins: after the whitespace, but before the indentation of a line.
    fn next(&self, text: &str, start: usize, end: usize) -> usize {
        let rest = text.get(end..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        let indented = rest.get(..blank).and_then(|blank| blank.rfind('\n')).map_or(blank, |line| line + 1);
        if self.overlap == 0 {
            return end + indented;
        }
        let part = text.get(start..end).unwrap_or_default();
        let back = part.char_indices().rev().nth(self.overlap - 1).map_or(0, |(at, _)| at);
        // Begin at a word: after the first whitespace within the overlap.
        let overlap = part.get(back..).unwrap_or_default();
        let word = overlap.find(char::is_whitespace).map_or(0, |at| {
            let tail = overlap.get(at..).unwrap_or_default();
            at + tail.len() - tail.trim_start().len()
        });
        let begins_word = part.get(..back).is_some_and(|before| before.ends_with(char::is_whitespace));
        let again = start + if begins_word { back } else { back + word };
        if again > start && again < end { again } else { end + indented }
    }
}

impl Expand for Running {
    fn expand(&mut self, doc: &Document, parts: &mut Vec<Document>) -> Verdict {
        let cut = self.cut(doc);
        if cut.len() < 2 {
            return Verdict::Keep;
        }
        for (number, &(start, end)) in cut.iter().enumerate() {
            let text = doc.text.as_str().get(start..end).unwrap_or_default();
            let mut part = doc.part(number as u32, text.to_owned());
            part.set(self.fields.of, doc.id.to_string());
            part.set(self.fields.number, number as i64);
            part.set(self.fields.count, cut.len() as i64);
            parts.push(part);
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::testing;
    use proptest::prelude::*;

    fn running(limits: Limits, at: Edge, overlap: usize) -> Running {
        let mut table = FieldTable::default();
        let fields = Fields {
            of: table.field("chunk.of").unwrap(),
            number: table.field("chunk.number").unwrap(),
            count: table.field("chunk.count").unwrap(),
        };
        Running { limits, at, overlap, words: Words::Unicode, fields }
    }

    proptest! {
        #[test]
        fn parts_are_within_the_limits_and_lose_only_whitespace(
            text in "([a-z]{1,9}|[ .]|\n|é|日|e\u{301}){0,60}",
            chars in proptest::option::of(1u64..20),
            words in proptest::option::of(1u64..6),
            bytes in 4u64..40,
        ) {
            let limits = Limits { chars, words, bytes: Some(bytes) };
            for at in [Edge::Paragraph, Edge::Line, Edge::Sentence, Edge::Word, Edge::Char] {
                let doc = testing::doc("web", 0, &text);
                let running = running(limits, at, 0);
                let parts: Vec<&str> = running.cut(&doc).iter().map(|&(start, end)| &text[start..end]).collect();
                let ink = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
                prop_assert_eq!(ink(&parts.concat()), ink(&text));
                for part in parts {
                    prop_assert!(part.len() as u64 <= bytes.max(4) && !part.trim().is_empty());
                    prop_assert!(chars.is_none_or(|max| part.chars().count() as u64 <= max));
                }
            }
        }
    }

    #[test]
    fn overlapping_parts_of_a_long_text_come_to_an_end() {
        let text = "word ".repeat(100_000);
        let limits = Limits { chars: Some(100), ..Limits::default() };
        let parts = running(limits, Edge::Word, 50).cut(&testing::doc("web", 0, &text));
        assert!(parts.len() > 9_000 && parts.len() < 11_000, "{}", parts.len());
        let solid = "x".repeat(1_000_000);
        let parts = running(limits, Edge::Paragraph, 50).cut(&testing::doc("web", 0, &solid));
        assert_eq!(parts.len(), 19_999);
    }

    #[test]
    fn a_part_costs_its_own_length_and_not_the_documents() {
        let mut stage = running(Limits { chars: Some(100), ..Limits::default() }, Edge::Word, 0);
        let mut parts = Vec::new();
        stage.expand(&testing::doc("web", 0, &"word ".repeat(1 << 20)), &mut parts);
        assert!(parts.len() > 50_000, "{}", parts.len());
    }

    #[test]
    fn parts_know_what_they_are_parts_of() {
        let mut stage = running(Limits { words: Some(1), ..Limits::default() }, Edge::Word, 0);
        let doc = testing::doc("web", 0, "one two three");
        let mut parts = Vec::new();
        assert!(stage.expand(&doc, &mut parts).keeps());
        let told: Vec<_> =
            parts.iter().map(|p| (p.text.as_str(), p.get(stage.fields.number), p.get(stage.fields.count))).collect();
        assert_eq!(told, [("one", Some(0), Some(3)), ("two", Some(1), Some(3)), ("three", Some(2), Some(3))]);
        assert!(parts.iter().all(|p| p.get(stage.fields.of) == Some(doc.id.to_string().as_str())));
    }
}
