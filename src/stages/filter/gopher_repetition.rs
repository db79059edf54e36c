//! The repetition rules of MassiveText (Rae et al. 2021, arXiv 2112.11446, table A1): a text that says the same again and again goes.
//!
//! Rules are tried in the table's order: paragraphs, lines, the most frequent n-gram, repeated n-grams. Characters are shares of
//! all characters of the text. With `compat` this stage repeats what an implementation decides, with its faults:
//!
//! - `datatrove` 0.10 counts the most frequent n-gram even if nothing repeats (which drops very short texts), takes n-grams for equal
//!   whose letters are (`ab c` and `a bc`), and counts the empty pieces around a leading and a trailing line feed as lines.
//! - `dolma` 1.2 counts every one of equal lines, and the empty lines between paragraphs as equal lines (`dolma_v2` does not), but no
//!   paragraphs; its limit on characters in repeated lines is 0.3; an n-gram counts as often as it overlaps itself. Its published
//!   mixers ask for the most frequent n-grams by a name that its tagger does not write (`…_2gram` for `…_2grams`), so that these rules
//!   never dropped anything: they are off, unless `max_top_ngram_fraction` is given. Numbers are rounded to five decimals.
//! - `dclm` tries lines first, counts every one of equal pieces as a share of the characters of pieces, and n-grams of Unicode words
//!   as a share of the characters of words. A text without a line is dropped for `repeated_lines`.
//! - `datamap` (datamap-rs): as `dclm`, in bytes and 32 bits, and lines are not stripped; of the most frequent n-gram it counts the words
//!   covered. Of n-grams equally frequent and equally long it takes one by the order of a hash table; here the first is taken.
//!
//! NeMo Curator's rules are tried between others of its own: they are the stage `nemotron_cc`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::{Error, Result};
use crate::stage::quality::{Grams, Profile, Repetition, Repetitions, ways};
use crate::stage::rules::Rules;
use crate::stage::settings::{Fraction, Given};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `gopher_repetition`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GopherRepetition {
    /// Whose decisions to repeat, if not the paper's.
    pub compat: Option<Profile>,
    /// How words are found: `unicode` if left out, `spacy` with `compat: datatrove`, `whitespace` with `dolma`.
    pub words: Option<Words>,
    /// Greatest share of paragraphs equal to an earlier one, 0..1. Paragraphs are parted by blank lines.
    pub max_repeated_paragraph_fraction: Option<Fraction>,
    /// Greatest share of characters in such paragraphs, 0..1.
    pub max_repeated_paragraph_char_fraction: Option<Fraction>,
    /// Greatest share of lines equal to an earlier one, 0..1.
    pub max_repeated_line_fraction: Option<Fraction>,
    /// Greatest share of characters in such lines, 0..1: 0.2 if left out, 0.3 with `compat: dolma`.
    #[serde(skip_serializing_if = "Given::is_not")]
    pub max_repeated_line_char_fraction: Given<Fraction>,
    /// For n = 2 to 4: greatest share of characters in the most frequent n-gram of words, 0..1. `{}` switches the rules off. If left
    /// out 0.2, 0.18 and 0.16; with `compat: dolma` the rules are off.
    #[serde(skip_serializing_if = "Given::is_not")]
    pub max_top_ngram_fraction: Given<BTreeMap<usize, f64>>,
    /// For n = 5 to 10: greatest share of characters in n-grams that occurred before, 0..1. `{}` switches the rules off.
    pub max_repeated_ngram_fraction: BTreeMap<usize, f64>,
}

impl Default for GopherRepetition {
    fn default() -> Self {
        Self {
            compat: None,
            words: None,
            max_repeated_paragraph_fraction: Some(Fraction(0.3)),
            max_repeated_paragraph_char_fraction: Some(Fraction(0.2)),
            max_repeated_line_fraction: Some(Fraction(0.3)),
            max_repeated_line_char_fraction: Given::Not,
            max_top_ngram_fraction: Given::Not,
            max_repeated_ngram_fraction: BTreeMap::from([
                (5, 0.15),
                (6, 0.14),
                (7, 0.13),
                (8, 0.12),
                (9, 0.11),
                (10, 0.1),
            ]),
        }
    }
}

