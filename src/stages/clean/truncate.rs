//! Cuts documents to a length, where a word, a sentence or a line ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict, Words};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::cut::{Edge, Limits, last_edge};

/// Settings of `truncate`. At least one limit is needed; the tightest decides.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Truncate {
    /// Most characters.
    pub max_chars: Option<u64>,
    /// Most words.
    pub max_words: Option<u64>,
    /// Most bytes of UTF-8.
    pub max_bytes: Option<u64>,
    /// Where it may be cut. Without such a place in the text allowed, it is cut at the next finer one.
    pub at: Edge,
    /// How words are found.
    pub words: Words,
}

impl Settings for Truncate {
    const ABOUT: About = About {
        fields: &[("truncate.cut", "in `mode: annotate`: bytes that were cut off")],
        examples: &[
            Example {
                it: "cuts where a word ends",
                settings: r#"{"max_chars": 10}"#,
                given: "It was the best of times",
                expect: Expect::Text("It was the"),
            },
            Example {
                it: "never cuts a letter apart",
                settings: r#"{"max_bytes": 5, "at": "char"}"#,
                given: "naïve",
                expect: Expect::Text("naïv"),
            },
            Example {
                it: "cuts where a sentence ends",
                settings: r#"{"max_words": 7, "at": "sentence"}"#,
                given: "It was so. It was the best of times. It was not.",
                expect: Expect::Text("It was so."),
            },
            Example {
                it: "leaves short text alone",
                settings: r#"{"max_chars": 9}"#,
                given: "short ",
                expect: Expect::Kept,
            },
        ],
        ..About::new("truncate", Family::Clean, "cuts documents to a length, at a word, sentence or line")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let limits = Limits { chars: self.max_chars, words: self.max_words, bytes: self.max_bytes };
        if let Some(wrong) = limits.wrong() {
            return Err(
                Error::pipeline(format!("`{}` {wrong}", cx.label)).hint("give `max_chars`, `max_words` or `max_bytes`")
            );
        }
        let cut = if cx.annotate { Some(cx.writes(&format!("{}.cut", cx.label))?) } else { None };
        Ok(Stage::Transform(Box::new(Running { limits, at: self.at, words: self.words, cut })))
    }
}

#[derive(Clone)]
struct Running {
    limits: Limits,
    at: Edge,
    words: Words,
    cut: Option<Field<i64>>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let words = if self.limits.words.is_some() { doc.text.words_by(self.words) } else { &[] };
        let limit = self.limits.end(doc.text.as_str(), words, 0);
        let before = doc.text.len();
        if limit < before {
            let end = last_edge(doc.text.as_str(), limit, self.at);
            doc.text.edit(|text| {
                text.truncate(end);
                text.truncate(text.trim_end().len());
            });
        }
        if let Some(cut) = self.cut {
            doc.set(cut, (before - doc.text.len()) as i64);
        }
        Verdict::Keep
    }
}
