//! MinHash as datatrove 0.10 computes it, bit for bit: to continue a deduplication begun there, or to check ours.
//!
//! Its orders are `(a·x + b mod 2^64) mod (2^61 - 1)` over XXH64 of the words joined by spaces, with `a` and `b` drawn
//! from numpy's `RandomState`. (The wrap at 2^64 makes it no true universal family; it is reproduced all the same.)

use xxhash_rust::xxh64::xxh64;

/// The Mersenne prime 2^61 - 1.
const PRIME: u64 = (1 << 61) - 1;

/// The orders of a signature and how its bands are cut.
#[derive(Debug, Clone)]
pub struct Datatrove {
    rows: usize,
    a: Vec<u64>,
    b: Vec<u64>,
}

impl Datatrove {
    /// `bands` × `rows` orders drawn from `seed` as numpy draws them.
    pub fn new(bands: usize, rows: usize, seed: u32) -> Self {
        let mut numpy = Mt19937::new(seed);
        let n = bands * rows;
        let a = (0..n).map(|_| 1 + numpy.at_most(PRIME - 2)).collect();
        let b = (0..n).map(|_| numpy.at_most(PRIME - 1)).collect();
        Self { rows, a, b }
    }

    /// The hash of a shingle: its words joined by single spaces.
    pub fn shingle(joined: &[u8]) -> u64 {
        xxh64(joined, 0)
    }

    /// The signature of the shingles; `None` of none.
    pub fn signature(&self, shingles: &[u64]) -> Option<Vec<u64>> {
        if shingles.is_empty() {
            return None;
        }
        Some(self.a.iter().zip(&self.b).map(|(&a, &b)| least(a, b, shingles)).collect())
    }

    /// Gives each band's number and the bytes of its minima to `band`, in order; nothing if there is no shingle.
    pub fn bands(&self, shingles: &[u64], mut band: impl FnMut(u64, &[u8])) {
        let mut bytes = Vec::with_capacity(self.rows * 8);
        let signature = self.signature(shingles).unwrap_or_default();
        for (number, rows) in signature.chunks_exact(self.rows).enumerate() {
            bytes.clear();
            bytes.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
            band(number as u64, &bytes);
        }
    }
}

fn least(a: u64, b: u64, shingles: &[u64]) -> u64 {
    let order = |x: &u64| {
        let wrapped = a.wrapping_mul(*x).wrapping_add(b);
        let folded = (wrapped & PRIME) + (wrapped >> 61);
        if folded >= PRIME { folded - PRIME } else { folded }
    };
    shingles.iter().map(order).min().unwrap_or(u64::MAX)
}

/// The Mersenne Twister (Matsumoto & Nishimura 1998) as numpy seeds and reads it.
struct Mt19937 {
    state: [u32; 624],
    at: usize,
}

impl Mt19937 {
    fn new(seed: u32) -> Self {
        let mut state = [seed; 624];
        for i in 1..624 {
            let before = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        Self { state, at: 624 }
    }

    fn refill(&mut self) {
        for i in 0..624 {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
            let twist = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ twist;
        }
        self.at = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.at == 624 {
            self.refill();
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// A number up to `most`, by rejection under a mask of 61 bits; the first draw is the high half.
    fn at_most(&mut self, most: u64) -> u64 {
        loop {
            let high = u64::from(self.next_u32());
            let value = ((high << 32) | u64::from(self.next_u32())) & PRIME;
            if value <= most {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of datatrove 0.10.0 with numpy 2.4.6 and xxhash 3.8.2: `MinhashConfig()` (5-grams, 14 × 8, seed 1, xxhash 64).
    #[test]
    fn parameters_and_signatures_equal_datatrove() {
        let orders = Datatrove::new(14, 8, 1);
        let a = [775169054918279404, 1758426461858698313, 2109959069025162, 965365488286768774];
        let b = [1062448801025099917, 1324811268927594100, 1217488311597731462, 100775521383383736];
        assert_eq!((&orders.a[..4], orders.a[111]), (&a[..], 223865076026037746));
        assert_eq!((&orders.b[..4], orders.b[111]), (&b[..], 1097409548522419201));
        assert_eq!(Datatrove::shingle(b"the quick brown fox jumps"), 7797000677988824208);

        let words: Vec<&str> = "the quick brown fox jumps over the lazy dog".split(' ').collect();
        let shingles: Vec<u64> = words.windows(5).map(|w| Datatrove::shingle(w.join(" ").as_bytes())).collect();
        let signature = orders.signature(&shingles).unwrap();
        let band_0 = [
            85330943174081874,
            663359892825767826,
            302227827184868053,
            34440879854629237,
            1270900061947546662,
            117899488208280896,
            922286648869847700,
            204404170303891102,
        ];
        assert_eq!(signature[..8], band_0);
        assert_eq!(signature[104..106], [138080280408424662, 212222752476155101]);
    }

    #[test]
    fn no_shingles_no_signature() {
        assert!(Datatrove::new(2, 2, 1).signature(&[]).is_none());
    }
}
