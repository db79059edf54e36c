//! Models as text, in the format of Doug Paul and others at ARPA: read into hash tables.

use std::collections::HashMap;

use super::bits::combine;
use super::{Known, Lookup, hash, is_unknown};

/// Map of hashes: they are hashes already.
type Map<V> = HashMap<u64, V, foldhash::fast::FixedState>;

/// A model read from text.
pub struct Arpa {
    words: Map<u32>,
    unigrams: Vec<(f32, f32)>,
    /// n-grams of two words and more, by the hash of their words from the last to the first. No probability: only longer
    /// n-grams that end with it are known.
    ngrams: Vec<Map<(Option<f32>, f32)>>,
}

/// What a model that knows no unknown word says of one.
const UNKNOWN: f32 = -100.0;

impl Arpa {
    /// Reads a whole file.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let mut lines = Lines { rest: text, number: 0 };
        let first = lines.next_full().unwrap_or_default();
        if first != b"\\data\\" {
            return Err("it begins neither as an ARPA file nor as one of KenLM's binary files".into());
        }
        let mut counts: Vec<u64> = Vec::new();
        let mut line = lines.next_full();
        while let Some(count) = line.and_then(|l| l.strip_prefix(b"ngram ")) {
            let count = std::str::from_utf8(count).ok().and_then(|c| c.split_once('='));
            counts.push(count.and_then(|(_, n)| n.trim().parse().ok()).ok_or_else(|| lines.wrong("a count"))?);
            line = lines.next_full();
        }
        let mut it = Self { words: Map::default(), unigrams: vec![(UNKNOWN, 0.0)], ngrams: Vec::new() };
        it.ngrams.resize_with(counts.len().saturating_sub(1), Map::default);
        for (n, &count) in counts.iter().enumerate() {
            if line != Some(format!("\\{}-grams:", n + 1).as_bytes()) {
                return Err(lines.wrong(&format!("`\\{}-grams:`", n + 1)));
            }
            for _ in 0..count {
                let ngram = lines.next_full().unwrap_or_default();
                it.add(ngram, n + 1).ok_or_else(|| lines.wrong("a log10 probability and its words"))?;
            }
            line = lines.next_full();
        }
        if line != Some(b"\\end\\") {
            return Err(lines.wrong("`\\end\\`"));
        }
        Ok(it)
    }

    /// The longest n-grams' length.
    pub fn order(&self) -> usize {
        self.ngrams.len() + 1
    }

    fn add(&mut self, line: &[u8], order: usize) -> Option<()> {
        let mut parts = line.split(|b| matches!(b, b' ' | b'\t' | b'\r')).filter(|part| !part.is_empty());
        let number = |part: &[u8]| std::str::from_utf8(part).ok()?.parse::<f32>().ok().filter(|n| !n.is_nan());
        let prob = number(parts.next()?).filter(|prob| *prob <= 0.0)?;
        let mut words = Vec::with_capacity(order);
        for _ in 0..order {
            words.push(parts.next()?);
        }
        let backoff = match parts.next() {
            // A negative zero would say that nothing longer is known.
            Some(backoff) => number(backoff)? + 0.0,
            None => 0.0,
        };
        if order == 1 {
            self.add_word(words.first()?, prob, backoff);
            return Some(());
        }
        let words: Vec<u32> = words.iter().map(|word| self.word(&[], word)).collect();
        let mut hash = u64::from(*words.last()?);
        let longest = words.len() - 2;
        for (n, &before) in words.iter().rev().skip(1).enumerate() {
            hash = combine(hash, before);
            let known = self.ngrams.get_mut(n)?.entry(hash).or_insert((None, 0.0));
            if n == longest {
                *known = (Some(prob), backoff);
            }
        }
        Some(())
    }

    fn add_word(&mut self, word: &[u8], prob: f32, backoff: f32) {
        if is_unknown(word) {
            if let Some(unknown) = self.unigrams.first_mut() {
                *unknown = (prob, backoff);
            }
            return;
        }
        self.words.insert(hash(word), self.unigrams.len() as u32);
        self.unigrams.push((prob, backoff));
    }
}

impl Lookup for Arpa {
    type Node = u64;

    fn word(&self, _: &[u8], word: &[u8]) -> u32 {
        if is_unknown(word) { 0 } else { self.words.get(&hash(word)).copied().unwrap_or(0) }
    }

    fn unigram(&self, _: &[u8], word: u32) -> (Known, u64) {
        let (prob, backoff) = self.unigrams.get(word as usize).copied().unwrap_or((UNKNOWN, 0.0));
        (Known { prob: Some(prob), backoff, leftmost: false }, u64::from(word))
    }

    fn middle(&self, _: &[u8], order: usize, before: u32, node: &mut u64) -> Option<Known> {
        *node = combine(*node, before);
        let &(prob, backoff) = self.ngrams.get(order - 2)?.get(node)?;
        Some(Known { prob, backoff, leftmost: false })
    }

    fn longest(&self, _: &[u8], before: u32, node: &u64) -> Option<f32> {
        self.ngrams.last()?.get(&combine(*node, before))?.0
    }
}

/// The lines that are not empty.
struct Lines<'t> {
    rest: &'t [u8],
    number: usize,
}

impl<'t> Lines<'t> {
    fn next_full(&mut self) -> Option<&'t [u8]> {
        while !self.rest.is_empty() {
            let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
            let line = self.rest.get(..end).unwrap_or_default().trim_ascii();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            self.number += 1;
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }

    fn wrong(&self, expected: &str) -> String {
        format!("its line {} should be {expected}", self.number)
    }
}
