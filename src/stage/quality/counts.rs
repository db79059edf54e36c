//! How often n-grams occur in a text, and where first: an open-addressed table that is reused from document to document.

/// The slot of a place whose n-gram is not counted.
pub(super) const NONE: u32 = u32::MAX;

/// Hashes that there is room for before any is seen.
pub(super) const FEW: usize = 1 << 16;

/// How often hashes occur, and where first. The table follows what is different, and not the length of a text: one that
/// repeats itself fits the caches whatever its length.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    /// Hash (0: empty), count, first place.
    slots: Vec<(u64, u32, u32)>,
    /// Slots in use.
    len: usize,
    /// The slot of each place, if it has one.
    pub of: Vec<u32>,
    /// The highest count above one, and the first place of the first hash that has it.
    most: Option<(u32, u32)>,
}

impl Counts {
    /// Forgets all; room for `expected` hashes.
    pub fn start(&mut self, expected: usize) {
        const KEEP: usize = 1 << 20;
        let capacity = (expected.min(FEW) * 2).next_power_of_two().max(64);
        if self.slots.capacity() > KEEP && expected * 2 < KEEP {
            (self.slots, self.of) = (Vec::new(), Vec::new());
        }
        self.slots.clear();
        self.slots.resize(capacity, (0, 0, 0));
        self.len = 0;
        self.most = None;
        self.of.clear();
    }

    #[inline]
    pub fn add(&mut self, hash: u64, place: usize) -> u32 {
        if self.len * 2 > self.slots.len() {
            self.grow();
        }
        let hash = hash.max(1);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.0 == hash {
                slot.1 += 1;
                if self.most.is_none_or(|(count, first)| slot.1 > count || (slot.1 == count && slot.2 < first)) {
                    self.most = Some((slot.1, slot.2));
                }
                break;
            }
            if slot.0 == 0 {
                *slot = (hash, 1, place as u32);
                self.len += 1;
                break;
            }
            at = (at + 1) & mask;
        }
        at as u32
    }

    /// Moves what is counted to a table of twice the size.
    #[cold]
    fn grow(&mut self) {
        let mask = self.slots.len() * 2 - 1;
        let full = std::mem::replace(&mut self.slots, vec![(0, 0, 0); mask + 1]);
        let mut moved = vec![NONE; full.len()];
        for (slot, moved) in full.into_iter().zip(&mut moved).filter(|(slot, _)| slot.0 != 0) {
            let mut at = slot.0 as usize & mask;
            while self.slots.get(at).is_some_and(|s| s.0 != 0) {
                at = (at + 1) & mask;
            }
            if let Some(free) = self.slots.get_mut(at) {
                (*free, *moved) = (slot, at as u32);
            }
        }
        for place in &mut self.of {
            *place = moved.get(*place as usize).copied().unwrap_or(NONE);
        }
    }

    #[inline]
    pub fn at(&self, place: usize) -> Option<(u32, u32)> {
        let slot = self.of.get(place)?;
        self.slots.get(*slot as usize).map(|s| (s.1, s.2))
    }

    /// How often the most frequent n-gram occurs, and the first place of those that occur as often; `None` if none comes twice.
    pub fn most(&self) -> Option<(usize, usize)> {
        self.most.map(|(count, first)| (count as usize, first as usize))
    }
}
