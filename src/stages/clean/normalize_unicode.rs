//! Makes equal texts equal: one normalization form, no characters that nobody sees. Deduplication, language
//! identification and tokenization all see phantom differences otherwise.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::normalize;

/// Settings of `normalize_unicode`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NormalizeUnicode {
    /// The normalization form: `nfc`, or `nfkc` which also folds ligatures and full-width letters.
    pub form: Form,
    /// Whether control and zero-width characters go, and odd spaces and line ends become plain ones.
    pub clean: bool,
    /// Whether curly quotes become ASCII quotes.
    pub quotes: bool,
}

/// A normalization form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Canonical composition.
    #[default]
    Nfc,
    /// Compatibility composition.
    Nfkc,
}

impl Default for NormalizeUnicode {
    fn default() -> Self {
        Self { form: Form::Nfc, clean: true, quotes: false }
    }
}

impl Settings for NormalizeUnicode {
    const ABOUT: About = About {
        examples: &[
            Example {
                it: "composes letters and drops zero-width spaces",
                settings: "{}",
                given: "cafe\u{301}\u{200b} au\u{a0}lait",
                expect: Expect::Text("café au lait"),
            },
            Example { it: "leaves quotes alone", settings: "{}", given: "“quoted”", expect: Expect::Kept },
            Example {
                it: "folds ligatures if asked",
                settings: r#"{"form": "nfkc", "quotes": true}"#,
                given: "“ﬁne”",
                expect: Expect::Text("\"fine\""),
            },
        ],
        ..About::new(
            "normalize_unicode",
            Family::Clean,
            "makes equal texts equal: NFC, no invisible characters, plain spaces",
        )
    };

    fn build(self, _: &mut Build<'_>) -> Result<Stage> {
        Ok(Stage::Transform(Box::new(self)))
    }
}

impl Transform for NormalizeUnicode {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let form = match self.form {
            Form::Nfc => normalize::Form::Nfc,
            Form::Nfkc => normalize::Form::Nfkc,
        };
        let text = doc.text.as_str();
        let mut now = normalize::form(text, form);
        if self.clean {
            now = then(now, normalize::clean);
        }
        if self.quotes {
            now = then(now, normalize::quotes);
        }
        if let Cow::Owned(changed) = now {
            doc.text.set(changed);
        }
        Verdict::Keep
    }
}

fn then<'t>(text: Cow<'t, str>, change: fn(&str) -> Cow<'_, str>) -> Cow<'t, str> {
    match text {
        Cow::Borrowed(text) => change(text),
        Cow::Owned(text) => match change(&text) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(changed) => Cow::Owned(changed),
        },
    }
}
