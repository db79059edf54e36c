//! Says what language a document is in, with a fastText model (Grave et al. 2018), and keeps the languages asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::fasttext::{Model, Scratch};

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
    /// Look only at the first so many characters; the whole document if left out. Faster, and a different decision for
    /// about one document in a hundred.
    #[serde(default)]
    pub max_chars: Option<usize>,
}

fn min_score() -> f64 {
    0.65
}

impl Settings for Language {
    const ABOUT: About = About {
        reasons: &[
            ("other_language", "no language asked for reaches `min_score`"),
            ("unsure", "the most probable language is below `min_score`"),
        ],
        fields: &[
            ("language", "the most probable label, without `__label__`"),
            ("language_score", "its probability, 0..1"),
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
        ],
        ..About::new("language", Family::Filter, "identifies the language and keeps those asked for")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        cx.resource(&self.model)?;
        let model = Model::load(&self.model)?;
        let labels: Vec<&str> = model.labels().iter().map(|l| bare(l)).collect();
        let mut wanted = Vec::new();
        for keep in &self.keep {
            let Some(index) = labels.iter().position(|l| l == keep) else {
                let error = Error::pipeline(format!("the model `{}` has no language `{keep}`", self.model.display()));
                return Err(match crate::stage::nearest(keep, labels.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!(
                        "it has {} labels, `{}` for one",
                        labels.len(),
                        labels.first().unwrap_or(&"")
                    )),
                });
            };
            wanted.push(index);
        }
        let (language, score) = (cx.writes("language")?, cx.writes("language_score")?);
        Ok(Stage::Transform(Box::new(Running {
            model,
            wanted,
            min_score: self.min_score as f32,
            max_chars: self.max_chars,
            language,
            score,
            scratch: Scratch::default(),
        })))
    }
}

fn bare(label: &str) -> &str {
    label.strip_prefix("__label__").unwrap_or(label)
}

struct Running {
    model: Model,
    wanted: Vec<usize>,
    min_score: f32,
    max_chars: Option<usize>,
    language: Field<String>,
    score: Field<f64>,
    scratch: Scratch,
}

impl Clone for Running {
    fn clone(&self) -> Self {
        Self { model: self.model.clone(), wanted: self.wanted.clone(), scratch: Scratch::default(), ..*self }
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = doc.text.as_str();
        let end = self.max_chars.and_then(|max| text.char_indices().nth(max)).map_or(text.len(), |(at, _)| at);
        let scores = self.model.predict(text.get(..end).unwrap_or(text), &mut self.scratch);
        let best = scores.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((label, score)) = best else { return Verdict::drop("unsure") };
        // Any language asked for may reach the threshold, not only the most probable one.
        let wanted = self.wanted.iter().filter_map(|&i| scores.get(i)).copied().fold(f32::NEG_INFINITY, f32::max);
        let name = self.model.labels().get(label).map_or("", |l| bare(l)).to_owned();
        doc.set(self.language, name);
        doc.set(self.score, f64::from(score));
        match (self.wanted.is_empty(), wanted >= self.min_score, score >= self.min_score) {
            (true, _, true) | (false, true, _) => Verdict::Keep,
            (true, _, false) => Verdict::drop_by("unsure", f64::from(score), f64::from(self.min_score)),
            (false, false, _) => Verdict::drop_by("other_language", f64::from(wanted), f64::from(self.min_score)),
        }
    }
}
