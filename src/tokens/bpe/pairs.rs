//! The table of pairs that are merges.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// The rank of what is no merge; ranks are below it.
pub const NONE: u32 = (1 << RANK_BITS) - 1;
/// Bits of a rank and of an id: together, twice the id, they are one word of the table.
pub const RANK_BITS: u32 = 24;
pub const ID_BITS: u32 = 20;

/// Pairs of a bucket, half of them free on average.
const BUCKET: usize = 16;

/// Pairs of ids and their ranks in one word each. A byte of each pair's hash tells which word of its bucket it may be: the bytes
/// stay in a near cache, where the words do not, and no branch depends on whether a pair is a merge, which is not to be
/// foreseen (the layout of SwissTable, Kulukundis 2017, without probing).
pub struct Pairs {
    /// Of each bucket; 0 where no pair stands.
    marks: Vec<[u8; BUCKET]>,
    /// One bucket more than there are marks: it stays empty, and is read instead of those that have no such mark.
    words: Vec<[u64; BUCKET]>,
    shift: u32,
    /// Pairs whose bucket was full.
    others: HashMap<u64, u32, RandomState>,
}

impl Pairs {
    pub fn with_room(pairs: usize) -> Self {
        let size = (pairs * 2 / BUCKET).next_power_of_two().max(2);
        Self {
            marks: vec![[0; BUCKET]; size],
            words: vec![[u64::MAX; BUCKET]; size + 1],
            shift: 64 - size.trailing_zeros(),
            others: HashMap::default(),
        }
    }

    fn key(left: u32, right: u32) -> u64 {
        u64::from(left) << ID_BITS | u64::from(right)
    }

    /// The bucket of a key, and its mark.
    #[inline(always)]
    fn place(&self, key: u64) -> (usize, u8) {
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((hash >> self.shift) as usize, (hash >> 32) as u8 | 1)
    }

    pub fn insert(&mut self, left: u32, right: u32, rank: u32) {
        let key = Self::key(left, right);
        let (at, mark) = self.place(key);
        let (Some(marks), Some(words)) = (self.marks.get_mut(at), self.words.get_mut(at)) else { return };
        let free = |word: &u64| *word == u64::MAX || *word >> RANK_BITS == key;
        match words.iter_mut().zip(marks).find(|(word, _)| free(word)) {
            Some((word, place)) => (*word, *place) = (key << RANK_BITS | u64::from(rank), mark),
            None => _ = self.others.insert(key, rank),
        }
    }

    /// All pairs and their ranks, in no order.
    pub fn all(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        let taken = self.words.as_flattened().iter().filter(|word| **word != u64::MAX);
        let pairs = taken.map(|word| (word >> RANK_BITS, *word as u32 & NONE));
        let others = self.others.iter().map(|(key, rank)| (*key, *rank));
        pairs.chain(others).map(|(key, rank)| ((key >> ID_BITS) as u32, key as u32 & ((1 << ID_BITS) - 1), rank))
    }

    /// The rank of a pair; `NONE` if it is no merge.
    #[inline(always)]
    pub fn get(&self, left: u32, right: u32) -> u32 {
        let key = Self::key(left, right);
        let (at, mark) = self.place(key);
        let Some(marks) = self.marks.get(at) else { return NONE };
        let alike = equal(marks, mark);
        let from = if alike == 0 { self.marks.len() } else { at };
        let word = self.words.get(from).map_or(u64::MAX, |words| words[alike.trailing_zeros() as usize % BUCKET]);
        // Seldom are two marks of a bucket the same, and seldom is one full.
        if alike & alike.wrapping_sub(1) != 0 || marks[BUCKET - 1] != 0 {
            return self.search(at, key);
        }
        // All ones if the word is of another pair.
        let other = u32::from(word >> RANK_BITS == key).wrapping_sub(1);
        (word as u32 | other) & NONE
    }

    /// The rank of a key that may stand anywhere in its bucket, or beside it.
    #[cold]
    fn search(&self, at: usize, key: u64) -> u32 {
        let words = self.words.get(at).map_or(&[][..], |words| words);
        match words.iter().find(|word| **word >> RANK_BITS == key) {
            Some(word) => *word as u32 & NONE,
            None => self.others.get(&key).copied().unwrap_or(NONE),
        }
    }
}

/// A bit for each byte of `marks` that is `mark`.
#[inline(always)]
fn equal(marks: &[u8; BUCKET], mark: u8) -> u32 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
        // SAFETY: the load reads the 16 bytes of `marks` and needs no alignment; every x86-64 has SSE2.
        #[allow(unsafe_code)]
        unsafe {
            let marks = _mm_loadu_si128(marks.as_ptr().cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(marks, _mm_set1_epi8(mark as i8))) as u32
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    marks.iter().rev().fold(0, |bits, found| bits << 1 | u32::from(*found == mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pairs_are_found_however_full_the_table_is(
            pairs in prop::collection::hash_map((0u32..200, 0u32..200), 0..NONE, 0..400),
            room in 1usize..400,
        ) {
            // Twice each, with another rank before; mostly more than there is room for.
            let mut table = Pairs::with_room(room);
            pairs.keys().for_each(|(left, right)| table.insert(*left, *right, 7));
            pairs.iter().for_each(|((left, right), rank)| table.insert(*left, *right, *rank));
            for left in 0..200 {
                for right in 0..200 {
                    prop_assert_eq!(table.get(left, right), pairs.get(&(left, right)).copied().unwrap_or(NONE));
                }
            }
            let all: HashMap<(u32, u32), u32> = table.all().map(|(left, right, rank)| ((left, right), rank)).collect();
            prop_assert_eq!(all, pairs.into_iter().collect::<HashMap<_, _>>());
        }
    }
}
