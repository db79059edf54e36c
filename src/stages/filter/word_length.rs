//! Drops documents whose words are too short or too long: tables of numbers and letters on one side, unspaced strings,
//! identifiers and hashes on the other. The bounds 3 and 10 for the mean are MassiveText's (Rae et al. 2021).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `word_length`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WordLength {
    /// Least mean length in characters.
    pub min_mean: Option<f64>,
    /// Greatest mean length in characters.
    pub max_mean: Option<f64>,
    /// Least median length in characters.
    pub min_median: Option<f64>,
    /// Greatest median length in characters.
    pub max_median: Option<f64>,
    /// Most characters between two spaces anywhere in the text: whole links and encoded data count as one.
    pub max_unspaced: Option<u64>,
    /// How words are found.
    pub words: Words,
}

impl Default for WordLength {
    fn default() -> Self {
        Self {
            min_mean: Some(3.0),
            max_mean: Some(10.0),
            min_median: None,
            max_median: None,
            max_unspaced: None,
            words: Words::Unicode,
        }
    }
}

const MEASURES: [&str; 3] = ["mean", "median", "unspaced"];

impl Settings for WordLength {
    const ABOUT: About = About {
        reasons: &[
            ("words_too_short", "its words are shorter than `min_mean` or `min_median`"),
            ("words_too_long", "its words are longer than `max_mean` or `max_median`"),
            ("unspaced", "more characters stand without a space between them than `max_unspaced`"),
        ],
        fields: &[(
            "word_length.*",
            "in `mode: annotate`: `mean`, `median` and the longest `unspaced` run, in characters",
        )],
        examples: &[
            Example {
                it: "drops a table of digits",
                settings: "{}",
                given: "1 2 3 4 5 6 7 8 9",
                expect: Expect::Dropped("words_too_short"),
            },
            Example {
                it: "drops encoded data",
                settings: r#"{"max_unspaced": 20, "max_mean": null}"#,
                given: "data: aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=",
                expect: Expect::Dropped("unspaced"),
            },
            Example { it: "keeps prose", settings: "{}", given: "It was the best of times", expect: Expect::Kept },
        ],
        ..About::new("word_length", Family::Filter, "drops documents whose words are too short or too long")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&MEASURES, cx)?
            .at_least("mean", "words_too_short", self.min_mean)
            .at_most("mean", "words_too_long", self.max_mean)
            .at_least("median", "words_too_short", self.min_median)
            .at_most("median", "words_too_long", self.max_median)
            .at_most("unspaced", "unspaced", self.max_unspaced)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { rules, words: self.words, lengths: Vec::new() })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    words: Words,
    /// Scratch.
    lengths: Vec<u32>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        self.lengths.clear();
        let text = &doc.text;
        self.lengths.extend(text.words_by(self.words).iter().map(|&word| chars(text.at(word)) as u32));
        let unspaced = text.as_str().split_whitespace().map(chars).max().unwrap_or(0);
        let total: u64 = self.lengths.iter().map(|&n| u64::from(n)).sum();
        let mean = total as f64 / self.lengths.len().max(1) as f64;
        let measured = [mean, median(&mut self.lengths), unspaced as f64];
        self.rules.judge(doc, &measured)
    }
}

fn chars(word: &str) -> usize {
    if word.is_ascii() { word.len() } else { word.chars().count() }
}

/// The middle of `numbers`, or the mean of the two in the middle.
fn median(numbers: &mut [u32]) -> f64 {
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return 0.0;
    }
    let even = numbers.len().is_multiple_of(2);
    let (below, &mut upper, _) = numbers.select_nth_unstable(middle);
    let lower = if even { below.iter().copied().max().unwrap_or(upper) } else { upper };
    (f64::from(lower) + f64::from(upper)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(median(&mut [9, 1, 2]), 2.0);
        assert_eq!(median(&mut [9, 1, 2, 3]), 2.5);
        assert_eq!(median(&mut []), 0.0);
    }
}
