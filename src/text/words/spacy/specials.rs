//! The special cases: contractions, abbreviations, emoticons, times.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::Span;
use super::table::{SEQUENCES, SPECIALS};

type Hash = foldhash::fast::FixedState;

/// The table of special cases, and the sequences of tokens that affix rules make of them.
pub struct Specials {
    whole: HashMap<&'static str, &'static [u8], Hash>,
    longest: usize,
    /// Which lengths and outer bytes there are, one bit each: most words are none of them.
    outline: [u64; 64],
    /// From a node of the trie of sequences by a token to the next node and whether a sequence ends there.
    trie: HashMap<(u16, &'static str), (u16, bool), Hash>,
    /// Which first bytes of two neighbors begin a sequence.
    pairs: Box<[u64; 1024]>,
}

/// The table, made at first use.
pub fn specials() -> &'static Specials {
    static SPECIALS: LazyLock<Specials> = LazyLock::new(Specials::new);
    &SPECIALS
}

#[inline]
fn outline(bytes: &[u8]) -> (usize, u64) {
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    let key = usize::from(first) * 31 + usize::from(last) * 389 + bytes.len() * 97;
    ((key >> 6) & 63, 1 << (key & 63))
}

#[inline]
fn pair(first: u8, second: u8) -> (usize, u64) {
    let key = usize::from(first) << 8 | usize::from(second);
    (key >> 6, 1 << (key & 63))
}

fn first(text: &str) -> u8 {
    text.as_bytes().first().copied().unwrap_or(0)
}

impl Specials {
    fn new() -> Self {
        let mut new = Self {
            whole: SPECIALS.iter().copied().collect(),
            longest: SPECIALS.iter().map(|s| s.0.len()).max().unwrap_or(0),
            outline: [0; 64],
            trie: HashMap::default(),
            pairs: Box::new([0; 1024]),
        };
        for (text, _) in SPECIALS {
            let (word, bit) = outline(text.as_bytes());
            new.outline[word] |= bit;
        }
        let mut nodes = 0;
        for sequence in SEQUENCES {
            let mut node = 0;
            for (i, token) in sequence.iter().enumerate() {
                let next = new.trie.entry((node, token)).or_insert_with(|| {
                    nodes += 1;
                    (nodes, false)
                });
                next.1 |= i + 1 == sequence.len();
                node = next.0;
            }
            if let [one, two, ..] = sequence {
                let (word, bit) = pair(first(one), first(two));
                new.pairs[word] |= bit;
            }
        }
        new
    }

    /// Whether these may be the bytes of a special case: a quick look.
    #[inline]
    pub fn maybe(&self, bytes: &[u8]) -> bool {
        let (word, bit) = outline(bytes);
        bytes.len() <= self.longest && self.outline.get(word).is_some_and(|w| w & bit != 0)
    }

    /// The lengths of the tokens of the special case `text`.
    #[inline]
    pub fn get(&self, text: &str) -> Option<&'static [u8]> {
        if self.maybe(text.as_bytes()) { self.whole.get(text).copied() } else { None }
    }

    /// Joins and cuts again the tokens from `from` on where they are a special case that was cut to pieces.
    pub fn rejoin(&self, text: &str, from: usize, out: &mut Vec<Span>) {
        let tokens = out.get(from..).unwrap_or_default();
        let mut matches = Vec::new();
        for (at, two) in tokens.windows(2).enumerate() {
            let bytes = text.as_bytes();
            let byte = |span: Span| bytes.get(span.0 as usize).copied().unwrap_or(0);
            let (word, bit) = pair(byte(two[0]), byte(two[1]));
            if self.pairs.get(word).is_some_and(|w| w & bit != 0) {
                self.sequences(text, tokens, at, &mut matches);
            }
        }
        if matches.is_empty() {
            return;
        }
        let chosen = choose(matches);
        let fused = |&(start, end): &(usize, usize)| -> Option<(usize, usize, &'static [u8])> {
            let (first, last) = (tokens.get(start)?, tokens.get(end - 1)?);
            let lengths = self.get(text.get(first.0 as usize..last.1 as usize)?)?;
            Some((start, end, lengths))
        };
        let fused: Vec<_> = chosen.iter().filter_map(fused).collect();
        if fused.is_empty() {
            return;
        }
        let (tokens, mut at) = (tokens.to_vec(), 0);
        out.truncate(from);
        for (start, end, lengths) in fused {
            out.extend_from_slice(tokens.get(at..start).unwrap_or_default());
            let mut place = tokens.get(start).map_or(0, |t| t.0);
            for &length in lengths {
                out.push((place, place + u32::from(length)));
                place += u32::from(length);
            }
            at = end;
        }
        out.extend_from_slice(tokens.get(at..).unwrap_or_default());
    }

    /// Every sequence that begins at the token `at`. A single space between tokens does not part them, as in spaCy.
    fn sequences(&self, text: &str, tokens: &[Span], at: usize, matches: &mut Vec<(usize, usize)>) {
        let (mut node, mut end) = (0, at);
        while let Some(&token) = tokens.get(end) {
            let before = if end > at { tokens.get(end - 1).map_or(0, |t| t.1) } else { token.0 };
            if !matches!(text.get(before as usize..token.0 as usize), Some("" | " ")) {
                break;
            }
            let Some(word) = text.get(token.0 as usize..token.1 as usize) else { break };
            let Some(&(next, ends)) = self.trie.get(&(node, word)) else { break };
            (node, end) = (next, end + 1);
            if ends {
                matches.push((at, end));
            }
        }
    }
}

/// The longest matches first, of equally long ones the first: a match stays if neither of its ends is taken. What does not stay
/// takes its tokens all the same, as in spaCy.
fn choose(mut matches: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    matches.sort_unstable_by_key(|m| (std::cmp::Reverse(m.1 - m.0), m.0));
    let mut taken = HashSet::<usize, Hash>::default();
    let mut chosen = Vec::new();
    for (start, end) in matches {
        if !taken.contains(&start) && !taken.contains(&(end - 1)) {
            chosen.push((start, end));
        }
        taken.extend(start..end);
    }
    chosen.sort_unstable();
    chosen
}
