//! Trains byte-pair encoding (Sennrich et al. 2016) as the library `tokenizers` does: the same vocabulary and the same
//! merges of the same counts, ties broken alike.
//!
//! The library takes the pair seen most often, of equals the one whose ids are smaller, and looks for it in the words
//! where it was seen. Three of its habits matter for being equal: a pair that comes into being again after it was
//! merged is queued again with its whole count; a merge whose token exists already gets that token's id; a token's
//! length is bounded by not counting pairs that would make a longer one. It counts in 32 bits, which overflow at two
//! thousand million; here there are 64.

mod counts;
mod file;

pub use counts::Counts;
pub use file::TrainedFile;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use foldhash::fast::RandomState;

/// The characters that stand for bytes in a byte-level vocabulary, by byte.
pub fn byte_chars() -> &'static [char; 256] {
    static CHARS: std::sync::LazyLock<[char; 256]> =
        std::sync::LazyLock::new(|| std::array::from_fn(|byte| super::bpe::char_of(byte as u8)));
    &CHARS
}

/// What to train.
#[derive(Debug, Clone, Default)]
pub struct Trainer {
    /// Tokens in all.
    pub vocab_size: usize,
    /// How often a pair must be seen to be merged.
    pub min_frequency: u64,
    /// Tokens that come first and are merged from nothing.
    pub special: Vec<String>,
    /// Characters that are tokens whether they are seen or not.
    pub alphabet: Vec<char>,
    /// Most characters that are tokens: the rest, seen least often, are left out of words.
    pub limit_alphabet: Option<usize>,
    /// No token of more characters is made.
    pub max_token_length: Option<usize>,
}

/// What was learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trained {
    /// Every token, by id.
    pub tokens: Vec<String>,
    /// The ids that each merge joins, by rank.
    pub merges: Vec<(u32, u32)>,
    /// How often the pair of the last merge was seen.
    pub last_count: u64,
}

impl Trainer {
    /// Trains on words given as characters and counts. `words` is called several times and must give the same.
    pub fn train<I, W>(&self, words: impl Fn() -> I) -> Trained
    where
        I: Iterator<Item = (W, u64)>,
        W: Iterator<Item = char>,
    {
        let mut vocabulary = Vocabulary::default();
        for token in &self.special {
            vocabulary.id(token);
        }
        for c in self.characters(words()) {
            vocabulary.id(c.encode_utf8(&mut [0; 4]));
        }
        let corpus = Words::of(words(), &vocabulary);
        let max = self.max_token_length.unwrap_or(usize::MAX);
        let mut merging = Merging::new(corpus, vocabulary, max);
        merging.run(self.vocab_size, self.min_frequency);
        merging.into_trained()
    }

    /// The characters that are tokens, in order.
    fn characters<W: Iterator<Item = char>>(&self, words: impl Iterator<Item = (W, u64)>) -> Vec<char> {
        let mut seen: BTreeMap<char, u64> = BTreeMap::new();
        let mut ascii = [0u64; 128];
        for (word, count) in words {
            for c in word {
                match ascii.get_mut(c as usize) {
                    Some(seen) => *seen += count,
                    None => *seen.entry(c).or_default() += count,
                }
            }
        }
        seen.extend(ascii.iter().enumerate().filter(|a| *a.1 > 0).map(|(c, n)| (c as u8 as char, *n)));
        seen.extend(self.alphabet.iter().map(|c| (*c, u64::MAX)));
        let limit = self.limit_alphabet.unwrap_or(usize::MAX);
        if seen.len() > limit {
            // Those seen most often stay; the library leaves it to chance which of equals do, here the first ones do.
            let mut all: Vec<(char, u64)> = seen.into_iter().collect();
            all.sort_by_key(|(c, count)| (Reverse(*count), *c));
            all.truncate(limit);
            seen = all.into_iter().collect();
        }
        seen.into_keys().collect()
    }
}

#[derive(Default)]
struct Vocabulary {
    ids: HashMap<String, u32, RandomState>,
    tokens: Vec<String>,
    /// Characters of each token.
    lengths: Vec<usize>,
}

impl Vocabulary {
    /// The id of `token`, made if it is new.
    fn id(&mut self, token: &str) -> u32 {
        if let Some(&id) = self.ids.get(token) {
            return id;
        }
        let id = self.tokens.len() as u32;
        self.ids.insert(token.to_owned(), id);
        self.tokens.push(token.to_owned());
        self.lengths.push(token.chars().count());
        id
    }

    fn token(&self, id: u32) -> &str {
        self.tokens.get(id as usize).map_or("", String::as_str)
    }

