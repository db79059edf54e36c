//! Hash tables with linear probing, one for each length of n-gram.

use super::bits::{combine, float, word32, word64};
use super::header::Header;
use super::{Known, Lookup, hash, is_unknown};

/// A model of hash tables.
pub struct Probing {
    vocabulary: Table,
    unigrams: usize,
    middles: Vec<Table>,
    longest: Table,
}

/// A table of entries of `bytes` bytes that begin with a 64-bit key; the key 0 is free.
struct Table {
    at: usize,
    slots: u64,
    bytes: usize,
}

impl Table {
    fn new(at: usize, entries: u64, multiplier: f32, bytes: usize) -> Self {
        // In single precision, as the table was made.
        let slots = (entries + 1).max((multiplier * entries as f32) as u64);
        Self { at, slots, bytes }
    }

    fn end(&self) -> Option<usize> {
        usize::try_from(self.slots).ok()?.checked_mul(self.bytes)?.checked_add(self.at)
    }

    /// Where the entry of `key` lies.
    fn find(&self, model: &[u8], key: u64) -> Option<usize> {
        let mut slot = key % self.slots;
        // A table without a free slot would be searched for ever.
        for _ in 0..self.slots {
            let at = self.at + slot as usize * self.bytes;
            match word64(model, at) {
                found if found == key => return Some(at),
                0 => return None,
                _ => slot = if slot + 1 == self.slots { 0 } else { slot + 1 },
            }
        }
        None
    }
}

impl Probing {
    /// Lays the tables out over the file.
    pub fn new(model: &[u8], header: &Header) -> Result<Self, String> {
        const CUT: &str = "it ends too early";
        let Header { counts, multiplier, .. } = header;
        let (&[words, ref middles @ .., longest], multiplier) = (counts.as_slice(), *multiplier) else {
            return Err("its head contradicts itself".into());
        };
        let vocabulary = Table::new(header.end + 8, words, multiplier, 12);
        let unigrams = vocabulary.end().ok_or(CUT)?;
        let mut at = (words + 1).checked_mul(8).and_then(|n| (n as usize).checked_add(unigrams)).ok_or(CUT)?;
        let mut tables = Vec::new();
        for &count in middles {
            let table = Table::new(at, count, multiplier, 16);
            at = table.end().ok_or(CUT)?;
            tables.push(table);
        }
        let longest = Table::new(at, longest, multiplier, 12);
        match longest.end() {
            Some(end) if end <= model.len() => Ok(Self { vocabulary, unigrams, middles: tables, longest }),
            _ => Err(CUT.into()),
        }
    }

    fn known(model: &[u8], at: usize) -> Known {
        // The sign says whether the n-gram extends to the left; the probability is negative all the same.
        let stored = float(model, at);
        Known { prob: Some(-stored.abs()), backoff: float(model, at + 4), leftmost: stored.is_sign_negative() }
    }
}

impl Lookup for Probing {
    type Node = u64;

    fn word(&self, model: &[u8], word: &[u8]) -> u32 {
        if is_unknown(word) {
            return 0;
        }
        self.vocabulary.find(model, hash(word)).map_or(0, |at| word32(model, at + 8))
    }

    fn unigram(&self, model: &[u8], word: u32) -> (Known, u64) {
        (Self::known(model, self.unigrams.saturating_add(word as usize * 8)), u64::from(word))
    }

    fn middle(&self, model: &[u8], order: usize, before: u32, node: &mut u64) -> Option<Known> {
        *node = combine(*node, before);
        let at = self.middles.get(order - 2)?.find(model, *node)?;
        Some(Self::known(model, at + 8))
    }

    fn longest(&self, model: &[u8], before: u32, node: &u64) -> Option<f32> {
        let at = self.longest.find(model, combine(*node, before))?;
        Some(float(model, at + 8))
    }
}
