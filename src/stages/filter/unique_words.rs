//! Drops documents that say the same words over and over, or never the same word twice.
//!
//! The share of different words is RedPajama-v2's `rps_doc_frac_unique_words`. It falls as documents grow: a text of ten
//! thousand words has every right to 0.2, so a least share belongs with a bound on length (`when: chars < 20000`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::vocabulary::Vocabulary;

/// Settings of `unique_words`. Words are compared without regard to case; `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UniqueWords {
    /// Least share of different words among all words, 0..1.
    pub min_fraction: Option<Fraction>,
    /// Greatest share of different words among all words, 0..1.
    pub max_fraction: Option<Fraction>,
    /// Fewest different words.
    pub min_count: Option<u64>,
    /// How words are found.
    pub words: Words,
}

impl Default for UniqueWords {
    fn default() -> Self {
        Self { min_fraction: Some(Fraction(0.1)), max_fraction: None, min_count: None, words: Words::Unicode }
    }
}

impl Settings for UniqueWords {
    const ABOUT: About = About {
        reasons: &[
            ("too_few_unique_words", "fewer of its words are different than `min_fraction` or `min_count`"),
            ("too_many_unique_words", "more of its words are different than `max_fraction`"),
        ],
        fields: &[("unique_words.*", "in `mode: annotate`: the `fraction` (0..1) and `count` of different words")],
        examples: &[
            Example {
                it: "drops a chant",
                settings: r#"{"min_fraction": 0.5}"#,
                given: "again and again and Again",
                expect: Expect::Dropped("too_few_unique_words"),
            },
            Example { it: "keeps prose", settings: "{}", given: "It was the best of times", expect: Expect::Kept },
        ],
        ..About::new("unique_words", Family::Filter, "drops documents that repeat few words, or never repeat one")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&["fraction", "count"], cx)?
            .at_least("fraction", "too_few_unique_words", self.min_fraction)
            .at_most("fraction", "too_many_unique_words", self.max_fraction)
            .at_least("count", "too_few_unique_words", self.min_count)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { rules, words: self.words, vocabulary: Vocabulary::default() })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    words: Words,
    vocabulary: Vocabulary,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let words = doc.text.words_by(self.words);
        let count = self.vocabulary.count(words.iter().map(|&w| doc.text.at(w))).len() as f64;
        let fraction = if words.is_empty() { 0.0 } else { count / words.len() as f64 };
        self.rules.judge(doc, &[fraction, count])
    }
}
