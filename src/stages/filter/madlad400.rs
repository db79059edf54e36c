//! MADLAD-400's rules for sentences (Kudugunta et al. 2023, arXiv 2309.04662, appendix D): a document goes if more than a
//! fifth of its sentences are questionable, or if it has fewer than five.
//!
//! A sentence is questionable if most of its words begin with a capital, if it is very short or very long, if it has many
//! technical characters, or if a pattern is found in it that betrays a language gone wrong (the paper's *cursed*
//! patterns: a file of the user's). Its rule that a sentence be in the document's language takes a model, and is
//! `language` at the level of lines. Sentences end where `.`, `!` or `?` are followed by whitespace.

use std::path::PathBuf;

use regex::RegexSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `madlad400`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Madlad400 {
    /// Fewest sentences.
    pub min_sentences: Option<u64>,
    /// Greatest share of questionable sentences, 0..1.
    pub max_questionable_fraction: Option<Fraction>,
    /// Greatest share of capitalized words in a sentence of at least `min_words_of_list_case` words, 0..1.
    pub max_capitalized_fraction: Option<Fraction>,
    /// Fewest words of a sentence whose capitals are looked at.
    pub min_words_of_list_case: u64,
    /// Fewest characters of a sentence.
    pub min_chars: Option<u64>,
    /// Most characters of a sentence.
    pub max_chars: Option<u64>,
    /// Greatest share of digits and of `{ } + / ( ) >` among the characters of a sentence, 0..1.
    pub max_technical_fraction: Option<Fraction>,
    /// A file of regular expressions, one a line: sentences in which one is found are questionable.
    pub cursed: Option<PathBuf>,
    /// Whether lengths are counted in bytes instead of characters, as datamap-rs does.
    pub bytes: bool,
}

impl Default for Madlad400 {
    fn default() -> Self {
        Self {
            min_sentences: Some(5),
            max_questionable_fraction: Some(Fraction(0.2)),
            max_capitalized_fraction: Some(Fraction(0.5)),
            min_words_of_list_case: 12,
            min_chars: Some(20),
            max_chars: Some(500),
            max_technical_fraction: Some(Fraction(0.2)),
            cursed: None,
            bytes: false,
        }
    }
}

const MEASURES: [&str; 6] = ["sentences", "questionable", "list_case", "abnormal_length", "technical", "cursed"];

impl Settings for Madlad400 {
    const ABOUT: About = About {
        reasons: &[
            ("too_few_sentences", "it has fewer sentences than `min_sentences`"),
            ("questionable_sentences", "more of its sentences are questionable than `max_questionable_fraction`"),
        ],
        fields: &[(
            "madlad400.*",
            "in `mode: annotate`: `sentences`, and the shares (0..1) that are `questionable` and by which rule",
        )],
        examples: &[
            Example {
                it: "drops what is too short to judge",
                settings: "{}",
                given: "It was the best of times. It was the worst of times.",
                expect: Expect::Dropped("too_few_sentences"),
            },
            Example {
                it: "drops scores and tables",
                settings: r#"{"min_sentences": 1}"#,
                given: "Final: 3/4 (12) + 4/4 (18) > 30/50.",
                expect: Expect::Dropped("questionable_sentences"),
            },
            Example {
                it: "keeps prose",
                settings: r#"{"min_sentences": 2}"#,
                given: "It was the best of times. It was the worst of times.",
                expect: Expect::Kept,
            },
        ],
        ..About::new(
            "madlad400",
            Family::Filter,
            "drops documents with too many questionable sentences (MADLAD-400's rules)",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let cursed = match &self.cursed {
            None => None,
            Some(path) => Some(patterns(cx, path)?),
        };
        let rules = Rules::over(&MEASURES, cx)?
            .at_least("sentences", "too_few_sentences", self.min_sentences)
            .at_most("questionable", "questionable_sentences", self.max_questionable_fraction)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { settings: self, cursed, rules })))
    }
}

fn patterns(cx: &mut Build<'_>, path: &PathBuf) -> Result<RegexSet> {
    let path = cx.resource(path)?.path;
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
    RegexSet::new(text.lines().filter(|line| !line.is_empty())).map_err(|e| {
        Error::pipeline(format!("`{}`: a line of `{}` is no regular expression", cx.label, path.display()))
            .hint("plain text is one too, with a backslash before each of `.+*?()[]{}|^$\\`")
            .because(e)
    })
}

#[derive(Clone)]
struct Running {
    settings: Madlad400,
    cursed: Option<RegexSet>,
    rules: Rules,
}

impl Running {
    fn list_case(&self, sentence: &str) -> bool {
        let Some(max) = self.settings.max_capitalized_fraction else { return false };
        let (mut words, mut capitals) = (0u64, 0u64);
        for word in sentence.unicode_words() {
            words += 1;
            capitals += u64::from(word.starts_with(char::is_uppercase));
        }
        words >= self.settings.min_words_of_list_case && capitals as f64 > words as f64 * max.0
    }

    fn length(&self, sentence: &str) -> u64 {
        if self.settings.bytes { sentence.len() as u64 } else { sentence.chars().count() as u64 }
    }

    fn abnormal(&self, length: u64) -> bool {
        let s = &self.settings;
        s.min_chars.is_some_and(|min| length < min) || s.max_chars.is_some_and(|max| length > max)
    }

    fn technical(&self, sentence: &str, length: u64) -> bool {
        let is = |b: &u8| b.is_ascii_digit() || matches!(b, b'{' | b'}' | b'+' | b'/' | b'(' | b')' | b'>');
        let count = sentence.as_bytes().iter().filter(|b| is(b)).count();
        self.settings.max_technical_fraction.is_some_and(|max| count as f64 > length as f64 * max.0)
    }

    fn cursed(&self, sentence: &str) -> bool {
        self.cursed.as_ref().is_some_and(|cursed| cursed.is_match(sentence))
    }
}

/// Sentences, without the marks that end them; blank ones are none.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut from = 0;
        while let Some(at) = text.get(from..)?.find(['.', '!', '?']).map(|at| at + from) {
            let tail = text.get(at..)?;
            let after = tail.trim_start_matches(['.', '!', '?']);
            let next = after.trim_start();
            if next.len() < after.len() {
                rest = Some(next);
                return text.get(..at);
            }
            from = text.len() - after.len();
        }
        rest = None;
        Some(text)
    })
    .filter(|sentence| !sentence.trim().is_empty())
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let mut counts = [0u64; MEASURES.len()];
        for sentence in sentences(doc.text.as_str()) {
            let length = self.length(sentence);
            let found = [
                self.list_case(sentence),
                self.abnormal(length),
                self.technical(sentence, length),
                self.cursed(sentence),
            ];
            let all = [true, found.contains(&true)].into_iter().chain(found);
            counts.iter_mut().zip(all).for_each(|(count, is)| *count += u64::from(is));
        }
        let [sentences, rest @ ..] = counts;
        let share = |count: u64| count as f64 / sentences.max(1) as f64;
        let [questionable, list_case, abnormal, technical, cursed] = rest.map(share);
        self.rules.judge(doc, &[sentences as f64, questionable, list_case, abnormal, technical, cursed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_marks_before_whitespace() {
        let all: Vec<&str> = sentences("One 3.5 two?! Three...\n\nfour. . Five.").collect();
        assert_eq!(all, ["One 3.5 two", "Three", "four", "Five."]);
        assert_eq!(sentences(" . ").count(), 0);
        assert_eq!(sentences(&".x".repeat(100_000)).count(), 1);
    }
}
