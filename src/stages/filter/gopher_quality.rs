//! The quality rules of MassiveText (Rae et al. 2021, arXiv 2112.11446, appendix A1): what does not look like prose goes.
//!
//! Rules are tried in the paper's order and the first that fails is the reason. Words are Unicode words by default, which
//! leave punctuation out. Every published implementation decides otherwise; with `compat` this stage repeats one of them, verdict,
//! reason and numbers (`benches/parity.py` holds them against each other), with its faults:
//!
//! - `datatrove` 0.10: words are spaCy's tokens, so that marks are words where it divides by words, and none where it counts them and
//!   their lengths; a document with a mark for every fifth word is dropped for `too_few_alphabetic_words`.
//! - `dolma` 1.2 (`gopher_v1` and its mixers): words are what whitespace parts, marks at their ends included; their *median* length
//!   is judged; only `*` and `-` are bullets and only `…` ends a line; `...` is no symbol; `the the` are two stop words, `The` is none;
//!   empty lines count as lines; numbers are rounded to five decimals first. `dolma_v2` takes line feeds in a row for one.
//! - `dclm`: words are what whitespace parts, but counted by fastText's cuts, and only where they begin with a letter or digit
//!   (`(word)` is no word); `the The` are two stop words; the `. . .` of a table of contents is one ellipsis for each three dots.
//! - `datamap` (datamap-rs): as `dclm`, but lengths are bytes, so that words of other scripts than Latin are too long; a text in ASCII
//!   has more words (`it's` has two) than the same text with one other character; a text of one word has none with a letter;
//!   numbers have 32 bits.
//!
//! NeMo Curator's rules are tried between others of its own: they are the stage `nemotron_cc`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict, Words};
use crate::error::Result;
use crate::stage::quality::{Profile, Prose, ways};
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `gopher_quality`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GopherQuality {
    /// Whose decisions to repeat, if not the paper's.
    pub compat: Option<Profile>,
    /// How words are found: `unicode` if left out, `spacy` with `compat: datatrove`, `whitespace` with the others.
    pub words: Option<Words>,
    /// Fewest words.
    pub min_words: Option<u64>,
    /// Most words.
    pub max_words: Option<u64>,
    /// Least mean word length in characters.
    pub min_mean_word_length: Option<f64>,
    /// Greatest mean word length in characters.
    pub max_mean_word_length: Option<f64>,
    /// Most `#` for each word. With `compat`, of `datatrove` alone: the others have `max_symbol_ratio`.
    pub max_hash_ratio: Option<f64>,
    /// Most ellipses (`...`, `…`) for each word.
    pub max_ellipsis_ratio: Option<f64>,
    /// Most symbols (both) for each word, with `compat: dolma`, `dclm` and `datamap`.
    pub max_symbol_ratio: Option<f64>,
    /// Greatest share of lines that begin with a bullet, 0..1.
    pub max_bullet_fraction: Option<f64>,
    /// Greatest share of lines that end in an ellipsis, 0..1.
    pub max_ellipsis_line_fraction: Option<f64>,
    /// Least share of words with a letter, 0..1.
    pub min_alphabetic_fraction: Option<f64>,
    /// Fewest different stop words; with `compat: dolma`, `dclm` and `datamap`, fewest stop words, be they the same.
    pub min_stop_words: Option<u64>,
    /// The stop words, matched as they are written; with `compat: dclm` and `datamap` in lower case, in which they must be.
    pub stop_words: Vec<String>,
}

impl Default for GopherQuality {
    fn default() -> Self {
        Self {
            compat: None,
            words: None,
            min_words: Some(50),
            max_words: Some(100_000),
            min_mean_word_length: Some(3.0),
            max_mean_word_length: Some(10.0),
            max_hash_ratio: Some(0.1),
            max_ellipsis_ratio: Some(0.1),
            max_symbol_ratio: Some(0.1),
            max_bullet_fraction: Some(0.9),
            max_ellipsis_line_fraction: Some(0.3),
            min_alphabetic_fraction: Some(0.8),
            min_stop_words: Some(2),
            stop_words: ["the", "be", "to", "of", "and", "that", "have", "with"].map(str::to_owned).to_vec(),
        }
    }
}

