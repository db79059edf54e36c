//! Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019), for vocabularies whose pretokenizer is known. Gives the ids of
//! the library, which is the oracle of its tests.
//!
//! A pretoken is looked up in a cache of bounded size, one cache line an entry; what is not there is merged: short pretokens
//! by scanning for the best pair, long ones with a heap, so that no text costs more than n log n.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::pretoken::Pattern;
use super::ranks::Ranks;

/// A vocabulary, its merges and its pattern.
pub struct Bpe {
    pattern: Pattern,
    bytes: [u32; 256],
    pairs: Pairs,
    /// Pretokens that are tokens as they stand, if the vocabulary wants them taken whole (`ignore_merges`).
    whole: Option<HashMap<Box<[u8]>, u32, RandomState>>,
}

/// What of a `tokenizer.json` matters here.
#[derive(Deserialize)]
pub struct TokenizerFile<'f> {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Option<serde_json::Value>,
    #[serde(default)]
    pre_tokenizer: Option<serde_json::Value>,
    #[serde(borrow)]
    model: &'f RawValue,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
}

/// Added tokens looked for in a text; the longest of those that begin first wins.
struct Added {
    automaton: aho_corasick::AhoCorasick,
    /// Ids by pattern; `None` for special tokens that are ordinary text.
    ids: Vec<Option<u32>>,
}

impl Added {
    /// `None` if there is nothing to look for.
    fn new(tokens: &[&AddedToken], special: bool) -> Result<Option<Self>, String> {
        let active = |t: &AddedToken| special || !t.special;
        if !tokens.iter().any(|t| active(t)) {
            return Ok(None);
        }
        if let Some(token) = tokens.iter().find(|t| active(t) && (t.single_word || t.lstrip || t.rstrip)) {
            return Err(format!("its added token `{}` strips spaces or wants whole words", token.content));
        }
        let automaton = aho_corasick::AhoCorasick::builder()
            .match_kind(aho_corasick::MatchKind::LeftmostLongest)
            .build(tokens.iter().map(|t| t.content.as_str()))
            .map_err(|e| format!("its added tokens are too many: {e}"))?;
        Ok(Some(Self { automaton, ids: tokens.iter().map(|t| active(t).then_some(t.id)).collect() }))
    }

    /// Gives `visit` the text between added tokens, and the tokens.
    fn split<'t>(&self, text: &'t str, visit: &mut dyn FnMut(Result<&'t str, u32>)) {
        let mut from = 0;
        for found in self.automaton.find_iter(text) {
            let Some(Some(id)) = self.ids.get(found.pattern().as_usize()) else { continue };
            if let Some(before) = text.get(from..found.start()).filter(|t| !t.is_empty()) {
                visit(Ok(before));
            }
            visit(Err(*id));
            from = found.end();
        }
        if let Some(rest) = text.get(from..).filter(|t| !t.is_empty()) {
            visit(Ok(rest));
        }
    }
}

#[derive(Deserialize)]
struct Model<'f> {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(borrow)]
    vocab: HashMap<Cow<'f, str>, u32, RandomState>,
    #[serde(borrow)]
    merges: &'f RawValue,
}

/// A word of the file, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Word<'f>(#[serde(borrow)] Cow<'f, str>);

/// The left and the right half of each merge.
type Merges<'f> = Vec<(Cow<'f, str>, Cow<'f, str>)>;

/// Merges are written as lines of two words, or as pairs.
fn merges(raw: &RawValue) -> Result<Merges<'_>, String> {
    if let Ok(pairs) = serde_json::from_str::<Vec<(Word<'_>, Word<'_>)>>(raw.get()) {
        return Ok(pairs.into_iter().map(|(left, right)| (left.0, right.0)).collect());
    }
    let lines: Vec<Word<'_>> =
        serde_json::from_str(raw.get()).map_err(|e| format!("its merges are of another shape: {e}"))?;
    let pair = |line: Word<'_>| {
        let (left, right) = line.0.split_once(' ').ok_or_else(|| format!("the merge `{}` is no pair", line.0))?;
        Ok((left.to_owned().into(), right.to_owned().into()))
    };
    lines.into_iter().map(pair).collect()
}

/// A vocabulary of which everything is known: no library is needed for it.
pub struct Known {
    /// The encoder's tables.
    pub bpe: Bpe,
    /// Every token's id, added tokens included.
    pub ids: HashMap<Box<str>, u32, RandomState>,
    /// Whether texts are brought to NFC first.
    nfc: bool,
    /// Added tokens looked for in the text as it is, and in the normalized text.
    raw: Option<Added>,
    normalized: Option<Added>,
}

