//! What MassiveText's quality rules (Rae et al. 2021, appendix A1) count: words, their lengths, letters and stop words; symbols;
//! lines that begin with a bullet or end in an ellipsis.

use std::collections::HashMap;

use super::profile::{Counted, Cut, Length, LineWay, ProseWay, Stops, Symbols};
use super::{Profile, ways};
use crate::doc::{Text, Words};
use crate::text::chars::{self, ASCII, DATATROVE_PUNCTUATION, LETTER, TERMINAL};
use crate::text::words::fasttext;

/// Stop words, matched as they are written. Counts how often a text has each of them.
#[derive(Debug, Clone, Default)]
pub struct StopWords {
    places: HashMap<Box<str>, usize, foldhash::fast::FixedState>,
    /// Lengths (up to 63 bytes, longer ones at 63) and first bytes there are: most words are none.
    lengths: u64,
    firsts: [u64; 4],
    seen: Vec<usize>,
    folded: String,
}

impl StopWords {
    /// Of these words.
    pub fn new(words: &[String]) -> Self {
        let mut stops = Self { seen: vec![0; words.len()], ..Self::default() };
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
            *seen += 1;
        }
    }

    /// Looks at the word in lower case.
    fn look_folded(&mut self, word: &str) {
        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        folded.extend(word.chars().flat_map(char::to_lowercase));
        self.look(&folded);
        self.folded = folded;
    }

    /// How many were seen, different ones or every one; forgets them.
    fn take(&mut self, stops: &Stops) -> usize {
        let seen = match stops {
            Stops::Different => self.seen.iter().filter(|seen| **seen > 0).count(),
            Stops::Every | Stops::EveryFolded => self.seen.iter().sum(),
        };
        self.seen.fill(0);
        seen
    }
}

/// What of a text is measured.
#[derive(Debug, Clone)]
pub struct Prose {
    words: Words,
    way: &'static ProseWay,
    stop_words: StopWords,
    lengths: Vec<usize>,
}

/// The measures, in the order their rules are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProseMeasure {
    /// Words.
    pub words: usize,
    /// Characters of a word on average. Dolma takes the median for it, datamap-rs bytes.
    pub mean_word_length: f64,
    /// `#` for each word.
    pub hash_ratio: f64,
    /// Ellipses for each word.
    pub ellipsis_ratio: f64,
    /// Both for each word, or the share of words that have one, as the profile has it.
    pub symbol_ratio: f64,
    /// Share of lines that begin with a bullet.
    pub bullet_fraction: f64,
    /// Share of lines that end in an ellipsis.
    pub ellipsis_line_fraction: f64,
    /// Share of words with a letter.
    pub alphabetic_fraction: f64,
    /// Stop words: different ones, or every one, as the profile has it.
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
    let (table, mut length, mut holds) = (chars::chars(), 0, WIDE);
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
    length: usize,
    alphabetic: usize,
    symbols: usize,
}

impl Prose {
    /// Words found the way asked for, measured as `profile` does. datatrove holds words that are punctuation alone to be none where
    /// it counts words and their lengths, but divides by all of them.
    pub fn new(words: Words, profile: Option<Profile>, stop_words: &[String]) -> Self {
        Self { words, way: &ways(profile).prose, stop_words: StopWords::new(stop_words), lengths: Vec::new() }
    }

