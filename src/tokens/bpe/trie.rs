//! Which tokens a text begins with.

/// Tokens by their bytes: a double array (Aoe 1989). A byte leads from a node to the place `base ^ byte`, if what stands there
/// has that byte for its label. No two nodes have the same base.
pub struct Trie {
    places: Vec<Place>,
    root: u32,
}

/// What stands at a place: the base of its node, the token that ends there, and the byte that leads to it.
#[derive(Clone, Copy)]
struct Place(u64);

/// Bits of a base and of a token.
const BITS: u32 = 28;
/// No token ends there.
const NONE: u32 = (1 << BITS) - 1;

impl Place {
    /// Where nothing stands: a byte 0 may lead there, but finds no token and nothing behind.
    const EMPTY: Self = Self(NONE as u64);

    fn new(label: u8, base: u32, token: u32) -> Self {
        Self(u64::from(label) << 56 | u64::from(base) << BITS | u64::from(token))
    }

    fn label(self) -> u8 {
        (self.0 >> 56) as u8
    }

    fn base(self) -> u32 {
        (self.0 >> BITS) as u32 & NONE
    }

    fn token(self) -> u32 {
        self.0 as u32 & NONE
    }
}

/// A node while the trie is built: the byte that leads to it, its token, and its children among the nodes.
struct Node {
    label: u8,
    token: u32,
    children: std::ops::Range<usize>,
}

impl Trie {
    /// Of tokens, each given once, that are no empty ones.
    pub fn of(mut tokens: Vec<(Vec<u8>, u32)>) -> Self {
        tokens.sort_unstable();
        let nodes = nodes(&tokens);
        let bases = bases(&nodes);
        let size = bases.iter().map(|base| base | 0xff).max().unwrap_or(0) as usize + 1;
        let mut places = vec![Place::EMPTY; size];
        for (node, base) in nodes.iter().zip(&bases) {
            for child in node.children.clone() {
                let (Some(node), Some(next)) = (nodes.get(child), bases.get(child)) else { continue };
                if let Some(place) = places.get_mut((base ^ u32::from(node.label)) as usize) {
                    *place = Place::new(node.label, *next, node.token);
                }
            }
        }
        Self { places, root: bases.first().copied().unwrap_or(0) }
    }

    /// Puts the tokens with which `text` begins into `found`, shortest first, with their lengths.
    #[inline(always)]
    pub fn beginnings(&self, text: &[u8], found: &mut Vec<(u32, u32)>) {
        let mut base = self.root;
        for (byte, length) in text.iter().zip(1..) {
            let Some(place) = self.places.get((base ^ u32::from(*byte)) as usize) else { return };
            if place.label() != *byte {
                return;
            }
            if place.token() != NONE {
                found.push((length, place.token()));
            }
            base = place.base();
            if base == 0 {
                return;
            }
        }
    }
}

/// All nodes by their depth, of tokens that are sorted.
fn nodes(tokens: &[(Vec<u8>, u32)]) -> Vec<Node> {
    let mut nodes = vec![Node { label: 0, token: NONE, children: 0..0 }];
    let mut spans = vec![(tokens, 0)];
    let mut at = 0;
    while let Some(&(mut span, depth)) = spans.get(at) {
        let token = span.split_first().filter(|((bytes, _), _)| bytes.len() == depth);
        if let Some((_, rest)) = token {
            span = rest;
        }
        let (token, first) = (token.map_or(NONE, |((_, id), _)| *id), nodes.len());
        while let Some(label) = span.first().and_then(|(bytes, _)| bytes.get(depth).copied()) {
            let same = span.partition_point(|(bytes, _)| bytes.get(depth) == Some(&label));
            let (under, rest) = span.split_at_checked(same).unwrap_or_default();
            nodes.push(Node { label, token: NONE, children: 0..0 });
            spans.push((under, depth + 1));
            span = rest;
        }
        let last = nodes.len();
        if let Some(node) = nodes.get_mut(at) {
            (node.token, node.children) = (token, first..last);
        }
        at += 1;
    }
    nodes
}

/// A base for each node: 0, where nothing stands, for those without children. Nodes with many children choose first.
fn bases(nodes: &[Node]) -> Vec<u32> {
    let mut order: Vec<usize> =
        (0..nodes.len()).filter(|n| nodes.get(*n).is_some_and(|n| !n.children.is_empty())).collect();
    order.sort_by_key(|n| std::cmp::Reverse(nodes.get(*n).map_or(0, |n| n.children.len())));
    let mut room = Room { free: (1..=256).collect(), given: vec![true; 256], front: 256 };
    let mut bases = vec![0; nodes.len()];
    for n in order {
        let children = nodes.get(n).and_then(|node| nodes.get(node.children.clone())).unwrap_or_default();
        let labels: Vec<usize> = children.iter().map(|child| usize::from(child.label)).collect();
        if let Some(base) = bases.get_mut(n) {
            *base = room.base(&labels) as u32;
        }
    }
    bases
}

/// Which places are free and which bases given, and before which place nobody looks.
struct Room {
    /// A place that is free says so by naming itself; others name one behind them.
    free: Vec<usize>,
    given: Vec<bool>,
    front: usize,
}

/// Free places that are tried in vain before those in front are given up.
const TRIES: usize = 64;

impl Room {
    /// A base for these labels.
    fn base(&mut self, labels: &[usize]) -> usize {
        let first = labels.first().copied().unwrap_or(0);
        let (mut at, mut tries) = (self.free_from(self.front), 0);
        loop {
            let base = at ^ first;
            let is_free = |label: &usize| self.free.get(base ^ label) == Some(&(base ^ label));
            if self.given.get(base) == Some(&false) && labels.iter().all(is_free) {
                if let Some(given) = self.given.get_mut(base) {
                    *given = true;
                }
                for label in labels {
                    if let Some(free) = self.free.get_mut(base ^ label) {
                        *free += 1;
                    }
                }
                return base;
            }
            tries += 1;
            if tries % TRIES == 0 {
                self.front = (self.front + TRIES).min(at);
            }
            at = self.free_from(at + 1);
        }
    }

    /// The first free place that is not before `at`. All that are passed will lead further the next time.
    fn free_from(&mut self, mut at: usize) -> usize {
        loop {
            if at >= self.free.len() {
                let end = (at | 0xff) + 1;
                self.free.extend(self.free.len()..end);
                self.given.resize(end, false);
            }
            let next = self.free.get(at).copied().unwrap_or(at);
            if next == at {
                return at;
            }
            let further = self.free.get(next).copied().unwrap_or(next);
            if let Some(place) = self.free.get_mut(at) {
                *place = further;
            }
            at = further;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn every_token_that_a_text_begins_with_is_found(
            tokens in prop::collection::btree_set(prop::collection::vec(prop_oneof![0u8..3, 254u8..=255], 1..6), 0..60),
            text in prop::collection::vec(prop_oneof![0u8..3, 254u8..=255], 0..12),
        ) {
            let tokens: BTreeSet<Vec<u8>> = tokens;
            let trie = Trie::of(tokens.iter().cloned().zip(0..).collect());
            let mut found = Vec::new();
            trie.beginnings(&text, &mut found);
            let mut expected: Vec<(u32, u32)> = tokens
                .iter()
                .zip(0..)
                .filter(|(token, _)| text.starts_with(token))
                .map(|(token, id)| (token.len() as u32, id))
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
