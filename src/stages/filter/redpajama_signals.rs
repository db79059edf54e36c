//! The quality signals of RedPajama-v2 (Weber et al. 2024, arXiv 2411.12372) that need no model, as fields.
//!
//! The signals are what `RedPajama-Data` computes, by its names, with its words: *raw* words are runs of letters, digits
//! and underscores or runs of marks; *normalized* text is lower case without ASCII punctuation, decomposed, and its words
//! are what whitespace separates. Signals that it gives for every line are here the sum (`lines_javascript_counts`) or the
//! mean over the lines. The stage only measures: `keep_if` decides, as in the preset `redpajama2`.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::redpajama::{SIGNALS, Signals};

/// Settings of `redpajama_signals`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedpajamaSignals {
    /// What stands before the name of each field.
    pub prefix: String,
    /// A file of stop words of the language, one a line, for `rps_doc_stop_word_fraction`; without it there is no such
    /// field. Words are matched as they are written.
    pub stop_words: Option<PathBuf>,
}

impl Default for RedpajamaSignals {
    fn default() -> Self {
        Self { prefix: "rps_".to_owned(), stop_words: None }
    }
}

impl Settings for RedpajamaSignals {
    const ABOUT: About = About {
        fields: &[
            ("rps_doc_num_sentences", "stretches between `.`, `!` and `?` that have a word"),
            ("rps_doc_word_count", "normalized words"),
            ("rps_doc_mean_word_length", "their mean length in characters"),
            ("rps_doc_symbol_to_word_ratio", "`#`, `...` and `…` for each raw word"),
            ("rps_doc_frac_lines_end_with_ellipsis", "share of lines that end in an ellipsis, 0..1"),
            ("rps_doc_frac_no_alph_words", "share of raw words without an ASCII letter, 0..1"),
            ("rps_doc_frac_unique_words", "share of different words among normalized words, 0..1"),
            ("rps_doc_unigram_entropy", "entropy of the normalized words, in nats"),
            ("rps_doc_frac_all_caps_words", "share of raw words in capitals, 0..1"),
            ("rps_doc_lorem_ipsum", "occurrences of `lorem ipsum` for each normalized character"),
            ("rps_doc_curly_bracket", "curly brackets for each character"),
            ("rps_doc_stop_word_fraction", "share of stop words among raw words, 0..1, if `stop_words` is given"),
            ("rps_doc_frac_chars_top_2gram", "share of characters in the most frequent 2-gram, 0..1"),
            ("rps_doc_frac_chars_top_3gram", "share of characters in the most frequent 3-gram, 0..1"),
            ("rps_doc_frac_chars_top_4gram", "share of characters in the most frequent 4-gram, 0..1"),
            ("rps_doc_frac_chars_dupe_5grams", "share of characters in repeated 5-grams, 0..1"),
            ("rps_doc_frac_chars_dupe_6grams", "share of characters in repeated 6-grams, 0..1"),
            ("rps_doc_frac_chars_dupe_7grams", "share of characters in repeated 7-grams, 0..1"),
            ("rps_doc_frac_chars_dupe_8grams", "share of characters in repeated 8-grams, 0..1"),
            ("rps_doc_frac_chars_dupe_9grams", "share of characters in repeated 9-grams, 0..1"),
            ("rps_doc_frac_chars_dupe_10grams", "share of characters in repeated 10-grams, 0..1"),
            ("rps_lines_javascript_counts", "words `javascript` in all lines"),
            ("rps_lines_ending_with_terminal_punctution_mark", "share of lines that end in `.`, `!`, `?` or `”`, 0..1"),
            ("rps_lines_num_words", "mean of normalized words in a line"),
            ("rps_lines_uppercase_letter_fraction", "mean over lines of the share of capitals, 0..1"),
            ("rps_lines_numerical_chars_fraction", "mean over lines of the share of digits, 0..1"),
            ("rps_lines_start_with_bulletpoint", "share of lines that begin with a bullet, 0..1"),
        ],
        examples: &[
            Example {
                it: "counts normalized words",
                settings: "{}",
                given: "Don't stop, please!",
                expect: Expect::Field("rps_doc_word_count", "3.0"),
            },
            Example {
                it: "looks at lines",
                settings: r#"{"prefix": "q."}"#,
                given: "• One\n• Two\nThree",
                expect: Expect::Field("q.lines_start_with_bulletpoint", "0.6666666666666666"),
            },
        ],
        ..About::new("redpajama_signals", Family::Filter, "writes RedPajama-v2's quality signals as fields")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let mut stops = None;
        if let Some(path) = &self.stop_words {
            let path = cx.resource(path)?.path;
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
            stops = Some(Arc::new(text.lines().map(str::to_owned).filter(|l| !l.is_empty()).collect::<HashSet<_>>()));
        }
        let mut fields = Vec::new();
        for name in SIGNALS {
            let wanted = name != "doc_stop_word_fraction" || stops.is_some();
            fields.push(if wanted { Some(cx.writes(&format!("{}{name}", self.prefix))?) } else { None });
        }
        Ok(Stage::Transform(Box::new(Running { fields, stops, signals: Signals::default() })))
    }
}

#[derive(Clone)]
struct Running {
    fields: Vec<Option<Field<f64>>>,
    stops: Option<Arc<HashSet<String>>>,
    signals: Signals,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let is_stop = |word: &str| self.stops.as_ref().is_some_and(|stops| stops.contains(word));
        let signals = self.signals.of(doc.text.as_str(), is_stop);
        for (field, signal) in self.fields.iter().zip(signals) {
            if let Some(field) = field {
                doc.set(*field, signal);
            }
        }
        Verdict::Keep
    }
}