impl Known {
    /// The tables of a `tokenizer.json`, or why it is none that is known here. With `special`, special tokens in a text
    /// are tokens.
    pub fn of(file: TokenizerFile<'_>, special: bool) -> Result<Self, String> {
        let nfc = match &file.normalizer {
            None | Some(serde_json::Value::Null) => false,
            Some(normalizer) if is(normalizer, "NFC") => true,
            Some(normalizer) => {
                let kind = normalizer.get("type").and_then(|t| t.as_str()).unwrap_or("?");
                return Err(format!("its normalizer is `{kind}`"));
            }
        };
        let pattern = pattern(file.pre_tokenizer.as_ref().unwrap_or(&serde_json::Value::Null))?;
        let model: Model<'_> =
            serde_json::from_str(file.model.get()).map_err(|e| format!("its model is of another shape: {e}"))?;
        if let Some(kind) = model.kind.as_ref().filter(|kind| *kind != "BPE") {
            return Err(format!("its model is {kind}, not byte-level BPE"));
        }
        let empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        if model.dropout.is_some_and(|d| d > 0.0)
            || model.unk_token.is_some()
            || model.byte_fallback
            || !empty(&model.continuing_subword_prefix)
            || !empty(&model.end_of_word_suffix)
        {
            return Err("its BPE has dropout, an unknown token, byte fallback, a prefix or a suffix".into());
        }
        let (normalized, raw): (Vec<_>, Vec<_>) = file.added_tokens.iter().partition(|t| t.normalized);
        let (raw, normalized) = (Added::new(&raw, special)?, Added::new(&normalized, special)?);
        let bpe = Bpe::new(pattern, &model)?;
        let mut ids: HashMap<Box<str>, u32, RandomState> =
            model.vocab.into_iter().map(|(token, id)| (token.into(), id)).collect();
        ids.extend(file.added_tokens.into_iter().map(|t| (t.content.into(), t.id)));
        Ok(Self { bpe, ids, nfc, raw, normalized })
    }

    /// The tables of a rank file.
    pub fn of_ranks(ranks: &Ranks, special: bool) -> Result<Self, String> {
        let added: Vec<AddedToken> = ranks
            .special
            .iter()
            .map(|(token, id)| AddedToken {
                id: *id,
                content: (*token).to_owned(),
                special: true,
                normalized: false,
                single_word: false,
                lstrip: false,
                rstrip: false,
            })
            .collect();
        let raw = Added::new(&added.iter().collect::<Vec<_>>(), special)?;
        let bpe = Bpe::of_ranks(ranks)?;
        let text = |bytes: &[u8]| bytes.iter().map(|b| char_of(*b)).collect::<String>().into_boxed_str();
        let mut ids: HashMap<Box<str>, u32, RandomState> =
            ranks.tokens.iter().map(|(bytes, rank)| (text(bytes), *rank)).collect();
        ids.extend(ranks.special.iter().map(|(token, id)| ((*token).into(), *id)));
        Ok(Self { bpe, ids, nfc: false, raw, normalized: None })
    }

    /// Appends the ids of `text`.
    pub fn encode(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        match &self.raw {
            None => self.piece(text, scratch, ids),
            Some(raw) => raw.split(text, &mut |part| match part {
                Ok(text) => self.piece(text, scratch, ids),
                Err(id) => ids.push(id),
            }),
        }
    }

    /// The bytes of every id below `size`; added tokens stand as they are written.
    pub fn bytes_by_id(&self, size: u32) -> Vec<Box<[u8]>> {
        let mut all = vec![Box::<[u8]>::default(); size as usize];
        for (token, id) in &self.ids {
            if let Some(place) = all.get_mut(*id as usize) {
                *place = bytes_of(token).unwrap_or_else(|| token.as_bytes().to_vec()).into();
            }
        }
        all
    }

    fn piece(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let text = if self.nfc { nfc(text) } else { Cow::Borrowed(text) };
        match &self.normalized {
            None => self.bpe.encode(&text, scratch, ids),
            Some(normalized) => normalized.split(&text, &mut |part| match part {
                Ok(text) => self.bpe.encode(text, scratch, ids),
                Err(id) => ids.push(id),
            }),
        }
    }
}

