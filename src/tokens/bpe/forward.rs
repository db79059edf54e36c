//! Long pieces from left to right, in time that grows with their length: at each place the longest token that may stand
//! beside the one before, and where none may, that one is taken back.
//!
//! Tokens of which all neighbors may stand side by side are the encoding of their text (why, is told in `windows`), so what
//! leads to a place is the same on every way, and no place is tried twice. Two tokens may stand side by side if no merge
//! across their boundary comes before those that made them, which are taken back one by one to see. (Antonov, `bpe` of
//! GitHub's rust-gems, 2024, encodes so.)

use super::merge::{Chain, Merges};
use super::pairs::NONE;
use super::trie::Trie;

/// The tokens that can stand in an encoding.
pub struct Tokens {
    trie: Trie,
    made: Vec<Made>,
}

/// How a token is made: of two others, by a merge of a rank; and at which ranks its first and its last byte are first merged
/// within it. Ranks are one more than those of the merges, and 0 that of single bytes. No token has no bytes.
#[derive(Clone, Copy)]
struct Made {
    rank: u32,
    left: u32,
    right: u32,
    bytes: u32,
    first: u32,
    last: u32,
}

impl Made {
    const NOT: Self = Self { bytes: 0, ..Self::BYTE };
    const BYTE: Self = Self { rank: 0, left: 0, right: 0, bytes: 1, first: u32::MAX, last: u32::MAX };
}

/// One worker's memory: pairs of tokens of which it is known whether they may stand side by side, and places behind which no
/// encoding goes on.
#[derive(Default)]
pub struct Memory {
    known: Vec<u64>,
    dead: Vec<u64>,
    found: Vec<(u32, u32)>,
    asked: usize,
    unknown: usize,
    warm: bool,
}

/// Pairs that are remembered: a power of two.
const KNOWN: usize = 1 << 14;
/// Pairs of tokens after which it is judged whether they are too many different ones, for the first time and then ever again.
const TRIAL: usize = 1 << 12;

impl Tokens {
    /// Of all merges. `None` if a token is made by a merge that comes before those of its parts: no trained vocabulary has one.
    pub fn of(merges: &Merges) -> Option<Self> {
        let (bytes, mut all) = (merges.bytes(), merges.all());
        all.sort_unstable_by_key(|(left, right, rank, _)| (*rank, *left, *right));
        let most = all.iter().map(|merge| merge.3).chain(bytes.iter().copied()).max()?;
        let mut tokens = Self { trie: Trie::of(Vec::new()), made: vec![Made::NOT; most as usize + 1] };
        let mut spelled = vec![Vec::new(); most as usize + 1];
        for (id, byte) in bytes.iter().zip(0..=255) {
            *tokens.made.get_mut(*id as usize)? = Made::BYTE;
            *spelled.get_mut(*id as usize)? = vec![byte];
        }
        let mut others = Vec::new();
        for &(left, right, rank, id) in &all {
            let (a, b, rank) = (tokens.get(left), tokens.get(right), rank + 1);
            let monotone = a.bytes > 0 && b.bytes > 0 && a.rank < rank && b.rank < rank;
            if tokens.get(id).bytes > 0 || (monotone && !merges.meet(&tokens.made, (left, a), (right, b), rank)) {
                continue;
            }
            if !monotone {
                others.push((left, right, id));
                continue;
            }
            *tokens.made.get_mut(id as usize)? = Made {
                rank,
                left,
                right,
                bytes: a.bytes + b.bytes,
                first: if a.bytes == 1 { rank } else { a.first },
                last: if b.bytes == 1 { rank } else { b.last },
            };
            *spelled.get_mut(id as usize)? =
                [spelled.get(left as usize)?.as_slice(), spelled.get(right as usize)?].concat();
        }
        // Rank files name every way to make a token; what matters is that there is one in order, or none at all.
        for (left, right, id) in others {
            let unmade = |id: u32| tokens.get(id).bytes == 0;
            if !unmade(id) || unmade(left) || unmade(right) {
                continue;
            }
            let piece = [spelled.get(left as usize)?.as_slice(), spelled.get(right as usize)?].concat();
            let mut ids = vec![0; piece.len()];
            if merges.by_windows(&piece, &mut Chain::default(), &mut ids) == 1 && ids.first() == Some(&id) {
                return None;
            }
        }
        let listed = spelled.into_iter().zip(0..).filter(|(bytes, _)| !bytes.is_empty());
        tokens.trie = Trie::of(listed.collect());
        Some(tokens)
    }

    #[inline(always)]
    fn get(&self, id: u32) -> Made {
        get(&self.made, id)
    }
}

/// Whether hardly any six bytes of the beginning of a long piece come twice: then hardly any two tokens will.
pub fn is_noise(piece: &[u8]) -> bool {
    const SAMPLE: usize = 1 << 14;
    let mut seen = vec![0u64; SAMPLE / 4];
    let (mut again, mut looked) = (0, 0);
    for eight in piece.windows(8).take(SAMPLE) {
        let Ok(eight) = <[u8; 8]>::try_from(eight) else { continue };
        // The last two are shifted out.
        let hash =
            (u64::from_le_bytes(eight) << 16).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - 4 - SAMPLE.trailing_zeros());
        if let Some(word) = seen.get_mut(hash as usize / 64) {
            again += usize::from(*word >> (hash % 64) & 1 != 0);
            *word |= 1 << (hash % 64);
        }
        looked += 1;
    }
    again * 16 < looked
}

