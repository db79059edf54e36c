//! Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019), for vocabularies whose pretokenizer is known. Gives the ids of
//! the library, which is the oracle of its tests.
//!
//! A text is cut into pretokens a batch at a time. A pretoken is looked up in a cache of bounded size; what is not there is
//! merged. Pretokens of characters of three bytes and more are first cut where no token joins them.

mod cache;
mod file;
mod forward;
mod joints;
mod merge;
mod pairs;
mod room;
mod trie;
mod windows;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::pretoken::{Cuts, Pattern};
use cache::{Cache, Ids, Key};
#[cfg(test)]
pub(super) use file::bytes_of;
pub(super) use file::char_of;
pub use file::{Known, TokenizerFile, nfc};
use joints::{ENDS, Joints};
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
    hash: u64,
    start: usize,
}

impl Part {
    fn of<'t>(&self, bytes: &'t [u8]) -> &'t [u8] {
        bytes.get(self.start..self.start + self.key.length()).unwrap_or_default()
    }
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
            scratch.cache.asked(parts.len());
            let before = ids.len();
            // No more ids than bytes; a copy of whole blocks may run over.
            ids.resize(before + (start - from) + cache::COPIED, 0);
            let mut out = Out { ids: ids.get_mut(before..).unwrap_or_default(), count: 0 };
            for part in &parts {
                match scratch.cache.short(part.key, part.hash) {
                    Some(Ids::Few(block, count)) => out.put(block, count),
                    Some(Ids::Many(blocks, count)) => out.put_many(blocks, count),
                    None => self.miss(text.as_bytes(), part, scratch, &mut out),
                }
            }
            let count = out.count;
            ids.truncate(before + count);
        }
        (scratch.ends, scratch.parts) = (ends, parts);
    }

    #[inline(always)]
    fn part(&self, bytes: &[u8], start: usize, end: usize, cache: &Cache, parts: &mut Vec<Part>) {
        let length = end - start;
        if length <= cache::KEY {
            let key = Key::of(bytes, start, length, false);
            if !key.is_wide() {
                let hash = key.hash();
                cache.expect_short(hash);
                return parts.push(Part { key, hash, start });
            }
        }
        self.parts(bytes, start, end, cache, parts);
    }

    /// A long pretoken, or one of characters of three bytes and more: as the parts that no token joins.
    #[inline(never)]
    fn parts(&self, bytes: &[u8], start: usize, end: usize, cache: &Cache, parts: &mut Vec<Part>) {
        let piece = bytes.get(start..end).unwrap_or_default();
        let (mut from, mut ends) = (0, [0; ENDS]);
        let mut found = self.joints.parts(piece);
        loop {
            let count = found.next(&mut ends);
            if count == 0 {
                return;
            }
            for &to in ends.iter().take(count) {
                // A part is never looked for among whole pretokens: merges alone make it.
                let is_part = self.whole.is_some() && to - from < piece.len();
                let (start, length) = (start + from, to - from);
                let part = if length <= cache::KEY {
                    let key = Key::of(bytes, start, length, is_part);
                    let hash = key.hash();
                    cache.expect_short(hash);
                    Part { key, hash, start }
                } else {
                    Part { key: Key::long(length, is_part), hash: 0, start }
                };
                parts.push(part);
                from = to;
            }
        }
    }

    /// What is not in its bucket: too long for one, or new.
    #[inline(never)]
    fn miss(&self, bytes: &[u8], part: &Part, scratch: &mut Scratch, out: &mut Out<'_>) {
        let piece = part.of(bytes);
        let before = out.count;
        if piece.len() <= cache::KEY {
            self.merge(piece, part.key, scratch, out);
            return scratch.cache.keep_short(part.key, part.hash, out.since(before));
        }
        if piece.len() > cache::LONGEST {
            return self.merge(piece, part.key, scratch, out);
        }
        let hash = cache::hash_long(piece, part.key.is_part());
        if let Some((blocks, count)) = scratch.cache.long(piece, hash) {
            return out.put_many(blocks, count);
        }
        self.merge(piece, part.key, scratch, out);
        scratch.cache.keep_long(piece, hash, out.since(before));
    }

    /// Encodes what no cache knows.
    fn merge(&self, piece: &[u8], key: Key, scratch: &mut Scratch, out: &mut Out<'_>) {
        let whole = self.whole.as_ref().filter(|_| !key.is_part()).and_then(|whole| whole.get(piece));
        match whole {
            Some(id) => out.put(&[*id, 0, 0, 0], 1),
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
    /// Puts the first `count` words of a block. It is copied whole; the next will write over the rest.
    #[inline(always)]
    fn put(&mut self, block: &[u32; cache::COPIED], count: usize) {
        if let Some(place) = self.ids.get_mut(self.count..self.count + cache::COPIED) {
            place.copy_from_slice(block);
            self.count += count;
        }
    }

    /// Puts the first `count` words of whole blocks.
    #[inline]
    fn put_many(&mut self, blocks: &[u32], count: usize) {
        if let Some(place) = self.ids.get_mut(self.count..self.count + blocks.len()) {
            let (to, from) = (place.as_chunks_mut::<{ cache::COPIED }>().0, blocks.as_chunks().0);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            self.count += count;
        }
    }

    fn rest(&mut self) -> &mut [u32] {
        self.ids.get_mut(self.count..).unwrap_or_default()
    }

    fn since(&self, before: usize) -> &[u32] {
        self.ids.get(before..self.count).unwrap_or_default()
    }
}
