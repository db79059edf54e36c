//! How implementations of MassiveText's rules (Rae et al. 2021, appendix A1) measure: the paper leaves much open, and each filled
//! it in otherwise. A profile is a way to find words, what is measured of them, and the order in which rules are tried.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Compat;
use crate::doc::Words;
use crate::stage::rules::Precision;

/// Whose decisions a filter repeats, where implementations of one paper differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Nobody's: as the paper has it, the same as leaving it out.
    Paper,
    /// datatrove 0.10, which FineWeb and FineWeb-2 were made with.
    Datatrove,
    /// Dolma 1.2: its tagger `gopher_v1`, with the thresholds of the mixers that Dolma 1.6 and 1.7 were made with.
    Dolma,
    /// The same with Dolma's tagger `gopher_v2`, which takes line feeds in a row for one.
    DolmaV2,
    /// DCLM's filters, in the order of `dclm_baseline_refinedweb.yaml`.
    Dclm,
    /// datamap-rs, in the order of its `all_dressed_config.yaml`.
    Datamap,
}

impl From<Compat> for Profile {
    fn from(compat: Compat) -> Self {
        match compat {
            Compat::Datatrove => Self::Datatrove,
        }
    }
}

/// How a profile measures and judges.
#[derive(Debug)]
pub struct Ways {
    /// How it finds words.
    pub words: Words,
    /// How it finds the words of n-grams.
    pub gram_words: Words,
    /// How exactly it holds its numbers.
    pub precision: Precision,
    /// Whether `#` and ellipses have one limit together, or one each.
    pub symbols_together: bool,
    /// The measures of prose in the order that their rules are tried.
    pub prose_order: &'static [&'static str],
    /// The measures of lines and paragraphs in that order; those of n-grams follow.
    pub repetition_order: &'static [&'static str],
    pub(super) prose: ProseWay,
    pub(super) repetition: RepetitionWay,
}

/// How prose is measured.
#[derive(Debug)]
pub(super) struct ProseWay {
    pub counted: Counted,
    pub length: Length,
    pub symbols: Symbols,
    pub stops: Stops,
    /// Whether a letter is what Rust calls one, which takes in marks that belong to letters, and not what Python does.
    pub alphabetic: bool,
    /// Whether a text of one word has no word with a letter.
    pub one_is_none: bool,
    pub lines: LineWay,
}

/// Which words count as words of the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Counted {
    All,
    /// Those that are more than punctuation; lengths are of those alone as well.
    NoPunctuation,
    /// fastText's words that begin with a letter or digit.
    FastText,
    /// In ASCII texts runs of letters and digits, in others Unicode words.
    AsciiRuns,
}

/// The length of words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    Mean,
    Median,
    /// The mean of bytes.
    Bytes,
}

/// What is divided by words as the share of symbols.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Symbols {
    /// `#`, `...`, `…`
    Plain,
    /// `#`, `...`, `…` and `. . .`
    Spaced,
    /// The same; `. . .` is one word.
    SpacedOneWord,
    /// Words with a `#` or `…` in them.
    Words,
}

/// How stop words count.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stops {
    Different,
    Every,
    /// Every one, in any case.
    EveryFolded,
}

/// Which lines begin with a bullet and end in an ellipsis.
#[derive(Debug)]
pub(super) struct LineWay {
    pub cut: Cut,
    pub bullets: &'static [char],
    pub ellipses: &'static [&'static str],
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// What Python's `splitlines` gives, without the whitespace around it.
    Stripped,
    /// What line feeds part.
    Raw,
    /// What runs of line feeds part.
    RawRuns,
    /// What line feeds part, without the whitespace around it and without blank ones.
    Filled,
    /// For bullets what line feeds part, for ellipses those that are not empty, without a carriage return at the end.
    RawThenFilled,
}

/// How repetitions are measured.
#[derive(Debug)]
pub(super) struct RepetitionWay {
    pub lines: Pieces,
    /// `None`: paragraphs are not measured.
    pub paragraphs: Option<Pieces>,
    /// Whether the first of equal pieces counts as repeated too.
    pub every: bool,
    /// What repeated pieces are a share of.
    pub pieces_of: Whole,
    /// The share of repeated pieces where there are none.
    pub of_nothing: f64,
    /// Whether lengths are bytes, and not characters.
    pub bytes: bool,
    /// Whether words that do not begin with a letter or digit are none.
    pub lettered: bool,
    /// What n-grams are a share of.
    pub grams_of: Whole,
    pub top: Top,
    pub repeated: Repeated,
}

/// How a text is cut into lines or paragraphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    /// Parted by runs of line feeds (for paragraphs: of two and more), empty ones left out.
    Runs,
    /// The same, with the empty ones at the ends of the text.
    RunsAndEnds,
    /// Parted by each line feed (for paragraphs: each pair), as they are.
    Raw,
    /// The same without empty ones.
    RawFilled,
    /// The same without the whitespace around them, and without blank ones.
    Stripped,
}

/// What characters are a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Text,
    Pieces,
    Words,
}

/// How the most frequent n-gram is measured.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// The first of those that occur most often, as often as it occurs.
    First {
        /// With the spaces between its words.
        spaces: bool,
        /// Even if it occurs but once.
        once: bool,
    },
    /// The longest of those that occur most often, as often as it occurs.
    Longest,
    /// The words that the longest of those that occur most often covers.
    Covered,
}

/// How repeated n-grams are measured.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// From left to right, what occurred before; what was counted is passed over.
    Later,
    /// The same, of words joined without separator.
    LaterJoined,
    /// All that occur twice, a share of all n-grams.
    OfGrams,
    /// The words that n-grams cover which occur twice.
    Covered,
}

