//! Says what language a text is in, with a fastText model (Grave et al. 2018), and keeps the languages asked for.
//!
//! The whole document is looked at: it costs less than reading it. Lines and paragraphs can be judged each by itself, as
//! HPLT and MADLAD-400 do for pages in several languages.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::Result;
use crate::stage::classifier::{Classifier, check_limits};
use crate::stage::settings::Level;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::{fasttext, segments};

/// Settings of `language`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// A supervised fastText model whose labels are languages: `lid.176.ftz`, GlotLID, OpenLID.
    pub model: PathBuf,
    /// Labels to keep, without `__label__`; all if left out.
    #[serde(default)]
    pub keep: Vec<String>,
    /// Least probability of a kept label, 0..1.
    #[serde(default = "min_score")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_score: f64,
    /// What is judged: the `document`, or each `paragraph` or `line`, of which only those in a kept language stay.
    #[serde(default)]
    pub level: Level,
    /// Look only at the first so many characters of what is judged; all of it if left out. Faster, and a different decision
    /// for about one document in a hundred.
    #[serde(default)]
    pub max_chars: Option<usize>,
}

fn min_score() -> f64 {
    0.65
}

impl Settings for Language {
    const ABOUT: About = About {
        version: 3,
        reasons: &[
            ("other_language", "no language asked for reaches `min_score`"),
            ("unsure", "the most probable language is below `min_score`"),
            ("no_part_left", "none of its paragraphs or lines is in a language to keep"),
        ],
        fields: &[
            ("language", "the most probable label, without `__label__`; of parts, the one with most characters"),
            ("language_score", "its probability, 0..1; of parts, the mean over its characters"),
            ("language.kept_fraction", "the share of characters in parts that were kept, if parts are judged"),
        ],
        examples: &[
            Example {
                it: "names the language",
                settings: r#"{"model": "fixtures/models/lid.176.ftz"}"#,
                given: "Der Weg war lang, und am Abend kamen sie müde in die Stadt zurück.",
                expect: Expect::Field("language", "\"de\""),
            },
            Example {
                it: "drops other languages",
                settings: r#"{"model": "fixtures/models/lid.176.ftz", "keep": ["en", "fr"]}"#,
                given: "Der Weg war lang, und am Abend kamen sie müde in die Stadt zurück.",
                expect: Expect::Dropped("other_language"),
            },
            Example {
                it: "keeps the lines in the language asked for",
                settings: r#"{"model": "fixtures/models/lid.176.ftz", "keep": ["en"], "level": "line"}"#,
                given: "The way was long, and they came back late.\nDer Weg war lang, und sie kamen spät zurück.\n\nIn the morning it was raining again.",
                expect: Expect::Text(
                    "The way was long, and they came back late.\n\nIn the morning it was raining again.",
                ),
            },
            Example {
                it: "is unsure of what has no words",
                settings: r#"{"model": "fixtures/models/lid.176.ftz"}"#,
                given: " \n \n",
                expect: Expect::Dropped("unsure"),
            },
        ],
        ..About::new("language", Family::Filter, "identifies the language and keeps those asked for")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let classifier = Classifier::load(&self.model, self.max_chars, cx)?;
        // It always writes the language and its score, and 0 is how to say that nothing is too unsure.
        let min_score = Some(self.min_score).filter(|&min| min != 0.0);
        check_limits(cx, min_score, None, true, Some((0.0, 1.0)))?;
        let wanted = self.keep.iter().map(|name| classifier.label(name)).collect::<Result<_>>()?;
        let kept_fraction = match self.level {
            Level::Document => None,
            Level::Paragraph | Level::Line => Some(cx.writes(&format!("{}.kept_fraction", cx.label))?),
        };
        Ok(Stage::Transform(Box::new(Running {
            classifier,
            wanted,
            min_score: self.min_score as f32,
            level: self.level,
            rewrites: !cx.annotate,
            language: cx.writes("language")?,
            score: cx.writes("language_score")?,
            kept_fraction,
        })))
    }
}

