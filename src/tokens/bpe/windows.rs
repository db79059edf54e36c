//! Long pieces, window by window, in time that grows with their length alone, whatever the merges are.
//!
//! Merging takes the best pair there is, again and again. Between two boundaries that stay, it takes what it would take there
//! alone. So two neighbors of an encoding are neighbors in every encoding of a text in which both stand as they are, and tokens
//! of which all neighbors are such are the encoding of the whole: the first merge across one of their boundaries would have
//! been one of the two beside it alone. (Berglund and van der Merwe 2023 show it for merges in the order they were learnt.)
//! Windows that overlap are encoded apart, and one hands over to the next at a token that both have.

use super::merge::{Chain, Merges};
use super::room::Room;
use crate::tokens::pretoken::bits;

/// Windows that are merged side by side: the processor works on one while it waits for another.
const SIDE: usize = 4;
/// Bytes of each, and from the beginning of one to that of the next.
const WINDOW: usize = 64;
const STRIDE: usize = 52;
/// Bytes of all of them.
const GROUP: usize = STRIDE * (SIDE - 1) + WINDOW;
/// Bytes of a window for longer tokens, and of the first of those that are merged with a heap, where not even that will do.
const WIDE: usize = 256;
const HEAP: usize = 4096;
/// Windows of one length, one after another, before a shorter one is tried again.
const STAY: usize = 8;

/// How far a piece is encoded, and the id that must come next.
#[derive(Clone, Copy, Default)]
struct Place {
    bytes: usize,
    ids: usize,
    expected: Option<u32>,
}

/// What is taken of a window.
enum Taken {
    /// So many bytes and ids, behind which this id stands.
    Some(Place),
    /// Nothing: no token ends before what is behind the window may change it.
    None,
    /// Nothing: it begins with another token than was expected.
    Other,
}

impl Merges {
    /// Merges a piece of any length into the first places of `out`; gives the number of ids.
    pub fn by_windows(&self, piece: &[u8], chain: &mut Chain, out: &mut [u32]) -> usize {
        let mut side = (&[][..], std::array::from_fn(|_| Room::<1>::new()));
        let mut one = (&[][..], [Room::<1>::new()]);
        let mut wide = (&[][..], [Room::<4>::new()]);
        let (mut at, mut before) = (Place::default(), Place::default());
        // Windows grow where one does not do, until that place is behind.
        let (mut level, mut hard) = (0, 0);
        loop {
            let rest = piece.get(at.bytes..).unwrap_or_default();
            if level == 0 && rest.len() <= GROUP {
                level = 1;
            }
            let size = match level {
                0 => GROUP,
                1 => WINDOW,
                2 => WIDE,
                _ => HEAP.saturating_mul(1 << (2 * level - 6)),
            };
            let window = rest.get(..size).unwrap_or(rest);
            let last = window.len() == rest.len();
            let place = out.get_mut(at.ids..).unwrap_or_default();
            let taken = match level {
                0 => {
                    self.scan_new(window, windows, &mut side);
                    let rooms = &side.1;
                    handovers(rooms)
                        .map_or(Taken::None, |from| take(stitched(rooms, from), window, at.expected, last, place))
                }
                1 => {
                    self.scan_new(window, |window| [window], &mut one);
                    take(one.1.iter().flat_map(|room| room.tokens(0, WINDOW)), window, at.expected, last, place)
                }
                2 => {
                    self.scan_new(window, |window| [window], &mut wide);
                    take(wide.1.iter().flat_map(|room| room.tokens(0, WIDE)), window, at.expected, last, place)
                }
                _ => take(self.heap(window, chain), window, at.expected, last, place),
            };
            match taken {
                Taken::Some(more) => {
                    before = at;
                    at = Place { bytes: at.bytes + more.bytes, ids: at.ids + more.ids, expected: more.expected };
                    if last {
                        return at.ids;
                    }
                    if at.bytes > hard {
                        level = 0;
                    }
                }
                // Its tokens are too long for such a window.
                Taken::None => (level, hard) = (level + 1, hard.max(at.bytes + STAY * size)),
                // The one before was too short to tell; if a longer one says the same, so may be those before it.
                Taken::Other => {
                    (level, hard) = (level + 1, hard.max(at.bytes));
                    at = if before.bytes < at.bytes { before } else { Place::default() };
                }
            }
        }
    }

