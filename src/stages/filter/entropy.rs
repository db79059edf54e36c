//! Drops documents that carry too little or too much information for each word or character: chants and boilerplate
//! below, random strings and encoded data above.
//!
//! The entropy of words is RedPajama-v2's `rps_doc_unigram_entropy` (natural logarithm). It grows with length; that of
//! characters hardly does, and tells prose (about 3 nats in English) from encoded data (above 4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::vocabulary::{Vocabulary, entropy};

/// Settings of `entropy`, in nats (natural logarithm). `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Entropy {
    /// Least entropy of the words, in nats.
    pub min_words: Option<f64>,
    /// Greatest entropy of the words, in nats.
    pub max_words: Option<f64>,
    /// Least entropy of the characters, in nats.
    pub min_chars: Option<f64>,
    /// Greatest entropy of the characters, in nats.
    pub max_chars: Option<f64>,
    /// How words are found.
    pub words: Words,
}

impl Default for Entropy {
    fn default() -> Self {
        Self { min_words: Some(3.0), max_words: None, min_chars: None, max_chars: None, words: Words::Unicode }
    }
}

impl Settings for Entropy {
    const ABOUT: About = About {
        reasons: &[
            ("too_uniform", "its words or characters have less entropy than `min_words` or `min_chars`"),
            ("too_random", "its words or characters have more entropy than `max_words` or `max_chars`"),
        ],
        fields: &[("entropy.*", "in `mode: annotate`: the entropy of `words` and of `chars`, in nats")],
        examples: &[
            Example {
                it: "drops a chant",
                settings: "{}",
                given: "buy now buy now buy now buy now buy now",
                expect: Expect::Dropped("too_uniform"),
            },
            Example {
                it: "drops encoded data",
                settings: r#"{"min_words": null, "max_chars": 3.3}"#,
                given: "TWFuIGlzIGRpc3Rpbmd1aXNoZWQsIG5vdCBvbmx5IGJ5IGhpcyByZWFzb24",
                expect: Expect::Dropped("too_random"),
            },
            Example {
                it: "keeps prose",
                settings: r#"{"max_chars": 3.3, "min_words": 2}"#,
                given: "It was the best of times, it was the worst of times, it was the age of wisdom",
                expect: Expect::Kept,
            },
        ],
        ..About::new("entropy", Family::Filter, "drops documents with too little or too much information for each word")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&["words", "chars"], cx)?
            .at_least("words", "too_uniform", self.min_words)
            .at_most("words", "too_random", self.max_words)
            .at_least("chars", "too_uniform", self.min_chars)
            .at_most("chars", "too_random", self.max_chars)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running {
            rules,
            words: self.words,
            vocabulary: Vocabulary::default(),
            chars: Vec::new(),
        })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    words: Words,
    vocabulary: Vocabulary,
    /// Scratch: the characters that are no ASCII.
    chars: Vec<char>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let words = doc.text.words_by(self.words).iter().map(|&w| doc.text.at(w));
        let of_words = entropy(self.vocabulary.count(words));
        let of_chars = entropy(&char_counts(doc.text.as_str(), &mut self.chars));
        self.rules.judge(doc, &[of_words, of_chars])
    }
}

/// How often each character occurs, ascending.
fn char_counts(text: &str, wide: &mut Vec<char>) -> Vec<u32> {
    let mut ascii = [0u32; 128];
    wide.clear();
    for c in text.chars() {
        match ascii.get_mut(c as usize) {
            Some(count) => *count += 1,
            None => wide.push(c),
        }
    }
    wide.sort_unstable();
    let mut counts: Vec<u32> = ascii.into_iter().filter(|n| *n > 0).collect();
    counts.extend(wide.chunk_by(|a, b| a == b).map(|same| same.len() as u32));
    counts.sort_unstable();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_whatever_their_script() {
        assert_eq!(char_counts("aééaaあ", &mut Vec::new()), [1, 2, 3]);
    }
}
