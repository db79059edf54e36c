//! Numbers at any bit, hashes, and searches in files that are not trusted: what lies outside is zero.

/// 64 bits at byte `at`, little-endian.
pub fn word64(model: &[u8], at: usize) -> u64 {
    let bytes = at.checked_add(8).and_then(|end| model.get(at..end));
    bytes.and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// 32 bits at byte `at`, little-endian.
pub fn word32(model: &[u8], at: usize) -> u32 {
    let bytes = at.checked_add(4).and_then(|end| model.get(at..end));
    bytes.and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// A float at byte `at`.
pub fn float(model: &[u8], at: usize) -> f32 {
    f32::from_bits(word32(model, at))
}

/// `length` bits (57 at most) at bit `bit` after byte `base`.
pub fn bits(model: &[u8], base: usize, bit: u64, length: u8) -> u64 {
    let at = usize::try_from(bit >> 3).unwrap_or(usize::MAX).saturating_add(base);
    (word64(model, at) >> (bit & 7)) & ((1u64 << length) - 1)
}

/// Bits that hold numbers up to `max`.
pub fn required(max: u64) -> u8 {
    (64 - max.leading_zeros()) as u8
}

/// The first of `range` for which `reached` holds; its end if none.
pub fn partition(range: std::ops::Range<u64>, reached: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if reached(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// MurmurHash64A with seed 0: how words are known in binary files.
pub fn murmur(text: &[u8]) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    let mut hash = (text.len() as u64).wrapping_mul(M);
    let mut chunks = text.chunks_exact(8);
    for chunk in &mut chunks {
        let mut k = chunk.try_into().map_or(0, u64::from_le_bytes).wrapping_mul(M);
        k ^= k >> 47;
        hash = (hash ^ k.wrapping_mul(M)).wrapping_mul(M);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0u64, |tail, &b| tail << 8 | u64::from(b));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash ^= hash >> 47;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 47
}

/// The hash of an n-gram and the word `before` it, as binary files have it.
pub fn combine(node: u64, before: u32) -> u64 {
    node.wrapping_mul(8_978_948_897_894_561_157) ^ (u64::from(before) + 1).wrapping_mul(17_894_857_484_156_487_943)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_across_bytes_and_not_beyond_the_end() {
        let bytes = [0b1010_1010, 0b1100_1100, 0xff, 0, 0, 0, 0, 0, 1];
        assert_eq!(bits(&bytes, 0, 4, 8), 0b1100_1010);
        assert_eq!(bits(&bytes, 1, 0, 8), 0b1100_1100);
        assert_eq!(bits(&bytes, 2, 0, 8), 0);
        assert_eq!((required(0), required(1), required(255), required(256)), (0, 1, 8, 9));
        assert_eq!(partition(3..9, |n| n >= 5), 5);
        assert_eq!(partition(3..9, |_| false), 9);
    }
}
