//! Drops documents that are too short or too long to be worth a place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict, Words};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `length`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Length {
    /// Fewest characters.
    pub min_chars: Option<u64>,
    /// Most characters.
    pub max_chars: Option<u64>,
    /// Fewest words.
    pub min_words: Option<u64>,
    /// Most words.
    pub max_words: Option<u64>,
    /// How words are found.
    pub words: Words,
}

impl Settings for Length {
    const ABOUT: About = About {
        reasons: &[
            ("too_few_chars", "it has fewer characters than `min_chars`"),
            ("too_many_chars", "it has more characters than `max_chars`"),
            ("too_few_words", "it has fewer words than `min_words`"),
            ("too_many_words", "it has more words than `max_words`"),
        ],
        fields: &[("length.chars", "characters, in `mode: annotate`"), ("length.words", "words, in `mode: annotate`")],
        examples: &[
            Example {
                it: "drops a stub",
                settings: r#"{"min_words": 3}"#,
                given: "two words",
                expect: Expect::Dropped("too_few_words"),
            },
            Example {
                it: "counts the words of a script without spaces",
                settings: r#"{"max_words": 3, "words": "dictionary"}"#,
                given: "ทุกสองสัปดาห์",
                expect: Expect::Kept,
            },
            Example {
                it: "counts characters, not bytes",
                settings: r#"{"max_chars": 4}"#,
                given: "日本語だ",
                expect: Expect::Kept,
            },
        ],
        ..About::new("length", Family::Filter, "drops documents that are too short or too long")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let reversed = |min: Option<u64>, max: Option<u64>| min.zip(max).is_some_and(|(min, max)| min > max);
        if reversed(self.min_chars, self.max_chars) || reversed(self.min_words, self.max_words) {
            return Err(Error::pipeline("`length`: the least is above the most").hint("swap them"));
        }
        let measures = if cx.annotate {
            Some((cx.writes(&format!("{}.chars", cx.label))?, cx.writes(&format!("{}.words", cx.label))?))
        } else {
            None
        };
        Ok(Stage::Transform(Box::new(Running { settings: self, measures })))
    }
}

#[derive(Clone)]
struct Running {
    settings: Length,
    measures: Option<(Field<i64>, Field<i64>)>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if let Some((chars, words)) = self.measures {
            doc.set(chars, doc.text.chars() as i64);
            doc.set(words, doc.text.words_by(self.settings.words).len() as i64);
        }
        let s = &self.settings;
        if s.min_chars.is_some() || s.max_chars.is_some() {
            let chars = doc.text.chars() as u64;
            match (s.min_chars, s.max_chars) {
                (Some(min), _) if chars < min => return Verdict::drop_by("too_few_chars", chars as f64, min as f64),
                (_, Some(max)) if chars > max => return Verdict::drop_by("too_many_chars", chars as f64, max as f64),
                _ => {}
            }
        }
        if s.min_words.is_some() || s.max_words.is_some() {
            let words = doc.text.words_by(self.settings.words).len() as u64;
            match (s.min_words, s.max_words) {
                (Some(min), _) if words < min => return Verdict::drop_by("too_few_words", words as f64, min as f64),
                (_, Some(max)) if words > max => return Verdict::drop_by("too_many_words", words as f64, max as f64),
                _ => {}
            }
        }
        Verdict::Keep
    }
}
