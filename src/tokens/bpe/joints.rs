//! Where characters are never joined: between two characters that follow one another in no token, every encoding has a
//! boundary, and both sides can be encoded alone. Scripts written without spaces have pretokens as long as sentences; cut so,
//! they are many short parts, which a cache finds again.

use crate::tokens::pretoken::length;

/// The places within tokens where one character ends and another begins, one of them of three bytes or more: the characters
/// of scripts without spaces are. Of others it is not known, and they count as joined.
pub struct Joints {
    /// Of characters whole on both sides: a bit for each hash of the two.
    pairs: Vec<u64>,
    /// Of those that a token has only a part of: a bit for the last byte of the one and the first of the other.
    bytes: Vec<u64>,
}

impl Joints {
    /// Of the bytes of all tokens.
    pub fn of<'t>(tokens: impl Iterator<Item = &'t [u8]> + Clone) -> Self {
        let count: usize = tokens.clone().map(|t| boundaries(t).count()).sum();
        let bits = (count * 16).next_power_of_two().max(1 << 12);
        let mut joints = Self { pairs: vec![0; bits / 64], bytes: vec![0; (1 << 16) / 64] };
        for token in tokens {
            for at in boundaries(token) {
                joints.add(token, at);
            }
        }
        joints
    }

    /// Adds the place `at` of `token`.
    fn add(&mut self, token: &[u8], at: usize) {
        let (before, after) = token.split_at_checked(at).unwrap_or_default();
        let start = before.iter().rposition(|b| !is_inner(*b)).unwrap_or(0);
        let left = whole(before.get(start..).unwrap_or_default());
        let right = after.get(..after.first().map_or(0, |b| length(*b))).and_then(whole);
        match (left, right) {
            (Some(left), Some(right)) => mark(&mut self.pairs, pair(left, right)),
            _ => {
                let [last, first] = [before.last(), after.first()].map(|byte| byte.copied().unwrap_or(0));
                mark(&mut self.bytes, bytes(last, first));
            }
        }
    }

    /// Whether a token may have `left` and, behind it, `right`.
    #[inline(always)]
    fn joined(&self, left: Character, right: Character) -> bool {
        let last = (left.code >> (8 * left.length - 8)) as u8;
        (left.code < WIDE && right.code < WIDE)
            | marked(&self.bytes, bytes(last, right.code as u8))
            | marked(&self.pairs, pair(left, right))
    }

    /// The parts of `piece` that are encoded alone.
    pub fn parts<'j>(&'j self, piece: &'j [u8]) -> Parts<'j> {
        // Without a wide character it is one part.
        let wide = piece.iter().fold(false, |wide, byte| wide | (*byte >= 0xe0));
        Parts { joints: self, piece, at: if wide { 0 } else { piece.len().saturating_sub(1) }, done: piece.is_empty() }
    }
}

/// Ends that are found at once.
pub const ENDS: usize = 64;

/// The parts of a piece.
pub struct Parts<'j> {
    joints: &'j Joints,
    piece: &'j [u8],
    /// Where the last character that was looked at begins.
    at: usize,
    done: bool,
}

impl Parts<'_> {
    /// Puts the ends of the next parts into `ends`; gives their number, 0 if there are no more. No branch depends on whether
    /// two characters are joined: half of them are.
    #[inline]
    pub fn next(&mut self, ends: &mut [usize; ENDS]) -> usize {
        let (piece, mut count) = (self.piece, 0);
        if self.done {
            return 0;
        }
        let mut left = Character::at(piece, self.at);
        while let Some(end) = ends.get_mut(count) {
            let next = self.at + left.length;
            *end = next.min(piece.len());
            if next >= piece.len() {
                self.done = true;
                return count + 1;
            }
            let right = Character::at(piece, next);
            count += usize::from(!self.joints.joined(left, right));
            (left, self.at) = (right, next);
        }
        count
    }
}

/// A character: the bytes it is written with, the first the lowest, and their number.
#[derive(Clone, Copy)]
struct Character {
    code: u32,
    length: usize,
}

