//! Mends mojibake: `â€œvoilÃ â€\u{9d}` was `“voilà”` before somebody read UTF-8 as something else.
//!
//! It decides as ftfy's `fix_encoding` does (Speer 2019, <https://doi.org/10.5281/zenodo.2591652>): line by line, and only
//! where a line has sequences of characters that hardly anybody writes. What ftfy's `fix_text` does besides are stages of
//! their own here: `normalize_unicode` for widths, quotes, ligatures and control characters.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::mojibake::Mender;

/// Settings of `fix_encoding`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FixEncoding {
    /// Greatest share of replacement characters (`\u{fffd}`, for bytes that were lost) that a document may have after
    /// mending, 0..1. Any share if left out.
    pub max_lost_fraction: Option<Fraction>,
}

impl Settings for FixEncoding {
    const ABOUT: About = About {
        reasons: &[("characters_lost", "more of its characters are lost than `max_lost_fraction`")],
        fields: &[
            ("fix_encoding.mended", "in `mode: annotate`: bytes by which mending shortened the text"),
            ("fix_encoding.lost", "in `mode: annotate`: the share of replacement characters, 0..1"),
        ],
        examples: &[
            Example {
                it: "mends UTF-8 that was read as Windows-1252",
                settings: "{}",
                given: "It was â€œso beautifulâ€\u{9d}, said ZoÃ«.",
                expect: Expect::Text("It was “so beautiful”, said Zoë."),
            },
            Example {
                it: "mends it when it happened twice",
                settings: "{}",
                given: "l'ÃƒÂ©tÃƒÂ©",
                expect: Expect::Text("l'été"),
            },
            Example {
                it: "leaves text that is right alone",
                settings: "{}",
                given: "“Où est l’été ?”",
                expect: Expect::Kept,
            },
            Example {
                it: "drops what cannot be mended",
                settings: r#"{"max_lost_fraction": "10%"}"#,
                given: "caf\u{fffd} r\u{fffd}",
                expect: Expect::Dropped("characters_lost"),
            },
        ],
        ..About::new("fix_encoding", Family::Clean, "mends text that was read in a wrong encoding (mojibake)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&["mended", "lost"], cx)?
            .at_most("lost", "characters_lost", self.max_lost_fraction)
            .checked::<Self>()?;
        let mender = Mender::new().map_err(|e| Error::bug("the table of mojibake is damaged").because(e))?;
        Ok(Stage::Transform(Box::new(Running { mender, rules })))
    }
}

#[derive(Clone)]
struct Running {
    mender: Mender,
    rules: Rules,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let before = doc.text.len();
        if let Cow::Owned(mended) = self.mender.mend(doc.text.as_str()) {
            doc.text.set(mended);
        }
        if self.rules.idle() {
            return Verdict::Keep;
        }
        let lost = memchr::memmem::find_iter(doc.text.as_str().as_bytes(), "\u{fffd}").count();
        let measured = [before as f64 - doc.text.len() as f64, lost as f64 / doc.text.chars().max(1) as f64];
        self.rules.judge(doc, &measured)
    }
}