    /// Measures `text`.
    pub fn measure(&mut self, text: &Text) -> ProseMeasure {
        let counts = self.count(text);
        let string = text.as_str();
        let occurrences = |mark: &str| memchr::memmem::find_iter(string.as_bytes(), mark).count();
        let hashes = memchr::memchr_iter(b'#', string.as_bytes()).count();
        let ellipses = occurrences("...") + occurrences("…");
        let lines = Lines::of(text, &self.way.lines);
        let per_word = |n: usize| n as f64 / counts.tokens.max(1) as f64;
        let symbol_ratio = match self.way.symbols {
            Symbols::Plain => per_word(hashes + ellipses),
            Symbols::Words => per_word(counts.symbols),
            Symbols::Spaced => per_word(hashes + ellipses + occurrences(". . .")),
            Symbols::SpacedOneWord => {
                let spaced = occurrences(". . .");
                (hashes + ellipses + spaced) as f64 / counts.tokens.saturating_sub(2 * spaced).max(1) as f64
            }
        };
        let alphabetic = if self.way.one_is_none && counts.tokens == 1 { 0 } else { counts.alphabetic };
        ProseMeasure {
            words: match self.way.counted {
                Counted::All | Counted::NoPunctuation => counts.words,
                Counted::FastText => fasttext(string).count(),
                Counted::AsciiRuns if text.is_ascii() => {
                    string.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| !run.is_empty()).count()
                }
                Counted::AsciiRuns => text.words().len(),
            },
            mean_word_length: match self.way.length {
                Length::Median => median(&mut self.lengths),
                _ if counts.words == 0 && self.way.counted == Counted::NoPunctuation => f64::NAN,
                _ => counts.length as f64 / counts.words.max(1) as f64,
            },
            hash_ratio: per_word(hashes),
            ellipsis_ratio: per_word(ellipses),
            symbol_ratio,
            bullet_fraction: lines.bullets as f64 / lines.all.max(1) as f64,
            ellipsis_line_fraction: lines.ellipses as f64 / (lines.all - lines.empty).max(1) as f64,
            alphabetic_fraction: per_word(alphabetic),
            stop_words: self.stop_words.take(&self.way.stops),
            lines: lines.all,
        }
    }

    fn count(&mut self, text: &Text) -> Counts {
        let way = self.way;
        let symbols_are_words = way.counted != Counted::NoPunctuation;
        let mut counts = Counts::default();
        self.lengths.clear();
        for &span in text.words_by(self.words) {
            let word = text.at(span);
            let (length, holds) = look(word);
            counts.tokens += 1;
            if symbols_are_words || holds & NO_SYMBOL != 0 {
                counts.words += 1;
                counts.length += if way.length == Length::Bytes { word.len() } else { length };
            }
            let alphabetic = if way.alphabetic && holds & WIDE != 0 {
                word.contains(char::is_alphabetic)
            } else {
                holds & ALPHABETIC != 0
            };
            counts.alphabetic += usize::from(alphabetic);
            if way.length == Length::Median {
                self.lengths.push(length);
            }
            if way.symbols == Symbols::Words {
                counts.symbols += usize::from(word.contains(['#', '…']));
            }
            if way.stops == Stops::EveryFolded {
                self.stop_words.look_folded(word);
            } else {
                self.stop_words.look(word);
            }
        }
        counts
    }
}

/// The middle of `numbers`, or the mean of the two in the middle; 0 of none.
fn median(numbers: &mut [usize]) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let (even, middle) = (numbers.len().is_multiple_of(2), numbers.len() / 2);
    let (below, &mut upper, _) = numbers.select_nth_unstable(middle);
    let lower = if even { below.iter().max().copied().unwrap_or(upper) } else { upper };
    (lower + upper) as f64 / 2.0
}

/// Lines, empty ones that are left out where ellipses are counted, those that begin with a bullet, and those that end in an ellipsis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lines {
    all: usize,
    empty: usize,
    bullets: usize,
    ellipses: usize,
}