impl Settings for GopherQuality {
    const ABOUT: About = About {
        reasons: &[
            ("too_few_words", "it has fewer words than `min_words`"),
            ("too_many_words", "it has more words than `max_words`"),
            ("words_too_short", "its words are shorter on average than `min_mean_word_length`"),
            ("words_too_long", "its words are longer on average than `max_mean_word_length`"),
            ("too_many_hashes", "it has more `#` for each word than `max_hash_ratio`"),
            ("too_many_ellipses", "it has more ellipses for each word than `max_ellipsis_ratio`"),
            ("too_many_symbols", "it has more `#` and ellipses for each word than `max_symbol_ratio`"),
            ("too_many_bullets", "more of its lines begin with a bullet than `max_bullet_fraction`"),
            ("too_many_ellipsis_lines", "more of its lines end in an ellipsis than `max_ellipsis_line_fraction`"),
            ("too_few_alphabetic_words", "fewer of its words have a letter than `min_alphabetic_fraction`"),
            ("too_few_stop_words", "it has fewer different stop words than `min_stop_words`"),
        ],
        fields: &[("gopher_quality.*", "in `mode: annotate`, every measure the rules are held against")],
        examples: &[
            Example {
                it: "drops a navigation bar",
                settings: "{}",
                given: "Home | About | Contact",
                expect: Expect::Dropped("too_few_words"),
            },
            Example {
                it: "drops a list of hash tags",
                settings: r#"{"min_words": 2}"#,
                given: "#summer #beach #holiday",
                expect: Expect::Dropped("too_many_hashes"),
            },
            Example {
                it: "drops text without stop words",
                settings: r#"{"min_words": 2}"#,
                given: "Lorem ipsum dolor sit amet",
                expect: Expect::Dropped("too_few_stop_words"),
            },
            Example {
                it: "counts marks as words without letters, as datatrove does",
                settings: r#"{"compat": "datatrove", "min_words": null, "min_stop_words": null}"#,
                given: "Hello, world! Hello, world!",
                expect: Expect::Dropped("too_few_alphabetic_words"),
            },
            Example {
                it: "knows a line of dots, as DCLM does",
                settings: r#"{"compat": "dclm", "min_words": 2}"#,
                given: "Contents of the encyclopaedia . . . . . . page 3",
                expect: Expect::Dropped("too_many_symbols"),
            },
            Example {
                it: "rounds as Dolma does",
                settings: r#"{"compat": "dolma", "min_words": 2, "max_symbol_ratio": 0.33333}"#,
                given: "of the #book",
                expect: Expect::Kept,
            },
            Example {
                it: "keeps prose",
                settings: r#"{"min_words": 5}"#,
                given: "It was the best of times, and that is all there is to say.",
                expect: Expect::Kept,
            },
        ],
        ..About::new("gopher_quality", Family::Filter, "drops what does not look like prose (MassiveText's rules)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let (s, ways) = (&self, ways(self.compat));
        let (apart, together) = if ways.symbols_together { (false, true) } else { (true, false) };
        let rules = Rules::over(&MEASURES, cx)?
            .at_least("words", "too_few_words", s.min_words)
            .at_most("words", "too_many_words", s.max_words)
            .at_least("mean_word_length", "words_too_short", s.min_mean_word_length)
            .at_most("mean_word_length", "words_too_long", s.max_mean_word_length)
            .at_most("hash_ratio", "too_many_hashes", s.max_hash_ratio.filter(|_| apart))
            .at_most("ellipsis_ratio", "too_many_ellipses", s.max_ellipsis_ratio.filter(|_| apart))
            .at_most("symbol_ratio", "too_many_symbols", s.max_symbol_ratio.filter(|_| together))
            .at_most("bullet_fraction", "too_many_bullets", s.max_bullet_fraction)
            .at_most("ellipsis_line_fraction", "too_many_ellipsis_lines", s.max_ellipsis_line_fraction)
            .at_least("alphabetic_fraction", "too_few_alphabetic_words", s.min_alphabetic_fraction)
            .at_least("stop_words", "too_few_stop_words", s.min_stop_words)
            .in_order(ways.prose_order)
            .precision(ways.precision)
            .checked::<Self>()?;
        let prose = Prose::new(s.words.unwrap_or(ways.words), s.compat, &s.stop_words);
        Ok(Stage::Transform(Box::new(Running { rules, prose })))
    }
}

const MEASURES: [&str; 10] = [
    "words",
    "mean_word_length",
    "hash_ratio",
    "ellipsis_ratio",
    "symbol_ratio",
    "bullet_fraction",
    "ellipsis_line_fraction",
    "alphabetic_fraction",
    "stop_words",
    "lines",
];

#[derive(Clone)]
struct Running {
    rules: Rules,
    prose: Prose,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let found = self.prose.measure(&doc.text);
        let numbers = [
            found.words as f64,
            found.mean_word_length,
            found.hash_ratio,
            found.ellipsis_ratio,
            found.symbol_ratio,
            found.bullet_fraction,
            found.ellipsis_line_fraction,
            found.alphabetic_fraction,
            found.stop_words as f64,
            found.lines as f64,
        ];
        self.rules.judge(doc, &numbers)
    }
}