impl Character {
    #[inline(always)]
    fn at(bytes: &[u8], at: usize) -> Self {
        let word = match bytes.get(at..at + 4).map(<[u8; 4]>::try_from) {
            Some(Ok(four)) => u32::from_le_bytes(four),
            _ => bytes.iter().skip(at).take(4).rev().fold(0, |word, byte| word << 8 | u32::from(*byte)),
        };
        // Most of those that are asked for.
        if word & 0xf0 == 0xe0 {
            return Self { code: word & 0xff_ffff, length: 3 };
        }
        let length = length(word as u8);
        Self { code: word & (u32::MAX >> (32 - 8 * length)), length }
    }
}

/// Characters of three bytes and more are not below this.
const WIDE: u32 = 0x1_0000;

/// Where characters begin within `token` that are wide or may follow a wide one.
fn boundaries(token: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let narrow = token.is_ascii();
    (1..if narrow { 0 } else { token.len() }).filter(|at| match token.get(at - 1..=*at) {
        Some([last, first]) => !is_inner(*first) && (is_inner(*last) || *first >= 0xe0),
        _ => false,
    })
}

fn is_inner(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The character that these bytes are; `None` if they are only a part of one.
fn whole(bytes: &[u8]) -> Option<Character> {
    let first = *bytes.first()?;
    (!is_inner(first) && bytes.len() == length(first)).then(|| Character::at(bytes, 0))
}

#[inline(always)]
fn bytes(last: u8, first: u8) -> u64 {
    u64::from(last) << 8 | u64::from(first)
}

#[inline(always)]
fn pair(left: Character, right: Character) -> u64 {
    (u64::from(left.code) << 32 | u64::from(right.code)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24
}

fn mark(bits: &mut [u64], bit: u64) {
    let bit = bit & (bits.len() as u64 * 64 - 1);
    if let Some(word) = bits.get_mut(bit as usize / 64) {
        *word |= 1 << (bit % 64);
    }
}

#[inline]
fn marked(bits: &[u64], bit: u64) -> bool {
    let bit = bit & (bits.len() as u64 * 64).wrapping_sub(1);
    bits.get(bit as usize / 64).is_some_and(|word| word >> (bit % 64) & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(tokens: &[&[u8]], text: &str) -> Vec<String> {
        let joints = Joints::of(tokens.iter().copied());
        let (mut found, mut from, mut ends) = (Vec::new(), 0, [0; ENDS]);
        let mut parts = joints.parts(text.as_bytes());
        loop {
            let count = parts.next(&mut ends);
            if count == 0 {
                return found;
            }
            for &to in &ends[..count] {
                found.push(text[from..to].to_owned());
                from = to;
            }
        }
    }

    #[test]
    fn characters_that_no_token_joins_are_parted() {
        assert_eq!(parts(&[], "aba日é"), ["aba", "日", "é"]);
        assert_eq!(parts(&["日本".as_bytes()], "日本日日本"), ["日本", "日", "日本"]);
        assert_eq!(parts(&[], ""), [""; 0]);
        assert_eq!(parts(&["x𝄞".as_bytes()], "é𝄞x𝄞"), ["é", "𝄞", "x𝄞"]);
        assert_eq!(parts(&[], &"日".repeat(ENDS * 2 + 1)), vec!["日"; ENDS * 2 + 1]);
        assert_eq!(parts(&[], "no wide character"), ["no wide character"]);
    }

    #[test]
    fn parts_of_characters_join_whatever_they_may_be_a_part_of() {
        // The last byte of 本 (e6 9c ac) and the first of 語 (e8 …) or of 衣 (e8 …).
        assert_eq!(parts(&[b"\xac\xe8"], "本語本衣日本日"), ["本語", "本衣", "日", "本", "日"]);
        assert_eq!(parts(&["本\u{8a9e}".as_bytes().get(..4).unwrap()], "本語"), ["本語"]);
    }
}
