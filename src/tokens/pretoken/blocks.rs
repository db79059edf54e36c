//! 64 bytes at once: a bit for each byte in a word for each class.

/// Bytes of a block.
pub const SIZE: usize = 64;

/// The classes of a block's bytes, the first byte the lowest bit. Of characters beyond ASCII only where their bytes are;
/// whoever knows their classes adds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Block {
    pub letters: u64,
    pub numbers: u64,
    /// `\s`
    pub spaces: u64,
    /// The space itself, U+0020.
    pub blanks: u64,
    pub apostrophes: u64,
    /// `\r` and `\n`
    pub newlines: u64,
    pub slashes: u64,
    /// Letters of ASCII in upper case.
    pub upper: u64,
    /// First bytes of characters of several bytes.
    pub leads: u64,
    /// Their other bytes.
    pub inner: u64,
    /// First bytes of characters from U+5000 to U+8FFF: ideographs, all of them letters.
    pub ideographs: u64,
    /// First bytes of spaces beyond ASCII.
    pub wide_spaces: u64,
}

/// Which compilation of the sieve this machine runs. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sieve {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

/// Whether this machine has AVX2 and the instructions on bits that came with it.
#[cfg(target_arch = "x86_64")]
pub fn fast() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

impl Sieve {
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if fast() {
            return Self::Avx2;
        }
        Self::Plain
    }
}

impl Block {
    /// The block from `at`; bytes after the text's end are of no class.
    #[inline]
    pub fn of(bytes: &[u8], at: usize, sieve: Sieve) -> Self {
        match bytes.get(at..at + SIZE).map(<&[u8; SIZE]>::try_from) {
            Some(Ok(block)) => sieve.run(block),
            _ => {
                let mut block = [0xff; SIZE];
                let rest = bytes.get(at..).unwrap_or_default();
                block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                let mut found = sieve.run(&block);
                found.leads &= (1u64.checked_shl(rest.len() as u32).unwrap_or(0)).wrapping_sub(1);
                found
            }
        }
    }
}

impl Sieve {
    #[inline(always)]
    fn run(self, block: &[u8; SIZE]) -> Block {
        match self {
            Self::Plain => plain(block),
            // SAFETY: `best` gives this only where the processor has the instructions it is compiled for.
            #[cfg(target_arch = "x86_64")]
            #[allow(unsafe_code)]
            Self::Avx2 => unsafe { avx2(block) },
        }
    }
}

fn plain(block: &[u8; SIZE]) -> Block {
    let mut found = Block::default();
    for (at, byte) in block.iter().enumerate() {
        let bit = |holds: bool| u64::from(holds) << at;
        found.letters |= bit(byte.is_ascii_alphabetic());
        found.numbers |= bit(byte.is_ascii_digit());
        found.spaces |= bit(matches!(byte, b'\t'..=b'\r' | b' '));
        found.blanks |= bit(*byte == b' ');
        found.apostrophes |= bit(*byte == b'\'');
        found.newlines |= bit(matches!(byte, b'\r' | b'\n'));
        found.slashes |= bit(*byte == b'/');
        found.upper |= bit(byte.is_ascii_uppercase());
        found.leads |= bit(*byte >= 0xc0);
        found.ideographs |= bit((0xe5..0xe9).contains(byte));
        found.inner |= bit((0x80..0xc0).contains(byte));
    }
    found
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn avx2(block: &[u8; SIZE]) -> Block {
    let (low, high) = block.split_at(SIZE / 2);
    let (low, high) = (avx2_half(low), avx2_half(high));
    let join = |part: fn(&[u32; 11]) -> u32| u64::from(part(&low)) | u64::from(part(&high)) << 32;
    Block {
        letters: join(|h| h[0]),
        numbers: join(|h| h[1]),
        spaces: join(|h| h[2]),
        blanks: join(|h| h[3]),
        apostrophes: join(|h| h[4]),
        leads: join(|h| h[5]),
        inner: join(|h| h[6]),
        ideographs: join(|h| h[7]),
        newlines: join(|h| h[8]),
        slashes: join(|h| h[9]),
        upper: join(|h| h[10]),
        wide_spaces: 0,
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn avx2_half(half: &[u8]) -> [u32; 11] {
    use std::arch::x86_64::*;
    debug_assert_eq!(half.len(), 32);
    // SAFETY: the load reads the 32 bytes of `half`; it needs no alignment.
    #[allow(unsafe_code)]
    let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
    let within = |bytes: __m256i, first: u8, span: u8| {
        let from = _mm256_sub_epi8(bytes, _mm256_set1_epi8(first as i8));
        _mm256_cmpeq_epi8(_mm256_min_epu8(from, _mm256_set1_epi8(span as i8)), from)
    };
    let is = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
    let mask = |lanes: __m256i| _mm256_movemask_epi8(lanes) as u32;
    let blanks = is(b' ');
    let leads = within(bytes, 0xc0, 0x3f);
    [
        mask(within(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), b'a', 25)),
        mask(within(bytes, b'0', 9)),
        mask(_mm256_or_si256(within(bytes, b'\t', 4), blanks)),
        mask(blanks),
        mask(is(b'\'')),
        mask(leads),
        mask(_mm256_andnot_si256(leads, bytes)),
        mask(within(bytes, 0xe5, 3)),
        mask(_mm256_or_si256(is(b'\r'), is(b'\n'))),
        mask(is(b'/')),
        mask(within(bytes, b'A', 25)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_compilation_gives_the_same_bits(bytes in prop::collection::vec(any::<u8>(), 0..130), at in 0usize..130) {
            let at = at.min(bytes.len());
            prop_assert_eq!(Block::of(&bytes, at, Sieve::best()), Block::of(&bytes, at, Sieve::Plain));
        }
    }

    #[test]
    fn every_byte_is_of_its_class() {
        for byte in 0..=255u8 {
            let block = Block::of(&[byte; 64], 0, Sieve::best());
            let all = |holds: bool| if holds { u64::MAX } else { 0 };
            assert_eq!(block.letters, all(byte.is_ascii_alphabetic()), "{byte}");
            assert_eq!(block.spaces, all(byte == b' ' || (9..=13).contains(&byte)), "{byte}");
            assert_eq!(block.inner, all(byte & 0xc0 == 0x80), "{byte}");
        }
    }
}
