//! Encodes text as token ids, for the writers of token shards.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::tokens::{Encoder, Tokenizer};

/// Settings of `encode`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encode {
    /// A Hugging Face `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// Where the end-of-document token goes.
    #[serde(default)]
    pub eos: Eos,
    /// The end-of-document token; the tokenizer's usual one if left out.
    #[serde(default)]
    pub eos_token: Option<String>,
    /// Most tokens of a document, the end-of-document token included.
    #[serde(default)]
    pub max_tokens: Option<u64>,
}

/// Where the end-of-document token goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Eos {
    /// Nowhere.
    None,
    /// Before each document.
    Prefix,
    /// After each document.
    #[default]
    Suffix,
    /// Before and after.
    Both,
}

impl Settings for Encode {
    const ABOUT: About = About {
        shorthand: Some("tokenizer"),
        reasons: &[
            ("no_tokens", "the text is empty"),
            ("too_many_tokens", "it has more tokens than `max_tokens`"),
            ("not_encodable", "the tokenizer refuses the text"),
        ],
        fields: &[("tokens", "the token ids"), ("token_count", "how many they are")],
        examples: &[Example {
            it: "encodes with the vocabulary it is given",
            settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json", "eos": "none"}"#,
            given: "Hello world",
            expect: Expect::Field("tokens", "[15496, 995]"),
        }],
        ..About::new("encode", Family::Encode, "encodes text as token ids")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        cx.resource(&self.tokenizer)?;
        let tokenizer = Tokenizer::load(&self.tokenizer)?;
        let eos = match (self.eos, &self.eos_token) {
            (Eos::None, _) => None,
            (_, Some(token)) => Some(tokenizer.token_id(token).ok_or_else(|| {
                Error::pipeline(format!("the tokenizer has no token `{token}`"))
                    .hint("name one of its special tokens as `eos_token`")
            })?),
            (_, None) => Some(tokenizer.eos_id().ok_or_else(|| {
                Error::pipeline("the tokenizer has no end-of-document token of a usual name")
                    .hint("name it: `eos_token: …`, or write `eos: none`")
            })?),
        };
        cx.writes_ids_below(tokenizer.vocab_size());
        let (tokens, count) = (cx.writes("tokens")?, cx.writes("token_count")?);
        let encoder = tokenizer.encoder();
        Ok(Stage::Transform(Box::new(Running { encoder, at: self.eos, eos, max: self.max_tokens, tokens, count })))
    }
}

#[derive(Clone)]
struct Running {
    encoder: Encoder,
    at: Eos,
    eos: Option<u32>,
    max: Option<u64>,
    tokens: Field<Vec<u32>>,
    count: Field<i64>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if doc.text.is_empty() {
            return Verdict::drop("no_tokens");
        }
        let mut ids = Vec::with_capacity(doc.text.len() / 3 + 2);
        if matches!(self.at, Eos::Prefix | Eos::Both) {
            ids.extend(self.eos);
        }
        if !self.encoder.encode_into(doc.text.as_str(), &mut ids) {
            return Verdict::drop("not_encodable");
        }
        if matches!(self.at, Eos::Suffix | Eos::Both) {
            ids.extend(self.eos);
        }
        let count = ids.len() as u64;
        if let Some(max) = self.max.filter(|&max| count > max) {
            return Verdict::drop_by("too_many_tokens", count as f64, max as f64);
        }
        doc.set(self.count, count as i64);
        doc.set(self.tokens, ids);
        Verdict::Keep
    }
}
