//! The ends of a text's pretokens, a batch at a time. GPT-2's pattern is found 64 bytes at a time, from bits that say of which
//! class each byte is; the others a pretoken at a time.

use super::blocks::{Block, SIZE, Sieve};
use super::{L, N, Pattern, S, Scan, decode};

/// Pretokens of a batch, at least, unless the text ends.
const BATCH: usize = 256;

/// Cuts one text.
pub struct Cuts<'t> {
    pattern: Pattern,
    text: &'t str,
    at: usize,
    before: Before,
    sieve: Sieve,
}

/// What stands before the block: a bit for its class, or that a pretoken begins with the block whatever stands before it.
#[derive(Clone, Copy, Default)]
struct Before {
    letter: u64,
    number: u64,
    space: u64,
    other: u64,
    blank: u64,
    cut: u64,
}

impl<'t> Cuts<'t> {
    /// At the beginning of `text`.
    pub fn new(pattern: Pattern, text: &'t str) -> Self {
        Self { pattern, text, at: 0, before: Before { cut: 1, ..Before::default() }, sieve: Sieve::best() }
    }

    /// The ends of the next pretokens; `false` if there are no more.
    pub fn next(&mut self, ends: &mut Vec<usize>) -> bool {
        ends.clear();
        let length = self.text.len();
        if self.at >= length {
            return false;
        }
        if self.pattern == Pattern::Gpt2 {
            while self.at < length && ends.len() < BATCH {
                self.block(ends);
            }
            if self.at >= length {
                ends.push(length);
            }
        } else {
            while self.at < length && ends.len() < BATCH {
                self.at = self.pattern.end(self.text, self.at).max(self.at + 1);
                ends.push(self.at);
            }
        }
        true
    }

    /// The pretokens that begin in the next block, each of which ends the one before.
    fn block(&mut self, ends: &mut Vec<usize>) {
        let (bytes, at) = (self.text.as_bytes(), self.at);
        let mut block = Block::of(bytes, at, self.sieve);
        let usable = block.complete(bytes, at);
        let before = self.before;
        let other = !(block.letters | block.numbers | block.spaces);
        let first = |class: u64, before: u64| class & !(class << 1 | before);
        // At the end of the text nothing follows to which a space could be left.
        let mut last_spaces = block.spaces & !(block.spaces >> 1 | 1 << (SIZE - 1));
        // Of a space of several bytes the last of a run begins with its first byte.
        for wide in bits(block.wide_spaces) {
            let last = wide + super::length(bytes.get(at + wide).copied().unwrap_or(0)) - 1;
            if last < SIZE && last_spaces >> last & 1 != 0 {
                last_spaces = last_spaces & !(1 << last) | 1 << wide;
            }
        }
        let runs =
            first(block.letters, before.letter) | first(other, before.other) | first(block.numbers, before.number);
        // A blank before a run belongs to it; of several spaces the last is left to what follows.
        let after_blank = block.blanks << 1 | before.blank;
        let spaces = first(block.spaces, before.space) | last_spaces;
        let mut starts = ((runs & !after_blank) | spaces | before.cut) & usable.mask();
        let mut next = Before {
            letter: usable.last(block.letters),
            number: usable.last(block.numbers),
            space: usable.last(block.spaces),
            other: usable.last(other),
            blank: usable.last(block.blanks),
            cut: 0,
        };
        self.at = at + usable.0;
        let scan = Scan::<0, 0> { bytes, classes: &[] };
        for apostrophe in bits(block.apostrophes & starts) {
            if let Some(end) = scan.contraction(at + apostrophe, false) {
                starts &= u64::MAX >> (SIZE - 1 - apostrophe);
                self.at = end;
                next = Before { cut: 1, ..Before::default() };
                break;
            }
        }
        self.before = next;
        if at == 0 {
            starts &= !1;
        }
        ends.extend(bits(starts).map(|start| at + start));
    }
}

/// How many bytes of a block are decided by it.
#[derive(Clone, Copy)]
struct Usable(usize);

impl Usable {
    fn mask(self) -> u64 {
        u64::MAX >> (SIZE - self.0)
    }

    fn last(self, class: u64) -> u64 {
        class >> (self.0 - 1) & 1
    }
}

impl Block {
    /// Finds the classes of characters beyond ASCII, and how many bytes are whole characters behind which it is known what
    /// follows.
    fn complete(&mut self, bytes: &[u8], at: usize) -> Usable {
        let size = (bytes.len() - at).min(SIZE);
        let ends = at + size == bytes.len();
        let mut known = size;
        for lead in bits(self.leads) {
            let first = bytes.get(at + lead).copied().unwrap_or(0);
            let (code, length) = decode(bytes, at + lead, first);
            if lead + length > SIZE {
                known = lead;
                break;
            }
            let span = (u64::MAX >> (SIZE - length)) << lead;
            let class = super::CLASSES.get(code as usize).copied().unwrap_or(0);
            if class & L != 0 {
                self.letters |= span;
            } else if class & N != 0 {
                self.numbers |= span;
            } else if class & S != 0 {
                self.spaces |= span;
                self.wide_spaces |= 1 << lead;
            }
        }
        if ends {
            // What follows the end is as a space: it leaves nothing to it.
            if size < SIZE {
                self.spaces |= u64::MAX << size;
            }
            return Usable(size);
        }
        // The last character tells what follows the one before.
        let starts = !self.inner & (u64::MAX >> (SIZE - known));
        Usable(starts.ilog2() as usize)
    }
}

/// The positions of the bits that are set, ascending.
#[inline(always)]
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = word.trailing_zeros() as usize;
        (word != 0).then(|| {
            word &= word - 1;
            at
        })
    })
}
