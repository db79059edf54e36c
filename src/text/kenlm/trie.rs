//! n-grams sorted from their last word to their first, packed to the bit.

use std::ops::Range;

use super::bits::{bits, float, partition, required, word64};
use super::header::{Header, Kind};
use super::{Known, Lookup, hash, is_unknown};

/// A model of packed tables.
pub struct Trie {
    /// Where the sorted hashes of words lie, and how many they are.
    vocabulary: (usize, u64),
    unigrams: usize,
    words: u64,
    middles: Vec<Middle>,
    longest: Packed,
    quantizer: Option<Quantizer>,
}

/// Entries of one length, sorted within the range of the entry they extend: word, value, and for all but the longest a pointer.
struct Packed {
    base: usize,
    word_bits: u8,
    entry_bits: u8,
    entries: u64,
}

struct Middle {
    packed: Packed,
    value_bits: u8,
    pointers: Pointers,
}

/// Where an entry's extensions begin.
struct Pointers {
    inline_bits: u8,
    /// Where the high bits change, if they are kept apart: the first entry for each value.
    array: Option<(usize, u64)>,
}

/// Codes for probabilities and backoffs, by length.
struct Quantizer {
    prob_bits: u8,
    backoff_bits: u8,
    tables: usize,
}

const CUT: &str = "it ends too early";
/// Probability (31 bits: no sign) and backoff.
const PLAIN_BITS: u8 = 63;

impl Packed {
    /// Lays entries out from `at`; gives where they end.
    fn new(at: usize, entries: u64, words: u64, rest_bits: u8) -> Result<(Self, usize), String> {
        let word_bits = required(words);
        let entry_bits = word_bits.saturating_add(rest_bits);
        let bytes = (entries + 1).checked_mul(u64::from(entry_bits)).map(|bits| bits.div_ceil(8) + 8);
        let end = bytes.and_then(|bytes| at.checked_add(usize::try_from(bytes).ok()?)).ok_or(CUT)?;
        Ok((Self { base: at, word_bits, entry_bits, entries }, end))
    }

    fn bit(&self, entry: u64) -> u64 {
        entry.saturating_mul(u64::from(self.entry_bits))
    }

    fn find(&self, model: &[u8], range: &Range<u64>, word: u32) -> Option<u64> {
        let range = range.start.min(self.entries)..range.end.min(self.entries);
        let word_at = |entry| bits(model, self.base, self.bit(entry), self.word_bits);
        let found = partition(range.clone(), |entry| word_at(entry) >= u64::from(word));
        (range.contains(&found) && word_at(found) == u64::from(word)).then_some(found)
    }
}

impl Pointers {
    /// How many high bits of pointers up to `most` are kept apart to save most, with `allowed` at most.
    fn chopped(entries: u64, most: u64, allowed: u8) -> u8 {
        let bits = required(most);
        let cost = |chop: u8| {
            let table = i128::from(most.checked_shr(u32::from(bits - chop)).unwrap_or(0)) * 64;
            table - i128::from(entries) * i128::from(chop)
        };
        (0..=bits.min(allowed)).min_by_key(|&chop| cost(chop)).unwrap_or(0)
    }

    /// The pointers of `entries` entries, up to `most`, whose array (if any) begins at `at`; gives where it ends.
    fn new(at: usize, entries: u64, most: u64, array: Option<u8>) -> Result<(Self, usize), String> {
        let bits = required(most);
        let Some(allowed) = array else { return Ok((Self { inline_bits: bits, array: None }, at)) };
        let inline_bits = bits - Self::chopped(entries, most, allowed);
        let values = most.checked_shr(u32::from(inline_bits)).unwrap_or(0) + 1;
        let end = values.checked_mul(8).and_then(|n| at.checked_add(n as usize)).ok_or(CUT)?;
        let first = at.next_multiple_of(8) + 8;
        Ok((Self { inline_bits, array: Some((first, values)) }, end + 8 + 7))
    }

    fn at(&self, model: &[u8], packed: &Packed, entry: u64, low_bit: u64) -> u64 {
        let low = bits(model, packed.base, low_bit, self.inline_bits);
        let Some((array, values)) = self.array else { return low };
        let high = partition(0..values, |n| word64(model, array + n as usize * 8) > entry).saturating_sub(1);
        (high << self.inline_bits) | low
    }
}

impl Middle {
    fn extensions(&self, model: &[u8], entry: u64) -> Range<u64> {
        let bit = self.packed.bit(entry) + u64::from(self.packed.word_bits + self.value_bits);
        let next = bit.saturating_add(u64::from(self.packed.entry_bits));
        let start = self.pointers.at(model, &self.packed, entry, bit);
        start..self.pointers.at(model, &self.packed, entry + 1, next)
    }
}

impl Quantizer {
    fn read(model: &[u8], at: usize) -> Result<Self, String> {
        let (&[version, prob_bits, backoff_bits], tables) = (model.get(at..at + 3).unwrap_or_default(), at + 8) else {
            return Err(CUT.into());
        };
        if version != 2 || !(1..=25).contains(&prob_bits) || !(1..=25).contains(&backoff_bits) {
            return Err("its codes are of an unknown version".into());
        }
        Ok(Self { prob_bits, backoff_bits, tables })
    }