    fn length(&self, id: u32) -> usize {
        self.lengths.get(id as usize).copied().unwrap_or(0)
    }
}

/// Words as ids, one after another.
#[derive(Default)]
struct Words {
    ids: Vec<u32>,
    spans: Vec<WordSpan>,
}

struct WordSpan {
    start: usize,
    length: u32,
    count: i64,
}

impl Words {
    fn of<W: Iterator<Item = char>>(words: impl Iterator<Item = (W, u64)>, vocabulary: &Vocabulary) -> Self {
        let mut ids: HashMap<char, u32, RandomState> = HashMap::default();
        let mut low = [u32::MAX; 512];
        for (token, id) in &vocabulary.ids {
            let mut chars = token.chars();
            if let (Some(c), None) = (chars.next(), chars.next()) {
                match low.get_mut(c as usize) {
                    Some(slot) => *slot = *id,
                    None => drop(ids.insert(c, *id)),
                }
            }
        }
        let id = |c: char| match low.get(c as usize) {
            Some(&id) => Some(id).filter(|id| *id != u32::MAX),
            None => ids.get(&c).copied(),
        };
        let mut all = Self::default();
        for (word, count) in words {
            let start = all.ids.len();
            all.ids.extend(word.filter_map(id));
            let length = (all.ids.len() - start) as u32;
            // A word of one token has no pair.
            if length > 1 {
                all.spans.push(WordSpan { start, length, count: i64::try_from(count).unwrap_or(i64::MAX) });
            } else {
                all.ids.truncate(start);
            }
        }
        all
    }
}

/// Two ids as one number, ordered as the pair is.
fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// Pairs waiting to be merged: the greatest count first, of equals the smallest pair; then the place of its words.
type Queue = BinaryHeap<(i64, Reverse<u64>, Reverse<u32>)>;

struct Merging {
    vocabulary: Vocabulary,
    words: Words,
    max_length: usize,
    counts: HashMap<u64, i64, RandomState>,
    queue: Queue,
    /// Words in which a queued pair was seen when it was queued.
    places: Vec<Vec<u32>>,
    merges: Vec<(u32, u32)>,
    last_count: u64,
    around: Around,
}

impl Merging {
    fn new(words: Words, vocabulary: Vocabulary, max_length: usize) -> Self {
        let mut first: HashMap<u64, (i64, Vec<u32>), RandomState> = HashMap::default();
        for (number, span) in words.spans.iter().enumerate() {
            let ids = words.ids.get(span.start..span.start + span.length as usize).unwrap_or_default();
            for two in ids.windows(2) {
                let &[left, right] = two else { continue };
                let (count, places) = first.entry(pair(left, right)).or_default();
                *count = count.saturating_add(span.count);
                if places.last() != Some(&(number as u32)) {
                    places.push(number as u32);
                }
            }
        }
        let mut merging = Self {
            vocabulary,
            words,
            max_length,
            counts: HashMap::with_capacity_and_hasher(first.len() * 2, RandomState::default()),
            queue: Queue::new(),
            places: Vec::new(),
            merges: Vec::new(),
            last_count: 0,
            around: Around::default(),
        };
        for (pair, (count, places)) in first {
            merging.counts.insert(pair, count);
            merging.queue_pair(pair, places);
        }
        merging
    }

    fn count(&self, pair: u64) -> i64 {
        self.counts.get(&pair).copied().unwrap_or(0)
    }

    fn queue_pair(&mut self, pair: u64, places: Vec<u32>) {
        let count = self.count(pair);
        if count > 0 {
            self.queue.push((count, Reverse(pair), Reverse(self.places.len() as u32)));
            self.places.push(places);
        }
    }

    fn run(&mut self, vocab_size: usize, min_frequency: u64) {
        while self.vocabulary.tokens.len() < vocab_size {
            let Some((queued, Reverse(pair), places)) = self.queue.pop() else { break };
            let count = self.count(pair);
            if count != queued {
                self.queue.push((count, Reverse(pair), places));
                continue;
            }
            if count < 1 || min_frequency > count as u64 {
                break;
            }
            self.last_count = count as u64;
            let places = self.places.get_mut(places.0 as usize).map(std::mem::take).unwrap_or_default();
            self.merge((pair >> 32) as u32, pair as u32, &places);
        }
    }