/// `text` in NFC, by the library's tables where it is not certain that nothing changes.
pub fn nfc(text: &str) -> Cow<'_, str> {
    // No character below U+0300, whose first byte is 0xcc, changes in NFC.
    let low = text.bytes().all(|b| b < 0xcc);
    if low || unicode_normalization::is_nfc_quick(text.chars()) == unicode_normalization::IsNormalized::Yes {
        return text.into();
    }
    let mut normalized = tokenizers::NormalizedString::from(text);
    normalized.nfc();
    normalized.get().to_owned().into()
}

fn is(json: &serde_json::Value, kind: &str) -> bool {
    json.get("type").is_some_and(|t| t == kind)
}

/// The pattern of a pretokenizer that is byte-level.
fn pattern(json: &serde_json::Value) -> Result<Pattern, String> {
    let flag = |json: &serde_json::Value, name: &str| json.get(name).and_then(serde_json::Value::as_bool);
    let bytes = |json: &serde_json::Value, regex: bool| {
        is(json, "ByteLevel")
            && flag(json, "add_prefix_space") == Some(false)
            && flag(json, "use_regex").unwrap_or(true) == regex
    };
    let unknown = || "its pretokenizer is none that is known".to_owned();
    if bytes(json, true) {
        return Ok(Pattern::Gpt2);
    }
    let parts = json.get("pretokenizers").and_then(|p| p.as_array()).map(Vec::as_slice).unwrap_or_default();
    let Some((last, splits)) = parts.split_last().filter(|_| is(json, "Sequence")) else { return Err(unknown()) };
    if let [digits] = splits
        && is(digits, "Digits")
        && flag(digits, "individual_digits") == Some(true)
        && bytes(last, true)
    {
        return Ok(Pattern::StarCoder);
    }
    let mut regexes = Vec::new();
    for split in splits {
        // To keep the matches and to remove what is between them is the same where everything matches.
        let how = (split.get("behavior").and_then(|b| b.as_str()), flag(split, "invert"));
        let isolated = how == (Some("Isolated"), Some(false));
        let kept = how == (Some("Removed"), Some(true)) && splits.len() == 1;
        if !is(split, "Split") || !(isolated || kept) || !bytes(last, false) {
            return Err(unknown());
        }
        regexes.push(split.pointer("/pattern/Regex").and_then(|r| r.as_str()).ok_or_else(unknown)?);
    }
    Pattern::of(&regexes).ok_or_else(unknown)
}

/// The byte that a character of a byte-level vocabulary stands for (GPT-2's table).
fn byte_of(c: char) -> Option<u8> {
    match c as u32 {
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(code as u8),
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121 + 0x7f) as u8),
        0x143 => Some(0xad),
        _ => None,
    }
}

/// The inverse of [`byte_of`].
pub(super) fn char_of(byte: u8) -> char {
    match byte {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        0..=0x20 => char::from_u32(0x100 + u32::from(byte)).unwrap_or(' '),
        0x7f..=0xa0 => char::from_u32(0x121 + u32::from(byte) - 0x7f).unwrap_or(' '),
        0xad => '\u{143}',
    }
}

/// The bytes that a token of a byte-level vocabulary stands for; `None` if it has other characters.
pub(super) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

impl Bpe {
    fn new(pattern: Pattern, model: &Model<'_>) -> Result<Self, String> {
        let mut bytes = [u32::MAX; 256];
        for (token, &id) in &model.vocab {
            let mut chars = token.chars();
            if let (Some(c), None) = (chars.next(), chars.next())
                && let Some(slot) = byte_of(c).and_then(|b| bytes.get_mut(b as usize))
            {
                *slot = id;
            }
        }
        if bytes.contains(&u32::MAX) {
            return Err("not every byte has a token".into());
        }
        let merges = merges(model.merges)?;
        let mut pairs = Pairs::with_room(merges.len());
        let id =
            |token: &str| model.vocab.get(token).copied().ok_or_else(|| format!("the merge's `{token}` is no token"));
        let mut joined = String::new();
        for (rank, (left, right)) in merges.iter().enumerate() {
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            // Of two merges of one pair the library keeps the last.
            pairs.insert(id(left)?, id(right)?, rank as u32, id(&joined)?);
        }
        let whole = model.ignore_merges.then(|| {
            model.vocab.iter().filter_map(|(token, id)| Some((bytes_of(token)?.into_boxed_slice(), *id))).collect()
        });
        Ok(Self { pattern, bytes, pairs, whole })
    }