/// Measure (and, without `_fraction`, reason) of each n.
const TOP: [(&str, &str); 3] = [
    ("top_2_gram_fraction", "top_2_gram"),
    ("top_3_gram_fraction", "top_3_gram"),
    ("top_4_gram_fraction", "top_4_gram"),
];
const REPEATED: [(&str, &str); 6] = [
    ("repeated_5_gram_fraction", "repeated_5_grams"),
    ("repeated_6_gram_fraction", "repeated_6_grams"),
    ("repeated_7_gram_fraction", "repeated_7_grams"),
    ("repeated_8_gram_fraction", "repeated_8_grams"),
    ("repeated_9_gram_fraction", "repeated_9_grams"),
    ("repeated_10_gram_fraction", "repeated_10_grams"),
];

const MEASURES: [&str; 13] = [
    "repeated_paragraph_fraction",
    "repeated_paragraph_char_fraction",
    "repeated_line_fraction",
    "repeated_line_char_fraction",
    TOP[0].0,
    TOP[1].0,
    TOP[2].0,
    REPEATED[0].0,
    REPEATED[1].0,
    REPEATED[2].0,
    REPEATED[3].0,
    REPEATED[4].0,
    REPEATED[5].0,
];

impl Settings for GopherRepetition {
    const ABOUT: About = About {
        reasons: &[
            ("repeated_paragraphs", "more of its paragraphs repeat than `max_repeated_paragraph_fraction`"),
            (
                "repeated_paragraph_chars",
                "more of it is repeated paragraphs than `max_repeated_paragraph_char_fraction`",
            ),
            ("repeated_lines", "more of its lines repeat than `max_repeated_line_fraction`"),
            ("repeated_line_chars", "more of it is repeated lines than `max_repeated_line_char_fraction`"),
            ("top_2_gram", "more of it is its most frequent two words than `max_top_ngram_fraction`"),
            ("top_3_gram", "more of it is its most frequent three words than `max_top_ngram_fraction`"),
            ("top_4_gram", "more of it is its most frequent four words than `max_top_ngram_fraction`"),
            ("repeated_5_grams", "more of it is repeated runs of 5 words than `max_repeated_ngram_fraction`"),
            ("repeated_6_grams", "more of it is repeated runs of 6 words than `max_repeated_ngram_fraction`"),
            ("repeated_7_grams", "more of it is repeated runs of 7 words than `max_repeated_ngram_fraction`"),
            ("repeated_8_grams", "more of it is repeated runs of 8 words than `max_repeated_ngram_fraction`"),
            ("repeated_9_grams", "more of it is repeated runs of 9 words than `max_repeated_ngram_fraction`"),
            ("repeated_10_grams", "more of it is repeated runs of 10 words than `max_repeated_ngram_fraction`"),
            ("empty", "it has no characters (`compat: datatrove`)"),
        ],
        fields: &[("gopher_repetition.*", "in `mode: annotate`, every measure the rules are held against")],
        examples: &[
            Example {
                it: "drops a text of few lines again and again",
                settings: "{}",
                given: "Buy now.\nIt is cheap.\nBuy now.\nIt is cheap.\nBuy now.",
                expect: Expect::Dropped("repeated_lines"),
            },
            Example {
                it: "drops a chant",
                settings: "{}",
                given: "row row row row row row your boat gently down the stream",
                expect: Expect::Dropped("top_2_gram"),
            },
            Example {
                it: "keeps a short text in which nothing repeats",
                settings: "{}",
                given: "Internationalization considerations",
                expect: Expect::Kept,
            },
            Example {
                it: "drops it as datatrove does",
                settings: r#"{"compat": "datatrove"}"#,
                given: "Internationalization considerations",
                expect: Expect::Dropped("top_2_gram"),
            },
            Example {
                it: "takes empty lines for repeated ones, as Dolma does",
                settings: r#"{"compat": "dolma"}"#,
                given: "One.\n\nTwo.\n\nThree.",
                expect: Expect::Dropped("repeated_lines"),
            },
            Example {
                it: "does not with Dolma's second tagger",
                settings: r#"{"compat": "dolma_v2"}"#,
                given: "One.\n\nTwo.\n\nThree.",
                expect: Expect::Kept,
            },
        ],
        ..About::new("gopher_repetition", Family::Filter, "drops what repeats itself (MassiveText's rules)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let (s, ways) = (&self, ways(self.compat));
        let dolma = matches!(s.compat, Some(Profile::Dolma | Profile::DolmaV2));
        let tops = if dolma { BTreeMap::new() } else { BTreeMap::from([(2, 0.2), (3, 0.18), (4, 0.16)]) };
        let tops = s.max_top_ngram_fraction.clone().or(Some(tops)).unwrap_or_default();
        let line_chars = s.max_repeated_line_char_fraction.or(Some(Fraction(if dolma { 0.3 } else { 0.2 })));
        for (name, limits, range) in [
            ("max_top_ngram_fraction", &tops, 2..=4),
            ("max_repeated_ngram_fraction", &s.max_repeated_ngram_fraction, 5..=10),
        ] {
            if let Some(n) = limits.keys().find(|n| !range.contains(*n)) {
                return Err(Error::pipeline(format!("`gopher_repetition`: `{name}` has no rule for n = {n}"))
                    .hint(format!("n is {} to {}", range.start(), range.end())));
            }
        }
        let mut rules = Rules::over(&MEASURES, cx)?
            .at_most(MEASURES[0], "repeated_paragraphs", s.max_repeated_paragraph_fraction)
            .at_most(MEASURES[1], "repeated_paragraph_chars", s.max_repeated_paragraph_char_fraction)
            .at_most(MEASURES[2], "repeated_lines", s.max_repeated_line_fraction)
            .at_most(MEASURES[3], "repeated_line_chars", line_chars);
        for (limits, names, least) in [(&tops, &TOP[..], 2), (&s.max_repeated_ngram_fraction, &REPEATED[..], 5)] {
            for (n, (measure, reason)) in (least..).zip(names) {
                rules = rules.at_most(measure, reason, limits.get(&n).copied());
            }
        }
        let all = cx.annotate;
        let asked = |limits: &BTreeMap<usize, f64>, range: std::ops::RangeInclusive<usize>| {
            range.filter(|n| all || limits.contains_key(n)).collect()
        };
        let grams = Grams { top: asked(&tops, 2..=4), repeated: asked(&s.max_repeated_ngram_fraction, 5..=10) };
        let words = s.words.unwrap_or(ways.gram_words);
        Ok(Stage::Transform(Box::new(Running {
            rules: rules.in_order(ways.repetition_order).precision(ways.precision).checked::<Self>()?,
            early: !all,
            empty_goes: s.compat == Some(Profile::Datatrove),
            grams,
            measuring: Repetitions::new(words, s.compat),
            found: Repetition::default(),
        })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    /// Whether what lines decide needs no n-grams measured.
    early: bool,
    /// Whether a text without a character is dropped.
    empty_goes: bool,
    grams: Grams,
    measuring: Repetitions,
    found: Repetition,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if self.empty_goes && doc.text.is_empty() {
            return Verdict::drop("empty");
        }
        // What is not measured is no number, and fails no rule.
        let mut numbers = [f64::NAN; MEASURES.len()];
        let paragraphs = self.measuring.paragraphs(&doc.text);
        let lines = self.measuring.lines(&doc.text);
        for (pair, found) in numbers.chunks_exact_mut(2).zip([paragraphs, lines]) {
            pair.copy_from_slice(&[found.pieces, found.chars]);
        }
        if self.early
            && let Verdict::Drop(reason) = self.rules.judge(doc, &numbers)
        {
            return Verdict::Drop(reason);
        }
        self.measuring.grams(&doc.text, &self.grams, &mut self.found);
        let tops = self.grams.top.iter().zip(&self.found.top);
        for (n, number) in tops.chain(self.grams.repeated.iter().zip(&self.found.repeated)) {
            // Four measures of lines, then those of n = 2 to 10.
            if let Some(place) = numbers.get_mut(n + 2) {
                *place = *number;
            }
        }
        self.rules.judge(doc, &numbers)
    }
}
