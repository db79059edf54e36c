//! The ends of a text's pretokens, a batch at a time. Most patterns are found 64 bytes at a time, from bits that say of which
//! class each byte is; the others a pretoken at a time.

use super::blocks::{Block, SIZE, Sieve};
use super::words::Words;
use super::{L, N, Pattern, S, Scan, decode};

/// Pretokens of a batch, at least, unless the text ends.
const BATCH: usize = 256;

/// Cuts one text.
pub struct Cuts<'t> {
    pattern: Pattern,
    /// How words are found, of patterns of cl100k's kind.
    words: Option<Words>,
    text: &'t str,
    at: usize,
    before: Before,
    /// Up to where pretokens are found one by one, for characters whose case is asked for.
    singly: usize,
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
        let (words, before) = (Words::of(pattern), Before { cut: 1, ..Before::default() });
        Self { pattern, words, text, at: 0, before, singly: 0, sieve: Sieve::best() }
    }

    /// The ends of the next pretokens; `false` if there are no more.
    pub fn next(&mut self, ends: &mut Vec<usize>) -> bool {
        ends.clear();
        let length = self.text.len();
        if self.at >= length {
            return false;
        }
        if self.pattern == Pattern::Gpt2 || self.words.is_some() {
            #[cfg(target_arch = "x86_64")]
            if self.sieve == Sieve::Avx2 {
                // SAFETY: the sieve is this one only where the processor has the instructions it is compiled for.
                #[allow(unsafe_code)]
                unsafe {
                    self.blocks_avx2(ends);
                }
                return true;
            }
            self.blocks(ends);
        } else {
            while self.at < length && ends.len() < BATCH {
                self.at = self.pattern.end(self.text, self.at).max(self.at + 1);
                ends.push(self.at);
            }
        }
        true
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn blocks_avx2(&mut self, ends: &mut Vec<usize>) {
        self.blocks(ends);
    }

    #[inline(always)]
    fn blocks(&mut self, ends: &mut Vec<usize>) {
        let classes = &**super::CLASSES;
        ends.resize(BATCH + SIZE + 1, 0);
        let mut count = 0;
        while self.at < self.text.len() && count < BATCH {
            let at = self.at;
            let starts = match self.words {
                None => self.block(classes),
                Some(words) => self.word_block(words, classes),
            };
            // Eight at once, and more if there are: a loop over each would end where nobody can foretell.
            let mut word = starts;
            for eight in ends.get_mut(count..count + SIZE).unwrap_or_default().chunks_exact_mut(8) {
                for end in eight {
                    *end = at + word.trailing_zeros() as usize;
                    word &= word.wrapping_sub(1);
                }
                if word == 0 {
                    break;
                }
            }
            count += starts.count_ones() as usize;
        }
        if self.at >= self.text.len()
            && let Some(end) = ends.get_mut(count)
        {
            *end = self.text.len();
            count += 1;
        }
        ends.truncate(count);
    }

    /// The bytes of the next block with which pretokens begin; each ends the one before.
    #[inline(always)]
    fn block(&mut self, classes: &[u8]) -> u64 {
        let (bytes, at) = (self.text.as_bytes(), self.at);
        let mut block = Block::of(bytes, at, self.sieve);
        let known = block.complete(bytes, at, classes);
        let usable = block.usable(known, at + known == bytes.len());
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
        starts
    }

    /// The same for patterns of cl100k's kind.
    #[inline(always)]
    fn word_block(&mut self, words: Words, classes: &[u8]) -> u64 {
        let (bytes, at) = (self.text.as_bytes(), self.at);
        // The first, with which the last block ended; at the beginning of the text it ends nothing.
        let begin = u64::from(at > 0);
        let mut block = Block::default();
        if at >= self.singly {
            block = Block::of(bytes, at, self.sieve);
            if words.cased && block.leads != 0 {
                self.singly = at + block.leads.ilog2() as usize + 1;
            }
        }
        if at < self.singly {
            self.at = self.pattern.end(self.text, at).max(at + 1);
            return begin;
        }
        let known = block.complete(bytes, at, classes);
        let end = at + known;
        let ends = end == bytes.len();
        let mut starts = words.starts(&block, known, ends, bytes.get(at..).unwrap_or_default());
        self.at = end;
        let apostrophes = if words.cased { block.letters << 1 } else { starts };
        for apostrophe in bits(if words.contractions { block.apostrophes & apostrophes } else { 0 }) {
            let scan = Scan::<0, 0> { bytes, classes: &[] };
            if let Some(end) = scan.contraction(at + apostrophe, true) {
                // It ends the word before it, or is a pretoken itself.
                let before = (1 << apostrophe) - 1;
                starts &= if words.cased { before } else { before << 1 | 1 };
                self.at = end;
                return starts & !1 | begin;
            }
        }
        if !ends {
            let last = starts.ilog2();
            starts &= !(1 << last);
            self.at = if last > 0 { at + last as usize } else { self.pattern.end(self.text, at).max(at + 1) };
        }
        starts & !1 | begin
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
    /// Finds the classes of characters beyond ASCII; gives how many bytes are whole characters of the text.
    #[inline(always)]
    fn complete(&mut self, bytes: &[u8], at: usize, classes: &[u8]) -> usize {
        let size = (bytes.len() - at).min(SIZE);
        let mut known = size;
        // Ideographs whole in the block are letters, without asking.
        let ideographs = self.ideographs & (u64::MAX >> 2);
        self.letters |= ideographs | ideographs << 1 | ideographs << 2;
        for lead in bits(self.leads & !ideographs) {
            let first = bytes.get(at + lead).copied().unwrap_or(0);
            let (code, length) = decode(bytes, at + lead, first);
            if lead + length > SIZE {
                known = lead;
                break;
            }
            let span = (u64::MAX >> (SIZE - length)) << lead;
            let class = classes.get(code as usize).copied().unwrap_or(0);
            if class & L != 0 {
                self.letters |= span;
            } else if class & N != 0 {
                self.numbers |= span;
            } else if class & S != 0 {
                self.spaces |= span;
                self.wide_spaces |= 1 << lead;
            }
        }
        known
    }

    /// How many of the `known` bytes are decided: it is known what follows them. Behind them the text `ends` or not.
    #[inline(always)]
    fn usable(&mut self, known: usize, ends: bool) -> Usable {
        if ends {
            // What follows the end is as a space: it leaves nothing to it.
            if known < SIZE {
                self.spaces |= u64::MAX << known;
            }
            return Usable(known);
        }
        // The last character tells what follows the one before.
        let starts = !self.inner & (u64::MAX >> (SIZE - known));
        Usable(starts.ilog2() as usize)
    }
}

/// The positions of the bits that are set, ascending.
#[inline(always)]
pub fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = word.trailing_zeros() as usize;
        (word != 0).then(|| {
            word &= word - 1;
            at
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn blocks_cut_where_one_by_one_does(text in prop_oneof![
            "([a-zA-Z]{1,9}|[ \t]{1,3}|[\r\n]{1,2}|[0-9]{1,7}|[!-/]{1,3}|'[a-zA-Zſ]{1,2}|[ \r\n/]{1,70}|a{60,70}){0,60}",
            "([a-zA-Zàéß]{1,9}|[ \u{a0}\u{3000}\u{2003}\n]{1,3}|[٣½0-9]{1,7}|[…、。!'/]{1,3}|[一-龥ぁ-ヶ]{1,9}|[а-я]{1,9}|e\u{301}|[\u{1f300}-\u{1f5ff}]){0,60}",
        ]) {
            let patterns = [
                Pattern::Gpt2,
                Pattern::Cl100k { digits: 3 },
                Pattern::Cl100k { digits: 1 },
                Pattern::O200k,
                Pattern::Tekken,
            ];
            for pattern in patterns {
                let (mut one_by_one, mut at) = (Vec::new(), 0);
                while at < text.len() {
                    at = pattern.end(&text, at);
                    one_by_one.push(at);
                }
                for sieve in [Sieve::Plain, Sieve::best()] {
                    let (mut cuts, mut ends, mut all) = (Cuts::new(pattern, &text), Vec::new(), Vec::<usize>::new());
                    cuts.sieve = sieve;
                    while cuts.next(&mut ends) {
                        all.extend(&ends);
                    }
                    prop_assert_eq!(&all, &one_by_one, "{:?}", pattern);
                }
            }
        }
    }
}
