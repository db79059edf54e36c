//! Drops documents with too few stop words: what holds no "the" and no "of" is seldom a sentence of its language.
//!
//! `gopher_quality` asks for two different ones of eight English words; this is the rule for any list. Lists of other
//! languages are files of one word a line, and `when: language == de` picks the documents a list is for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::{Error, Result};
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `stop_words`. Words are compared without regard to case; `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StopWords {
    /// The stop words. MassiveText's eight English ones if neither this nor `list` is given.
    pub words: Vec<String>,
    /// A file of stop words, one a line; empty lines and lines that begin with `#` are passed over.
    pub list: Option<PathBuf>,
    /// Fewest different stop words.
    pub min_unique: Option<u64>,
    /// Fewest stop words, counted as often as they occur.
    pub min_count: Option<u64>,
    /// Least share of stop words among all words, 0..1.
    pub min_fraction: Option<Fraction>,
    /// Greatest share of stop words among all words, 0..1.
    pub max_fraction: Option<Fraction>,
    /// How the words of a text are found.
    pub splitter: Words,
}

impl Default for StopWords {
    fn default() -> Self {
        Self {
            words: Vec::new(),
            list: None,
            min_unique: Some(2),
            min_count: None,
            min_fraction: None,
            max_fraction: None,
            splitter: Words::Unicode,
        }
    }
}

const ENGLISH: [&str; 8] = ["the", "be", "to", "of", "and", "that", "have", "with"];

impl Settings for StopWords {
    const ABOUT: About = About {
        reasons: &[
            ("too_few_stop_words", "it has fewer stop words than `min_unique`, `min_count` or `min_fraction`"),
            ("too_many_stop_words", "more of its words are stop words than `max_fraction`"),
        ],
        fields: &[("stop_words.*", "in `mode: annotate`: `unique`, `count` and `fraction` (0..1) of stop words")],
        examples: &[
            Example {
                it: "drops a list of names",
                settings: "{}",
                given: "Anna Ben Clara Daniel Emma",
                expect: Expect::Dropped("too_few_stop_words"),
            },
            Example {
                it: "takes the words of any language",
                settings: r#"{"words": ["der", "und", "ist"], "min_fraction": "20%"}"#,
                given: "Der Weg ist weit und steil",
                expect: Expect::Kept,
            },
        ],
        ..About::new("stop_words", Family::Filter, "drops documents with too few stop words")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let mut words = self.words;
        if let Some(list) = &self.list {
            let path = cx.resource(list)?.path;
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
            words.extend(
                text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned),
            );
            if words.is_empty() {
                return Err(Error::pipeline(format!("`{}`: the list `{}` is empty", cx.label, list.display()))
                    .hint("a list has one word a line"));
            }
        }
        if words.is_empty() {
            words.extend(ENGLISH.map(str::to_owned));
        }
        let mut numbered = HashMap::default();
        for word in words {
            let next = numbered.len();
            numbered.entry(word.to_lowercase()).or_insert(next);
        }
        let rules = Rules::over(&["unique", "count", "fraction"], cx)?
            .at_least("unique", "too_few_stop_words", self.min_unique)
            .at_least("count", "too_few_stop_words", self.min_count)
            .at_least("fraction", "too_few_stop_words", self.min_fraction)
            .at_most("fraction", "too_many_stop_words", self.max_fraction)
            .checked::<Self>()?;
        if let Some(min) = self.min_unique.filter(|min| *min > numbered.len() as u64) {
            return Err(Error::pipeline(format!("`{}` asks for {min} of {} stop words", cx.label, numbered.len()))
                .hint("lower `min_unique` or give more words"));
        }
        let longest = numbered.keys().map(|w| w.len()).max().unwrap_or(0);
        let seen = vec![false; numbered.len()];
        Ok(Stage::Transform(Box::new(Running {
            words: Arc::new(numbered),
            splitter: self.splitter,
            longest,
            rules,
            seen,
            folded: String::new(),
        })))
    }
}

#[derive(Clone)]
struct Running {
    words: Arc<HashMap<String, usize, foldhash::fast::FixedState>>,
    splitter: Words,
    /// Bytes of the longest stop word: most words of a text need no look-up.
    longest: usize,
    rules: Rules,
    /// Scratch.
    seen: Vec<bool>,
    folded: String,
}

impl Running {
    fn number(&mut self, word: &str) -> Option<usize> {
        // Folding a letter to lower case makes it at most three times as long, or as short.
        if word.len() > self.longest * 3 {
            return None;
        }
        self.folded.clear();
        self.folded.extend(word.chars().flat_map(char::to_lowercase));
        self.words.get(self.folded.as_str()).copied()
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        self.seen.fill(false);
        let mut count = 0u64;
        let words = doc.text.words_by(self.splitter);
        for &word in words {
            if let Some(number) = self.number(doc.text.at(word)) {
                count += 1;
                if let Some(seen) = self.seen.get_mut(number) {
                    *seen = true;
                }
            }
        }
        let unique = self.seen.iter().filter(|s| **s).count();
        let fraction = count as f64 / words.len().max(1) as f64;
        self.rules.judge(doc, &[unique as f64, count as f64, fraction])
    }
}
