//! How often each piece of text was seen, in few bytes: the pieces lie one after another, found by hash.

use xxhash_rust::xxh3::xxh3_64;

use super::super::pretoken::Pattern;

/// Counts of pieces of text, each of a group.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    /// Number of the piece and one, by hash; 0 where there is none. Its length is a power of two.
    slots: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    hash: u64,
    end: usize,
    group: u32,
    count: u64,
}

impl Counts {
    /// Adds `count` of `piece` in `group`.
    pub fn add(&mut self, piece: &[u8], group: u32, count: u64) {
        if self.pieces.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = xxh3_64(piece) ^ u64::from(group).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let number = self.slots.get(slot).copied().unwrap_or(0) as usize;
            let Some(at) = number.checked_sub(1) else { break };
            let found = self.pieces.get(at).is_some_and(|p| p.hash == hash && p.group == group);
            if found && self.piece(at) == piece {
                if let Some(found) = self.pieces.get_mut(at) {
                    found.count += count;
                }
                return;
            }
            slot = (slot + 1) & mask;
        }
        self.bytes.extend_from_slice(piece);
        self.pieces.push(Piece { hash, end: self.bytes.len(), group, count });
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = self.pieces.len() as u32;
        }
    }

    /// Adds `count` of each pretoken of `text` in `group`.
    pub fn add_text(&mut self, text: &str, pattern: Pattern, group: u32, count: u64) {
        let mut at = 0;
        while at < text.len() {
            let end = pattern.end(text, at);
            self.add(text.as_bytes().get(at..end).unwrap_or_default(), group, count);
            at = end;
        }
    }

    fn piece(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).and_then(|before| self.pieces.get(before)).map_or(0, |p| p.end);
        let end = self.pieces.get(at).map_or(0, |p| p.end);
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(1 << 10);
        self.slots = vec![0; size];
        for (number, piece) in (1..).zip(&self.pieces) {
            let mut slot = piece.hash as usize & (size - 1);
            while self.slots.get(slot).is_some_and(|taken| *taken != 0) {
                slot = (slot + 1) & (size - 1);
            }
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot = number;
            }
        }
    }

    /// Different pieces.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Each piece with its group and count, in the order they were first seen.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u32, u64)> {
        self.pieces.iter().enumerate().map(|(at, p)| (self.piece(at), p.group, p.count))
    }

    /// Forgets everything, and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
        self.slots.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn counts_are_sums(seen in prop::collection::vec(("[ab]{0,5}", 0u32..3, 1u64..9), 0..900)) {
            let (mut counts, mut sums) = (Counts::default(), BTreeMap::new());
            for _ in 0..2 {
                counts.clear();
                sums.clear();
                for (piece, group, count) in &seen {
                    counts.add(piece.as_bytes(), *group, *count);
                    *sums.entry((piece.as_bytes(), *group)).or_insert(0) += count;
                }
            }
            prop_assert_eq!(counts.len(), sums.len());
            let found: BTreeMap<_, _> = counts.iter().map(|(piece, group, count)| ((piece, group), count)).collect();
            prop_assert_eq!(found, sums);
        }
    }
}
