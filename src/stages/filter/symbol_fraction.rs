//! Drops documents made of the wrong kinds of characters: too few letters, too many symbols, digits, capitals or spaces.
//!
//! Every quality recipe has some of these shares with its own numbers; the defaults are NeMo Curator's for English
//! (non-alphanumeric 0.25, numbers 0.15, whitespace 0.25). Marks count as letters, so that scripts written with them are
//! judged like any other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::classes::Classes;

/// Settings of `symbol_fraction`. Shares are of all characters unless said otherwise; `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SymbolFraction {
    /// Greatest share of characters that are no letters, digits or whitespace, 0..1.
    pub max_symbol_fraction: Option<Fraction>,
    /// Greatest share of digits and other numbers, 0..1.
    pub max_digit_fraction: Option<Fraction>,
    /// Greatest share of whitespace, 0..1.
    pub max_space_fraction: Option<Fraction>,
    /// Greatest share of capitals among letters that have a case, 0..1.
    pub max_upper_fraction: Option<Fraction>,
    /// Least share of letters, 0..1.
    pub min_letter_fraction: Option<Fraction>,
}

impl Default for SymbolFraction {
    fn default() -> Self {
        Self {
            max_symbol_fraction: Some(Fraction(0.25)),
            max_digit_fraction: Some(Fraction(0.15)),
            max_space_fraction: Some(Fraction(0.25)),
            max_upper_fraction: None,
            min_letter_fraction: None,
        }
    }
}

const MEASURES: [&str; 5] = ["symbols", "digits", "spaces", "upper", "letters"];

impl Settings for SymbolFraction {
    const ABOUT: About = About {
        reasons: &[
            ("too_many_symbols", "more of its characters are symbols than `max_symbol_fraction`"),
            ("too_many_digits", "more of its characters are digits than `max_digit_fraction`"),
            ("too_many_spaces", "more of its characters are whitespace than `max_space_fraction`"),
            ("too_many_capitals", "more of its letters are capitals than `max_upper_fraction`"),
            ("too_few_letters", "fewer of its characters are letters than `min_letter_fraction`"),
        ],
        fields: &[(
            "symbol_fraction.*",
            "in `mode: annotate`: `symbols`, `digits`, `spaces`, `upper`, `letters`, 0..1",
        )],
        examples: &[
            Example {
                it: "drops a rule of dashes",
                settings: "{}",
                given: "--== welcome ==--",
                expect: Expect::Dropped("too_many_symbols"),
            },
            Example {
                it: "drops a column of numbers",
                settings: "{}",
                given: "total 12904 and 88120",
                expect: Expect::Dropped("too_many_digits"),
            },
            Example {
                it: "drops shouting if asked",
                settings: r#"{"max_upper_fraction": "60%"}"#,
                given: "BUY NOW AND SAVE today",
                expect: Expect::Dropped("too_many_capitals"),
            },
            Example {
                it: "judges scripts written with marks like any other",
                settings: r#"{"min_letter_fraction": 0.8}"#,
                given: "हिन्दी में लिखा हुआ",
                expect: Expect::Kept,
            },
        ],
        ..About::new(
            "symbol_fraction",
            Family::Filter,
            "drops documents of too many symbols, digits, capitals or spaces",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&MEASURES, cx)?
            .at_most("symbols", "too_many_symbols", self.max_symbol_fraction)
            .at_most("digits", "too_many_digits", self.max_digit_fraction)
            .at_most("spaces", "too_many_spaces", self.max_space_fraction)
            .at_most("upper", "too_many_capitals", self.max_upper_fraction)
            .at_least("letters", "too_few_letters", self.min_letter_fraction)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { rules })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let classes = Classes::of(doc.text.as_str());
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let of_all = |part: u64| share(part, classes.total());
        let measured = [
            of_all(classes.symbols),
            of_all(classes.digits),
            of_all(classes.spaces),
            share(classes.upper, classes.upper + classes.lower),
            of_all(classes.letters),
        ];
        self.rules.judge(doc, &measured)
    }
}
