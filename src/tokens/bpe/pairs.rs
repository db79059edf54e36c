//! The table of pairs that are merges.

/// The rank of what is no merge; ranks are below it.
pub const NONE: u32 = (1 << RANK_BITS) - 1;
/// Bits of a rank and of an id: together, twice the id, they are one word of the table.
pub const RANK_BITS: u32 = 24;
pub const ID_BITS: u32 = 20;

/// Pairs of ids and their ranks in one word each, open addressing. Most pairs that are asked for are no merge, and a bit for
/// each hash says so: the bits stay in a near cache, where the table does not.
pub struct Pairs {
    slots: Vec<u64>,
    shift: u32,
    bits: Vec<u64>,
}

/// Bits for each slot.
const BITS: u32 = 8;

impl Pairs {
    pub fn with_room(pairs: usize) -> Self {
        let size = (pairs * 2).next_power_of_two().max(16);
        let bits = vec![0; size * BITS as usize / 64];
        Self { slots: vec![u64::MAX; size], shift: 64 - size.trailing_zeros(), bits }
    }

    fn key(left: u32, right: u32) -> u64 {
        u64::from(left) << ID_BITS | u64::from(right)
    }

    #[inline(always)]
    fn hash(key: u64) -> u64 {
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The bit of a hash: a word and a mask. Its lowest bits choose among those of a slot.
    #[inline(always)]
    fn bit(&self, hash: u64) -> (usize, u64) {
        let bit = hash >> (self.shift - BITS.trailing_zeros());
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    pub fn insert(&mut self, left: u32, right: u32, rank: u32) {
        let key = Self::key(left, right);
        let (mask, hash) = (self.slots.len() - 1, Self::hash(key));
        let (word, bit) = self.bit(hash);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
        let mut at = (hash >> self.shift) as usize;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == u64::MAX || *slot >> RANK_BITS == key {
                *slot = key << RANK_BITS | u64::from(rank);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// All pairs and their ranks, in no order.
    pub fn all(&self) -> impl Iterator<Item = (u32, u32, u32)> + '_ {
        let id = |bits: u64| (bits & ((1 << ID_BITS) - 1)) as u32;
        let taken = self.slots.iter().filter(|slot| **slot != u64::MAX);
        taken.map(move |slot| (id(slot >> (RANK_BITS + ID_BITS)), id(slot >> RANK_BITS), *slot as u32 & NONE))
    }

    /// The rank of a pair; `NONE` if it is no merge.
    #[inline]
    pub fn get(&self, left: u32, right: u32) -> u32 {
        let key = Self::key(left, right);
        let (mask, hash) = (self.slots.len() - 1, Self::hash(key));
        let (word, bit) = self.bit(hash);
        if self.bits.get(word).is_none_or(|word| word & bit == 0) {
            return NONE;
        }
        let mut at = (hash >> self.shift) as usize;
        while let Some(&slot) = self.slots.get(at) {
            if slot >> RANK_BITS == key {
                return slot as u32 & NONE;
            }
            if slot == u64::MAX {
                break;
            }
            at = (at + 1) & mask;
        }
        NONE
    }
}