    fn merge(&mut self, left: u32, right: u32, places: &[u32]) {
        let token = format!("{}{}", self.vocabulary.token(left), self.vocabulary.token(right));
        let new = self.vocabulary.id(&token);
        self.merges.push((left, right));
        let room = self.max_length.saturating_sub(self.vocabulary.length(new));
        let mut around = std::mem::take(&mut self.around);
        around.resize(self.vocabulary.tokens.len());
        for &place in places {
            let Some(span) = self.words.spans.get_mut(place as usize) else { continue };
            let Some(ids) = self.words.ids.get_mut(span.start..span.start + span.length as usize) else { continue };
            let fits = |other: u32| self.vocabulary.length(other) < room;
            span.length = merge_word(ids, (left, right, new), place, span.count, fits, &mut around) as u32;
        }
        let mut fresh = Vec::new();
        around.before.drain(|id, gone, come, places| {
            *self.counts.entry(pair(id, left)).or_default() += gone;
            if !places.is_empty() {
                *self.counts.entry(pair(id, new)).or_default() += come;
                fresh.push((pair(id, new), places));
            }
        });
        let before = fresh.len();
        around.after.drain(|id, gone, come, places| {
            *self.counts.entry(pair(right, id)).or_default() += gone;
            if !places.is_empty() {
                *self.counts.entry(pair(new, id)).or_default() += come;
                // The new token beside itself is seen from both sides.
                let both = if id == new { fresh.iter_mut().take(before).find(|f| f.0 == pair(new, new)) } else { None };
                match both {
                    Some((_, others)) => others.extend(places),
                    None => fresh.push((pair(new, id), places)),
                }
            }
        });
        fresh.into_iter().for_each(|(pair, places)| self.queue_pair(pair, places));
        self.around = around;
    }

    fn into_trained(self) -> Trained {
        // The library keeps the last of several merges of one pair.
        let last: HashMap<(u32, u32), usize, RandomState> = self.merges.iter().copied().zip(0..).collect();
        let merges = self.merges.iter().enumerate().filter(|(at, pair)| last.get(pair) == Some(at)).map(|(_, p)| *p);
        Trained { merges: merges.collect(), tokens: self.vocabulary.tokens, last_count: self.last_count }
    }
}

/// Joins every `left right` of a word to `new`, from left to right, and notes which pairs went and came. Returns how many
/// ids are left.
fn merge_word(
    ids: &mut [u32],
    (left, right, new): (u32, u32, u32),
    place: u32,
    count: i64,
    fits: impl Fn(u32) -> bool,
    around: &mut Around,
) -> usize {
    let (mut from, mut to) = (0usize, 0usize);
    while let Some(&id) = ids.get(from) {
        let joined = id == left && ids.get(from + 1) == Some(&right);
        if joined {
            if let Some(&before) = to.checked_sub(1).and_then(|at| ids.get(at)) {
                around.before.change(before, count, place, fits(before));
            }
            if let Some(&after) = ids.get(from + 2) {
                around.after.change(after, count, place, fits(after));
            }
        }
        if let Some(slot) = ids.get_mut(to) {
            *slot = if joined { new } else { id };
        }
        from += 1 + usize::from(joined);
        to += 1;
    }
    to
}

/// What one merge changes before and after the merged pair, by the id that stands there: gathered by neighbor, so that
/// the table of pairs is asked once for each and not once for each word.
#[derive(Default)]
struct Around {
    before: Side,
    after: Side,
}

impl Around {
    fn resize(&mut self, ids: usize) {
        self.before.slots.resize_with(ids, Slot::default);
        self.after.slots.resize_with(ids, Slot::default);
    }
}

#[derive(Default)]
struct Side {
    slots: Vec<Slot>,
    touched: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    touched: bool,
    /// Change of the old pair's count, and of the new one's.
    gone: i64,
    come: i64,
    /// Words with the new pair.
    places: Vec<u32>,
}

impl Side {
    fn change(&mut self, id: u32, count: i64, place: u32, fits: bool) {
        let Some(slot) = self.slots.get_mut(id as usize) else { return };
        if !slot.touched {
            slot.touched = true;
            self.touched.push(id);
        }
        slot.gone -= count;
        if fits {
            slot.come += count;
            if slot.places.last() != Some(&place) {
                slot.places.push(place);
            }
        }
    }