const PAPER: [&str; 9] = [
    "words",
    "mean_word_length",
    "hash_ratio",
    "ellipsis_ratio",
    "symbol_ratio",
    "bullet_fraction",
    "ellipsis_line_fraction",
    "alphabetic_fraction",
    "stop_words",
];

const PARAGRAPHS_FIRST: [&str; 4] = [
    "repeated_paragraph_fraction",
    "repeated_paragraph_char_fraction",
    "repeated_line_fraction",
    "repeated_line_char_fraction",
];

const LINES_FIRST: [&str; 4] = [
    "repeated_line_fraction",
    "repeated_paragraph_fraction",
    "repeated_line_char_fraction",
    "repeated_paragraph_char_fraction",
];

const DEFAULT: Ways = Ways {
    words: Words::Unicode,
    gram_words: Words::Unicode,
    precision: Precision::Double,
    symbols_together: false,
    prose_order: &PAPER,
    repetition_order: &PARAGRAPHS_FIRST,
    prose: ProseWay {
        counted: Counted::All,
        length: Length::Mean,
        symbols: Symbols::Plain,
        stops: Stops::Different,
        alphabetic: false,
        one_is_none: false,
        lines: LineWay { cut: Cut::Stripped, bullets: &['•', '-'], ellipses: &["...", "…"] },
    },
    repetition: RepetitionWay {
        lines: Pieces::Runs,
        paragraphs: Some(Pieces::RunsAndEnds),
        every: false,
        pieces_of: Whole::Text,
        of_nothing: 0.0,
        bytes: false,
        lettered: false,
        grams_of: Whole::Text,
        top: Top::First { spaces: true, once: false },
        repeated: Repeated::Later,
    },
};

const DATATROVE: Ways = Ways {
    words: Words::Spacy,
    gram_words: Words::Spacy,
    prose: ProseWay { counted: Counted::NoPunctuation, ..DEFAULT.prose },
    repetition: RepetitionWay {
        lines: Pieces::RunsAndEnds,
        top: Top::First { spaces: true, once: true },
        repeated: Repeated::LaterJoined,
        ..DEFAULT.repetition
    },
    ..DEFAULT
};

const DOLMA: Ways = Ways {
    words: Words::Whitespace,
    gram_words: Words::Whitespace,
    precision: Precision::FiveDecimals,
    symbols_together: true,
    prose_order: &[
        "words",
        "mean_word_length",
        "symbol_ratio",
        "alphabetic_fraction",
        "stop_words",
        "bullet_fraction",
        "ellipsis_line_fraction",
    ],
    prose: ProseWay {
        length: Length::Median,
        symbols: Symbols::Words,
        stops: Stops::Every,
        lines: LineWay { cut: Cut::Raw, bullets: &['*', '-'], ellipses: &["…"] },
        ..DEFAULT.prose
    },
    repetition: RepetitionWay {
        lines: Pieces::Raw,
        paragraphs: None,
        every: true,
        pieces_of: Whole::Words,
        grams_of: Whole::Words,
        top: Top::First { spaces: false, once: true },
        repeated: Repeated::OfGrams,
        ..DEFAULT.repetition
    },
    ..DEFAULT
};

const DOLMA_V2: Ways = Ways {
    prose: ProseWay { lines: LineWay { cut: Cut::RawRuns, ..DOLMA.prose.lines }, ..DOLMA.prose },
    repetition: RepetitionWay { lines: Pieces::RunsAndEnds, ..DOLMA.repetition },
    ..DOLMA
};

const MARKS: [&str; 3] = ["...", ". . .", "…"];

const DCLM: Ways = Ways {
    words: Words::Whitespace,
    symbols_together: true,
    repetition_order: &LINES_FIRST,
    prose: ProseWay {
        counted: Counted::FastText,
        symbols: Symbols::Spaced,
        stops: Stops::EveryFolded,
        lines: LineWay { cut: Cut::Filled, bullets: &['●', '•', '*', '-'], ellipses: &MARKS },
        ..DEFAULT.prose
    },
    repetition: RepetitionWay {
        lines: Pieces::Stripped,
        paragraphs: Some(Pieces::Stripped),
        every: true,
        pieces_of: Whole::Pieces,
        of_nothing: 1.0,
        lettered: true,
        grams_of: Whole::Words,
        top: Top::Longest,
        repeated: Repeated::Covered,
        ..DEFAULT.repetition
    },
    ..DEFAULT
};

const DATAMAP: Ways = Ways {
    precision: Precision::Single,
    prose: ProseWay {
        counted: Counted::AsciiRuns,
        length: Length::Bytes,
        symbols: Symbols::SpacedOneWord,
        alphabetic: true,
        one_is_none: true,
        lines: LineWay { cut: Cut::RawThenFilled, ..DCLM.prose.lines },
        ..DCLM.prose
    },
    repetition: RepetitionWay {
        lines: Pieces::RawFilled,
        paragraphs: Some(Pieces::RawFilled),
        bytes: true,
        lettered: false,
        top: Top::Covered,
        ..DCLM.repetition
    },
    ..DCLM
};

/// How `profile` measures; `None`: as the paper has it, where it says.
pub fn ways(profile: Option<Profile>) -> &'static Ways {
    match profile {
        None | Some(Profile::Paper) => &DEFAULT,
        Some(Profile::Datatrove) => &DATATROVE,
        Some(Profile::Dolma) => &DOLMA,
        Some(Profile::DolmaV2) => &DOLMA_V2,
        Some(Profile::Dclm) => &DCLM,
        Some(Profile::Datamap) => &DATAMAP,
    }
}
