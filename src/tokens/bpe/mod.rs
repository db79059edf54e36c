//! Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019), for vocabularies whose pretokenizer is known. Gives the ids of
//! the library, which is the oracle of its tests.
//!
//! A text is cut into pretokens a batch at a time. A pretoken is looked up in a cache of bounded size; what is not there is
//! merged. Pretokens of characters of three bytes and more are first cut where no token joins them.

mod cache;
mod file;
mod joints;
mod merge;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::pretoken::{Cuts, Pattern};
use cache::{Cache, Ids, Key};
#[cfg(test)]
pub(super) use file::bytes_of;
pub(super) use file::char_of;
pub use file::{Known, TokenizerFile, nfc};
use joints::Joints;
use merge::{Chain, Merges};

/// A vocabulary, its merges and its pattern.
pub struct Bpe {
    pattern: Pattern,
    merges: Merges,
    joints: Joints,
    /// Pretokens that are tokens as they stand, if the vocabulary wants them taken whole (`ignore_merges`).
    whole: Option<HashMap<Box<[u8]>, u32, RandomState>>,
}

/// One worker's cache and working memory.
pub struct Scratch {
    cache: Cache,
    chain: Chain,
    ends: Vec<usize>,
    parts: Vec<Part>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { cache: Cache::new(), chain: Chain::default(), ends: Vec::new(), parts: Vec::new() }
    }
}

/// What is looked up: a pretoken, or a part of one that no token joins to its neighbors.
#[derive(Clone, Copy)]
struct Part {
    key: Key,
    start: usize,
    end: usize,
}

impl Bpe {
    /// How texts are cut.
    pub fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// Appends the ids of `text`.
    fn encode(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let (mut ends, mut parts) = (std::mem::take(&mut scratch.ends), std::mem::take(&mut scratch.parts));
        let mut cuts = Cuts::new(self.pattern, text);
        let mut start = 0;
        while cuts.next(&mut ends) {
            // All are looked for before the first is found: the memory they stand in is waited for once.
            parts.clear();
            let from = start;
            for &end in &ends {
                self.part(text.as_bytes(), start, end, &scratch.cache, &mut parts);
                start = end;
            }
            let before = ids.len();
            // No more ids than bytes; a copy of fixed length may run over.
            ids.resize(before + (start - from) + cache::IDS, 0);
            let mut out = Out { ids: ids.get_mut(before..).unwrap_or_default(), count: 0 };
            parts.iter().for_each(|part| self.look_up(text.as_bytes(), part, scratch, &mut out));
            let count = out.count;
            ids.truncate(before + count);
        }
        (scratch.ends, scratch.parts) = (ends, parts);
    }

    #[inline(always)]
    fn part(&self, bytes: &[u8], start: usize, end: usize, cache: &Cache, parts: &mut Vec<Part>) {
        let length = end - start;
        let key = Key::of(bytes, start, length, false);
        if length > cache::KEY || key.is_wide() {
            return self.parts(bytes, start, end, cache, parts);
        }
        cache.expect_short(key.hash());
        parts.push(Part { key, start, end });
    }

    /// A long pretoken, or one of characters of three bytes and more: as the parts that no token joins.
    #[inline(never)]
    fn parts(&self, bytes: &[u8], start: usize, end: usize, cache: &Cache, parts: &mut Vec<Part>) {
        let piece = bytes.get(start..end).unwrap_or_default();
        let mut from = 0;
        for to in self.joints.parts(piece) {
            // A part is never looked for among whole pretokens: merges alone make it.
            let alone = self.whole.is_none() || (from == 0 && to == piece.len());
            let key = Key::of(bytes, start + from, to - from, !alone);
            cache.expect_short(key.hash());
            parts.push(Part { key, start: start + from, end: start + to });
            from = to;
        }
    }

    #[inline(always)]
    fn look_up(&self, bytes: &[u8], part: &Part, scratch: &mut Scratch, out: &mut Out<'_>) {
        if part.end - part.start > cache::KEY {
            return self.long(bytes, part, scratch, out);
        }
        let hash = part.key.hash();
        if let Some(ids) = scratch.cache.short(part.key, hash) {
            return out.put(ids);
        }
        let before = out.count;
        self.merge(bytes, part, scratch, out);
        scratch.cache.keep_short(part.key, hash, out.since(before));
    }

    #[inline(never)]
    fn long(&self, bytes: &[u8], part: &Part, scratch: &mut Scratch, out: &mut Out<'_>) {
        let piece = bytes.get(part.start..part.end).unwrap_or_default();
        if piece.len() > cache::LONGEST {
            return self.merge(bytes, part, scratch, out);
        }
        let hash = cache::hash_long(piece, part.key.is_part());
        if let Some(ids) = scratch.cache.long(piece, hash) {
            return out.put(ids);
        }
        let before = out.count;
        self.merge(bytes, part, scratch, out);
        scratch.cache.keep_long(piece, hash, out.since(before));
    }

    /// Encodes what no cache knows.
    #[inline(never)]
    fn merge(&self, bytes: &[u8], part: &Part, scratch: &mut Scratch, out: &mut Out<'_>) {
        let piece = bytes.get(part.start..part.end).unwrap_or_default();
        let whole = self.whole.as_ref().filter(|_| !part.key.is_part()).and_then(|whole| whole.get(piece));
        match whole {
            Some(id) => out.many(&[*id]),
            None => out.count += self.merges.merge(piece, &mut scratch.chain, out.rest()),
        }
    }
}

/// Where ids go: places for as many as there can be.
struct Out<'i> {
    ids: &'i mut [u32],
    count: usize,
}

impl Out<'_> {
    #[inline(always)]
    fn put(&mut self, ids: Ids<'_>) {
        match ids {
            // A copy of fixed length, whose rest the next will write over.
            Ids::Few(few, count) => {
                if let Some(place) = self.ids.get_mut(self.count..self.count + cache::IDS) {
                    place.copy_from_slice(few);
                    self.count += count;
                }
            }
            Ids::Many(many) => self.many(many),
        }
    }

    fn many(&mut self, many: &[u32]) {
        if let Some(place) = self.ids.get_mut(self.count..self.count + many.len()) {
            place.copy_from_slice(many);
            self.count += many.len();
        }
    }

    fn rest(&mut self) -> &mut [u32] {
        self.ids.get_mut(self.count..).unwrap_or_default()
    }

    fn since(&self, before: usize) -> &[u32] {
        self.ids.get(before..self.count).unwrap_or_default()
    }
}