    fn middle_bytes(&self) -> usize {
        ((1 << self.prob_bits) + (1 << self.backoff_bits)) * 4
    }

    fn end(&self, order: usize) -> usize {
        self.tables + (order - 2) * self.middle_bytes() + (4 << self.prob_bits)
    }

    fn prob(&self, model: &[u8], order: usize, code: u64) -> f32 {
        float(model, self.tables + (order - 2) * self.middle_bytes() + code as usize * 4)
    }

    fn backoff(&self, model: &[u8], order: usize, code: u64) -> f32 {
        float(model, self.tables + (order - 2) * self.middle_bytes() + (4 << self.prob_bits) + code as usize * 4)
    }
}

impl Trie {
    /// Lays the tables out over the file.
    pub fn new(model: &[u8], header: &Header) -> Result<Self, String> {
        let (&[words, ref counts @ ..], Kind::Trie { quantized, array }) = (header.counts.as_slice(), header.kind)
        else {
            return Err("its head contradicts itself".into());
        };
        let order = header.counts.len();
        let hashes = word64(model, header.end);
        let vocabulary = (header.end + 8, hashes.min(words));
        let mut at = words.checked_mul(8).and_then(|n| (n as usize).checked_add(header.end + 8)).ok_or(CUT)?;
        let quantizer = if quantized { Some(Quantizer::read(model, at)?) } else { None };
        if let Some(quantizer) = &quantizer {
            at = quantizer.end(order);
        }
        let unigrams = at;
        at = (words + 2).checked_mul(16).and_then(|n| (n as usize).checked_add(at)).ok_or(CUT)?;
        let allowed = match array {
            false => None,
            true if order == 2 => Some(0),
            true => match model.get(at..at + 2) {
                Some(&[0, allowed]) => Some(allowed),
                _ => return Err("its array of pointers is of an unknown version".into()),
            },
        };
        let value_bits = quantizer.as_ref().map_or(PLAIN_BITS, |q| q.prob_bits + q.backoff_bits);
        let mut middles = Vec::new();
        for pair in counts.windows(2) {
            let &[count, next] = pair else { continue };
            let (pointers, end) = Pointers::new(at, count + 1, next, allowed)?;
            let (packed, end) = Packed::new(end, count, words, value_bits.saturating_add(pointers.inline_bits))?;
            at = end;
            middles.push(Middle { packed, value_bits, pointers });
        }
        let longest_bits = quantizer.as_ref().map_or(31, |q| q.prob_bits);
        let (longest, end) = Packed::new(at, counts.last().copied().unwrap_or(0), words, longest_bits)?;
        let wide = middles.iter().map(|m| &m.packed).chain([&longest]).any(|p| p.word_bits > 32);
        if end > model.len() || wide {
            return Err(CUT.into());
        }
        Ok(Self { vocabulary, unigrams, words, middles, longest, quantizer })
    }

    fn unigram_at(&self, word: u32) -> usize {
        self.unigrams + u64::from(word).min(self.words) as usize * 16
    }
}

/// A probability of which 31 bits are stored: it is never positive.
fn negative(stored: u64) -> f32 {
    f32::from_bits(stored as u32 | 1 << 31)
}

impl Lookup for Trie {
    type Node = Range<u64>;

    fn word(&self, model: &[u8], word: &[u8]) -> u32 {
        let ((at, count), hash) = (self.vocabulary, hash(word));
        let hash_at = |n: u64| word64(model, at + n as usize * 8);
        let found = partition(0..count, |n| hash_at(n) >= hash);
        if is_unknown(word) || found == count || hash_at(found) != hash { 0 } else { found as u32 + 1 }
    }

    fn unigram(&self, model: &[u8], word: u32) -> (Known, Range<u64>) {
        let at = self.unigram_at(word);
        let extensions = word64(model, at + 8)..word64(model, at + 24);
        let known =
            Known { prob: Some(float(model, at)), backoff: float(model, at + 4), leftmost: extensions.is_empty() };
        (known, extensions)
    }

    fn middle(&self, model: &[u8], order: usize, before: u32, node: &mut Range<u64>) -> Option<Known> {
        let middle = self.middles.get(order - 2)?;
        let entry = middle.packed.find(model, node, before)?;
        *node = middle.extensions(model, entry);
        let value = middle.packed.bit(entry) + u64::from(middle.packed.word_bits);
        let read = |bit: u64, length| bits(model, middle.packed.base, value + bit, length);
        let (prob, backoff) = match &self.quantizer {
            None => (negative(read(0, 31)), f32::from_bits(read(31, 32) as u32)),
            Some(q) => (
                q.prob(model, order, read(u64::from(q.backoff_bits), q.prob_bits)),
                q.backoff(model, order, read(0, q.backoff_bits)),
            ),
        };
        Some(Known { prob: Some(prob), backoff, leftmost: node.is_empty() })
    }

    fn longest(&self, model: &[u8], before: u32, node: &Range<u64>) -> Option<f32> {
        let entry = self.longest.find(model, node, before)?;
        let value = self.longest.bit(entry) + u64::from(self.longest.word_bits);
        Some(match &self.quantizer {
            None => negative(bits(model, self.longest.base, value, 31)),
            Some(q) => q.prob(model, self.middles.len() + 2, bits(model, self.longest.base, value, q.prob_bits)),
        })
    }
}
