//! Judges how surprised an n-gram language model is, as CCNet does (Wenzek et al. 2019, arXiv 1911.00359): text like the
//! model's own (Wikipedia there) has a low perplexity, garbage and lists of words a high one.
//!
//! The model is KenLM's (ARPA or binary), used where it lies. Perplexity is 10 to the negative mean log10 probability of all
//! words and ends of lines. With `into` it becomes a field, which `quantile_buckets` cuts into CCNet's head, middle and tail.

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::io::codec;
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::ccnet;
use crate::text::kenlm::{Model, Score};

/// Settings of `perplexity`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Perplexity {
    /// A language model as KenLM writes it: ARPA (compressed or not), or a binary file of kind probing or trie.
    pub model: PathBuf,
    /// Least perplexity that is kept; `null` for no limit.
    #[serde(default)]
    pub min_perplexity: Option<f64>,
    /// Greatest perplexity that is kept; `null` for no limit.
    #[serde(default)]
    pub max_perplexity: Option<f64>,
    /// A field for the perplexity.
    #[serde(default)]
    pub into: Option<String>,
    /// What the model takes for a sentence: each `line`, or the whole `document`.
    #[serde(default)]
    pub sentence: Sentence,
    /// What is done to a sentence first: `none`, or `ccnet` (lower case, no accents, digits as 0, ASCII punctuation).
    #[serde(default)]
    pub normalize: Normalize,
}

/// What the model takes for a sentence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sentence {
    /// Each line that is not blank.
    #[default]
    Line,
    /// The document, newlines being spaces.
    Document,
}

/// What is done to a sentence first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// Nothing.
    #[default]
    None,
    /// What CCNet does before SentencePiece.
    Ccnet,
}

impl Settings for Perplexity {
    const ABOUT: About = About {
        reasons: &[
            ("perplexity_too_low", "its perplexity is below `min_perplexity`"),
            ("perplexity_too_high", "its perplexity is above `max_perplexity`"),
        ],
        fields: &[("perplexity.*", "in `mode: annotate`: the `perplexity`, and the `tokens` it is the mean over")],
        examples: &[
            Example {
                it: "drops words in no order",
                settings: r#"{"model": "fixtures/models/tiny.probing", "max_perplexity": 100}"#,
                given: "ship sea night bed head old man",
                expect: Expect::Dropped("perplexity_too_high"),
            },
            Example {
                it: "keeps what is like the text of the model",
                settings: r#"{"model": "fixtures/models/tiny.quantized-array", "max_perplexity": 100, "normalize": "ccnet"}"#,
                given: "And there was the sea ,\nand the captain of the ship .",
                expect: Expect::Kept,
            },
        ],
        ..About::new("perplexity", Family::Filter, "judges by the perplexity of a KenLM language model")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let path = &self.model;
        let model = cx.load(path, |file| {
            let wrong = |what: String| {
                Error::pipeline(format!("`{}` is no usable language model: {what}", path.display()))
                    .hint("give an ARPA file or what KenLM's `build_binary` makes of one")
            };
            if codec::Codec::of(file.bytes()) == codec::Codec::Plain {
                return Model::read(Arc::new(file)).map_err(wrong);
            }
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut codec::open(path)?, &mut text).map_err(|e| Error::io("read", path, e))?;
            Model::read(Arc::new(text)).map_err(wrong)
        })?;
        if self.min_perplexity.is_none() && self.max_perplexity.is_none() && self.into.is_none() && !cx.annotate {
            return Err(Error::pipeline(format!("`{}` neither judges nor writes the perplexity", cx.label))
                .hint("give it `max_perplexity` or `min_perplexity`, or `into: perplexity` to keep it as a field"));
        }
        if self.max_perplexity.is_some_and(|max| max <= 1.0) || self.min_perplexity.is_some_and(|min| min < 1.0) {
            cx.notes("a limit of 1 or less is beyond every text: perplexities are above 1".to_owned());
        }
        let rules = Rules::over(&["perplexity", "tokens"], cx)?
            .at_least("perplexity", "perplexity_too_low", self.min_perplexity)
            .at_most("perplexity", "perplexity_too_high", self.max_perplexity)
            .checked::<Self>()?;
        let into = self.into.as_deref().map(|name| cx.writes(name)).transpose()?;
        Ok(Stage::Transform(Box::new(Running {
            model: (*model).clone(),
            sentence: self.sentence,
            normalize: self.normalize,
            rules,
            into,
            line: String::new(),
        })))
    }
}

#[derive(Clone)]
struct Running {
    model: Model,
    sentence: Sentence,
    normalize: Normalize,
    rules: Rules,
    into: Option<Field<f64>>,
    /// Scratch: a line normalized.
    line: String,
}

impl Running {
    fn score(&mut self, sentence: &str) -> Score {
        match self.normalize {
            Normalize::None => self.model.score(sentence),
            Normalize::Ccnet => {
                ccnet::normalize(sentence, &mut self.line);
                self.model.score(&self.line)
            }
        }
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = doc.text.as_str();
        let mut score = Score::default();
        match (self.sentence, self.normalize) {
            (Sentence::Line, _) => {
                for line in text.split('\n').filter(|line| !line.trim().is_empty()) {
                    score = score.and(self.score(line));
                }
            }
            // The normalization takes control characters out: words of two lines must not become one.
            (Sentence::Document, Normalize::Ccnet) => score = self.score(&text.replace('\n', " ")),
            (Sentence::Document, Normalize::None) => score = self.score(text),
        }
        if score.tokens == 0 {
            score = self.score("");
        }
        let perplexity = score.perplexity();
        if let Some(field) = self.into {
            doc.set(field, perplexity);
        }
        self.rules.judge(doc, &[perplexity, score.tokens as f64])
    }
}
