//! Where pretokens of cl100k's kind begin, 64 bytes at a time: words take the character before them along, digits come in
//! groups, line ends belong to the marks or the white space before them.
//!
//! A block begins with a pretoken, so that nothing before it matters, and the last one that begins in it begins the next block.

use super::blocks::{Block, SIZE};
use super::cuts::bits;
use super::{Pattern, length};

/// What patterns of this kind differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Digits of a group, at most.
    digits: usize,
    /// Whether words begin where lower case turns to upper case, and slashes are as line ends behind marks. Of characters beyond
    /// ASCII the block does not know the case.
    pub cased: bool,
    /// Whether `'s` and its like are pretokens, or parts of words if these are `cased`.
    pub contractions: bool,
}

impl Words {
    /// `None` for patterns of another kind.
    pub fn of(pattern: Pattern) -> Option<Self> {
        match pattern {
            Pattern::Cl100k { digits } => Some(Self { digits, cased: false, contractions: true }),
            Pattern::O200k => Some(Self { digits: 3, cased: true, contractions: true }),
            Pattern::Tekken => Some(Self { digits: 1, cased: true, contractions: false }),
            Pattern::Gpt2 | Pattern::DeepSeek | Pattern::StarCoder => None,
        }
    }

    /// The bytes of a block with which pretokens begin, the first always; of `known` bytes, behind which the text ends or not.
    /// `bytes` are the text from the block on. Contractions are left to the caller.
    #[inline(always)]
    pub fn starts(self, block: &Block, known: usize, ends: bool, bytes: &[u8]) -> u64 {
        let all = u64::MAX >> (SIZE - known);
        let (letters, numbers, spaces) = (block.letters & all, block.numbers & all, block.spaces & all);
        let newlines = block.newlines & all;
        let others = all & !(letters | numbers | spaces);
        let first = |class: u64| class & !(class << 1);
        // Line ends behind marks belong to them.
        let behind = newlines | if self.cased { block.slashes & all } else { 0 };
        let taken = flood(others << 1 & newlines, behind);
        let (others, spaces) = (others & !taken, spaces & !taken);
        // A blank before marks belongs to them; a mark alone, without one, to the letters behind it, as white space does.
        let marks = first(others) & !(block.blanks << 1);
        let solid = spaces & !newlines;
        let words = first(letters) & !(solid << 1 | next_character(marks, block.inner));
        let mut starts = 1 | words | marks | first(spaces);
        if self.cased {
            starts |= block.upper & (letters & !block.upper) << 1;
        }
        // Of white space the last character is left to what follows, unless it is a line end or nothing follows.
        let mut last = solid & !(spaces >> 1) & all >> 1;
        for wide in bits(block.wide_spaces) {
            let end = wide + length(bytes.get(wide).copied().unwrap_or(0)) - 1;
            if end < SIZE && last >> end & 1 != 0 {
                last = last & !(1 << end) | 1 << wide;
            }
        }
        starts |= last;
        // White space is cut behind its last line end.
        for at in bits(solid & (newlines & spaces) << 1) {
            let behind = at + (!(solid >> at)).trailing_zeros() as usize;
            if behind >= known || newlines >> behind & 1 == 0 {
                starts |= 1 << at;
            }
        }
        if self.digits == 1 {
            starts |= numbers & !block.inner;
        } else {
            let (begin, mut count) = (first(numbers), 0);
            for at in bits(numbers & !block.inner) {
                count = if begin >> at & 1 != 0 { 0 } else { count + 1 };
                starts |= u64::from(count % self.digits == 0) << at;
            }
        }
        if !ends {
            // How white space is cut depends on how it ends.
            let open = ((block.spaces & all) << (SIZE - known)).leading_ones() as usize;
            let decided = u64::MAX.checked_shr((SIZE - known + open) as u32).unwrap_or(0);
            starts &= decided | first(spaces) | 1;
        }
        starts
    }
}

/// All of `through` that follows `from` without a gap, `from` itself included.
#[inline(always)]
fn flood(from: u64, mut through: u64) -> u64 {
    let mut all = from;
    for step in [1, 2, 4, 8, 16, 32] {
        all |= through & all << step;
        through &= through << step;
    }
    all
}

/// The first bytes of the characters behind those of which these are the first bytes.
#[inline(always)]
fn next_character(first: u64, inner: u64) -> u64 {
    let mut next = first << 1;
    if inner != 0 {
        for _ in 0..3 {
            next = next & !inner | (next & inner) << 1;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_and_next_characters_are_found() {
        assert_eq!(flood(0b10, 0b1_1110), 0b1_1110);
        assert_eq!(flood(0b1000_0010, u64::MAX << 8 | 0b1000_0110), u64::MAX << 7 | 0b110);
        assert_eq!(flood(1, u64::MAX), u64::MAX);
        assert_eq!(next_character(0b1_0001, 0b10_1110), 0b101_0000);
        assert_eq!(next_character(1, 0), 0b10);
    }
}
