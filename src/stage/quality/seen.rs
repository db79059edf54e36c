//! Which of many hashes were seen before: an open-addressed table that is reused from document to document.

use crate::doc::{Span, Text};
use crate::sketch::hash;
use crate::text::chars;

/// Above so many slots (16 MiB) memory is given back after the document that needed it.
const KEEP: usize = 1 << 21;

/// A set of 64-bit hashes.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    slots: Vec<u64>,
    len: usize,
}

impl Seen {
    /// Forgets all; room for `expected` hashes.
    pub fn start(&mut self, expected: usize) {
        let capacity = (expected * 2).next_power_of_two().max(64);
        if self.slots.capacity() > KEEP && capacity < KEEP {
            self.slots = Vec::new();
        }
        self.slots.clear();
        self.slots.resize(capacity, 0);
        self.len = 0;
    }

    /// Adds `hash`; whether it was there before.
    #[inline]
    pub fn again(&mut self, hash: u64) -> bool {
        // 0 marks an empty slot.
        let hash = hash.max(1);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == hash {
                return true;
            }
            if *slot == 0 {
                *slot = hash;
                self.len += 1;
                if self.len * 2 > self.slots.len() {
                    self.grow();
                }
                return false;
            }
            at = (at + 1) & mask;
        }
        false
    }

    fn grow(&mut self) {
        let full = std::mem::take(&mut self.slots);
        self.start(full.len());
        for hash in full.into_iter().filter(|hash| *hash != 0) {
            self.again(hash);
        }
    }
}

/// How many of some pieces there are, how many of them were there before, and their characters. The first of equal pieces is
/// not counted, unless asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// Pieces.
    pub pieces: usize,
    /// Pieces equal to an earlier one.
    pub repeated: usize,
    /// Characters in those.
    pub chars: usize,
}

impl Duplicates {
    /// Counts the duplicates among the pieces of `text` at `spans`.
    pub fn among(seen: &mut Seen, text: &Text, spans: impl Iterator<Item = Span>) -> Self {
        let mut found = Self::default();
        seen.start(32);
        for span in spans {
            let piece = text.at(span);
            found.pieces += 1;
            if seen.again(of(piece)) {
                found.add(chars::count(piece));
            }
        }
        found
    }

    /// The same with the first of equal pieces, and lengths as `length` says. The second set knows whose first was counted.
    pub fn every(
        seen: [&mut Seen; 2],
        text: &Text,
        spans: impl Iterator<Item = Span>,
        length: impl Fn(&str) -> usize,
    ) -> Self {
        let mut found = Self::default();
        let [once, twice] = seen;
        once.start(32);
        twice.start(32);
        for span in spans {
            let piece = text.at(span);
            let hash = of(piece);
            found.pieces += 1;
            if once.again(hash) {
                found.add(length(piece));
                if !twice.again(hash) {
                    found.add(length(piece));
                }
            }
        }
        found
    }

    fn add(&mut self, length: usize) {
        self.repeated += 1;
        self.chars += length;
    }
}

fn of(piece: &str) -> u64 {
    hash::seeded(piece.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_is_new_once_however_many() {
        let mut seen = Seen::default();
        for round in 0..2 {
            seen.start(round * 1000);
            for word in 0..10_000u64 {
                assert!(!seen.again(hash::mix(word)));
            }
            assert!((0..10_000u64).all(|word| seen.again(hash::mix(word))));
            assert!(!seen.again(0) || round > 2 || hash::mix(0) == 0);
        }
    }
}
