//! Seeded hashes: the same on every machine, in every run.

use xxhash_rust::xxh3;

/// xxh3-64 of `bytes` under `seed`.
pub fn seeded(bytes: &[u8], seed: u64) -> u64 {
    xxh3::xxh3_64_with_seed(bytes, seed)
}

/// xxh3-128 of `bytes` under `seed`: wide enough to stand for the bytes themselves in any corpus (at 10^12 distinct
/// texts the chance of one false match is about 10^-15).
pub fn wide(bytes: &[u8], seed: u64) -> u128 {
    xxh3::xxh3_128_with_seed(bytes, seed)
}

/// Whether a hash falls within the first `fraction` of all hashes.
pub fn within(hash: u64, fraction: f64) -> bool {
    fraction >= 1.0 || (hash as f64) < fraction * 18_446_744_073_709_551_616.0
}

/// A bijection of 64-bit words in which every output bit depends on every input bit (the finalizer of SplitMix64;
/// Steele, Lea & Flood 2014).
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// An endless sequence of words from a seed: [`mix`] of a Weyl sequence. For parameters, not for secrets.
#[derive(Debug, Clone)]
pub struct Words(u64);

impl Words {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings of one run are read by the next: these values may never change.
    #[test]
    fn values_are_frozen() {
        assert_eq!(seeded(b"tamis", 0), xxh3::xxh3_64(b"tamis"));
        assert_ne!(seeded(b"tamis", 0), seeded(b"tamis", 1));
        assert_ne!(wide(b"tamis", 0), wide(b"tamis", 1));
        // First output of SplitMix64 seeded with 0, as published with its reference implementation.
        assert_eq!(Words::new(0).word(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn mixing_flips_half_the_bits() {
        let flips: u32 = (0..64).map(|bit| (mix(42) ^ mix(42 ^ (1 << bit))).count_ones()).sum();
        assert!((1700..2400).contains(&flips), "{flips} of 4096");
    }
}
