//! Judges with a fastText classifier (Joulin et al. 2017): quality as DCLM does (Li et al. 2024, arXiv 2406.11794, keeping
//! what scores above 0.018), toxicity as Dolma, or any model of one's own.
//!
//! The score is the probability of one label. With `into` it becomes a field, so that `top_fraction` can keep the best tenth.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::Result;
use crate::stage::classifier::{Classifier, check_limits, judge};
use crate::stage::settings::Level;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::segments;

/// Settings of `fasttext`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fasttext {
    /// A supervised fastText model, `.bin` or `.ftz`.
    pub model: PathBuf,
    /// The label whose probability is the score, with or without `__label__`.
    pub label: String,
    /// Least score that is kept, 0..1; `null` for no limit.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_score: Option<f64>,
    /// Greatest score that is kept, 0..1; `null` for no limit.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_score: Option<f64>,
    /// A field for the score: of parts, the mean over their characters.
    #[serde(default)]
    pub into: Option<String>,
    /// What is judged: the `document`, or each `paragraph` or `line`, of which only those within the limits stay.
    #[serde(default)]
    pub level: Level,
    /// Look only at the first so many characters of what is judged; all of it if left out.
    #[serde(default)]
    pub max_chars: Option<usize>,
    /// What a newline is to the model. `space` is what models are trained and used with; `nothing` glues words of neighboring
    /// lines together, as datatrove's FastTextClassifierFilter does by default.
    #[serde(default)]
    pub newlines: Newlines,
}

/// What a newline is to the model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Newlines {
    /// It separates words.
    #[default]
    Space,
    /// It is not there.
    Nothing,
}

impl Settings for Fasttext {
    const ABOUT: About = About {
        reasons: &[
            ("score_too_low", "the label's probability is below `min_score`"),
            ("score_too_high", "the label's probability is above `max_score`"),
            ("no_part_left", "none of its paragraphs or lines is within the limits"),
        ],
        fields: &[("fasttext.score", "in `mode: annotate`, the label's probability, 0..1")],
        examples: &[
            Example {
                it: "drops what is not like the label",
                settings: r#"{"model": "fixtures/models/tiny-softmax.bin", "label": "book", "min_score": 0.5}"#,
                given: "Please reply to this mail with your address to get the free software list",
                expect: Expect::Dropped("score_too_low"),
            },
            Example {
                it: "keeps what is",
                settings: r#"{"model": "fixtures/models/tiny-softmax.bin", "label": "__label__book", "min_score": 0.5}"#,
                given: "The old whale swam beneath the ship, and the captain stood upon the deck",
                expect: Expect::Kept,
            },
            Example {
                it: "takes out lines that are too much like the label",
                settings: r#"{"model": "fixtures/models/tiny-softmax.bin", "label": "mail", "max_score": 0.5, "level": "line"}"#,
                given: "The old whale swam beneath the ship, and the captain stood upon the deck\nPlease reply to this mail with your address to get the free software list",
                expect: Expect::Text("The old whale swam beneath the ship, and the captain stood upon the deck"),
            },
        ],
        version: 2,
        ..About::new("fasttext", Family::Filter, "judges with a fastText classifier: quality, toxicity, topics")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let classifier = Classifier::load(&self.model, self.max_chars, cx)?;
        let label = classifier.label(&self.label)?;
        check_limits(cx, self.min_score, self.max_score, self.into.is_some(), Some((0.0, 1.0)))?;
        let mut fields = Vec::new();
        if let Some(name) = &self.into {
            fields.push(cx.writes(name)?);
        }
        if cx.annotate {
            fields.push(cx.writes(&format!("{}.score", cx.label))?);
        }
        Ok(Stage::Transform(Box::new(Running { classifier, label, rewrites: !cx.annotate, fields, settings: self })))
    }
}

#[derive(Clone)]
struct Running {
    settings: Fasttext,
    classifier: Classifier,
    label: usize,
    rewrites: bool,
    fields: Vec<Field<f64>>,
}

impl Running {
    fn score(&mut self, text: &str) -> f64 {
        let glued;
        let text = match self.settings.newlines {
            Newlines::Nothing if text.contains('\n') => {
                glued = text.replace('\n', "");
                glued.as_str()
            }
            _ => text,
        };
        f64::from(self.classifier.scores(text).get(self.label).copied().unwrap_or(0.0))
    }

    fn verdict(&self, score: f64) -> Verdict {
        judge(score, self.settings.min_score, self.settings.max_score)
    }

    fn write(&self, doc: &mut Document, score: f64) {
        self.fields.iter().for_each(|&field| doc.set(field, score));
    }

    fn parts(&mut self, doc: &mut Document) -> Verdict {
        let (mut weighed, mut chars, mut kept_parts) = (0.0, 0, 0);
        let level = self.settings.level;
        let judge = |part: &str| {
            let (score, length) = (self.score(part), part.chars().count());
            weighed += score * length as f64;
            chars += length;
            let keeps = self.verdict(score).keeps();
            kept_parts += usize::from(keeps);
            keeps
        };
        let text = doc.text.as_str();
        let mut segments = Vec::new();
        match level {
            Level::Line => segments::lines(text, doc.text.lines(), &mut segments),
            Level::Paragraph | Level::Document => segments::paragraphs(text, doc.text.lines(), &mut segments),
        }
        let kept = segments::keep(text, &segments, judge);
        self.write(doc, weighed / chars.max(1) as f64);
        if kept_parts == 0 {
            return Verdict::drop("no_part_left");
        }
        if let Some(kept) = kept.filter(|_| self.rewrites) {
            doc.text.set(kept);
        }
        Verdict::Keep
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        match self.settings.level {
            Level::Document => {
                let score = self.score(doc.text.as_str());
                self.write(doc, score);
                self.verdict(score)
            }
            Level::Paragraph | Level::Line => self.parts(doc),
        }
    }
}
