//! Merging: the symbols of a pretoken are joined, the pair of the lowest rank first and of equal ones the leftmost, until no
//! pair is a merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The rank of what is no merge; ranks are below it.
const NONE: u32 = (1 << RANK_BITS) - 1;
const RANK_BITS: u32 = 24;
const ID_BITS: u32 = 20;
/// Pieces of at most so many bytes are merged by scanning: their symbols are the bits of one word.
const SHORT: usize = 64;

/// A merge: two ids, its rank, and the id it makes.
pub type Merge = (u32, u32, u32, u32);

/// All merges of a vocabulary.
pub struct Merges {
    /// Ids of single bytes.
    bytes: [u32; 256],
    /// Ranks of pairs of bytes, with which every merging begins: first byte × 256 + second.
    byte_pairs: Box<[u32]>,
    pairs: Pairs,
    /// The id that each rank makes.
    made: Vec<u32>,
    /// Whether every merge comes after those that make its parts, as it does where merges were learnt one after another.
    ordered: bool,
    #[cfg(target_arch = "x86_64")]
    avx2: bool,
}

/// One worker's working memory for long pretokens.
#[derive(Default)]
pub struct Chain {
    nodes: Vec<Node>,
    heap: BinaryHeap<Reverse<(u32, u32)>>,
}

struct Node {
    id: u32,
    rank: u32,
    before: u32,
    after: u32,
}

impl Merges {
    /// Of the ids of the bytes and the merges; of two merges of one pair the last counts. The error says what is too large.
    pub fn new(bytes: [u32; 256], merges: &[Merge]) -> Result<Self, String> {
        let largest = merges.iter().flat_map(|m| [m.0, m.1, m.3]).chain(bytes).max().unwrap_or(0);
        let ranks = merges.iter().map(|m| m.2 + 1).max().unwrap_or(0);
        if largest >= (1 << ID_BITS) - 1 || ranks > NONE {
            return Err(format!("its ids go beyond 2^{ID_BITS} or its merges beyond 2^{RANK_BITS}"));
        }
        let mut made = vec![0; ranks as usize];
        let mut pairs = Pairs::with_room(merges.len());
        for (left, right, rank, id) in merges {
            pairs.insert(*left, *right, *rank);
            if let Some(place) = made.get_mut(*rank as usize) {
                *place = *id;
            }
        }
        let byte_pairs = bytes.iter().flat_map(|a| bytes.iter().map(|b| pairs.get(*a, *b))).collect();
        let mut makes = vec![0; largest as usize + 1];
        for (_, _, rank, id) in merges {
            let last = makes.get_mut(*id as usize);
            last.into_iter().for_each(|last| *last = rank.max(last) + 1);
        }
        let makes = |id: u32| makes.get(id as usize).copied().unwrap_or(0);
        let ordered = merges.iter().all(|(left, right, rank, _)| makes(*left).max(makes(*right)) <= *rank);
        #[cfg(target_arch = "x86_64")]
        let avx2 = is_x86_feature_detected!("avx2");
        Ok(Self {
            bytes,
            byte_pairs,
            pairs,
            made,
            ordered,
            #[cfg(target_arch = "x86_64")]
            avx2,
        })
    }

    /// Merges the bytes of `piece` into the first places of `out`, which has room for as many ids as there are bytes;
    /// gives the number of ids.
    pub fn merge(&self, piece: &[u8], chain: &mut Chain, out: &mut [u32]) -> usize {
        match piece.len() {
            0 => 0,
            1..=SHORT => self.short(piece, out),
            _ => {
                let windows = if self.ordered { self.by_windows(piece, out) } else { None };
                windows.unwrap_or_else(|| self.heap(piece, chain, out))
            }
        }
    }

    fn id(&self, byte: u8) -> u32 {
        self.bytes.get(byte as usize).copied().unwrap_or(0)
    }

    fn byte_pair(&self, pair: &[u8]) -> u32 {
        let [a, b] = pair else { return NONE };
        self.byte_pairs.get(usize::from(*a) << 8 | usize::from(*b)).copied().unwrap_or(NONE)
    }

    fn made(&self, rank: u32) -> u32 {
        self.made.get(rank as usize).copied().unwrap_or(0)
    }

