//! Merging: the symbols of a pretoken are joined, the pair of the lowest rank first and of equal ones the leftmost, until no
//! pair is a merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::OnceLock;

use super::forward::{Memory, Tokens, is_noise};
use super::pairs::{ID_BITS, NONE, Pairs, RANK_BITS};
#[cfg(target_arch = "x86_64")]
use super::room::least_avx2;
use super::room::{LANES, Room, least, set};

/// A pair's place stands below its rank: the least is the best and of equal ones the leftmost.
const AT: u32 = 32 - RANK_BITS;
/// Pieces of at most so many bytes are merged by scanning: their symbols are the bits of one word.
const SHORT: usize = 64;
/// Pieces of so many bytes are encoded from left to right, if that can be; shorter ones are not worth the tables.
const LONG: usize = 1024;

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
    /// For long pieces: made when the first is met, if it can be made.
    tokens: OnceLock<Option<Tokens>>,
    #[cfg(target_arch = "x86_64")]
    avx2: bool,
}

/// One worker's working memory for long pretokens.
#[derive(Default)]
pub struct Chain {
    nodes: Vec<Node>,
    heap: BinaryHeap<Reverse<(u32, u32)>>,
    memory: Memory,
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
        #[cfg(target_arch = "x86_64")]
        let avx2 = crate::tokens::pretoken::fast();
        Ok(Self {
            bytes,
            byte_pairs,
            pairs,
            made,
            tokens: OnceLock::new(),
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
            LONG.. if !is_noise(piece) => {
                let tokens = self.tokens.get_or_init(|| Tokens::of(self)).as_ref();
                let forward = tokens.and_then(|tokens| self.forward(tokens, piece, &mut chain.memory, out));
                forward.unwrap_or_else(|| self.by_windows(piece, chain, out))
            }
            _ => self.by_windows(piece, chain, out),
        }
    }

    /// The ids of the bytes.
    pub fn bytes(&self) -> &[u32; 256] {
        &self.bytes
    }

    /// All merges, in no order.
    pub fn all(&self) -> Vec<Merge> {
        self.pairs.all().map(|(left, right, rank)| (left, right, rank, self.made(rank))).collect()
    }

    /// The rank of a pair of ids; `NONE` if it is no merge.
    #[inline(always)]
    pub fn rank(&self, left: u32, right: u32) -> u32 {
        self.pairs.get(left, right)
    }

    fn id(&self, byte: u8) -> u32 {
        self.bytes.get(byte as usize).copied().unwrap_or(0)
    }

    /// The rank of a pair of bytes.
    #[inline(always)]
    pub fn byte_pair(&self, pair: &[u8]) -> u32 {
        let [a, b] = pair else { return NONE };
        self.byte_pairs.get(usize::from(*a) << 8 | usize::from(*b)).copied().unwrap_or(NONE)
    }

    fn made(&self, rank: u32) -> u32 {
        self.made.get(rank as usize).copied().unwrap_or(0)
    }

    /// Merges pieces side by side, looking for the best pair by scanning; a piece has at most 64 × `W` bytes, and its symbols
    /// are what is alive in its room then.
    #[inline(always)]
    fn scan<const W: usize, const N: usize>(
        &self,
        pieces: [&[u8]; N],
        rooms: &mut [Room<W>; N],
        least: impl Fn(&[u32]) -> u32,
    ) {
        pieces.iter().zip(&mut *rooms).for_each(|(piece, room)| self.begin(piece, room));
        let mut going = true;
        while going {
            going = false;
            for room in &mut *rooms {
                going |= self.step(room, &least);
            }
        }
    }

    #[inline(always)]
    fn begin<const W: usize>(&self, piece: &[u8], room: &mut Room<W>) {
        let size = piece.len().min(64 * W);
        room.size = size;
        for (symbol, byte) in room.symbols.as_flattened_mut().iter_mut().zip(piece) {
            *symbol = self.id(*byte);
        }
        let pairs = room.pairs.as_flattened_mut();
        for (at, (pair, bytes)) in pairs.iter_mut().zip(piece.windows(2)).enumerate() {
            *pair = self.byte_pair(bytes) << AT | at as u32;
        }
        // Whole vectors are scanned; what is behind the last pair is no merge.
        pairs
            .iter_mut()
            .take(size.next_multiple_of(LANES))
            .skip(size.saturating_sub(1))
            .for_each(|pair| *pair = u32::MAX);
        room.alive.fill(size);
    }

    /// Merges the best pair; `false` if there is none.
    #[inline(always)]
    fn step<const W: usize>(&self, room: &mut Room<W>, least: &impl Fn(&[u32]) -> u32) -> bool {
        let Room { symbols, pairs, alive, size } = room;
        let (symbols, pairs) = (symbols.as_flattened_mut(), pairs.as_flattened_mut());
        let best = least(pairs.get(..size.next_multiple_of(LANES)).unwrap_or_default());
        let (rank, at) = (best >> AT, best as usize & ((1 << AT) - 1));
        if rank >= NONE {
            return false;
        }
        let (id, right) = (self.made(rank), alive.after(at));
        set(symbols, at, id);
        set(pairs, right, u32::MAX);
        alive.remove(right);
        let after = alive.after(at);
        let next = symbols.get(after).filter(|_| after < *size).map_or(NONE, |next| self.pairs.get(id, *next));
        set(pairs, at, next << AT | at as u32);
        if let Some(before) = alive.before(at) {
            let previous = symbols.get(before).map_or(NONE, |previous| self.pairs.get(*previous, id));
            set(pairs, before, previous << AT | before as u32);
        }
        true
    }

    pub fn scan_best<const W: usize, const N: usize>(&self, pieces: [&[u8]; N], rooms: &mut [Room<W>; N]) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: the processor has the instructions it is compiled for.
            #[allow(unsafe_code)]
            return unsafe { self.scan_avx2(pieces, rooms) };
        }
        self.scan(pieces, rooms, least);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn scan_avx2<const W: usize, const N: usize>(&self, pieces: [&[u8]; N], rooms: &mut [Room<W>; N]) {
        self.scan(pieces, rooms, |pairs| least_avx2(pairs));
    }

    /// A piece of at most [`SHORT`] bytes.
    fn short(&self, piece: &[u8], out: &mut [u32]) -> usize {
        let mut rooms = [Room::<1>::new()];
        self.scan_best([piece], &mut rooms);
        let ids = rooms.iter().flat_map(|room| room.tokens(0, SHORT));
        out.iter_mut().zip(ids).map(|(place, (_, id))| *place = id).count()
    }

    /// Merges with a heap over a linked list; gives where each token begins, and its id.
    pub fn heap<'c>(&self, piece: &[u8], chain: &'c mut Chain) -> impl Iterator<Item = (usize, u32)> + 'c {
        let Chain { nodes, heap, .. } = chain;
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
        let (nodes, mut at) = (&*nodes, 0);
        std::iter::from_fn(move || {
            let node = nodes.get(at)?;
            Some((std::mem::replace(&mut at, node.after as usize), node.id))
        })
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