impl Lines {
    fn of(text: &Text, way: &LineWay) -> Self {
        let mut lines = Self::default();
        let feeds = || text.as_str().split('\n');
        match way.cut {
            Cut::Stripped => text.lines().iter().for_each(|line| lines.add(way, chars::strip(text.at(*line)))),
            Cut::Raw => feeds().for_each(|line| lines.add(way, line)),
            Cut::Filled => feeds().map(chars::strip).filter(|l| !l.is_empty()).for_each(|line| lines.add(way, line)),
            Cut::RawRuns => {
                // Runs at the ends of the text leave an empty line there.
                let inner = |(at, line): &(usize, &str)| !line.is_empty() || *at == 0;
                feeds().enumerate().filter(inner).for_each(|(_, line)| lines.add(way, line));
                if text.as_str().ends_with('\n') {
                    lines.add(way, "");
                }
            }
            Cut::RawThenFilled => {
                let (mut at, end) = (0, text.len());
                for line in feeds() {
                    at += line.len() + 1;
                    // A line feed takes a carriage return before it with it.
                    let shown = if at <= end { line.strip_suffix('\r').unwrap_or(line) } else { line };
                    lines.add_parts(way, line, shown);
                    lines.empty += usize::from(shown.is_empty());
                }
            }
        }
        lines
    }

    #[inline]
    fn add(&mut self, way: &LineWay, line: &str) {
        self.add_parts(way, line, line);
    }

    #[inline]
    fn add_parts(&mut self, way: &LineWay, begins: &str, ends: &str) {
        self.all += 1;
        self.bullets += usize::from(begins.starts_with(way.bullets));
        self.ellipses += usize::from(way.ellipses.iter().any(|mark| ends.ends_with(mark)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(profile: Profile, text: &str) -> ProseMeasure {
        let stops = ["the".to_owned(), "of".to_owned()];
        Prose::new(ways(Some(profile)).words, Some(profile), &stops).measure(&Text::new(text.to_owned()))
    }

    #[test]
    fn profiles_differ_where_their_implementations_do() {
        let text = "The end of it . . . the # …\n\n * It's the end...\n";
        let all = [Profile::Dolma, Profile::DolmaV2, Profile::Dclm, Profile::Datamap].map(|p| measure(p, text));
        assert_eq!(all.map(|m| m.words), [14, 14, 8, 8]);
        assert_eq!(all.map(|m| m.mean_word_length), [2.0, 2.0, 32.0 / 14.0, 34.0 / 14.0]);
        assert_eq!(all.map(|m| m.symbol_ratio), [2.0 / 14.0, 2.0 / 14.0, 4.0 / 14.0, 4.0 / 12.0]);
        assert_eq!(all.map(|m| m.stop_words), [3, 3, 4, 4]);
        assert_eq!(all.map(|m| m.lines), [4, 3, 2, 4]);
        assert_eq!(all.map(|m| m.bullet_fraction), [0.0, 0.0, 0.5, 0.0]);
        assert_eq!(all.map(|m| m.ellipsis_line_fraction), [0.25, 1.0 / 3.0, 1.0, 1.0]);
    }

    #[test]
    fn letters_are_those_of_the_language_it_was_written_in() {
        // A Roman numeral is alphabetic in Unicode, and no letter.
        let [dclm, datamap] = [Profile::Dclm, Profile::Datamap].map(|p| measure(p, "Ⅰ Ⅱ 3 d").alphabetic_fraction);
        assert_eq!((dclm, datamap), (0.25, 0.75));
    }

    #[test]
    fn medians_are_pythons() {
        assert_eq!(
            [median(&mut []), median(&mut [3]), median(&mut [5, 2, 9]), median(&mut [9, 2, 5, 4])],
            [0.0, 3.0, 5.0, 4.5]
        );
    }

    #[test]
    fn lines_without_a_carriage_return_only_before_a_feed() {
        let way = &ways(Some(Profile::Datamap)).prose.lines;
        let lines = |text: &str| Lines::of(&Text::new(text.to_owned()), way);
        assert_eq!(lines("a...\r\nb...\r"), Lines { all: 2, empty: 0, bullets: 0, ellipses: 1 });
        assert_eq!(lines("\r\n\n"), Lines { all: 3, empty: 3, bullets: 0, ellipses: 0 });
    }
}