    /// Looks for the best pair by scanning; the bytes are at most 64 × `W`, and the ids' first bytes are what is alive then.
    #[inline(always)]
    fn scan<const W: usize>(&self, piece: &[u8], room: &mut Room<W>) {
        // A pair's rank, and where it stands in the lowest bits: the least is the best and of equal ones the leftmost.
        const AT: u32 = 32 - RANK_BITS;
        let size = piece.len().min(64 * W);
        let Room { symbols, pairs, alive } = room;
        let (symbols, pairs) = (symbols.as_flattened_mut(), pairs.as_flattened_mut());
        for (symbol, byte) in symbols.iter_mut().zip(piece) {
            *symbol = self.id(*byte);
        }
        for (at, (pair, bytes)) in pairs.iter_mut().zip(piece.windows(2)).enumerate() {
            *pair = self.byte_pair(bytes) << AT | at as u32;
        }
        // Whole vectors are scanned; what is behind the last pair is no merge.
        let scanned = size.next_multiple_of(LANES);
        pairs.iter_mut().take(scanned).skip(size - 1).for_each(|pair| *pair = u32::MAX);
        alive.fill(size);
        loop {
            let best = least(pairs.get(..scanned).unwrap_or_default());
            let (rank, at) = (best >> AT, best as usize & ((1 << AT) - 1));
            if rank >= NONE {
                break;
            }
            let (id, right) = (self.made(rank), alive.after(at));
            set(symbols, at, id);
            set(pairs, right, u32::MAX);
            alive.remove(right);
            let after = alive.after(at);
            let next = symbols.get(after).filter(|_| after < size).map_or(NONE, |next| self.pairs.get(id, *next));
            set(pairs, at, next << AT | at as u32);
            if let Some(before) = alive.before(at) {
                let previous = symbols.get(before).map_or(NONE, |previous| self.pairs.get(*previous, id));
                set(pairs, before, previous << AT | before as u32);
            }
        }
    }

    /// A long piece, window by window, in time that grows with its length alone. Two neighbors of an encoding are neighbors in
    /// every text that has them so, and tokens of which all neighbors are such are the encoding of the whole: a window is
    /// taken up to a token's end, and the next begins there and must begin with the token that stood there.
    /// `None` if one does not.
    fn by_windows(&self, piece: &[u8], out: &mut [u32]) -> Option<usize> {
        let (mut near, mut wide) = ((&[][..], Room::<1>::new()), (&[][..], Room::<4>::new()));
        let (mut at, mut before) = (Place::default(), Place::default());
        // Windows grow where the last one failed, until that place is behind.
        let (mut level, mut hard) = (0, 0);
        loop {
            let size = *WINDOWS.get(level)?;
            let window = piece.get(at.bytes..piece.len().min(at.bytes + size))?;
            let last = at.bytes + window.len() == piece.len();
            let out = out.get_mut(at.ids..)?;
            let taken = if size <= SHORT {
                self.scan_new(window, &mut near);
                near.1.take(window.len(), last, at.expected, out)
            } else {
                self.scan_new(window, &mut wide);
                wide.1.take(window.len(), last, at.expected, out)
            };
            match taken {
                Taken::Some { bytes, ids, next } => {
                    before = at;
                    at = Place { bytes: at.bytes + bytes, ids: at.ids + ids, expected: next };
                    if at.bytes > hard {
                        level = 0;
                    }
                    if last {
                        return Some(at.ids);
                    }
                }
                // Its tokens are too long for such a window, or the one before was too short to tell.
                Taken::None => level += 1,
                Taken::Other => {
                    hard = hard.max(at.bytes);
                    at = before;
                    level += 1;
                }
            }
        }
    }

    /// Scans a window, unless it says what the last one said: long pieces often are one character over and over.
    fn scan_new<'p, const W: usize>(&self, window: &'p [u8], last: &mut (&'p [u8], Room<W>)) {
        if last.0 != window {
            self.scan_best(window, &mut last.1);
            last.0 = window;
        }
    }

