//! Keeps the documents for which a condition on their fields holds: the decision after any number of measurements.
//!
//! The language is that of `when:`. With it a recipe measures once (`mode: annotate`) and decides as often as it likes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::stage::expr::{Condition, Expr};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `keep_if`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepIf {
    /// The condition: comparisons of fields joined by `and`, `or`, `not`, such as
    /// `language in [en, de] and not (chars < 200)`. A comparison with a field that was never written does not hold.
    pub condition: String,
}

impl Settings for KeepIf {
    const ABOUT: About = About {
        shorthand: Some("condition"),
        reasons: &[("condition_fails", "the condition does not hold for it")],
        examples: &[
            Example {
                it: "keeps what the condition holds for",
                settings: r#"{"condition": "chars >= 4 and not (chars > 9)"}"#,
                given: "four",
                expect: Expect::Kept,
            },
            Example {
                it: "drops everything else",
                settings: r#"{"condition": "chars > 4"}"#,
                given: "four",
                expect: Expect::Dropped("condition_fails"),
            },
        ],
        ..About::new("keep_if", Family::Filter, "keeps the documents for which a condition on fields holds")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let condition = Expr::parse(&self.condition).map_err(|e| {
            let rest = self.condition.get(e.at.start..).unwrap_or_default();
            let place = if rest.is_empty() { "at its end".to_owned() } else { format!("at `{rest}`") };
            Error::pipeline(format!("`{}`: {} {place}", cx.label, e.message))
                .hint("a condition reads like `language == en and language_score >= 0.65`")
        })?;
        Ok(Stage::Transform(Box::new(Running { condition: condition.resolve(cx)? })))
    }
}

#[derive(Clone)]
struct Running {
    condition: Condition,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if self.condition.holds(doc) { Verdict::Keep } else { Verdict::drop("condition_fails") }
    }
}
