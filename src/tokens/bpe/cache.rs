//! One worker's memory of pretokens: their ids, once they have been merged. It grows with what is not in it, if that makes
//! a difference, as long as the caches of all workers together stay within [`CACHES`].
//!
//! Most pretokens are words of a few bytes and ids: they stand in half a cache line, two in a bucket, found with one access.
//! What has more bytes or ids is remembered in a list behind the tables.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the longest pretoken that stands in a bucket itself.
pub const KEY: usize = 15;
/// Most ids that stand in a bucket.
pub const IDS: usize = 3;
/// Words that are copied at once: the ids of an entry and their number, or a part of a list.
pub const COPIED: usize = IDS + 1;
/// Bytes of the longest pretoken that is remembered at all.
pub const LONGEST: usize = 255;
/// Bytes that all caches of the process may have together.
pub const CACHES: usize = 256 << 20;
/// Bytes that they have.
static CACHED: AtomicUsize = AtomicUsize::new(0);

/// Buckets that a cache begins with (1 MiB), and has at most (32 MiB).
const BUCKETS: [usize; 2] = [1 << 14, 1 << 19];
/// Entries for long pretokens, for each bucket, and words of the list behind.
const LONG: usize = 2;
const WORDS: usize = 8;
/// Parts of one, in which a ratio is reckoned.
const PARTS: usize = 64;
/// How often a cache may be found no better before it grows all the same.
const PATIENCE: usize = 16;

/// Up to [`KEY`] bytes, with their number in the last byte and the highest bit set for parts of a pretoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Key(u128);

impl Key {
    /// Of `length` bytes from `at`; `part` if they are not a whole pretoken.
    #[inline(always)]
    pub fn of(bytes: &[u8], at: usize, length: usize, part: bool) -> Self {
        let end = (length as u128) << 120 | u128::from(part) << 127;
        match bytes.get(at..at + 16).map(<[u8; 16]>::try_from) {
            // A load of fixed length, and a mask, are faster than a copy of any length.
            Some(Ok(block)) => Self(u128::from_le_bytes(block) & MASKS[length & KEY] | end),
            _ => {
                let mut block = [0; 16];
                block.iter_mut().zip(bytes.get(at..at + length).unwrap_or_default()).for_each(|(to, from)| *to = *from);
                Self(u128::from_le_bytes(block) | end)
            }
        }
    }

    #[inline(always)]
    pub fn hash(self) -> u64 {
        mix(self.0 as u64 ^ 0x2d35_8dcc_aa6c_78a5, (self.0 >> 64) as u64 ^ 0x8bb8_4b93_962e_acc9)
    }

    /// Of `length` bytes that are too many to stand in a key; equal to none of those that do.
    pub fn long(length: usize, part: bool) -> Self {
        Self(length as u128 | 0x7f << 120 | u128::from(part) << 127)
    }

    /// Whether it is only a part of a pretoken.
    pub fn is_part(self) -> bool {
        self.0 >> 127 != 0
    }

    /// Bytes of the pretoken.
    #[inline]
    pub fn length(self) -> usize {
        match (self.0 >> 120) as usize & 0x7f {
            length @ ..=KEY => length,
            _ => self.0 as usize,
        }
    }

    /// Whether one of the first two bytes begins a character of three or four bytes.
    #[inline(always)]
    pub fn is_wide(self) -> bool {
        self.0 as u8 >= 0xe0 || (self.0 >> 8) as u8 >= 0xe0
    }
}

#[inline(always)]
fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    wide as u64 ^ (wide >> 64) as u64
}

static MASKS: [u128; KEY + 1] = {
    let mut masks = [0; KEY + 1];
    let mut length = 1;
    while length <= KEY {
        masks[length] = masks[length - 1] << 8 | 0xff;
        length += 1;
    }
    masks
};

/// The hash of a pretoken longer than [`KEY`].
pub fn hash_long(piece: &[u8], part: bool) -> u64 {
    xxhash_rust::xxh3::xxh3_64(piece) ^ u64::from(part)
}

/// A pretoken and its ids, or where in the list they are; the last word is their number.
#[derive(Clone, Copy, Default)]
struct Entry {
    key: Key,
    ids: [u32; COPIED],
}