    fn scan_best<const W: usize>(&self, piece: &[u8], room: &mut Room<W>) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: the processor has the instructions it is compiled for.
            #[allow(unsafe_code)]
            return unsafe { self.scan_avx2(piece, room) };
        }
        self.scan(piece, room);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn scan_avx2<const W: usize>(&self, piece: &[u8], room: &mut Room<W>) {
        self.scan(piece, room);
    }

    /// A piece of at most [`SHORT`] bytes.
    fn short(&self, piece: &[u8], out: &mut [u32]) -> usize {
        let mut room = Room::<1>::new();
        self.scan_best(piece, &mut room);
        let starts = room.alive.starts();
        let ids = starts.filter_map(|at| room.symbols.as_flattened().get(at));
        out.iter_mut().zip(ids).map(|(place, id)| *place = *id).count()
    }

    /// The same with a heap over a linked list.
    fn heap(&self, piece: &[u8], chain: &mut Chain, out: &mut [u32]) -> usize {
        let Chain { nodes, heap } = chain;
        nodes.clear();
        heap.clear();
        nodes.extend(piece.iter().enumerate().map(|(at, byte)| Node {
            id: self.id(*byte),
            rank: NONE,
            before: (at as u32).wrapping_sub(1),
            after: at as u32 + 1,
        }));
        for at in 0..nodes.len() as u32 {
            self.link(nodes, heap, at);
        }
        while let Some(Reverse((rank, at))) = heap.pop() {
            let Some(&Node { rank: now, before, after, .. }) = nodes.get(at as usize) else { continue };
            // A pair that has been merged away, or has become another since.
            if now != rank {
                continue;
            }
            let next = nodes.get(after as usize).map_or(u32::MAX, |n| n.after);
            if let Some(right) = nodes.get_mut(after as usize) {
                right.rank = NONE;
            }
            if let Some(node) = nodes.get_mut(at as usize) {
                (node.id, node.after) = (self.made(rank), next);
            }
            if let Some(node) = nodes.get_mut(next as usize) {
                node.before = at;
            }
            self.link(nodes, heap, at);
            self.link(nodes, heap, before);
        }
        let (mut at, mut written) = (0, 0);
        while let (Some(node), Some(place)) = (nodes.get(at as usize), out.get_mut(written)) {
            *place = node.id;
            at = node.after;
            written += 1;
        }
        written
    }

    fn link(&self, nodes: &mut [Node], heap: &mut BinaryHeap<Reverse<(u32, u32)>>, at: u32) {
        let Some((id, after)) = nodes.get(at as usize).map(|n| (n.id, n.after)) else { return };
        let rank = nodes.get(after as usize).map_or(NONE, |right| self.pairs.get(id, right.id));
        if rank != NONE {
            heap.push(Reverse((rank, at)));
        }
        if let Some(node) = nodes.get_mut(at as usize) {
            node.rank = rank;
        }
    }
}

/// Pairs that are scanned at once.
const LANES: usize = 8;
/// Bytes of the windows that a long piece is encoded in: larger ones where tokens are long.
const WINDOWS: [usize; 3] = [48, 64, 256];
/// Bytes at the end of a window whose tokens what is behind it may change.
const MARGIN: usize = 10;

/// The least of whole vectors.
#[inline(always)]
fn least(pairs: &[u32]) -> u32 {
    let mut lanes = [u32::MAX; LANES];
    for pairs in pairs.chunks_exact(LANES) {
        lanes.iter_mut().zip(pairs).for_each(|(lane, pair)| *lane = (*lane).min(*pair));
    }
    lanes.into_iter().min().unwrap_or(u32::MAX)
}

#[inline(always)]
fn set(list: &mut [u32], at: usize, value: u32) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}

/// Working memory for pieces of 64 × `W` bytes. A symbol stands where its first byte stands.
struct Room<const W: usize> {
    symbols: [[u32; 64]; W],
    pairs: [[u32; 64]; W],
    alive: Alive<W>,
}

impl<const W: usize> Room<W> {
    fn new() -> Self {
        Self { symbols: [[0; 64]; W], pairs: [[0; 64]; W], alive: Alive([0; W]) }
    }
}

/// A bit for each place where a symbol stands.
struct Alive<const W: usize>([u64; W]);

impl<const W: usize> Alive<W> {
    fn fill(&mut self, size: usize) {
        for (word, bits) in self.0.iter_mut().enumerate() {
            let here = size.saturating_sub(word * 64).min(64) as u32;
            *bits = 1u64.checked_shl(here).unwrap_or(0).wrapping_sub(1);
        }
    }