    /// The tables of a rank file: any two tokens that make a third may be merged, at its rank.
    fn of_ranks(ranks: &Ranks) -> Result<Self, String> {
        let whole: HashMap<Box<[u8]>, u32, RandomState> =
            ranks.tokens.iter().map(|(bytes, rank)| (bytes.clone().into_boxed_slice(), *rank)).collect();
        let mut bytes = [u32::MAX; 256];
        let mut found = Vec::new();
        for (token, rank) in &ranks.tokens {
            if let [byte] = token.as_slice()
                && let Some(slot) = bytes.get_mut(*byte as usize)
            {
                *slot = *rank;
            }
            for (left, right) in (1..token.len()).filter_map(|at| token.split_at_checked(at)) {
                if let (Some(left), Some(right)) = (whole.get(left), whole.get(right)) {
                    found.push((*left, *right, *rank));
                }
            }
        }
        if bytes.contains(&u32::MAX) {
            return Err("not every byte has a token".into());
        }
        let mut pairs = Pairs::with_room(found.len());
        found.into_iter().for_each(|(left, right, rank)| pairs.insert(left, right, rank, rank));
        Ok(Self { pattern: ranks.pattern, bytes, pairs, whole: Some(whole) })
    }

    /// How texts are cut.
    pub fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// Appends the ids of `text`.
    fn encode(&self, text: &str, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let end = self.pattern.end(text, at).max(at + 1);
            let piece = bytes.get(at..end).unwrap_or_default();
            if piece.len() <= KEY {
                self.cached(bytes, at, piece, scratch, ids);
            } else {
                self.piece(piece, scratch, ids);
            }
            at = end;
        }
    }

    #[inline]
    fn cached(&self, bytes: &[u8], at: usize, piece: &[u8], scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let key = key(bytes, at, piece);
        let hash = hash(&key);
        if let Some(found) = scratch.cache.get(scratch.slot(hash)).filter(|s| s.key == key) {
            // A copy of fixed length, cut afterwards, is faster than a copy of any length.
            let length = ids.len() + found.count as usize;
            ids.extend_from_slice(&found.ids);
            ids.truncate(length);
            return;
        }
        let before = ids.len();
        self.piece(piece, scratch, ids);
        let new = ids.get(before..).unwrap_or_default();
        scratch.misses += 1;
        if scratch.misses > scratch.cache.len() {
            scratch.grow();
        }
        let slot = scratch.slot(hash);
        if new.len() <= IDS
            && let Some(entry) = scratch.cache.get_mut(slot)
        {
            entry.key = key;
            entry.count = new.len() as u32;
            if let Some(place) = entry.ids.get_mut(..new.len()) {
                place.copy_from_slice(new);
            }
        }
    }

    /// Encodes one pretoken.
    fn piece(&self, piece: &[u8], scratch: &mut Scratch, ids: &mut Vec<u32>) {
        if let Some(id) = self.whole.as_ref().and_then(|whole| whole.get(piece)) {
            return ids.push(*id);
        }
        let id = |b: &u8| self.bytes.get(*b as usize).copied().unwrap_or(0);
        if piece.len() <= SHORT {
            self.short(piece.iter().map(id), scratch, ids);
        } else {
            self.long(piece.iter().map(id), scratch, ids);
        }
    }

    /// Merges the best pair until there is none, scanning for it.
    fn short(&self, symbols: impl Iterator<Item = u32>, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let Scratch { symbols: list, ranks, merged, .. } = scratch;
        list.clear();
        list.extend(symbols);
        ranks.clear();
        merged.clear();
        for pair in list.windows(2) {
            let (rank, id) = if let [a, b] = pair { self.pairs.get(*a, *b) } else { (NONE, 0) };
            ranks.push(rank);
            merged.push(id);
        }
        loop {
            // Two simple loops, which the compiler makes wide.
            let rank = ranks.iter().copied().min().unwrap_or(NONE);
            let Some(at) = ranks.iter().position(|r| *r == rank).filter(|_| rank != NONE) else { break };
            let id = merged.remove(at);
            ranks.remove(at);
            list.remove(at + 1);
            if let Some(place) = list.get_mut(at) {
                *place = id;
            }
            for left in [at.wrapping_sub(1), at] {
                if let (Some(&a), Some(&b)) = (list.get(left), list.get(left.wrapping_add(1)))
                    && let (Some(r), Some(m)) = (ranks.get_mut(left), merged.get_mut(left))
                {
                    (*r, *m) = self.pairs.get(a, b);
                }
            }
        }
        ids.extend_from_slice(list);
    }

    /// The same with a heap over a linked list.
    fn long(&self, symbols: impl Iterator<Item = u32>, scratch: &mut Scratch, ids: &mut Vec<u32>) {
        let Scratch { nodes, heap, .. } = scratch;
        nodes.clear();
        heap.clear();
        nodes.extend(symbols.enumerate().map(|(at, id)| Node {
            id,
            rank: NONE,
            merged: 0,
            before: (at as u32).wrapping_sub(1),
            after: at as u32 + 1,
        }));
        let link = |nodes: &mut Vec<Node>, heap: &mut BinaryHeap<Reverse<(u32, u32)>>, at: u32| {
            let Some(after) = nodes.get(at as usize).map(|n| n.after) else { return };
            let right = nodes.get(after as usize).map(|n| n.id);
            if let Some(node) = nodes.get_mut(at as usize) {
                (node.rank, node.merged) = right.map_or((NONE, 0), |right| self.pairs.get(node.id, right));
                if node.rank != NONE {
                    heap.push(Reverse((node.rank, at)));
                }
            }
        };
        for at in 0..nodes.len() as u32 {
            link(nodes, heap, at);
        }
        while let Some(Reverse((rank, at))) = heap.pop() {
            let Some(&Node { rank: now, merged, before, after, .. }) = nodes.get(at as usize) else { continue };
            // A pair that has been merged away, or has become another since.
            if now != rank {
                continue;
            }
            let next = nodes.get(after as usize).map_or(u32::MAX, |n| n.after);
            if let Some(right) = nodes.get_mut(after as usize) {
                right.rank = NONE;
            }
            if let Some(node) = nodes.get_mut(at as usize) {
                (node.id, node.after) = (merged, next);
            }
            if let Some(node) = nodes.get_mut(next as usize) {
                node.before = at;
            }
            link(nodes, heap, at);
            link(nodes, heap, before);
        }
        let mut at = 0;
        while let Some(node) = nodes.get(at as usize) {
            ids.push(node.id);
            at = node.after;
        }
    }
}

