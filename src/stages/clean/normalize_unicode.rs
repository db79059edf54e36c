//! Makes equal texts equal: one normalization form, no characters that nobody sees. Deduplication, language
//! identification and tokenization all see phantom differences otherwise.
//!
//! What is set by default loses nothing that a reader sees. Straight quotes, plain dashes, letters in place of ligatures
//! and one width are for those who want them: a model that has never seen a curly quote cannot read one.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::normalize::{self, Changes};

/// Settings of `normalize_unicode`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NormalizeUnicode {
    /// The normalization form: `nfc`, `nfkc` which also folds ligatures and full-width letters, or `none`.
    pub form: Form,
    /// Whether carriage returns, form feeds and whatever else ends lines become `\n`.
    pub line_ends: bool,
    /// Whether control characters go, but for tabs and line ends.
    pub controls: bool,
    /// Whether soft hyphens, zero-width spaces, byte order marks and marks of direction go. Joiners stay.
    pub zero_width: bool,
    /// Whether spaces of any width become the space; the ideographic one only with `width`.
    pub spaces: bool,
    /// Whether curly and angled quotes and primes become ASCII quotes.
    pub quotes: bool,
    /// Whether hyphens, dashes and the minus sign become `-`.
    pub dashes: bool,
    /// Whether ligatures of Latin letters become their letters.
    pub ligatures: bool,
    /// Whether full-width letters and marks become ASCII, and half-width ones of other scripts full.
    pub width: bool,
}

/// A normalization form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As it is.
    None,
    /// Canonical composition.
    #[default]
    Nfc,
    /// Compatibility composition.
    Nfkc,
}

impl Default for NormalizeUnicode {
    fn default() -> Self {
        Self {
            form: Form::Nfc,
            line_ends: true,
            controls: true,
            zero_width: true,
            spaces: true,
            quotes: false,
            dashes: false,
            ligatures: false,
            width: false,
        }
    }
}

impl Settings for NormalizeUnicode {
    const ABOUT: About = About {
        version: 2,
        examples: &[
            Example {
                it: "composes letters and drops zero-width spaces",
                settings: "{}",
                given: "cafe\u{301}\u{200b} au\u{a0}lait",
                expect: Expect::Text("café au lait"),
            },
            Example { it: "leaves quotes alone", settings: "{}", given: "“quoted” – so", expect: Expect::Kept },
            Example {
                it: "makes marks plain if asked",
                settings: r#"{"quotes": true, "dashes": true, "ligatures": true}"#,
                given: "“ﬁne” – so",
                expect: Expect::Text("\"fine\" - so"),
            },
            Example {
                it: "folds what is compatible if asked",
                settings: r#"{"form": "nfkc"}"#,
                given: "ﬁne ＡＢＣ ①",
                expect: Expect::Text("fine ABC 1"),
            },
        ],
        ..About::new(
            "normalize_unicode",
            Family::Clean,
            "makes equal texts equal: NFC, no invisible characters, plain spaces",
        )
    };

    fn build(self, _: &mut Build<'_>) -> Result<Stage> {
        let Self { form, line_ends, controls, zero_width, spaces, quotes, dashes, ligatures, width } = self;
        let form = match form {
            Form::None => None,
            Form::Nfc => Some(normalize::Form::Nfc),
            Form::Nfkc => Some(normalize::Form::Nfkc),
        };
        let changes = Changes { line_ends, controls, zero_width, spaces, quotes, dashes, ligatures, width };
        Ok(Stage::Transform(Box::new(Running { form, changes })))
    }
}

#[derive(Clone)]
struct Running {
    form: Option<normalize::Form>,
    changes: Changes,
}

impl Running {
    /// Changes come first, so that a letter and an accent with nothing between them any more are composed; and again
    /// after a form that folds, which makes plain spaces and dashes out of others.
    fn normal<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let changed = self.changes.make(text);
        let Some(form) = self.form else { return changed };
        match then(changed, |text| normalize::form(text, form)) {
            Cow::Borrowed(text) => Cow::Borrowed(text),
            Cow::Owned(text) => then(Cow::Owned(text), |text| self.changes.make(text)),
        }
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if let Cow::Owned(changed) = self.normal(doc.text.as_str()) {
            doc.text.set(changed);
        }
        Verdict::Keep
    }
}

fn then<'t>(text: Cow<'t, str>, change: impl FnOnce(&str) -> Cow<'_, str>) -> Cow<'t, str> {
    match text {
        Cow::Borrowed(text) => match change(text) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(changed) => Cow::Owned(changed),
        },
        Cow::Owned(text) => match change(&text) {
            Cow::Borrowed(_) => Cow::Owned(text),
            Cow::Owned(changed) => Cow::Owned(changed),
        },
    }
}