    fn drain(&mut self, mut visit: impl FnMut(u32, i64, i64, Vec<u32>)) {
        for id in self.touched.drain(..) {
            let slot = self.slots.get_mut(id as usize).map(std::mem::take).unwrap_or_default();
            visit(id, slot.gone, slot.come, slot.places);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;
    use tokenizers::Trainer as _;
    use tokenizers::models::bpe::{BPE, BpeTrainer};

    /// Vocabulary and merges as the library learns them.
    fn library(trainer: &Trainer, words: &[(String, u64)]) -> (Vec<String>, Vec<(String, String)>) {
        let special = trainer.special.iter().map(|t| tokenizers::AddedToken::from(t.clone(), true));
        let mut theirs = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(trainer.vocab_size)
            .min_frequency(trainer.min_frequency)
            .special_tokens(special.collect())
            .initial_alphabet(trainer.alphabet.iter().copied().collect())
            .max_token_length(trainer.max_token_length);
        if let Some(limit) = trainer.limit_alphabet {
            theirs = theirs.limit_alphabet(limit);
        }
        let mut theirs: BpeTrainer = theirs.build();
        let words: Vec<String> = words.iter().flat_map(|(w, n)| vec![w.clone(); *n as usize]).collect();
        theirs.feed(words.iter(), |word| Ok(vec![word.to_owned()])).unwrap();
        let mut model = BPE::default();
        theirs.train(&mut model).unwrap();
        let json = serde_json::to_value(&model).unwrap();
        let mut vocab: Vec<(u64, String)> =
            json["vocab"].as_object().unwrap().iter().map(|(t, id)| (id.as_u64().unwrap(), t.clone())).collect();
        vocab.sort();
        assert!(vocab.iter().enumerate().all(|(at, (id, _))| at as u64 == *id));
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let merges = json["merges"].as_array().unwrap().iter().map(|m| (text(&m[0]), text(&m[1]))).collect();
        (vocab.into_iter().map(|v| v.1).collect(), merges)
    }

    fn assert_equal(trainer: &Trainer, words: &[(String, u64)]) -> Trained {
        let ours = trainer.train(|| words.iter().map(|(w, n)| (w.chars(), *n)));
        let (tokens, merges) = library(trainer, words);
        assert_eq!(ours.tokens, tokens, "{trainer:?} {words:?}");
        let token = |id: u32| ours.tokens[id as usize].clone();
        let own: Vec<_> = ours.merges.iter().map(|(left, right)| (token(*left), token(*right))).collect();
        assert_eq!(own, merges, "{trainer:?} {words:?}");
        ours
    }

    /// Different words with their counts.
    fn words() -> impl Strategy<Value = Vec<(String, u64)>> {
        let word = prop_oneof!["[ab]{1,9}", "[abc]{1,6}", "[a-eé一]{1,12}", "(ab|ba|aab|c){1,6}"];
        prop::collection::btree_map(word, 1u64..9, 0..40).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]
        #[test]
        fn any_words_give_the_librarys_merges(
            words in words(),
            vocab_size in 0usize..60,
            min_frequency in 0u64..6,
            special in prop::sample::subsequence(vec!["<s>", "ab", "a", "ba", "abab"], 0..4),
            alphabet in prop::sample::subsequence(vec!['a', 'z', '\u{120}', 'é'], 0..4),
            max_token_length in prop::option::of(0usize..7),
        ) {
            let special = special.into_iter().map(str::to_owned).collect();
            let limit_alphabet = None;
            assert_equal(&Trainer { vocab_size, min_frequency, special, alphabet, limit_alphabet, max_token_length }, &words);
        }

        #[test]
        fn the_alphabet_is_limited_alike(words in words(), limit in 0usize..6) {
            let mut seen: BTreeMap<char, u64> = BTreeMap::new();
            words.iter().for_each(|(w, n)| w.chars().for_each(|c| *seen.entry(c).or_default() += n));
            let mut counts: Vec<u64> = seen.into_values().collect();
            counts.sort_by_key(|n| Reverse(*n));
            // Among equals the library leaves it to chance.
            prop_assume!(limit == 0 || limit >= counts.len() || counts[limit] != counts[limit - 1]);
            assert_equal(&Trainer { vocab_size: 50, limit_alphabet: Some(limit), ..Trainer::default() }, &words);
        }
    }

    #[test]
    fn a_real_text_gives_the_librarys_merges() {
        let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/books/moby-dick.txt")).unwrap();
        let text = String::from_utf8_lossy(&text);
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        text.split_inclusive(' ').for_each(|w| *seen.entry(w.to_owned()).or_default() += 1);
        let words: Vec<(String, u64)> = seen.into_iter().collect();
        let ours = assert_equal(&Trainer { vocab_size: 3000, ..Trainer::default() }, &words);
        assert_eq!(ours.tokens.len(), 3000);
        let few = Trainer { vocab_size: 100_000, min_frequency: 9, max_token_length: Some(6), ..Trainer::default() };
        assert_equal(&few, &words);
    }
}