    /// Scans a window, unless it says what the last one said: long pieces often are one character over and over.
    fn scan_new<'p, const W: usize, const N: usize>(
        &self,
        window: &'p [u8],
        cut: impl Fn(&'p [u8]) -> [&'p [u8]; N],
        last: &mut (&'p [u8], [Room<W>; N]),
    ) {
        if last.0 != window {
            self.scan_best(cut(window), &mut last.1);
            last.0 = window;
        }
    }
}

/// The windows of a group.
fn windows(group: &[u8]) -> [&[u8]; SIDE] {
    std::array::from_fn(|n| group.get(n * STRIDE..n * STRIDE + WINDOW).unwrap_or_default())
}

/// The byte of each window where a token stands that the one before has too; `None` if there is none.
fn handovers(rooms: &[Room<1>; SIDE]) -> Option<[usize; SIDE]> {
    let mut from = [0; SIDE];
    for (pair, from) in rooms.windows(2).zip(from.iter_mut().skip(1)) {
        let [this, next] = pair else { return None };
        let both = this.alive.0[0] >> STRIDE & next.alive.0[0];
        *from = bits(both).find(|at| this.symbol(STRIDE + at) == next.symbol(*at))?;
    }
    Some(from)
}

/// The tokens of a group: each window's up to where the next one takes over.
fn stitched(rooms: &[Room<1>; SIDE], from: [usize; SIDE]) -> impl Iterator<Item = (usize, u32)> + '_ {
    rooms.iter().enumerate().flat_map(move |(n, room)| {
        let to = from.get(n + 1).map_or(WINDOW, |next| STRIDE + next);
        room.tokens(from.get(n).copied().unwrap_or(0), to).map(move |(at, id)| (n * STRIDE + at, id))
    })
}

/// Takes tokens of a window: all if it is the last, otherwise those that end an eighth before its end, 16 bytes at least.
fn take(
    mut tokens: impl Iterator<Item = (usize, u32)>,
    window: &[u8],
    expected: Option<u32>,
    last: bool,
    out: &mut [u32],
) -> Taken {
    let Some((_, mut id)) = tokens.next() else { return Taken::None };
    if expected.is_some_and(|expected| expected != id) {
        return Taken::Other;
    }
    let limit = window.len().saturating_sub((window.len() / 8).max(16));
    let mut taken = Place::default();
    for place in out {
        let next = tokens.next();
        match next {
            Some((start, following)) if last || start <= limit => {
                *place = id;
                id = following;
                taken = Place { bytes: start, ids: taken.ids + 1, expected: Some(following) };
            }
            None if last => {
                *place = id;
                return Taken::Some(Place { bytes: window.len(), ids: taken.ids + 1, expected: None });
            }
            _ => break,
        }
    }
    if taken.bytes == 0 { Taken::None } else { Taken::Some(taken) }
}

#[cfg(test)]
mod tests {
    use super::super::forward::{Memory, Tokens};
    use super::super::merge::Merge;
    use super::*;
    use crate::sketch::hash::Words;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Merges of a few bytes and of what they make, each up to `far` places before the end of those before it: a token may be
    /// made in several ways and, if not in order, before its parts.
    fn merges(seed: u64, count: usize, far: usize) -> Vec<Merge> {
        let mut words = Words::new(seed);
        let mut random = |below: usize| words.word() as usize % below;
        let mut tokens: Vec<(Vec<u8>, u32)> = (b'a'..b'e').map(|byte| (vec![byte], u32::from(byte))).collect();
        let mut ids: HashMap<Vec<u8>, u32> = tokens.iter().cloned().collect();
        let mut all: Vec<Merge> = Vec::new();
        while all.len() < count {
            let (left, right) = (tokens[random(tokens.len())].clone(), tokens[random(tokens.len())].clone());
            let joined = [left.0, right.0].concat();
            if joined.len() > 90 {
                continue;
            }
            let id = *ids.entry(joined.clone()).or_insert(1000 + all.len() as u32);
            tokens.push((joined, id));
            let at = all.len().saturating_sub(random(far));
            all.insert(at, (left.1, right.1, 0, id));
        }
        let mut seen = std::collections::HashSet::new();
        all.retain(|merge| seen.insert((merge.0, merge.1)));
        all.iter_mut().zip(0..).for_each(|(merge, rank)| merge.2 = rank);
        all
    }

