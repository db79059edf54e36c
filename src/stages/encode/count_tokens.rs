//! Counts tokens without keeping them: for mixing by tokens before encoding, or for statistics.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::Result;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::tokens::{Encoder, Tokenizer};

/// Settings of `count_tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountTokens {
    /// A Hugging Face `tokenizer.json`, or a tiktoken rank file.
    pub tokenizer: PathBuf,
    /// The field the number goes to.
    #[serde(default = "field")]
    pub field: String,
}

fn field() -> String {
    "token_count".into()
}

impl Settings for CountTokens {
    const ABOUT: About = About {
        shorthand: Some("tokenizer"),
        reasons: &[("not_encodable", "the tokenizer refuses the text")],
        fields: &[("token_count", "how many tokens the text has, without any put around it")],
        examples: &[Example {
            it: "counts the tokens of a text",
            settings: r#"{"tokenizer": "fixtures/tokenizers/gpt2.json"}"#,
            given: "Hello world",
            expect: Expect::Field("token_count", "2"),
        }],
        ..About::new("count_tokens", Family::Encode, "counts tokens without keeping them")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        cx.resource(&self.tokenizer)?;
        let tokenizer = Tokenizer::load(&self.tokenizer, false)?;
        cx.notes(tokenizer.describe());
        let count = cx.writes(&self.field)?;
        Ok(Stage::Transform(Box::new(Running { encoder: tokenizer.encoder(), ids: Vec::new(), count })))
    }
}

#[derive(Clone)]
struct Running {
    encoder: Encoder,
    ids: Vec<u32>,
    count: Field<i64>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        self.ids.clear();
        if !self.encoder.encode_into(doc.text.as_str(), &mut self.ids) {
            return Verdict::drop("not_encodable");
        }
        doc.set(self.count, self.ids.len() as i64);
        Verdict::Keep
    }
}
