//! What MassiveText's repetition rules (Rae et al. 2021, table A1) count: characters in repeated paragraphs, lines and n-grams.
//!
//! N-grams are compared by 64-bit hashes of their words (two different n-grams of a document share one with probability
//! below 2^-30 even at 2^17 words). An n-gram can only repeat where its shorter ones do, so that of all but the shortest few are
//! looked up.

use super::counts::{Counts, FEW, NONE};
use super::profile::{Pieces as Cut, Repeated, RepetitionWay, Top, Whole};
use super::seen::{Duplicates, Seen};
use super::{Profile, ways};
use crate::doc::{Span, Text, Words};
use crate::sketch::hash;
use crate::text::chars;
use crate::text::words::is_lettered;

/// Which n-grams are measured.
#[derive(Debug, Clone, Default)]
pub struct Grams {
    /// Lengths, rising, whose most frequent n-gram is measured.
    pub top: Vec<usize>,
    /// Lengths, rising, whose repeated n-grams are measured.
    pub repeated: Vec<usize>,
}

/// Characters in repetitions, each as a share of all characters (or of what the profile takes for all); one number for each
/// length of [`Grams`].
#[derive(Debug, Clone, Default)]
pub struct Repetition {
    /// The most frequent n-gram, as often as it occurs, spaces between its words included.
    pub top: Vec<f64>,
    /// N-grams that occurred before, words alone, none counted twice.
    pub repeated: Vec<f64>,
}

/// Repeated lines or paragraphs as shares; NaN if the profile does not measure them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Of all pieces.
    pub pieces: f64,
    /// Of all characters.
    pub chars: f64,
}

/// Measures repetitions; keeps its memory between documents.
#[derive(Debug, Clone)]
pub struct Repetitions {
    words: Words,
    way: &'static RepetitionWay,
    seen: [Seen; 2],
    counts: Counts,
    tokens: Tokens,
    /// For every n-gram of the length looked at last, whether it may occur twice.
    candidates: Vec<bool>,
}

impl Repetitions {
    /// Words found the way asked for, measured as `profile` does.
    pub fn new(words: Words, profile: Option<Profile>) -> Self {
        Self {
            words,
            way: &ways(profile).repetition,
            seen: Default::default(),
            counts: Counts::default(),
            tokens: Tokens::default(),
            candidates: Vec::new(),
        }
    }

    /// Repeated paragraphs: what blank lines part, of the text without the whitespace around it.
    pub fn paragraphs(&mut self, text: &Text) -> Shares {
        let Some(cut) = self.way.paragraphs else { return Shares { pieces: f64::NAN, chars: f64::NAN } };
        let all = text.as_str();
        let (start, end) = match cut {
            Cut::Runs | Cut::RunsAndEnds => trimmed(all, (0, all.len() as u32)),
            _ => (0, all.len() as u32),
        };
        self.shares(text, cut, 2, (start as usize, end as usize))
    }

    /// Repeated lines: those that are not empty. datatrove counts the empty pieces before a leading and behind a trailing line feed
    /// as lines, Dolma every empty line.
    pub fn lines(&mut self, text: &Text) -> Shares {
        self.shares(text, self.way.lines, 1, (0, text.len()))
    }

    /// Shares of repeated pieces of what is between `ends`, cut at `newlines` line feeds.
    fn shares(&mut self, text: &Text, cut: Cut, newlines: usize, ends: (usize, usize)) -> Shares {
        let all = text.as_str();
        let runs = || Pieces { text: all, at: ends.0, end: ends.1, newlines, done: false };
        let filled = |span: &Span| span.0 < span.1;
        match cut {
            Cut::Runs => self.count(text, runs().filter(filled)),
            Cut::RunsAndEnds => self.count(text, runs()),
            Cut::Raw => self.count(text, split(all, newlines)),
            Cut::RawFilled => self.count(text, split(all, newlines).filter(filled)),
            Cut::Stripped => self.count(text, split(all, newlines).map(|span| trimmed(all, span)).filter(filled)),
        }
    }