impl Entry {
    #[inline(always)]
    fn count(&self) -> usize {
        self.ids[IDS] as usize
    }
}

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([Entry; 2]);

/// A long pretoken: where its ids are in the list, followed by its bytes.
#[derive(Clone, Copy, Default)]
struct Long {
    hash: u64,
    start: u32,
    length: u16,
    count: u16,
}

/// The cache.
#[derive(Default)]
pub struct Cache {
    /// As many as a power of two, or none.
    buckets: Vec<Bucket>,
    long: Vec<Long>,
    list: Vec<u32>,
    /// How many were looked for and how many were not found, since the size was last thought over.
    asked: usize,
    misses: usize,
    /// How many there were for each that was not found, in [`PARTS`], when it last grew.
    before: usize,
    refused: usize,
}

/// Bytes of a cache of so many buckets.
const fn bytes(buckets: usize) -> usize {
    buckets * (size_of::<Bucket>() + LONG * size_of::<Long>() + WORDS * 4)
}

/// Ids that are remembered.
#[derive(Debug, Clone, Copy)]
pub enum Ids<'c> {
    /// The first so many of a block.
    Few(&'c [u32; COPIED], usize),
    /// The first so many of whole blocks.
    Many(&'c [u32], usize),
}

impl Cache {
    /// A small cache, or none if the others have all the room.
    pub fn new() -> Self {
        Self::of(BUCKETS[0])
    }

    fn of(buckets: usize) -> Self {
        let mut cache = Self::default();
        if reserve(bytes(buckets)) {
            cache.resize(buckets);
        }
        cache
    }

    fn resize(&mut self, buckets: usize) {
        self.buckets = in_large_pages(buckets);
        self.long = vec![Long::default(); buckets * LONG];
        self.list.reserve_exact((buckets * WORDS).saturating_sub(self.list.len()));
    }

    #[inline(always)]
    fn place(&self, hash: u64) -> usize {
        hash as usize & self.buckets.len().wrapping_sub(1)
    }

    /// Has the memory brought near in which a short pretoken of this hash would stand.
    #[inline(always)]
    pub fn expect_short(&self, hash: u64) {
        #[cfg(target_arch = "x86_64")]
        if let Some(bucket) = self.buckets.get(self.place(hash)) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: the address is that of a bucket; a prefetch reads nothing the program sees.
            #[allow(unsafe_code)]
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(bucket).cast());
            }
        }
    }

    /// The ids of a short pretoken.
    #[inline(always)]
    pub fn short(&mut self, key: Key, hash: u64) -> Option<Ids<'_>> {
        let at = self.place(hash);
        let Bucket([first, second]) = self.buckets.get_mut(at)?;
        if first.key != key {
            // Of two the one asked for last stands first, and stays when a third comes.
            if second.key != key {
                return None;
            }
            std::mem::swap(first, second);
        }
        match first.count() {
            count if count <= IDS => Some(Ids::Few(&first.ids, count)),
            count => Some(Ids::Many(many(&self.list, first.ids[0], count), count)),
        }
    }

    /// Remembers the ids of a short pretoken; of two others in its bucket the one asked for last stays.
    pub fn keep_short(&mut self, key: Key, hash: u64, ids: &[u32]) {
        self.missed();
        let mut entry = Entry { key, ids: [0, 0, 0, ids.len() as u32] };
        if ids.len() <= IDS {
            entry.ids.iter_mut().zip(ids).for_each(|(to, from)| *to = *from);
        } else {
            let Some(start) = self.append(ids, &[]) else { return };
            entry.ids[0] = start;
        }
        let at = self.place(hash);
        if let Some(Bucket([first, second])) = self.buckets.get_mut(at) {
            *(if first.count() == 0 { first } else { second }) = entry;
        }
    }

    /// The ids of a long pretoken: the first so many of whole blocks.
    pub fn long(&self, piece: &[u8], hash: u64) -> Option<(&[u32], usize)> {
        let entry = self.long.get(hash as usize & self.long.len().wrapping_sub(1))?;
        if entry.hash != hash || usize::from(entry.length) != piece.len() {
            return None;
        }
        let count = usize::from(entry.count);
        let words = self.list.get(entry.start as usize + count.next_multiple_of(COPIED)..)?;
        let equal = words.iter().zip(piece.chunks(4)).all(|(word, bytes)| *word == word_of(bytes));
        equal.then(|| (many(&self.list, entry.start, count), count))
    }

    /// Remembers the ids of a long pretoken.
    pub fn keep_long(&mut self, piece: &[u8], hash: u64, ids: &[u32]) {
        self.missed();
        let Some(start) = self.append(ids, piece) else { return };
        let at = hash as usize & self.long.len().wrapping_sub(1);
        if let Some(entry) = self.long.get_mut(at) {
            *entry = Long { hash, start, length: piece.len() as u16, count: ids.len() as u16 };
        }
    }

    /// Puts ids, as whole blocks, and bytes into the list. When it is full, all that points into it is forgotten.
    fn append(&mut self, ids: &[u32], piece: &[u8]) -> Option<u32> {
        let room = self.buckets.len() * WORDS;
        let blocks = ids.len().next_multiple_of(COPIED);
        let more = blocks + piece.len().div_ceil(4);
        if more > room {
            return None;
        }
        if self.list.len() + more > room {
            self.list.clear();
            self.long.fill(Long::default());
            let entries = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.0);
            entries.filter(|entry| entry.count() > IDS).for_each(|entry| *entry = Entry::default());
        }
        let start = self.list.len() as u32;
        self.list.extend_from_slice(ids);
        self.list.resize(start as usize + blocks, 0);
        self.list.extend(piece.chunks(4).map(word_of));
        Some(start)
    }

    /// So many are looked for.
    #[inline]
    pub fn asked(&mut self, count: usize) {
        self.asked += count;
    }

    fn missed(&mut self) {
        self.misses += 1;
        if self.misses > self.buckets.len() {
            self.think();
        }
    }

    /// Grows if a quarter more are found than when it last grew, for each that is not: more room did help, or more is known
    /// by now. Pretokens that never come again (random letters, Base64) would only make it large, and so slow. Whether they do
    /// is seen only by room for them, so that it grows after all if they are many.
    #[cold]
    fn think(&mut self) {
        let per_miss = self.asked * PARTS / self.misses;
        self.refused += 1;
        if per_miss * 4 > self.before * 5 || self.refused > PATIENCE {
            self.grow();
            (self.refused, self.before) = (0, per_miss);
        }
        // Texts may have become harder.
        self.before = self.before.min(per_miss);
        (self.asked, self.misses) = (0, 0);
    }

    /// Makes the cache twice as large, if it may be.
    #[cold]
    fn grow(&mut self) {
        let size = self.buckets.len();
        if size == 0 || size >= BUCKETS[1] || !reserve(bytes(size)) {
            return;
        }
        let (buckets, long) = (std::mem::take(&mut self.buckets), std::mem::take(&mut self.long));
        self.resize(size * 2);
        // Two new buckets have room for what was in one.
        for entry in buckets.into_iter().flat_map(|bucket| bucket.0).filter(|entry| entry.count() > 0) {
            let at = self.place(entry.key.hash());
            if let Some(Bucket([first, second])) = self.buckets.get_mut(at) {
                *(if first.count() == 0 { first } else { second }) = entry;
            }
        }
        for entry in long.into_iter().filter(|entry| entry.count > 0) {
            let at = entry.hash as usize & (self.long.len() - 1);
            if let Some(place) = self.long.get_mut(at) {
                *place = entry;
            }
        }
    }
}

