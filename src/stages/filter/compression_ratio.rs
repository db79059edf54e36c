//! Drops documents that compress too well or too badly: repeated boilerplate on one side, encoded data on the other.
//!
//! One number sees every kind of repetition at once, near or far, in any script. Prose of a few kilobytes has a ratio
//! between 1.5 and 3 with zstd; pages made of one line again and again have 10 and more. Short documents compress badly
//! whatever they say, so a least ratio belongs with a bound on length (`when: chars > 2000`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `compression_ratio`: bytes of text for each byte of it compressed with zstd. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CompressionRatio {
    /// Least ratio.
    pub min: Option<f64>,
    /// Greatest ratio.
    pub max: Option<f64>,
}

impl Default for CompressionRatio {
    fn default() -> Self {
        Self { min: None, max: Some(10.0) }
    }
}

/// The fastest of zstd's usual levels: the ratio is a measure here, not a saving.
const LEVEL: i32 = 1;

impl Settings for CompressionRatio {
    const ABOUT: About = About {
        reasons: &[
            ("too_repetitive", "it compresses better than `max`"),
            ("too_random", "it compresses worse than `min`"),
        ],
        fields: &[("compression_ratio.ratio", "in `mode: annotate`: bytes of text for each compressed byte")],
        examples: &[
            Example {
                it: "drops one line again and again",
                settings: r#"{"max": 3}"#,
                given: "Click here. Click here. Click here. Click here. Click here. Click here. Click here. Click here.",
                expect: Expect::Dropped("too_repetitive"),
            },
            Example { it: "keeps prose", settings: "{}", given: "It was the best of times", expect: Expect::Kept },
        ],
        ..About::new("compression_ratio", Family::Filter, "drops documents that compress too well or too badly")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&["ratio"], cx)?
            .at_least("ratio", "too_random", self.min)
            .at_most("ratio", "too_repetitive", self.max)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { rules, compressor: None, out: Vec::new() })))
    }
}

struct Running {
    rules: Rules,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    /// Scratch.
    out: Vec<u8>,
}

impl Clone for Running {
    fn clone(&self) -> Self {
        Self { rules: self.rules.clone(), compressor: None, out: Vec::new() }
    }
}

impl Running {
    /// 1 if the text cannot be compressed at all.
    fn ratio(&mut self, text: &str) -> f64 {
        if self.compressor.is_none() {
            self.compressor = zstd::bulk::Compressor::new(LEVEL).ok();
        }
        self.out.clear();
        self.out.reserve(zstd::zstd_safe::compress_bound(text.len()));
        let compressed =
            self.compressor.as_mut().and_then(|c| c.compress_to_buffer(text.as_bytes(), &mut self.out).ok());
        compressed.filter(|bytes| *bytes > 0 && !text.is_empty()).map_or(1.0, |bytes| text.len() as f64 / bytes as f64)
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let ratio = self.ratio(doc.text.as_str());
        self.rules.judge(doc, &[ratio])
    }
}