#[inline(always)]
fn get(made: &[Made], id: u32) -> Made {
    made.get(id as usize).copied().unwrap_or(Made::NOT)
}

impl Merges {
    /// Merges a piece into the first places of `out`; gives the number of ids. `None` if so many different tokens stand side by
    /// side that windows are faster.
    pub fn forward(&self, tokens: &Tokens, piece: &[u8], memory: &mut Memory, out: &mut [u32]) -> Option<usize> {
        memory.begin(piece.len());
        let mut found = std::mem::take(&mut memory.found);
        let (mut at, mut count, mut previous) = (0, 0, (NONE, Made::BYTE));
        // Of this length was what has been taken back; what is longer was tried before it.
        let mut taken_back = usize::MAX;
        'places: while at < piece.len() {
            found.clear();
            let rest = piece.get(at..).unwrap_or_default();
            tokens.trie.beginnings(rest.get(..taken_back.saturating_sub(1)).unwrap_or(rest), &mut found);
            let across =
                at.checked_sub(1).and_then(|before| piece.get(before..=at)).map_or(NONE, |pair| self.byte_pair(pair));
            // The rank at which the bytes at the boundary would be merged, unless the byte before it is merged earlier.
            let across = if across != NONE && across + 1 < previous.1.last { across + 1 } else { u32::MAX };
            while let Some((length, id)) = found.pop() {
                let (end, token) = (at + length as usize, tokens.get(id));
                let merged = across != u32::MAX && across <= token.first;
                if merged
                    || memory.is_dead(end)
                    || (count > 0 && !self.side_by_side(tokens, previous, (id, token), memory))
                {
                    continue;
                }
                *out.get_mut(count)? = id;
                (count, at, previous, taken_back) = (count + 1, end, (id, token), usize::MAX);
                continue 'places;
            }
            if memory.is_strange() {
                break;
            }
            memory.kill(at);
            count = count.checked_sub(1)?;
            let length = tokens.get(out.get(count).copied()?).bytes as usize;
            (at, taken_back) = (at - length, length);
            previous = match count.checked_sub(1).and_then(|last| out.get(last).copied()) {
                Some(id) => (id, tokens.get(id)),
                None => (NONE, Made::BYTE),
            };
        }
        memory.found = found;
        (at == piece.len()).then_some(count)
    }

    /// Whether two tokens may stand side by side.
    #[inline(always)]
    fn side_by_side(&self, tokens: &Tokens, left: (u32, Made), right: (u32, Made), memory: &mut Memory) -> bool {
        let key = u64::from(left.0) << 32 | u64::from(right.0);
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - KNOWN.trailing_zeros());
        memory.asked += 1;
        match memory.known.get(hash as usize) {
            Some(known) if known >> 1 == key => known & 1 != 0,
            _ => {
                memory.unknown += 1;
                let may = self.meet(&tokens.made, left, right, u32::MAX);
                if let Some(known) = memory.known.get_mut(hash as usize) {
                    *known = key << 1 | u64::from(may);
                }
                may
            }
        }
    }

    /// Whether two tokens stand side by side until a merge of rank `limit`: the later of the merges that made them is taken back,
    /// and then the next, and never is there one across the boundary that would have come before. At the same rank the left one
    /// comes first.
    #[inline]
    fn meet(
        &self,
        made: &[Made],
        (mut left, mut a): (u32, Made),
        (mut right, mut b): (u32, Made),
        mut limit: u32,
    ) -> bool {
        loop {
            let across = self.rank(left, right);
            if across != NONE && across + 1 < limit {
                return false;
            }
            if a.rank > b.rank {
                (limit, left) = (a.rank, a.right);
                a = get(made, left);
            } else if b.rank > 0 {
                (limit, right) = (b.rank + 1, b.left);
                b = get(made, right);
            } else {
                return true;
            }
        }
    }
}

impl Memory {
    /// Forgets the places of the last piece.
    fn begin(&mut self, bytes: usize) {
        self.known.resize(KNOWN, u64::MAX);
        self.dead.clear();
        self.dead.resize(bytes / 64 + 1, 0);
        (self.asked, self.unknown, self.warm) = (0, 0, false);
    }

    #[inline(always)]
    fn is_dead(&self, at: usize) -> bool {
        self.dead.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 != 0)
    }

    fn kill(&mut self, at: usize) {
        if let Some(word) = self.dead.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    /// Whether of the last pairs more than half were new.
    #[inline(always)]
    fn is_strange(&mut self) -> bool {
        if self.asked < TRIAL {
            return false;
        }
        let strange = self.warm && self.unknown > self.asked / 2;
        (self.asked, self.unknown, self.warm) = (0, 0, true);
        strange
    }
}
