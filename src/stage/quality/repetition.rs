//! What MassiveText's repetition rules (Rae et al. 2021, table A1) count: characters in repeated paragraphs, lines and n-grams.
//!
//! N-grams are compared by 64-bit hashes of their words (two different n-grams of a document share one with probability
//! below 2^-30 even at 2^17 words). An n-gram can only repeat where its shorter ones do, so that of all but the shortest few are
//! looked up.

use super::Compat;
use super::seen::{Duplicates, Seen};
use crate::doc::{Span, Text, Words};
use crate::sketch::hash;
use crate::text::chars;

/// Which n-grams are measured.
#[derive(Debug, Clone, Default)]
pub struct Grams {
    /// Lengths, rising, whose most frequent n-gram is measured.
    pub top: Vec<usize>,
    /// Lengths, rising, whose repeated n-grams are measured.
    pub repeated: Vec<usize>,
}

/// Characters in repetitions, each as a share of all characters of the text; one number for each length of [`Grams`].
#[derive(Debug, Clone, Default)]
pub struct Repetition {
    /// The most frequent n-gram, as often as it occurs, spaces between its words included.
    pub top: Vec<f64>,
    /// N-grams that occurred before, words alone, none counted twice.
    pub repeated: Vec<f64>,
}

/// Measures repetitions; keeps its memory between documents.
#[derive(Debug, Clone, Default)]
pub struct Repetitions {
    words: Words,
    /// datatrove compares repeated n-grams as their words without separator, and counts a top n-gram that occurs but once.
    compat: Option<Compat>,
    seen: Seen,
    counts: Counts,
    tokens: Tokens,
    /// For every n-gram of the length looked at last, whether it may occur twice.
    candidates: Vec<bool>,
}

impl Repetitions {
    /// Words found the way asked for.
    pub fn new(words: Words, compat: Option<Compat>) -> Self {
        Self { words, compat, ..Self::default() }
    }

    /// Duplicates among paragraphs: what blank lines part, of the text without the whitespace around it.
    pub fn paragraphs(&mut self, text: &Text) -> Duplicates {
        let all = text.as_str();
        let start = all.len() - all.trim_start_matches(chars::is_space).len();
        let end = start + chars::strip(all).len();
        let pieces = Pieces { text: all, at: start, end, newlines: 2, done: false };
        Duplicates::among(&mut self.seen, text, pieces)
    }

    /// Duplicates among lines that are not empty. datatrove counts the empty pieces before a leading and behind a trailing line
    /// feed as lines.
    pub fn lines(&mut self, text: &Text) -> Duplicates {
        let pieces = Pieces { text: text.as_str(), at: 0, end: text.len(), newlines: 1, done: false };
        let compat = self.compat.is_some();
        Duplicates::among(&mut self.seen, text, pieces.filter(|piece| compat || piece.0 < piece.1))
    }

    /// Measures the n-grams asked for.
    pub fn grams(&mut self, text: &Text, grams: &Grams, found: &mut Repetition) {
        let chars = text.chars().max(1) as f64;
        self.tokens.load(text, text.words_by(self.words), self.compat.is_some());
        let all = self.tokens.len();
        self.candidates.clear();
        self.candidates.resize(all, true);
        let mut length = 1;
        found.top.clear();
        for &n in &grams.top {
            found.top.push(self.top(n, length) as f64 / chars);
            length = n;
        }
        found.repeated.clear();
        for &n in &grams.repeated {
            let repeated = if self.compat.is_some() { self.repeated_joined(n) } else { self.repeated(n, length) };
            found.repeated.push(repeated as f64 / chars);
        }
    }

    /// Whether the n-gram at `at` may occur twice, as far as its (shorter) n-grams of `length` know.
    #[inline]
    fn may_repeat(&self, at: usize, n: usize, length: usize) -> bool {
        let may = |at: usize| self.candidates.get(at).copied().unwrap_or(false);
        may(at) && (n <= length || may(at + n - length))
    }

