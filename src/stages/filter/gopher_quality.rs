//! The quality rules of MassiveText (Rae et al. 2021, arXiv 2112.11446, appendix A1): what does not look like prose goes.
//!
//! Rules are tried in the paper's order and the first that fails is the reason. Words are Unicode words by default, which
//! leave punctuation out; implementations that count punctuation marks as words drop up to a fifth more for
//! `too_few_alphabetic_words`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `gopher_quality`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GopherQuality {
    /// How words are found.
    pub words: Words,
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

/// How words are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// Unicode words (UAX #29): no punctuation.
    #[default]
    Unicode,
    /// Whatever whitespace separates.
    Whitespace,
}

impl Default for GopherQuality {
    fn default() -> Self {
        Self {
            words: Words::Unicode,
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
        Ok(Stage::Transform(Box::new(Running { settings: self, rules })))
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
    settings: GopherQuality,
    rules: Rules,
}

impl Running {
    fn words(&self, doc: &Document) -> WordCounts {
        let mut counts = WordCounts { stops: vec![false; self.settings.stop_words.len()], ..WordCounts::default() };
        match self.settings.words {
            Words::Unicode => {
                doc.text.words().iter().for_each(|&w| counts.add(doc.text.at(w), &self.settings.stop_words))
            }
            Words::Whitespace => {
                doc.text.as_str().split_whitespace().for_each(|w| counts.add(w, &self.settings.stop_words))
            }
        }
        counts
    }

    fn lines(doc: &Document) -> (usize, usize, usize) {
        let lines = doc.text.lines();
        let (mut bullets, mut ellipses) = (0, 0);
        for &line in lines {
            let line = doc.text.at(line);
            bullets += usize::from(line.trim_start().starts_with(['•', '-']));
            let end = line.trim_end();
            ellipses += usize::from(end.ends_with("...") || end.ends_with('…'));
        }
        (lines.len(), bullets, ellipses)
    }

    /// In the order of [`MEASURES`].
    fn measure(&self, doc: &Document, counts: &WordCounts) -> [f64; MEASURES.len()] {
        let text = doc.text.as_str();
        let words = counts.words.max(1) as f64;
        let hashes = memchr::memchr_iter(b'#', text.as_bytes()).count();
        let ellipses = memchr::memmem::find_iter(text.as_bytes(), "...").count()
            + memchr::memmem::find_iter(text.as_bytes(), "…").count();
        let (lines, bullets, ellipsis_lines) = Self::lines(doc);
        let share = |n: usize| n as f64 / lines.max(1) as f64;
        [
            counts.words as f64,
            counts.chars as f64 / words,
            hashes as f64 / words,
            ellipses as f64 / words,
            share(bullets),
            share(ellipsis_lines),
            counts.alphabetic as f64 / words,
            counts.stops.iter().filter(|s| **s).count() as f64,
            lines as f64,
        ]
    }
}

#[derive(Default)]
struct WordCounts {
    words: usize,
    chars: usize,
    alphabetic: usize,
    stops: Vec<bool>,
}

impl WordCounts {
    fn add(&mut self, word: &str, stop_words: &[String]) {
        self.words += 1;
        if word.is_ascii() {
            self.chars += word.len();
            self.alphabetic += usize::from(word.bytes().any(|b| b.is_ascii_alphabetic()));
        } else {
            self.chars += word.chars().count();
            self.alphabetic += usize::from(word.chars().any(char::is_alphabetic));
        }
        for (seen, stop) in self.stops.iter_mut().zip(stop_words) {
            *seen |= stop == word;
        }
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let counts = self.words(doc);
        let measured = self.measure(doc, &counts);
        self.rules.judge(doc, &measured)
    }
}