    fn count(&mut self, text: &Text, spans: impl Iterator<Item = Span>) -> Shares {
        let way = self.way;
        let mut all = 0;
        let length = |piece: &str| if way.bytes { piece.len() } else { chars::count(piece) };
        let spans = spans.inspect(|span| {
            if way.pieces_of == Whole::Pieces {
                all += length(text.at(*span));
            }
        });
        let [once, twice] = &mut self.seen;
        let found = if way.every {
            Duplicates::every([once, twice], text, spans, length)
        } else {
            Duplicates::among(once, text, spans)
        };
        if found.pieces == 0 {
            return Shares { pieces: way.of_nothing, chars: way.of_nothing };
        }
        let whole = match way.pieces_of {
            Whole::Text => text.chars(),
            Whole::Pieces => all,
            Whole::Words => text.words_by(self.words).iter().map(|word| length(text.at(*word))).sum(),
        };
        Shares { pieces: found.repeated as f64 / found.pieces as f64, chars: found.chars as f64 / whole.max(1) as f64 }
    }

    /// Measures the n-grams asked for.
    pub fn grams(&mut self, text: &Text, grams: &Grams, found: &mut Repetition) {
        self.tokens.load(text, text.words_by(self.words), self.way);
        let all = self.tokens.len();
        let whole = match self.way.grams_of {
            Whole::Text => text.chars(),
            Whole::Pieces | Whole::Words => self.tokens.chars(0, all),
        };
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        self.candidates.clear();
        self.candidates.resize(all, true);
        let mut length = 1;
        found.top.clear();
        for &n in &grams.top {
            found.top.push(share(self.top(n, length), whole));
            length = n;
        }
        found.repeated.clear();
        for &n in &grams.repeated {
            found.repeated.push(match self.way.repeated {
                Repeated::Later => share(self.repeated(n, length), whole),
                Repeated::LaterJoined => share(self.repeated_joined(n), whole),
                Repeated::OfGrams => {
                    let (repeated, all) = self.of_grams(n, length);
                    share(repeated, all)
                }
                Repeated::Covered => {
                    self.tally(n, length);
                    share(self.covered(n, |counts, at| counts.at(at).is_some_and(|count| count.0 > 1)), whole)
                }
            });
            if matches!(self.way.repeated, Repeated::OfGrams | Repeated::Covered) {
                length = n;
            }
        }
    }

    /// Whether the n-gram at `at` may occur twice, as far as its (shorter) n-grams of `length` know.
    #[inline]
    fn may_repeat(&self, at: usize, n: usize, length: usize) -> bool {
        let may = |at: usize| self.candidates.get(at).copied().unwrap_or(false);
        may(at) && (n <= length || may(at + n - length))
    }

    /// Counts the n-grams, of which those of `length` tell which may occur twice, and leaves in `candidates` which do; where the last
    /// begins, if there is one.
    fn tally(&mut self, n: usize, length: usize) -> Option<usize> {
        // Once shorter ones have been counted, few are left.
        let few = self.candidates.iter().filter(|may| **may).count();
        self.counts.start(few);
        let Some(last) = self.tokens.len().checked_sub(n) else {
            self.candidates.fill(false);
            return None;
        };
        for at in 0..=last {
            let slot = if self.may_repeat(at, n, length) { self.counts.add(self.tokens.gram(at, n), at) } else { NONE };
            self.counts.of.push(slot);
        }
        for at in 0..=last {
            let repeats = self.counts.at(at).is_some_and(|count| count.0 > 1);
            if let Some(candidate) = self.candidates.get_mut(at) {
                *candidate = repeats;
            }
        }
        self.candidates.truncate(last + 1);
        Some(last)
    }

    /// Characters of the most frequent n-gram, as the profile has it.
    fn top(&mut self, n: usize, length: usize) -> usize {
        let Some(last) = self.tally(n, length) else { return 0 };
        let best = self.counts.most();
        match (&self.way.top, best) {
            (Top::First { spaces, .. }, Some((count, first))) => {
                (self.tokens.chars(first, n) + if *spaces { n - 1 } else { 0 }) * count
            }
            (Top::First { spaces, once: true }, None) => self.tokens.chars(0, n) + if *spaces { n - 1 } else { 0 },
            (Top::Longest, Some((count, _))) => count * self.longest(n, last, count).0,
            (Top::Covered, Some((count, _))) => {
                let place = self.longest(n, last, count).1;
                let slot = self.counts.of.get(place).copied();
                self.covered(n, |counts, at| counts.of.get(at).copied() == slot)
            }
            (_, None) => 0,
        }
    }

