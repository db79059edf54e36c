//! What MassiveText's quality rules (Rae et al. 2021, appendix A1) count: words, their lengths, letters and stop words; symbols;
//! lines that begin with a bullet or end in an ellipsis.

use std::collections::HashMap;

use super::Compat;
use crate::doc::{Text, Words};
use crate::text::chars::{self, ASCII, DATATROVE_PUNCTUATION, LETTER, TERMINAL};

/// Stop words, matched as they are written. Counts which of them a text has.
#[derive(Debug, Clone, Default)]
pub struct StopWords {
    places: HashMap<Box<str>, usize, foldhash::fast::FixedState>,
    /// Lengths (up to 63 bytes, longer ones at 63) and first bytes there are: most words are none.
    lengths: u64,
    firsts: [u64; 4],
    seen: Vec<bool>,
}

impl StopWords {
    /// Of these words.
    pub fn new(words: &[String]) -> Self {
        let mut stops = Self { seen: vec![false; words.len()], ..Self::default() };
        for (place, word) in words.iter().enumerate() {
            stops.places.insert(word.as_str().into(), place);
            stops.lengths |= 1 << word.len().min(63);
            let first = word.as_bytes().first().copied().unwrap_or(0);
            if let Some(bits) = stops.firsts.get_mut(usize::from(first >> 6)) {
                *bits |= 1 << (first & 63);
            }
        }
        stops
    }

    #[inline]
    fn look(&mut self, word: &str) {
        let first = word.as_bytes().first().copied().unwrap_or(0);
        let may = self.lengths >> word.len().min(63) & 1 == 1
            && self.firsts.get(usize::from(first >> 6)).is_some_and(|bits| bits >> (first & 63) & 1 == 1);
        if may && let Some(seen) = self.places.get(word).and_then(|&place| self.seen.get_mut(place)) {
            *seen = true;
        }
    }

    /// How many different ones were seen; forgets them.
    fn take(&mut self) -> usize {
        let seen = self.seen.iter().filter(|seen| **seen).count();
        self.seen.fill(false);
        seen
    }
}

/// What of a text is measured.
#[derive(Debug, Clone)]
pub struct Prose {
    words: Words,
    compat: Option<Compat>,
    stop_words: StopWords,
}

/// The measures, in the order their rules are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProseMeasure {
    /// Words.
    pub words: usize,
    /// Characters of a word on average.
    pub mean_word_length: f64,
    /// `#` for each word.
    pub hash_ratio: f64,
    /// Ellipses for each word.
    pub ellipsis_ratio: f64,
    /// Share of lines that begin with a bullet.
    pub bullet_fraction: f64,
    /// Share of lines that end in an ellipsis.
    pub ellipsis_line_fraction: f64,
    /// Share of words with a letter.
    pub alphabetic_fraction: f64,
    /// Different stop words.
    pub stop_words: usize,
    /// Lines.
    pub lines: usize,
}

/// In a byte's class: part of a word that has a letter.
const ALPHABETIC: u8 = 1;
/// Part of a word that is more than punctuation.
const NO_SYMBOL: u8 = 2;
/// Not ASCII.
const WIDE: u8 = 4;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut class = [WIDE; 256];
    let mut byte = 0;
    while byte < 128 {
        let letter = if ASCII[byte] & LETTER != 0 { ALPHABETIC } else { 0 };
        let symbol = if ASCII[byte] & (DATATROVE_PUNCTUATION | TERMINAL) != 0 { 0 } else { NO_SYMBOL };
        class[byte] = letter | symbol;
        byte += 1;
    }
    class
}

/// Length in characters of `word`, and what it holds.
#[inline]
fn look(word: &str) -> (usize, u8) {
    let holds = word.bytes().fold(0, |holds, byte| holds | CLASS[byte as usize]);
    if holds & WIDE == 0 {
        return (word.len(), holds);
    }
    let (table, mut length, mut holds) = (chars::chars(), 0, 0);
    for c in word.chars() {
        let class = table.of(c);
        length += 1;
        holds |= if class & LETTER != 0 { ALPHABETIC } else { 0 };
        holds |= if class & (DATATROVE_PUNCTUATION | TERMINAL) != 0 { 0 } else { NO_SYMBOL };
    }
    (length, holds)
}

#[derive(Default)]
struct Counts {
    tokens: usize,
    words: usize,
    chars: usize,
    alphabetic: usize,
}

impl Prose {
    /// Words found the way asked for. datatrove holds words that are punctuation alone to be none where it counts words and
    /// their lengths, but divides by all of them.
    pub fn new(words: Words, compat: Option<Compat>, stop_words: &[String]) -> Self {
        Self { words, compat, stop_words: StopWords::new(stop_words) }
    }

    /// Measures `text`.
    pub fn measure(&mut self, text: &Text) -> ProseMeasure {
        let counts = self.count(text);
        let string = text.as_str();
        let hashes = memchr::memchr_iter(b'#', string.as_bytes()).count();
        let ellipses = memchr::memmem::find_iter(string.as_bytes(), "...").count()
            + memchr::memmem::find_iter(string.as_bytes(), "…").count();
        let (lines, bullets, ellipsis_lines) = lines(text);
        let per_word = |n: usize| n as f64 / counts.tokens.max(1) as f64;
        let per_line = |n: usize| n as f64 / lines.max(1) as f64;
        let mean = match (counts.words, self.compat) {
            (0, Some(Compat::Datatrove)) => f64::NAN,
            (words, _) => counts.chars as f64 / words.max(1) as f64,
        };
        ProseMeasure {
            words: counts.words,
            mean_word_length: mean,
            hash_ratio: per_word(hashes),
            ellipsis_ratio: per_word(ellipses),
            bullet_fraction: per_line(bullets),
            ellipsis_line_fraction: per_line(ellipsis_lines),
            alphabetic_fraction: per_word(counts.alphabetic),
            stop_words: self.stop_words.take(),
            lines,
        }
    }

    fn count(&mut self, text: &Text) -> Counts {
        let symbols_are_words = self.compat != Some(Compat::Datatrove);
        let mut counts = Counts::default();
        for &span in text.words_by(self.words) {
            let word = text.at(span);
            let (length, holds) = look(word);
            counts.tokens += 1;
            if symbols_are_words || holds & NO_SYMBOL != 0 {
                counts.words += 1;
                counts.chars += length;
            }
            counts.alphabetic += usize::from(holds & ALPHABETIC != 0);
            self.stop_words.look(word);
        }
        counts
    }
}

/// Lines, those that begin with a bullet, and those that end in an ellipsis.
fn lines(text: &Text) -> (usize, usize, usize) {
    let (mut bullets, mut ellipses) = (0, 0);
    for &line in text.lines() {
        let line = text.at(line);
        bullets += usize::from(line.trim_start_matches(chars::is_space).starts_with(['•', '-']));
        let end = line.trim_end_matches(chars::is_space);
        ellipses += usize::from(end.ends_with("...") || end.ends_with('…'));
    }
    (text.lines().len(), bullets, ellipses)
}