    #[inline(always)]
    fn remove(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / 64) {
            *word &= !(1 << (at % 64));
        }
    }

    /// The symbol after the one at `at`, or 64 × `W`.
    #[inline(always)]
    fn after(&self, at: usize) -> usize {
        let mut mask = u64::MAX << 1 << (at % 64);
        for (word, bits) in self.0.iter().enumerate().skip(at / 64) {
            if bits & mask != 0 {
                return word * 64 + (bits & mask).trailing_zeros() as usize;
            }
            mask = u64::MAX;
        }
        64 * W
    }

    #[inline(always)]
    fn before(&self, at: usize) -> Option<usize> {
        let mut mask = (1 << (at % 64)) - 1;
        for (word, bits) in self.0.iter().enumerate().take(at / 64 + 1).rev() {
            if bits & mask != 0 {
                return Some(word * 64 + (bits & mask).ilog2() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    /// The last symbol that begins at `at` or before.
    fn up_to(&self, at: usize) -> usize {
        self.before(at + 1).unwrap_or(0)
    }

    fn starts(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let at = bits.trailing_zeros() as usize;
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    word * 64 + at
                })
            })
        })
    }
}

/// How far a long piece is encoded, and the id that must come next.
#[derive(Clone, Copy, Default)]
struct Place {
    bytes: usize,
    ids: usize,
    expected: Option<u32>,
}

/// What is taken of a window.
enum Taken {
    /// So many bytes and ids, behind which this id stands.
    Some { bytes: usize, ids: usize, next: Option<u32> },
    /// Nothing: no token ends before what is behind the window may change it.
    None,
    /// Nothing: it begins with another token than was expected.
    Other,
}

impl<const W: usize> Room<W> {
    /// Takes the tokens of a window: all of the last one; of others those of the first two thirds, whose neighbors are known.
    fn take(&self, size: usize, last: bool, expected: Option<u32>, out: &mut [u32]) -> Taken {
        let symbols = self.symbols.as_flattened();
        if expected.is_some_and(|expected| symbols.first() != Some(&expected)) {
            return Taken::Other;
        }
        let bytes = if last { size } else { self.alive.up_to(size.saturating_sub(MARGIN)) };
        if bytes == 0 {
            return Taken::None;
        }
        let ids = self.alive.starts().take_while(|at| *at < bytes).filter_map(|at| symbols.get(at));
        let ids = out.iter_mut().zip(ids).map(|(place, id)| *place = *id).count();
        Taken::Some { bytes, ids, next: symbols.get(bytes).copied().filter(|_| !last) }
    }
}

/// Pairs of ids and their ranks in one word each, open addressing. Most pairs that are asked for are no merge, and a bit for
/// each hash says so: the bits stay in a near cache, where the table does not.
struct Pairs {
    slots: Vec<u64>,
    shift: u32,
    bits: Vec<u64>,
}

/// Bits for each slot.
const BITS: u32 = 8;

impl Pairs {
    fn with_room(pairs: usize) -> Self {
        let size = (pairs * 2).next_power_of_two().max(16);
        let bits = vec![0; size * BITS as usize / 64];
        Self { slots: vec![u64::MAX; size], shift: 64 - size.trailing_zeros(), bits }
    }

    fn key(left: u32, right: u32) -> u64 {
        u64::from(left) << ID_BITS | u64::from(right)
    }

    #[inline(always)]
    fn hash(key: u64) -> u64 {
        key.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The bit of a hash: a word and a mask. Its lowest bits choose among those of a slot.
    #[inline(always)]
    fn bit(&self, hash: u64) -> (usize, u64) {
        let bit = hash >> (self.shift - BITS.trailing_zeros());
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn insert(&mut self, left: u32, right: u32, rank: u32) {
        let key = Self::key(left, right);
        let (mask, hash) = (self.slots.len() - 1, Self::hash(key));
        let (word, bit) = self.bit(hash);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
        let mut at = (hash >> self.shift) as usize;
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == u64::MAX || *slot >> RANK_BITS == key {
                *slot = key << RANK_BITS | u64::from(rank);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// The rank of a pair; `NONE` if it is no merge.
    #[inline]
    fn get(&self, left: u32, right: u32) -> u32 {
        let key = Self::key(left, right);
        let (mask, hash) = (self.slots.len() - 1, Self::hash(key));
        let (word, bit) = self.bit(hash);
        if self.bits.get(word).is_none_or(|word| word & bit == 0) {
            return NONE;
        }
        let mut at = (hash >> self.shift) as usize;
        while let Some(&slot) = self.slots.get(at) {
            if slot >> RANK_BITS == key {
                return slot as u32 & NONE;
            }
            if slot == u64::MAX {
                break;
            }
            at = (at + 1) & mask;
        }
        NONE
    }
}