    /// Characters of the longest of the n-grams that occur `count` times, and where the first such begins.
    fn longest(&self, n: usize, last: usize, count: usize) -> (usize, usize) {
        let places = (0..=last).filter(|at| self.counts.at(*at).is_some_and(|c| c.0 as usize == count));
        let longest = places.map(|at| (self.tokens.chars(at, n), std::cmp::Reverse(at))).max();
        longest.map_or((0, 0), |(chars, place)| (chars, place.0))
    }

    /// Characters of the words that n-grams cover which begin where `here` says, each word once.
    fn covered(&self, n: usize, here: impl Fn(&Counts, usize) -> bool) -> usize {
        let (mut covered, mut chars) = (0, 0);
        for at in (0..self.counts.of.len()).filter(|at| here(&self.counts, *at)) {
            let from = at.max(covered);
            chars += self.tokens.chars(from, at + n - from);
            covered = at + n;
        }
        chars
    }

    /// Characters of n-grams that occur more than once, and of all, as often as they occur.
    fn of_grams(&mut self, n: usize, length: usize) -> (usize, usize) {
        let Some(last) = self.tally(n, length) else { return (0, 0) };
        let (mut repeated, mut all) = (0, 0);
        for at in 0..=last {
            let chars = self.tokens.chars(at, n);
            all += chars;
            repeated += if self.candidates.get(at) == Some(&true) { chars } else { 0 };
        }
        (repeated, all)
    }

    /// Characters in n-grams that occurred before, none counted twice. `candidates` are of `length`.
    fn repeated(&mut self, n: usize, length: usize) -> usize {
        let Some(last) = self.tokens.len().checked_sub(n) else { return 0 };
        self.seen[0].start(64);
        let (mut at, mut chars) = (0, 0);
        while at <= last {
            if self.may_repeat(at, n, length) && self.seen[0].again(self.tokens.gram(at, n)) {
                chars += self.tokens.chars(at, n);
                at += n;
            } else {
                at += 1;
            }
        }
        chars
    }

    /// The same, of words joined without separator.
    fn repeated_joined(&mut self, n: usize) -> usize {
        let Some(last) = self.tokens.len().checked_sub(n) else { return 0 };
        self.seen[0].start((last + 1).min(FEW));
        let (mut at, mut chars) = (0, 0);
        while at <= last {
            if self.seen[0].again(self.tokens.joined(at, n)) {
                chars += self.tokens.chars(at, n);
                at += n;
            } else {
                at += 1;
            }
        }
        chars
    }
}

/// What exactly so many line feeds part (Python's `str.split`).
fn split(text: &str, newlines: usize) -> impl Iterator<Item = Span> {
    let mut at = 0;
    text.split(if newlines > 1 { "\n\n" } else { "\n" }).map(move |piece| {
        let start = at;
        at += piece.len() + newlines;
        (start as u32, (start + piece.len()) as u32)
    })
}

/// The span without the whitespace around it.
fn trimmed(text: &str, (start, end): Span) -> Span {
    let piece = text.get(start as usize..end as usize).unwrap_or_default();
    let start = end - piece.trim_start_matches(chars::is_space).len() as u32;
    (start, start + chars::strip(piece).len() as u32)
}

/// Pieces of a text parted by `newlines` or more line feeds, the empty ones at its ends included (Python's `re.split`).
struct Pieces<'t> {
    text: &'t str,
    at: usize,
    end: usize,
    newlines: usize,
    done: bool,
}

impl Iterator for Pieces<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        if self.done {
            return None;
        }
        let (bytes, start) = (self.text.as_bytes().get(..self.end)?, self.at);
        let mut from = self.at;
        while let Some(found) = memchr::memchr(b'\n', bytes.get(from..)?) {
            let at = from + found;
            let run = bytes.get(at..)?.iter().take_while(|b| **b == b'\n').count();
            from = at + run;
            if run >= self.newlines {
                self.at = from;
                return Some((start as u32, at as u32));
            }
        }
        self.done = true;
        Some((start as u32, self.end as u32))
    }
}

