//! FineWeb's own rules (Penedo et al. 2024, arXiv 2406.17557, §3.6): pages of menus, lists and repeated lines go.
//!
//! Lines are what line feeds part, without blank ones. `compat: datatrove` divides line feeds by spaCy's tokens, as FineWeb did
//! with datatrove ≥ 0.4; the rules are the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::Result;
use crate::stage::quality::{Compat, Page};
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `fineweb_quality`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FinewebQuality {
    /// Whose decisions to repeat, if not the paper's.
    pub compat: Option<Compat>,
    /// How words are found: `unicode` if left out, `spacy` with `compat: datatrove`.
    pub words: Option<Words>,
    /// Least share of lines that end in a mark that ends a sentence (of any script; no quote, no space behind it), 0..1.
    pub min_punctuated_line_fraction: Option<Fraction>,
    /// Whether a text none of whose lines ends in such a mark is spared the rule before.
    pub spare_unpunctuated: bool,
    /// Greatest share of short lines, 0..1.
    pub max_short_line_fraction: Option<Fraction>,
    /// A line of at most so many characters is short.
    pub short_line_chars: usize,
    /// Greatest share of characters in lines equal to an earlier one, 0..1.
    pub max_repeated_char_fraction: Option<Fraction>,
    /// Most line feeds for each word.
    pub max_newline_ratio: Option<f64>,
}

impl Default for FinewebQuality {
    fn default() -> Self {
        Self {
            compat: None,
            words: None,
            min_punctuated_line_fraction: Some(Fraction(0.12)),
            spare_unpunctuated: false,
            max_short_line_fraction: Some(Fraction(0.67)),
            short_line_chars: 30,
            max_repeated_char_fraction: Some(Fraction(0.01)),
            max_newline_ratio: Some(0.3),
        }
    }
}

const MEASURES: [&str; 5] =
    ["lines", "punctuated_line_fraction", "short_line_fraction", "repeated_char_fraction", "newline_ratio"];

impl Settings for FinewebQuality {
    const ABOUT: About = About {
        reasons: &[
            ("empty", "all its lines are blank"),
            ("too_few_punctuated_lines", "fewer of its lines end a sentence than `min_punctuated_line_fraction`"),
            ("too_many_short_lines", "more of its lines are short than `max_short_line_fraction`"),
            ("repeated_lines", "more of it is repeated lines than `max_repeated_char_fraction`"),
            ("too_many_newlines", "it has more line feeds for each word than `max_newline_ratio`"),
        ],
        fields: &[("fineweb_quality.*", "in `mode: annotate`, every measure the rules are held against")],
        examples: &[
            Example {
                it: "drops a menu",
                settings: "{}",
                given: "Home\nProducts\nAbout us\nContact",
                expect: Expect::Dropped("too_few_punctuated_lines"),
            },
            Example {
                it: "drops short lines",
                settings: "{}",
                given: "It is late.\nGo to bed.\nSleep well.",
                expect: Expect::Dropped("too_many_short_lines"),
            },
            Example {
                it: "keeps prose",
                settings: "{}",
                given: "It was the best of times, and that is all there is to say of it.",
                expect: Expect::Kept,
            },
        ],
        ..About::new("fineweb_quality", Family::Filter, "drops menus, lists and repeated lines (FineWeb's rules)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&MEASURES, cx)?
            .at_least("lines", "empty", Some(1u64))
            .at_least("punctuated_line_fraction", "too_few_punctuated_lines", self.min_punctuated_line_fraction)
            .at_most("short_line_fraction", "too_many_short_lines", self.max_short_line_fraction)
            .at_most("repeated_char_fraction", "repeated_lines", self.max_repeated_char_fraction)
            .at_most("newline_ratio", "too_many_newlines", self.max_newline_ratio)
            .checked::<Self>()?;
        let words = self.words.unwrap_or(if self.compat.is_some() { Words::Spacy } else { Words::Unicode });
        let page = Page::new(words, self.short_line_chars);
        Ok(Stage::Transform(Box::new(Running { rules, page, spare: self.spare_unpunctuated })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    page: Page,
    spare: bool,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let found = self.page.measure(&doc.text);
        let mut numbers = [found.lines as f64, found.punctuated, found.short, found.repeated_chars, found.newlines];
        let verdict = self.rules.judge(doc, &numbers);
        match verdict {
            Verdict::Drop(reason)
                if self.spare && reason.word == "too_few_punctuated_lines" && found.punctuated == 0.0 =>
            {
                // No number fails no rule: the rules behind decide.
                numbers[1] = f64::NAN;
                self.rules.judge(doc, &numbers)
            }
            verdict => verdict,
        }
    }
}
