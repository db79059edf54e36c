//! A Bloom filter (Bloom 1970): a set that forgets nothing and takes a stated share of strangers for members.

use super::hash;

/// A set of 64-bit hashes.
#[derive(Debug, Clone)]
pub struct Bloom {
    words: Vec<u64>,
    probes: u32,
}

/// Bits for each member at which a share `false_positives` of strangers is taken for members: ln(1/p) / ln² 2.
fn bits_each(false_positives: f64) -> f64 {
    -false_positives.ln() / std::f64::consts::LN_2.powi(2)
}

impl Bloom {
    /// A filter that takes at most about a share `false_positives` of strangers for members once it has `members`.
    pub fn new(members: u64, false_positives: f64) -> Self {
        let words = Self::bytes(members, false_positives).div_ceil(8) as usize;
        let probes = (bits_each(false_positives) * std::f64::consts::LN_2).round().clamp(1.0, 64.0) as u32;
        Self { words: vec![0; words], probes }
    }

    /// Its size in memory.
    pub fn bytes(members: u64, false_positives: f64) -> u64 {
        ((members.max(1) as f64 * bits_each(false_positives) / 8.0) as u64 + 8).next_multiple_of(8)
    }

    /// The bits of a member: word and mask. Two hashes give all others (Kirsch & Mitzenmacher 2006).
    fn bits(&self, member: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (first, step) = (hash::mix(member ^ 0x5bd1_e995_9e37_79b9), hash::mix(member) | 1);
        let all = self.words.len() as u128 * 64;
        (0..u64::from(self.probes)).map(move |probe| {
            let bit = (u128::from(first.wrapping_add(probe.wrapping_mul(step))) * all) >> 64;
            ((bit >> 6) as usize, 1 << (bit & 63))
        })
    }

    /// Adds `member`; whether it (or what looks like it) was there before.
    pub fn insert(&mut self, member: u64) -> bool {
        let mut there = true;
        for (at, mask) in self.bits(member) {
            if let Some(word) = self.words.get_mut(at) {
                there &= *word & mask != 0;
                *word |= mask;
            }
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::hash::Words;

    #[test]
    fn members_are_known_and_strangers_as_rarely_taken_for_them_as_was_said() {
        for (share, tolerance) in [(0.1, 1.1), (0.01, 1.15), (0.001, 1.4)] {
            let mut members = Words::new(1);
            let mut bloom = Bloom::new(100_000, share);
            assert!(bloom.words.len() as u64 * 8 <= Bloom::bytes(100_000, share) + 8);
            (0..100_000).for_each(|_| _ = bloom.insert(members.word()));
            let mut again = Words::new(1);
            assert!((0..100_000).all(|_| bloom.insert(again.word())));
            let mut strangers = Words::new(2);
            let mut wrong = 0;
            for _ in 0..20_000 {
                let stranger = strangers.word();
                wrong += u32::from(bloom.bits(stranger).all(|(at, mask)| bloom.words[at] & mask != 0));
            }
            assert!(f64::from(wrong) <= 20_000.0 * share * tolerance + 3.0, "{wrong} of 20000 at {share}");
        }
        assert!(!Bloom::new(0, 0.5).insert(7));
    }
}