/// The words of a text as hashes from which any run of words has its own in constant time.
#[derive(Debug, Clone, Default)]
struct Tokens {
    /// Of the words before each: a polynomial of their hashes, modulo 2^64.
    polynomial: Vec<u64>,
    /// Of the bytes of the words before each: a polynomial modulo 2^61 - 1. Empty if joined words are not asked for.
    joined: Vec<u64>,
    /// Bytes in the words before each, and characters, or bytes as well if the profile counts them.
    bytes: Vec<u64>,
    chars: Vec<u64>,
}

/// An odd multiplier.
const BASE: u64 = 0x9e6c_63d0_876a_68b5;
/// Its powers up to the longest n-gram.
static POWERS: [u64; 17] = powers();

const fn powers() -> [u64; 17] {
    let mut powers = [1u64; 17];
    let mut n = 1;
    while n < 17 {
        powers[n] = powers[n - 1].wrapping_mul(BASE);
        n += 1;
    }
    powers
}

impl Tokens {
    fn load(&mut self, text: &Text, words: &[Span], way: &RepetitionWay) {
        let joined = way.repeated == Repeated::LaterJoined;
        for all in [&mut self.polynomial, &mut self.joined, &mut self.bytes, &mut self.chars] {
            all.clear();
            all.push(0);
            all.reserve(words.len());
        }
        let (by_bytes, all) = (way.bytes || text.is_ascii(), !way.lettered);
        let (mut polynomial, mut stream, mut bytes, mut chars) = (0u64, 0, 0, 0);
        for word in words.iter().map(|word| text.at(*word)).filter(|word| all || is_lettered(word)) {
            polynomial = polynomial.wrapping_mul(BASE).wrapping_add(hash::seeded(word.as_bytes(), 0));
            self.polynomial.push(polynomial);
            chars += if by_bytes { word.len() } else { chars::count(word) } as u64;
            self.chars.push(chars);
            if joined {
                stream = word.bytes().fold(stream, |stream, byte| mersenne::add(mersenne::times(stream), byte));
                self.joined.push(stream);
                bytes += word.len() as u64;
                self.bytes.push(bytes);
            }
        }
    }

    fn len(&self) -> usize {
        self.polynomial.len().saturating_sub(1)
    }

    /// The hash of the `n` words from `at` on.
    #[inline]
    fn gram(&self, at: usize, n: usize) -> u64 {
        let get = |i: usize| self.polynomial.get(i).copied().unwrap_or(0);
        let power = POWERS.get(n).copied().unwrap_or(0);
        hash::mix(get(at + n).wrapping_sub(get(at).wrapping_mul(power)))
    }

    /// The hash of the bytes of the `n` words from `at` on.
    #[inline]
    fn joined(&self, at: usize, n: usize) -> u64 {
        let get = |all: &[u64], i: usize| all.get(i).copied().unwrap_or(0);
        let length = get(&self.bytes, at + n) - get(&self.bytes, at);
        hash::mix(mersenne::without(get(&self.joined, at + n), get(&self.joined, at), length))
    }

    /// Characters of the `n` words from `at` on.
    #[inline]
    fn chars(&self, at: usize, n: usize) -> usize {
        let get = |i: usize| self.chars.get(i).copied().unwrap_or(0);
        (get(at + n) - get(at)) as usize
    }
}

/// Polynomials of bytes modulo the Mersenne prime 2^61 - 1 (Karp & Rabin 1987): the hash of joined words from those of the words.
mod mersenne {
    const PRIME: u64 = (1 << 61) - 1;
    const BASE: u64 = 0x0f3a_9c1b_57d2_e68d;
    static POWERS: [u64; 256] = powers();

    const fn fold(wide: u128) -> u64 {
        let sum = (wide as u64 & PRIME) + (wide >> 61) as u64;
        if sum >= PRIME { sum - PRIME } else { sum }
    }

    const fn product(a: u64, b: u64) -> u64 {
        fold(a as u128 * b as u128)
    }

    const fn powers() -> [u64; 256] {
        let mut powers = [1; 256];
        let mut n = 1;
        while n < 256 {
            powers[n] = product(powers[n - 1], BASE);
            n += 1;
        }
        powers
    }

    /// A place further left.
    #[inline]
    pub fn times(stream: u64) -> u64 {
        product(stream, BASE)
    }

    /// One more byte. A byte counts one more than its value, so that zeros count.
    #[inline]
    pub fn add(stream: u64, byte: u8) -> u64 {
        let sum = stream + u64::from(byte) + 1;
        if sum >= PRIME { sum - PRIME } else { sum }
    }

