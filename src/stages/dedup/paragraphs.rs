//! Removes paragraphs that stand elsewhere too. A paragraph is a run of lines without a blank one between them.
//!
//! Between whole documents and lines: quoted news, license texts, product descriptions. What datasets call paragraph
//! deduplication is often by line (CCNet, Dolma): that is the stage `lines`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::stage::repeats::{Action, Ending, Normalize, Repeats, Stays, Unit, Within};
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage};

/// Settings of `paragraphs`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Paragraphs {
    /// Where a repetition counts: within one `document`, among the documents of one `source`, or anywhere in the `corpus`.
    pub scope: Within,
    /// Occurrences in scope that make a paragraph a repeat.
    #[schemars(range(min = 2))]
    pub min_repeats: u64,
    /// What is compared: the paragraph `as_is`, as `ccnet` normalizes it, or as datatrove's `simplify` does.
    pub normalize: Normalize,
    /// Paragraphs of fewer characters (after normalizing) are no repeats.
    pub min_chars: u64,
    /// Neighboring paragraphs compared together, each time they stand in a row.
    #[schemars(range(min = 1, max = 64))]
    pub span: u32,
    /// Which occurrence stays: the `first` in corpus order, or `none`.
    pub keep: Stays,
    /// Whether repeats are `cut` out, or texts stay whole and documents that are mostly repeats `drop`.
    pub action: Action,
    /// The largest share of a document's characters that repeats may have; `null` for any.
    pub max_removed_fraction: Option<Fraction>,
    /// Fewest words left in a document that lost any; `null` for any number.
    pub min_words: Option<u64>,
    /// Fewest paragraphs left in a document that lost any; `null` for any number.
    pub min_paragraphs: Option<u64>,
}

impl Default for Paragraphs {
    fn default() -> Self {
        Self {
            scope: Within::Corpus,
            min_repeats: 2,
            normalize: Normalize::Ccnet,
            min_chars: 1,
            span: 1,
            keep: Stays::First,
            action: Action::Cut,
            max_removed_fraction: None,
            min_words: None,
            min_paragraphs: None,
        }
    }
}

impl Settings for Paragraphs {
    const ABOUT: About = About {
        shorthand: Some("scope"),
        reasons: &[
            ("mostly_repeated", "repeats have a larger share of it than `max_removed_fraction`"),
            ("too_few_words_left", "fewer than `min_words` words are left of it"),
            ("too_few_left", "fewer than `min_paragraphs` paragraphs are left of it"),
            ("nothing_left", "all of it was repeats"),
        ],
        fields: &[
            ("paragraphs.repeats", "paragraphs that would be cut (`mode: annotate`)"),
            ("paragraphs.removed_fraction", "their share of the characters of all paragraphs, 0..1 (`mode: annotate`)"),
        ],
        examples: &[
            Example {
                it: "cuts a paragraph that stood above",
                settings: r#"{"scope": "document"}"#,
                given: "Ever the\nsame.\n\nSomething new.\n\never the\nsame.",
                expect: Expect::Text("Ever the\nsame.\n\nSomething new."),
            },
            Example {
                it: "asks how much is left",
                settings: r#"{"scope": "document", "min_words": 4}"#,
                given: "Ever the same.\n\nEver the same.",
                expect: Expect::Dropped("too_few_words_left"),
            },
        ],
        ..About::new(
            "paragraphs",
            Family::Dedup,
            "removes paragraphs that stand elsewhere in the document, source or corpus",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let ending = Ending {
            action: self.action,
            max_removed_fraction: self.max_removed_fraction,
            min_words: self.min_words,
            min_segments: self.min_paragraphs,
        };
        let repeats = Repeats {
            unit: Unit::Paragraph,
            span: self.span,
            normalize: self.normalize,
            min_chars: self.min_chars,
            scope: self.scope,
            min_repeats: self.min_repeats,
            keep: self.keep,
            ending,
        };
        repeats.build(cx)
    }
}
