//! Cuts documents to a length, where a word, a sentence or a line ends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::cut::{Edge, last_edge};

/// Settings of `truncate`. At least one limit is needed; the tightest decides.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Truncate {
    /// Most characters.
    pub max_chars: Option<u64>,
    /// Most Unicode words.
    pub max_words: Option<u64>,
    /// Most bytes of UTF-8.
    pub max_bytes: Option<u64>,
    /// Where it may be cut. Without such a place in the text allowed, it is cut at the next finer one.
    pub at: Edge,
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
        if self.max_chars.is_none() && self.max_words.is_none() && self.max_bytes.is_none() {
            return Err(Error::pipeline(format!("`{}` has no limit", cx.label))
                .hint("give `max_chars`, `max_words` or `max_bytes`"));
        }
        let cut = if cx.annotate { Some(cx.writes(&format!("{}.cut", cx.label))?) } else { None };
        Ok(Stage::Transform(Box::new(Running { settings: self, cut })))
    }
}

#[derive(Clone)]
struct Running {
    settings: Truncate,
    cut: Option<Field<i64>>,
}

impl Running {
    /// Bytes of the longest text allowed.
    fn limit(&self, doc: &Document) -> usize {
        let text = doc.text.as_str();
        let Truncate { max_chars, max_words, max_bytes, .. } = self.settings;
        let mut limit = max_bytes.map_or(text.len(), |max| text.len().min(max as usize));
        if let Some(max) = max_words
            && let Some((_, end)) =
                (max as usize).checked_sub(1).map_or(Some(&(0, 0)), |last| doc.text.words().get(last))
        {
            // A mark right after the last word allowed is no word.
            let next = doc.text.words().get(max as usize).map_or(text.len(), |w| w.0 as usize);
            let marks = text.get(*end as usize..next).unwrap_or_default();
            let marks = marks.find(char::is_whitespace).unwrap_or(marks.len());
            limit = limit.min(*end as usize + if max == 0 { 0 } else { marks });
        }
        if let Some(max) = max_chars.filter(|max| (*max as usize) < limit) {
            limit = limit.min(text.char_indices().nth(max as usize).map_or(text.len(), |(at, _)| at));
        }
        limit
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let limit = self.limit(doc);
        let before = doc.text.len();
        if limit < before {
            let end = last_edge(doc.text.as_str(), limit, self.settings.at);
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
