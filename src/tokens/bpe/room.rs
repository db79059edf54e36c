//! Working memory of pieces that are merged by scanning.

use crate::tokens::pretoken::bits;

/// Pairs that are scanned at once.
pub const LANES: usize = 8;

/// Working memory for a piece of at most 64 × `W` bytes. A symbol stands where its first byte stands.
pub struct Room<const W: usize> {
    pub symbols: [[u32; 64]; W],
    /// The rank of each symbol's pair with the next one, above the place where it stands.
    pub pairs: [[u32; 64]; W],
    pub alive: Alive<W>,
    pub size: usize,
}

impl<const W: usize> Room<W> {
    pub fn new() -> Self {
        Self { symbols: [[0; 64]; W], pairs: [[0; 64]; W], alive: Alive([0; W]), size: 0 }
    }

    /// The symbol at `at`.
    pub fn symbol(&self, at: usize) -> Option<u32> {
        self.symbols.as_flattened().get(at).copied()
    }

    /// Places and symbols, from `from` up to `to`.
    pub fn tokens(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, u32)> + '_ {
        let starts = self.alive.starts().skip_while(move |at| *at < from).take_while(move |at| *at < to);
        starts.filter_map(move |at| Some((at, self.symbol(at)?)))
    }
}

/// A bit for each place where a symbol stands.
pub struct Alive<const W: usize>(pub [u64; W]);

impl<const W: usize> Alive<W> {
    pub fn fill(&mut self, size: usize) {
        for (word, bits) in self.0.iter_mut().enumerate() {
            let here = size.saturating_sub(word * 64).min(64) as u32;
            *bits = 1u64.checked_shl(here).unwrap_or(0).wrapping_sub(1);
        }
    }

    #[inline(always)]
    pub fn remove(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    /// The symbol after the one at `at`, or 64 × `W`.
    #[inline(always)]
    pub fn after(&self, at: usize) -> usize {
        let mut mask = u64::MAX << 1 << (at % 64);
        for (word, bits) in self.0.iter().enumerate().skip(at / 64) {
            if bits & mask != 0 {
                return word * 64 + (bits & mask).trailing_zeros() as usize;
            }
            mask = u64::MAX;
        }
        64 * W
    }

    #[inline(always)]
    pub fn before(&self, at: usize) -> Option<usize> {
        let mut mask = (1 << (at % 64)) - 1;
        for (word, bits) in self.0.iter().enumerate().take(at / 64 + 1).rev() {
            if bits & mask != 0 {
                return Some(word * 64 + (bits & mask).ilog2() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, set)| bits(*set).map(move |at| word * 64 + at))
    }
}

/// The least of whole vectors.
#[inline(always)]
pub fn least(pairs: &[u32]) -> u32 {
    let chunks = pairs.as_chunks::<LANES>().0.iter();
    let lanes = chunks.fold([u32::MAX; LANES], |lanes, chunk| std::array::from_fn(|at| lanes[at].min(chunk[at])));
    lanes.into_iter().min().unwrap_or(u32::MAX)
}

/// The same by instructions that compilers do not find for themselves.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub fn least_avx2(pairs: &[u32]) -> u32 {
    use std::arch::x86_64::*;
    let mut lanes = _mm256_set1_epi32(-1);
    for chunk in pairs.as_chunks::<LANES>().0 {
        // SAFETY: the load reads the eight numbers of `chunk`; it needs no alignment.
        #[allow(unsafe_code)]
        let chunk = unsafe { _mm256_loadu_si256(chunk.as_ptr().cast()) };
        lanes = _mm256_min_epu32(lanes, chunk);
    }
    let half = _mm_min_epu32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let half = _mm_min_epu32(half, _mm_shuffle_epi32::<0b0100_1110>(half));
    let half = _mm_min_epu32(half, _mm_shuffle_epi32::<0b1011_0001>(half));
    _mm_cvtsi128_si32(half) as u32
}

#[inline(always)]
pub fn set(list: &mut [u32], at: usize, value: u32) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_is_found_in_every_place() {
        for place in 0..64 {
            let mut pairs = [u32::MAX; 64];
            pairs[place] = 7 + place as u32;
            assert_eq!(least(&pairs), 7 + place as u32);
            #[cfg(target_arch = "x86_64")]
            if crate::tokens::pretoken::fast() {
                // SAFETY: the processor has the instructions.
                #[allow(unsafe_code)]
                let found = unsafe { least_avx2(&pairs) };
                assert_eq!(found, 7 + place as u32);
            }
        }
        assert_eq!(least(&[]), u32::MAX);
    }
}
