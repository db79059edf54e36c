//! Removes runs of sentences that stand elsewhere too, as C4 did with runs of three (Raffel et al. 2020, §2.2).
//!
//! The first occurrence of a run stays; wherever it stands again, all of its sentences go, also those that belong to
//! another run. Sentences end where Unicode (UAX #29) ends them, so at a line break too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::stage::repeats::{Action, Ending, Normalize, Repeats, Stays, Unit, Within};
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage};

/// Settings of `sentences`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sentences {
    /// Where a repetition counts: within one `document`, among the documents of one `source`, or anywhere in the `corpus`.
    pub scope: Within,
    /// Occurrences in scope that make a sentence a repeat.
    #[schemars(range(min = 2))]
    pub min_repeats: u64,
    /// What is compared: the sentence `as_is`, as `ccnet` normalizes it, or as datatrove's `simplify` does.
    pub normalize: Normalize,
    /// Sentences of fewer characters (after normalizing) are no repeats.
    pub min_chars: u64,
    /// Neighboring sentences compared together, each time they stand in a row.
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
    /// Fewest sentences left in a document that lost any; `null` for any number.
    pub min_sentences: Option<u64>,
}

impl Default for Sentences {
    fn default() -> Self {
        Self {
            scope: Within::Corpus,
            min_repeats: 2,
            normalize: Normalize::Simplify,
            min_chars: 1,
            span: 3,
            keep: Stays::First,
            action: Action::Cut,
            max_removed_fraction: None,
            min_words: None,
            min_sentences: None,
        }
    }
}

impl Settings for Sentences {
    const ABOUT: About = About {
        shorthand: Some("scope"),
        reasons: &[
            ("mostly_repeated", "repeats have a larger share of it than `max_removed_fraction`"),
            ("too_few_words_left", "fewer than `min_words` words are left of it"),
            ("too_few_left", "fewer than `min_sentences` sentences are left of it"),
            ("nothing_left", "all of it was repeats"),
        ],
        fields: &[
            ("sentences.repeats", "sentences that would be cut (`mode: annotate`)"),
            ("sentences.removed_fraction", "their share of the characters of all sentences, 0..1 (`mode: annotate`)"),
        ],
        examples: &[
            Example {
                it: "cuts three sentences in a row that stood above",
                settings: r#"{"scope": "document"}"#,
                given: "It rained. We stayed in. We read. Then the sun came out. It rained! We stayed in. We read. The end.",
                expect: Expect::Text("It rained. We stayed in. We read. Then the sun came out. The end."),
            },
            Example {
                it: "compares as many as it is told",
                settings: r#"{"scope": "document", "span": 2}"#,
                given: "It rained. We stayed in. Then the sun came out. It rained! We stayed in. The end.",
                expect: Expect::Text("It rained. We stayed in. Then the sun came out. The end."),
            },
        ],
        ..About::new(
            "sentences",
            Family::Dedup,
            "removes runs of sentences that stand elsewhere in the document, source or corpus",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let ending = Ending {
            action: self.action,
            max_removed_fraction: self.max_removed_fraction,
            min_words: self.min_words,
            min_segments: self.min_sentences,
        };
        let repeats = Repeats {
            unit: Unit::Sentence,
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
