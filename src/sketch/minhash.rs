//! MinHash, our family: one strong hash per shingle, then a multiplication and an addition for each of the hashes.
//!
//! Broder (1997): under a random order of all shingles, two documents have the same smallest one with probability equal
//! to the Jaccard similarity of their shingle sets. Each order here is `a·x + b` modulo 2^32 with `a` odd, over shingles
//! that are already well mixed; 16 orders fit one register, so the compiler makes SIMD of the plain loop below. That
//! such orders follow the S-curve is not taken on faith: `scurve.rs` tests it.

use super::hash::Words;

/// Orders computed side by side.
const LANES: usize = 16;
/// Shingles collected before the orders are run over them: they stay in the first-level cache.
const BLOCK: usize = 1024;

type Lanes = [u32; LANES];

/// The orders of a signature and how its bands are cut.
#[derive(Debug, Clone)]
pub struct MinHash {
    bands: usize,
    rows: usize,
    orders: Vec<(Lanes, Lanes)>,
    fold: Fold,
}

/// A signature in the making; reused from document to document.
#[derive(Debug, Clone, Default)]
pub struct Minima {
    minima: Vec<Lanes>,
    block: Vec<u32>,
    bytes: Vec<u8>,
    any: bool,
}

impl MinHash {
    /// `bands` × `rows` orders drawn from `seed`.
    pub fn new(bands: usize, rows: usize, seed: u64) -> Self {
        let mut words = Words::new(seed);
        let orders = (0..(bands * rows).div_ceil(LANES))
            .map(|_| (std::array::from_fn(|_| words.word() as u32 | 1), std::array::from_fn(|_| words.word() as u32)))
            .collect();
        Self { bands, rows, orders, fold: Fold::best() }
    }

    /// Starts a document.
    pub fn start(&self, minima: &mut Minima) {
        minima.minima.clear();
        minima.minima.resize(self.orders.len(), [u32::MAX; LANES]);
        minima.block.clear();
        minima.any = false;
    }

    /// Takes a shingle.
    pub fn push(&self, minima: &mut Minima, shingle: u64) {
        minima.block.push((shingle >> 32) as u32);
        if minima.block.len() == BLOCK {
            self.flush(minima);
        }
    }

    /// Gives each band's number and the bytes of its minima to `band`, in order; nothing if there was no shingle. Bands
    /// are equal if these bytes are; hashed under the number as seed, different bands never meet but by chance.
    pub fn bands(&self, minima: &mut Minima, mut band: impl FnMut(u64, &[u8])) {
        self.flush(minima);
        let Minima { minima, bytes, any: true, .. } = minima else { return };
        for (number, rows) in minima.as_flattened().chunks_exact(self.rows).take(self.bands).enumerate() {
            bytes.clear();
            bytes.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
            band(number as u64, bytes);
        }
    }

    /// The signature itself: `bands` × `rows` minima.
    pub fn signature(&self, minima: &mut Minima) -> Vec<u32> {
        self.flush(minima);
        minima.minima.as_flattened().iter().copied().take(self.bands * self.rows).collect()
    }

    fn flush(&self, minima: &mut Minima) {
        if minima.block.is_empty() {
            return;
        }
        for ((a, b), least) in self.orders.iter().zip(&mut minima.minima) {
            self.fold.run(a, b, &minima.block, least);
        }
        minima.block.clear();
        minima.any = true;
    }
}

/// Which compilation of [`fold`] this machine runs. All give the same minima.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Fold {
    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Plain
    }

    fn run(self, a: &Lanes, b: &Lanes, shingles: &[u32], least: &mut Lanes) {
        match self {
            Self::Plain => fold(a, b, shingles, least),
            // SAFETY: `best` gives these only where the processor has the instructions they are compiled for.
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            Self::Avx2 => unsafe { fold_avx2(a, b, shingles, least) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            Self::Avx512 => unsafe { fold_avx512(a, b, shingles, least) },
        }
    }
}

#[inline(always)]
fn fold(a: &Lanes, b: &Lanes, shingles: &[u32], least: &mut Lanes) {
    let (a, b, mut minima) = (*a, *b, *least);
    for &x in shingles {
        for lane in 0..LANES {
            minima[lane] = minima[lane].min(a[lane].wrapping_mul(x).wrapping_add(b[lane]));
        }
    }
    *least = minima;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn fold_avx2(a: &Lanes, b: &Lanes, shingles: &[u32], least: &mut Lanes) {
    fold(a, b, shingles, least);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn fold_avx512(a: &Lanes, b: &Lanes, shingles: &[u32], least: &mut Lanes) {
    fold(a, b, shingles, least);
}

#[cfg(test)]
mod tests {
    use super::super::hash;
    use super::*;
    use proptest::prelude::*;

    fn sign(minhash: &MinHash, shingles: &[u64]) -> (Vec<u32>, Vec<u64>) {
        let (mut minima, mut keys) = (Minima::default(), Vec::new());
        minhash.start(&mut minima);
        shingles.iter().for_each(|&s| minhash.push(&mut minima, s));
        let signature = minhash.signature(&mut minima);
        minhash.bands(&mut minima, |band, bytes| keys.push(hash::seeded(bytes, band)));
        (signature, keys)
    }

    #[test]
    fn every_compilation_gives_the_same_minima() {
        let shingles: Vec<u64> = {
            let mut w = Words::new(3);
            (0..3000).map(|_| w.word()).collect()
        };
        let best = MinHash::new(14, 8, 1);
        let plain = MinHash { fold: Fold::Plain, ..best.clone() };
        assert_eq!(sign(&best, &shingles), sign(&plain, &shingles));
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            assert_eq!(sign(&MinHash { fold: Fold::Avx2, ..best.clone() }, &shingles), sign(&plain, &shingles));
        }
    }

    #[test]
    fn no_shingles_no_keys() {
        assert!(sign(&MinHash::new(14, 8, 1), &[]).1.is_empty());
        assert_eq!(sign(&MinHash::new(14, 8, 1), &[9]).1.len(), 14);
    }

    #[test]
    fn keys_are_frozen() {
        let (signature, keys) = sign(&MinHash::new(2, 3, 1), &[hash::mix(1), hash::mix(2), hash::mix(3)]);
        assert_eq!(signature.len(), 6);
        assert_eq!(keys, FROZEN);
    }
    const FROZEN: [u64; 2] = [5006061537907861398, 7090071666998060625];

    proptest! {
        #[test]
        fn the_signature_of_a_set_ignores_order_and_repeats(set in prop::collection::vec(any::<u64>(), 1..50)) {
            let minhash = MinHash::new(4, 5, 7);
            let mut other: Vec<u64> = set.iter().rev().copied().collect();
            other.extend(&set);
            prop_assert_eq!(sign(&minhash, &set), sign(&minhash, &other));
        }
    }
}