/// No merge.
const NONE: u32 = u32::MAX;
/// Pretokens of at most so many bytes are merged by scanning.
const SHORT: usize = 64;

/// Pairs of ids, open addressing.
struct Pairs {
    slots: Vec<(u64, u32, u32)>,
    shift: u32,
}

impl Pairs {
    fn with_room(pairs: usize) -> Self {
        let size = (pairs * 2).next_power_of_two().max(16);
        Self { slots: vec![(u64::MAX, NONE, 0); size], shift: 64 - size.trailing_zeros() }
    }

    #[inline]
    fn first(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    fn insert(&mut self, left: u32, right: u32, rank: u32, id: u32) {
        let key = u64::from(left) << 32 | u64::from(right);
        let mask = self.slots.len() - 1;
        let mut at = self.first(key);
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.0 == key || slot.0 == u64::MAX {
                *slot = (key, rank, id);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Rank and merged id of a pair; rank `NONE` if it is no merge.
    #[inline]
    fn get(&self, left: u32, right: u32) -> (u32, u32) {
        let key = u64::from(left) << 32 | u64::from(right);
        let mask = self.slots.len() - 1;
        let mut at = self.first(key);
        while let Some(&(found, rank, id)) = self.slots.get(at) {
            if found == key {
                return (rank, id);
            }
            if found == u64::MAX {
                break;
            }
            at = (at + 1) & mask;
        }
        (NONE, 0)
    }
}

/// Bytes of the longest pretoken that is cached.
const KEY: usize = 31;
/// Most ids of a pretoken that is cached.
const IDS: usize = 7;
/// Entries that a worker's cache begins with (1 MiB), and has at most (64 MiB).
const SLOTS: [usize; 2] = [1 << 14, 1 << 20];
/// Bytes that all caches of the process may have together.
pub const CACHES: usize = 256 << 20;
/// Bytes that they have.
static CACHED: AtomicUsize = AtomicUsize::new(0);

type Key = [u64; 4];

#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Slot {
    key: Key,
    ids: [u32; IDS],
    count: u32,
}

/// The pretoken's bytes, and its length in the last.
#[inline]
fn key(bytes: &[u8], at: usize, piece: &[u8]) -> Key {
    let mut block = [0u8; 32];
    match bytes.get(at..at + 32) {
        // A copy of fixed length, and a mask, are faster than a copy of any length.
        Some(whole) => {
            block.copy_from_slice(whole);
            let masks = MASKS.get(piece.len()).copied().unwrap_or_default();
            let mut key = words(&block);
            key.iter_mut().zip(masks).for_each(|(word, mask)| *word &= mask);
            key[3] |= (piece.len() as u64) << 56;
            return key;
        }
        None => block.iter_mut().zip(piece).for_each(|(to, from)| *to = *from),
    }
    let mut key = words(&block);
    key[3] |= (piece.len() as u64) << 56;
    key
}

#[inline]
fn words(block: &[u8; 32]) -> Key {
    let mut key = [0; 4];
    for (word, bytes) in key.iter_mut().zip(block.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    key
}

static MASKS: [Key; 32] = {
    let mut masks = [[0; 4]; 32];
    let mut length = 0;
    while length < 32 {
        let mut byte = 0;
        while byte < length {
            masks[length][byte / 8] |= 0xff << (byte % 8 * 8);
            byte += 1;
        }
        length += 1;
    }
    masks
};

#[inline]
fn hash(key: &Key) -> u64 {
    let mix = |a: u64, b: u64| {
        let wide = u128::from(a ^ 0x2d35_8dcc_aa6c_78a5) * u128::from(b ^ 0x8bb8_4b93_962e_acc9);
        (wide as u64) ^ (wide >> 64) as u64
    };
    let [a, b, c, d] = *key;
    mix(mix(a, b), mix(c, d))
}

struct Node {
    id: u32,
    rank: u32,
    merged: u32,
    before: u32,
    after: u32,
}

/// One worker's cache and working memory. The cache grows with the number of pretokens that were not in it, as long as all
/// caches together stay within [`CACHES`].
pub struct Scratch {
    cache: Vec<Slot>,
    misses: usize,
    symbols: Vec<u32>,
    ranks: Vec<u32>,
    merged: Vec<u32>,
    nodes: Vec<Node>,
    heap: BinaryHeap<Reverse<(u32, u32)>>,
}

/// Takes room for `slots` more of what all caches may have.
fn reserve(slots: usize) -> bool {
    let bytes = slots * size_of::<Slot>();
    let take = |now: usize| Some(now + bytes).filter(|sum| *sum <= CACHES);
    CACHED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
}

impl Scratch {
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        (hash >> 32) as usize & self.cache.len().wrapping_sub(1)
    }

    /// Makes the cache twice as large, if it may be.
    #[cold]
    fn grow(&mut self) {
        self.misses = 0;
        let size = self.cache.len();
        if size == 0 || size >= SLOTS[1] || !reserve(size) {
            return;
        }
        let old = std::mem::replace(&mut self.cache, vec![Slot::default(); size * 2]);
        for entry in old.into_iter().filter(|entry| entry.count > 0) {
            let slot = self.slot(hash(&entry.key));
            if let Some(place) = self.cache.get_mut(slot) {
                *place = entry;
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        CACHED.fetch_sub(self.cache.len() * size_of::<Slot>(), Ordering::Relaxed);
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            cache: if reserve(SLOTS[0]) { vec![Slot::default(); SLOTS[0]] } else { Vec::new() },
            misses: 0,
            symbols: Vec::new(),
            ranks: Vec::new(),
            merged: Vec::new(),
            nodes: Vec::new(),
            heap: BinaryHeap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_stay_within_their_ceiling() {
        let mut all: Vec<Scratch> = (0..40).map(|_| Scratch::default()).collect();
        // Every cache is told again and again that it is too small; even then all stay within the ceiling.
        for _ in 0..20 {
            all.iter_mut().for_each(Scratch::grow);
        }
        let bytes: usize = all.iter().map(|s| s.cache.len() * size_of::<Slot>()).sum();
        assert!(bytes <= CACHES && bytes > CACHES / 2, "{bytes}");
        assert!(CACHED.load(Ordering::Relaxed) <= CACHES);
        let none: Vec<Scratch> = (0..2 * CACHES / size_of::<Slot>() / SLOTS[0]).map(|_| Scratch::default()).collect();
        assert!(none.last().is_some_and(|s| s.cache.is_empty()));
    }
}