    /// Characters of the most frequent n-gram times its count; of equally frequent ones the first. Leaves in `candidates` which
    /// n-grams occur twice, from those of `length`.
    fn top(&mut self, n: usize, length: usize) -> usize {
        let Some(last) = self.tokens.len().checked_sub(n) else {
            self.candidates.fill(false);
            return 0;
        };
        self.counts.start(last + 1);
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
        let best = self.counts.most();
        match (best, self.compat) {
            (Some((count, first)), _) if count > 1 => (self.tokens.chars(first, n) + n - 1) * count,
            (_, Some(Compat::Datatrove)) => self.tokens.chars(0, n) + n - 1,
            _ => 0,
        }
    }

    /// Characters in n-grams that occurred before, none counted twice. `candidates` are of `length`.
    fn repeated(&mut self, n: usize, length: usize) -> usize {
        let Some(last) = self.tokens.len().checked_sub(n) else { return 0 };
        self.seen.start(64);
        let (mut at, mut chars) = (0, 0);
        while at <= last {
            if self.may_repeat(at, n, length) && self.seen.again(self.tokens.gram(at, n)) {
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
        self.seen.start(last + 1);
        let (mut at, mut chars) = (0, 0);
        while at <= last {
            if self.seen.again(self.tokens.joined(at, n)) {
                chars += self.tokens.chars(at, n);
                at += n;
            } else {
                at += 1;
            }
        }
        chars
    }
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
    /// Bytes and characters in the words before each.
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
    fn load(&mut self, text: &Text, words: &[Span], joined: bool) {
        for all in [&mut self.polynomial, &mut self.joined, &mut self.bytes, &mut self.chars] {
            all.clear();
            all.push(0);
            all.reserve(words.len());
        }
        let ascii = text.is_ascii();
        let (mut polynomial, mut stream, mut bytes, mut chars) = (0u64, 0, 0, 0);
        for &word in words {
            let word = text.at(word);
            polynomial = polynomial.wrapping_mul(BASE).wrapping_add(hash::seeded(word.as_bytes(), 0));
            self.polynomial.push(polynomial);
            chars += if ascii { word.len() } else { chars::count(word) } as u64;
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

const NONE: u32 = u32::MAX;

/// How often hashes occur, and where first.
#[derive(Debug, Clone, Default)]
struct Counts {
    /// Hash (0: empty), count, first place.
    slots: Vec<(u64, u32, u32)>,
    /// The slot of each place, if it has one.
    of: Vec<u32>,
}

impl Counts {
    fn start(&mut self, expected: usize) {
        const KEEP: usize = 1 << 20;
        let capacity = (expected * 2).next_power_of_two().max(64);
        if self.slots.capacity() > KEEP && capacity < KEEP {
            (self.slots, self.of) = (Vec::new(), Vec::new());
        }
        self.slots.clear();
        self.slots.resize(capacity, (0, 0, 0));
        self.of.clear();
        self.of.reserve(expected);
    }

    #[inline]
    fn add(&mut self, hash: u64, place: usize) -> u32 {
        let hash = hash.max(1);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.0 == hash {
                slot.1 += 1;
                break;
            }
            if slot.0 == 0 {
                *slot = (hash, 1, place as u32);
                break;
            }
            at = (at + 1) & mask;
        }
        at as u32
    }

    #[inline]
    fn at(&self, place: usize) -> Option<(u32, u32)> {
        let slot = self.of.get(place)?;
        self.slots.get(*slot as usize).map(|s| (s.1, s.2))
    }

    /// The highest count and the first place that has it.
    fn most(&self) -> Option<(usize, usize)> {
        let counted = self.slots.iter().filter(|slot| slot.0 != 0);
        counted
            .map(|slot| (slot.1, slot.2))
            .max_by_key(|s| (s.0, std::cmp::Reverse(s.1)))
            .map(|s| (s.0 as usize, s.1 as usize))
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

    proptest! {
        #[test]
        fn numbers_are_the_definitions(string in "(a|b|ab|é|aa|ba)( (a|b|ab|é|aa|ba)){0,60}") {
            let text = Text::new(string.clone());
            let words: Vec<&str> = string.split(' ').collect();
            let grams = Grams { top: vec![2, 3, 4], repeated: vec![5, 6, 7, 8, 9, 10] };
            let chars = string.chars().count() as f64;
            let mut found = Repetition::default();
            let mut theirs = Repetitions::new(Words::Whitespace, Some(Compat::Datatrove));
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