#[derive(Clone)]
struct Running {
    classifier: Classifier,
    wanted: Vec<usize>,
    min_score: f32,
    level: Level,
    rewrites: bool,
    language: Field<String>,
    score: Field<f64>,
    kept_fraction: Option<Field<f64>>,
}

/// What the model says of one text.
struct Heard {
    label: usize,
    score: f32,
    verdict: Verdict,
}

impl Running {
    fn hear(&mut self, text: &str) -> Option<Heard> {
        let scores = self.classifier.scores(text);
        let (label, score) = fasttext::best(scores)?;
        // Any language asked for may reach the threshold, not only the most probable one.
        let wanted = self.wanted.iter().filter_map(|&i| scores.get(i)).copied().fold(f32::NEG_INFINITY, f32::max);
        let verdict = match (self.wanted.is_empty(), wanted >= self.min_score, score >= self.min_score) {
            (true, _, true) | (false, true, _) => Verdict::Keep,
            (true, _, false) => Verdict::drop_by("unsure", f64::from(score), f64::from(self.min_score)),
            (false, false, _) => Verdict::drop_by("other_language", f64::from(wanted), f64::from(self.min_score)),
        };
        Some(Heard { label, score, verdict })
    }

    fn write(&self, doc: &mut Document, label: usize, score: f64) {
        doc.set(self.language, self.classifier.name(label).to_owned());
        doc.set(self.score, score);
    }

    fn document(&mut self, doc: &mut Document) -> Verdict {
        let Some(heard) = self.hear(doc.text.as_str()) else { return Verdict::drop("unsure") };
        self.write(doc, heard.label, f64::from(heard.score));
        heard.verdict
    }

    fn parts(&mut self, doc: &mut Document) -> Verdict {
        let (mut census, level) = (Census::default(), self.level);
        let text = doc.text.as_str();
        let judge = |part: &str| {
            let heard = self.hear(part);
            let keeps = heard.as_ref().is_some_and(|h| h.verdict.keeps());
            census.add(heard, part.chars().count(), keeps);
            keeps
        };
        let mut segments = Vec::new();
        match level {
            Level::Line => segments::lines(text, doc.text.lines(), &mut segments),
            Level::Paragraph | Level::Document => segments::paragraphs(text, doc.text.lines(), &mut segments),
        }
        let kept = segments::keep(text, &segments, judge);
        if let Some((label, score)) = census.most() {
            self.write(doc, label, score);
        }
        if let Some(field) = self.kept_fraction {
            doc.set(field, census.kept_fraction());
        }
        if census.kept == 0 {
            return Verdict::drop("no_part_left");
        }
        if let Some(kept) = kept.filter(|_| self.rewrites) {
            doc.text.set(kept);
        }
        Verdict::Keep
    }
}

/// Characters by language, in the order the languages are met.
#[derive(Default)]
struct Census {
    languages: Vec<(usize, usize, f64)>,
    chars: usize,
    kept: usize,
}

impl Census {
    fn add(&mut self, heard: Option<Heard>, chars: usize, keeps: bool) {
        self.chars += chars;
        self.kept += if keeps { chars } else { 0 };
        let Some(Heard { label, score, .. }) = heard else { return };
        let weighed = chars as f64 * f64::from(score);
        match self.languages.iter_mut().find(|l| l.0 == label) {
            Some(known) => {
                known.1 += chars;
                known.2 += weighed;
            }
            None => self.languages.push((label, chars, weighed)),
        }
    }

    fn most(&self) -> Option<(usize, f64)> {
        // Of equals the first met: `max_by_key` would give the last.
        let most = self.languages.iter().rev().max_by_key(|l| l.1)?;
        Some((most.0, most.2 / most.1.max(1) as f64))
    }

    fn kept_fraction(&self) -> f64 {
        self.kept as f64 / self.chars.max(1) as f64
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        match self.level {
            Level::Document => self.document(doc),
            Level::Paragraph | Level::Line => self.parts(doc),
        }
    }
}