    /// `whole` without the bytes of `before`, which the last `length` bytes follow.
    #[inline]
    pub fn without(whole: u64, before: u64, length: u64) -> u64 {
        let gone = product(before, power(length));
        if whole >= gone { whole - gone } else { whole + PRIME - gone }
    }

    #[inline]
    fn power(mut n: u64) -> u64 {
        if let Some(power) = POWERS.get(n as usize) {
            return *power;
        }
        let (mut base, mut power) = (BASE, 1);
        while n > 0 {
            if n & 1 == 1 {
                power = product(power, base);
            }
            base = product(base, base);
            n >>= 1;
        }
        power
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    /// The definition, word for word.
    fn top(words: &[&str], n: usize) -> usize {
        let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
        for (at, gram) in words.windows(n).enumerate() {
            counts.entry(gram.join(" ")).or_insert((0, at)).0 += 1;
        }
        counts
            .iter()
            .max_by_key(|(_, c)| (c.0, std::cmp::Reverse(c.1)))
            .map_or(0, |(gram, c)| gram.chars().count() * c.0)
    }

    fn repeated(words: &[&str], n: usize, separator: &str) -> usize {
        let (mut seen, mut at, mut chars) = (HashSet::new(), 0, 0);
        while at + n <= words.len() {
            if seen.insert(words[at..at + n].join(separator)) {
                at += 1;
            } else {
                chars += words[at..at + n].concat().chars().count();
                at += n;
            }
        }
        chars
    }

    #[test]
    fn tables_grow_with_what_is_different() {
        let string = (0..150_000).map(|n| (n % 140_000).to_string()).collect::<Vec<_>>().join(" ");
        let words: Vec<&str> = string.split(' ').collect();
        let grams = Grams { top: vec![2, 3, 4], repeated: vec![5, 10] };
        let chars = string.chars().count() as f64;
        let mut found = Repetition::default();
        for (profile, separator) in [(None, " "), (Some(Profile::Datatrove), "")] {
            Repetitions::new(Words::Whitespace, profile).grams(&Text::new(string.clone()), &grams, &mut found);
            assert_eq!(found.repeated[1], repeated(&words, 10, separator) as f64 / chars);
        }
        assert_eq!(found.top[0], top(&words, 2) as f64 / chars);
    }

    proptest! {
        #[test]
        fn numbers_are_the_definitions(string in "(a|b|ab|é|aa|ba)( (a|b|ab|é|aa|ba)){0,60}") {
            let text = Text::new(string.clone());
            let words: Vec<&str> = string.split(' ').collect();
            let grams = Grams { top: vec![2, 3, 4], repeated: vec![5, 6, 7, 8, 9, 10] };
            let chars = string.chars().count() as f64;
            let mut found = Repetition::default();
            let mut theirs = Repetitions::new(Words::Whitespace, Some(Profile::Datatrove));
            theirs.grams(&text, &grams, &mut found);
            for (n, number) in grams.top.iter().zip(&found.top) {
                prop_assert_eq!(*number, top(&words, *n) as f64 / chars);
            }
            for (n, number) in grams.repeated.iter().zip(&found.repeated) {
                prop_assert_eq!(*number, repeated(&words, *n, "") as f64 / chars);
            }
            let mut ours = Repetitions::new(Words::Whitespace, None);
            for grams in [grams.clone(), Grams { top: Vec::new(), ..grams.clone() }] {
                ours.grams(&text, &grams, &mut found);
                for (n, number) in grams.repeated.iter().zip(&found.repeated) {
                    prop_assert_eq!(*number, repeated(&words, *n, " ") as f64 / chars);
                }
            }
        }

        #[test]
        fn pieces_are_pythons_split(string in "[a\\n]{0,16}", newlines in 1usize..3) {
            let pieces = Pieces { text: &string, at: 0, end: string.len(), newlines, done: false };
            let found: Vec<&str> = pieces.map(|p| &string[p.0 as usize..p.1 as usize]).collect();
            let mut marked = string.clone();
            for run in (newlines..=16).rev() {
                marked = marked.replace(&"\n".repeat(run), "|");
            }
            prop_assert_eq!(found, marked.split('|').collect::<Vec<_>>());
        }
    }
}