#[inline(always)]
fn many(list: &[u32], start: u32, count: usize) -> &[u32] {
    list.get(start as usize..start as usize + count.next_multiple_of(COPIED)).unwrap_or_default()
}

/// So many empty buckets, in large pages where the system has them: a table that is read at random is waited for twice if its
/// pages are small, and the second wait is the longer one where the machine is a virtual one.
fn in_large_pages(count: usize) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::with_capacity(count);
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 4096;
        let start = buckets.as_mut_ptr().cast::<u8>();
        let skip = start.align_offset(PAGE);
        let size = count * size_of::<Bucket>();
        if size > PAGE + skip {
            // SAFETY: whole pages of memory that is ours. Advice changes nothing that is read, and may be refused.
            #[allow(unsafe_code)]
            unsafe {
                libc::madvise(start.add(skip).cast(), (size - skip) & !(PAGE - 1), libc::MADV_HUGEPAGE);
            }
        }
    }
    buckets.resize(count, Bucket::default());
    buckets
}

fn word_of(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// Takes room for `more` bytes of what all caches may have.
fn reserve(more: usize) -> bool {
    let take = |now: usize| Some(now + more).filter(|sum| *sum <= CACHES);
    CACHED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
}

impl Drop for Cache {
    fn drop(&mut self) {
        CACHED.fetch_sub(bytes(self.buckets.len()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::Mutex;

    /// All caches of the process share their room: tests that need it, or fill it, do so in turn.
    static ROOM: Mutex<()> = Mutex::new(());

    #[test]
    fn caches_stay_within_their_ceiling() {
        let _room = ROOM.lock();
        let mut all: Vec<Cache> = (0..40).map(|_| Cache::new()).collect();
        // Every cache is told again and again that it is too small; even then all stay within the ceiling.
        for _ in 0..20 {
            all.iter_mut().for_each(Cache::grow);
        }
        let held = |c: &Cache| {
            c.buckets.capacity() * size_of::<Bucket>() + c.long.capacity() * size_of::<Long>() + c.list.capacity() * 4
        };
        let sum: usize = all.iter().map(held).sum();
        assert!(sum <= CACHES && sum > CACHES / 2, "{sum}");
        assert!(CACHED.load(Ordering::Relaxed) <= CACHES);
        let none: Vec<Cache> = (0..CACHES / bytes(BUCKETS[0]) + 1).map(|_| Cache::new()).collect();
        assert!(none.last().is_some_and(|c| c.buckets.is_empty()));
    }

    #[test]
    fn a_cache_grows_with_what_comes_again_and_not_with_noise() {
        let _room = ROOM.lock();
        let ask = |cache: &mut Cache, word: u64| {
            let key = Key::of(&word.to_le_bytes(), 0, 8, false);
            cache.asked(1);
            if cache.short(key, key.hash()).is_none() {
                cache.keep_short(key, key.hash(), &[1]);
            }
        };
        let (size, mut noise, mut words) = (BUCKETS[0], Cache::of(BUCKETS[0]), Cache::of(BUCKETS[0]));
        (0..20 * size as u64).for_each(|word| ask(&mut noise, word));
        assert_eq!(noise.buckets.len(), size * 2);
        // Four times what a small one holds, each again and again.
        (0..8 * size as u64).cycle().take(200 * size).for_each(|word| ask(&mut words, word * word));
        assert!(words.buckets.len() >= size * 4, "{}", words.buckets.len());
        // What was full of noise grows once words come.
        (0..8 * size as u64).cycle().take(200 * size).for_each(|word| ask(&mut noise, word * word));
        assert!(noise.buckets.len() >= size * 4, "{}", noise.buckets.len());
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was_kept(
            pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), prop::collection::vec(any::<u32>(), 1..40)), 1..200),
            turns in 1usize..4,
        ) {
            let mut cache = Cache::of(4);
            let mut kept: HashMap<Vec<u8>, Vec<u32>> = HashMap::new();
            for (piece, ids) in pieces.iter().cycle().take(pieces.len() * turns) {
                let short = piece.len() <= KEY;
                let (key, hash) = (Key::of(piece, 0, piece.len().min(KEY), false), hash_long(piece, false));
                let long = |cache: &Cache| cache.long(piece, hash).map(|(ids, count)| ids[..count].to_vec());
                if let Some(found) = (!short).then(|| long(&cache)).flatten() {
                    prop_assert_eq!(&found, &kept[piece]);
                    continue;
                }
                match if short { cache.short(key, key.hash()) } else { None } {
                    Some(Ids::Few(found, count)) => prop_assert_eq!(&found[..count], &kept[piece][..]),
                    Some(Ids::Many(found, count)) => prop_assert_eq!(&found[..count], &kept[piece][..]),
                    None => {
                        let ids = kept.entry(piece.clone()).or_insert_with(|| ids.clone());
                        if short { cache.keep_short(key, key.hash(), ids) } else { cache.keep_long(piece, hash, ids) }
                    }
                }
            }
        }
    }
}
