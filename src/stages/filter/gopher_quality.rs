//! The quality rules of MassiveText (Rae et al. 2021, arXiv 2112.11446, appendix A1): what does not look like prose goes.
//!
//! Rules are tried in the paper's order and the first that fails is the reason. Words are Unicode words by default, which
//! leave punctuation out. `compat: datatrove` decides as datatrove 0.10 does, whose words are spaCy's tokens: marks are words
//! where it divides by words, and none where it counts them and their lengths, so that a document with a mark for every fifth
//! word is dropped for `too_few_alphabetic_words`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::Result;
use crate::stage::quality::{Compat, Prose};
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `gopher_quality`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GopherQuality {
    /// Whose decisions to repeat, if not the paper's.
    pub compat: Option<Compat>,
    /// How words are found: `unicode` if left out, `spacy` with `compat: datatrove`.
    pub words: Option<Words>,
    /// Fewest words.
    pub min_words: Option<u64>,
    /// Most words.
    pub max_words: Option<u64>,
    /// Least mean word length in characters.
    pub min_mean_word_length: Option<f64>,
    /// Greatest mean word length in characters.
    pub max_mean_word_length: Option<f64>,
    /// Most `#` for each word.
    pub max_hash_ratio: Option<f64>,
    /// Most ellipses (`...`, `…`) for each word.
    pub max_ellipsis_ratio: Option<f64>,
    /// Greatest share of lines that begin with a bullet, 0..1.
    pub max_bullet_fraction: Option<f64>,
    /// Greatest share of lines that end in an ellipsis, 0..1.
    pub max_ellipsis_line_fraction: Option<f64>,
    /// Least share of words with a letter, 0..1.
    pub min_alphabetic_fraction: Option<f64>,
    /// Fewest different stop words.
    pub min_stop_words: Option<u64>,
    /// The stop words, matched as they are written.
    pub stop_words: Vec<String>,
}

impl Default for GopherQuality {
    fn default() -> Self {
        Self {
            compat: None,
            words: None,
            min_words: Some(50),
            max_words: Some(100_000),
            min_mean_word_length: Some(3.0),
            max_mean_word_length: Some(10.0),
            max_hash_ratio: Some(0.1),
            max_ellipsis_ratio: Some(0.1),
            max_bullet_fraction: Some(0.9),
            max_ellipsis_line_fraction: Some(0.3),
            min_alphabetic_fraction: Some(0.8),
            min_stop_words: Some(2),
            stop_words: ["the", "be", "to", "of", "and", "that", "have", "with"].map(str::to_owned).to_vec(),
        }
    }
}

impl Settings for GopherQuality {
    const ABOUT: About = About {
        reasons: &[
            ("too_few_words", "it has fewer words than `min_words`"),
            ("too_many_words", "it has more words than `max_words`"),
            ("words_too_short", "its words are shorter on average than `min_mean_word_length`"),
            ("words_too_long", "its words are longer on average than `max_mean_word_length`"),
            ("too_many_hashes", "it has more `#` for each word than `max_hash_ratio`"),
            ("too_many_ellipses", "it has more ellipses for each word than `max_ellipsis_ratio`"),
            ("too_many_bullets", "more of its lines begin with a bullet than `max_bullet_fraction`"),
            ("too_many_ellipsis_lines", "more of its lines end in an ellipsis than `max_ellipsis_line_fraction`"),
            ("too_few_alphabetic_words", "fewer of its words have a letter than `min_alphabetic_fraction`"),
            ("too_few_stop_words", "it has fewer different stop words than `min_stop_words`"),
        ],
        fields: &[("gopher_quality.*", "in `mode: annotate`, every measure the rules are held against")],
        examples: &[
            Example {
                it: "drops a navigation bar",
                settings: "{}",
                given: "Home | About | Contact",
                expect: Expect::Dropped("too_few_words"),
            },
            Example {
                it: "drops a list of hash tags",
                settings: r#"{"min_words": 2}"#,
                given: "#summer #beach #holiday",
                expect: Expect::Dropped("too_many_hashes"),
            },
            Example {
                it: "drops text without stop words",
                settings: r#"{"min_words": 2}"#,
                given: "Lorem ipsum dolor sit amet",
                expect: Expect::Dropped("too_few_stop_words"),
            },
            Example {
                it: "counts marks as words without letters, as datatrove does",
                settings: r#"{"compat": "datatrove", "min_words": null, "min_stop_words": null}"#,
                given: "Hello, world! Hello, world!",
                expect: Expect::Dropped("too_few_alphabetic_words"),
            },
            Example {
                it: "keeps prose",
                settings: r#"{"min_words": 5}"#,
                given: "It was the best of times, and that is all there is to say.",
                expect: Expect::Kept,
            },
        ],
        ..About::new("gopher_quality", Family::Filter, "drops what does not look like prose (MassiveText's rules)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let s = &self;
        let rules = Rules::over(&MEASURES, cx)?
            .at_least("words", "too_few_words", s.min_words)
            .at_most("words", "too_many_words", s.max_words)
            .at_least("mean_word_length", "words_too_short", s.min_mean_word_length)
            .at_most("mean_word_length", "words_too_long", s.max_mean_word_length)
            .at_most("hash_ratio", "too_many_hashes", s.max_hash_ratio)
            .at_most("ellipsis_ratio", "too_many_ellipses", s.max_ellipsis_ratio)
            .at_most("bullet_fraction", "too_many_bullets", s.max_bullet_fraction)
            .at_most("ellipsis_line_fraction", "too_many_ellipsis_lines", s.max_ellipsis_line_fraction)
            .at_least("alphabetic_fraction", "too_few_alphabetic_words", s.min_alphabetic_fraction)
            .at_least("stop_words", "too_few_stop_words", s.min_stop_words)
            .checked::<Self>()?;
        let words = s.words.unwrap_or(if s.compat.is_some() { Words::Spacy } else { Words::Unicode });
        let prose = Prose::new(words, s.compat, &s.stop_words);
        Ok(Stage::Transform(Box::new(Running { rules, prose })))
    }
}

const MEASURES: [&str; 9] = [
    "words",
    "mean_word_length",
    "hash_ratio",
    "ellipsis_ratio",
    "bullet_fraction",
    "ellipsis_line_fraction",
    "alphabetic_fraction",
    "stop_words",
    "lines",
];

#[derive(Clone)]
struct Running {
    rules: Rules,
    prose: Prose,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let found = self.prose.measure(&doc.text);
        let numbers = [
            found.words as f64,
            found.mean_word_length,
            found.hash_ratio,
            found.ellipsis_ratio,
            found.bullet_fraction,
            found.ellipsis_line_fraction,
            found.alphabetic_fraction,
            found.stop_words as f64,
            found.lines as f64,
        ];
        self.rules.judge(doc, &numbers)
    }
}