    /// As rank files have it: any two tokens that make a third, at its rank.
    fn every_way(merges: &[Merge]) -> Vec<Merge> {
        let mut bytes: HashMap<u32, Vec<u8>> = (b'a'..b'e').map(|byte| (u32::from(byte), vec![byte])).collect();
        let mut ranks: Vec<(u32, u32)> = bytes.keys().map(|id| (*id, 0)).collect();
        for (left, right, rank, id) in merges {
            if let (Some(a), Some(b), false) = (bytes.get(left), bytes.get(right), bytes.contains_key(id)) {
                bytes.insert(*id, [a.as_slice(), b].concat());
                ranks.push((*id, *rank));
            }
        }
        let id_of: HashMap<&[u8], u32> = bytes.iter().map(|(id, bytes)| (bytes.as_slice(), *id)).collect();
        let ways = |(id, rank): &(u32, u32)| {
            let token = bytes[id].as_slice();
            let halves = (1..token.len()).map(|at| token.split_at(at)).collect::<Vec<_>>();
            halves
                .into_iter()
                .filter_map(|(a, b)| Some((*id_of.get(a)?, *id_of.get(b)?, *rank, *id)))
                .collect::<Vec<_>>()
        };
        ranks.iter().flat_map(ways).collect()
    }

    /// The definition.
    fn one_by_one(merges: &[Merge], piece: &[u8]) -> Vec<u32> {
        let ranks: HashMap<(u32, u32), (u32, u32)> = merges.iter().map(|m| ((m.0, m.1), (m.2, m.3))).collect();
        let mut ids: Vec<u32> = piece.iter().map(|byte| u32::from(*byte)).collect();
        let best = |ids: &[u32]| {
            let pairs = ids.windows(2).enumerate();
            pairs.filter_map(|(at, w)| ranks.get(&(w[0], w[1])).map(|(rank, id)| (*rank, at, *id))).min()
        };
        while let Some((_, at, id)) = best(&ids) {
            ids.splice(at..at + 2, [id]);
        }
        ids
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn windows_and_going_forward_give_what_merging_the_whole_gives(
            seed in any::<u64>(),
            count in 1usize..120,
            far in prop_oneof![Just(1usize), Just(9)],
            by_token in any::<bool>(),
            piece in prop_oneof![
                prop::collection::vec(b'a'..b'f', 65..700),
                (prop::collection::vec(b'a'..b'e', 1..9), 10usize..90).prop_map(|(unit, times)| unit.repeat(times)),
            ],
        ) {
            let mut all = merges(seed, count, far);
            if by_token {
                all = every_way(&all);
            }
            let merges = Merges::new(std::array::from_fn(|byte| byte as u32), &all).unwrap();
            let (mut chain, mut ids) = (Chain::default(), vec![0; piece.len()]);
            let found = merges.by_windows(&piece, &mut chain, &mut ids);
            let expected = one_by_one(&all, &piece);
            prop_assert_eq!(&ids[..found], &expected[..]);
            let by_heap: Vec<u32> = merges.heap(&piece, &mut chain).map(|(_, id)| id).collect();
            prop_assert_eq!(&by_heap, &expected);
            if let Some(tokens) = Tokens::of(&merges) {
                ids.fill(0);
                let found = merges.forward(&tokens, &piece, &mut Memory::default(), &mut ids);
                prop_assert_eq!(found.map(|found| &ids[..found]), Some(&expected[..]));
            }
        }
    }

    #[test]
    fn tokens_longer_than_a_window_are_found() {
        // a, aa, aaaa … up to 4096 bytes: no window but those of the heap sees a token end.
        let id = |power: u32| if power == 0 { 97 } else { 1000 + power };
        let all: Vec<Merge> = (0..12).map(|power| (id(power), id(power), power, id(power + 1))).collect();
        let merges = Merges::new(std::array::from_fn(|byte| byte as u32), &all).unwrap();
        let mut ids = vec![0; 20_000];
        let found = merges.by_windows(&[b'a'; 20_000], &mut Chain::default(), &mut ids);
        assert_eq!(&ids[..found], [id(12), id(12), id(12), id(12), id(11), id(10), id(9), id(5)]);
    }
}
