//! Overlap of a text with a set of short texts: which of them it holds, where, and how much of each.
//!
//! Evaluation items are indexed by their word n-grams. As in decon (Ai2, 2025), an item's score is the share of its own
//! n-grams, weighted by how rare they are among the items, that stand close together in the text; as in Marin (2026), a
//! paragraph's score is the share of its n-grams that any item has. N-grams without a letter count for neither, and those
//! that very many items share are the templates they were made with, and count for nothing.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::hash;
use super::shingle::{Roller, lower_word};

/// Fewest words of an item, or of a paragraph, that is compared as a whole because it is shorter than an n-gram: below it
/// are labels and interjections.
pub const SHORTEST: usize = 3;

/// The hash of a word in lower case; its lowest bit says whether it has a letter.
pub fn word(word: &str, buffer: &mut Vec<u8>) -> u64 {
    let letter = if word.is_ascii() {
        word.bytes().any(|b| b.is_ascii_alphabetic())
    } else {
        word.chars().any(char::is_alphabetic)
    };
    lower_word(word, buffer) & !1 | u64::from(letter)
}

/// N-grams of words with a letter among them.
#[derive(Debug, Clone)]
struct Grams {
    roller: Roller,
    n: usize,
    without_letter: usize,
}

impl Grams {
    fn new(n: usize) -> Self {
        Self { roller: Roller::new(n), n, without_letter: n }
    }

    fn clear(&mut self) {
        self.roller.clear();
        self.without_letter = self.n;
    }

    /// The n-gram that the word completes.
    fn push(&mut self, word: u64) -> Option<u64> {
        self.without_letter = if word & 1 == 1 { 0 } else { self.without_letter.saturating_add(1) };
        self.roller.push(word).filter(|_| self.without_letter < self.n)
    }
}

/// The hash of a paragraph that is shorter than an n-gram; `None` if it is too short to mean anything.
fn whole(words: &[u64], n: usize) -> Option<u64> {
    let fits = (SHORTEST..n).contains(&words.len()) && words.iter().any(|w| w & 1 == 1);
    fits.then(|| words.iter().fold(hash::mix(words.len() as u64), |sum, w| hash::mix(sum ^ w)))
}

/// Where something occurs: a range of the shared list.
type List = Range<u32>;

/// The items, indexed. Shared by all workers.
#[derive(Debug)]
pub struct Index {
    n: usize,
    /// Each n-gram, and each paragraph shorter than one, with its number.
    grams: HashMap<u64, u32, FixedState>,
    /// Where each gram's items stand in `posts`; nowhere for what belongs to templates.
    lists: Vec<List>,
    posts: Vec<u32>,
    /// Rarity of each gram, in 65,536ths.
    rarity: Vec<u64>,
    items: Vec<Item>,
}

/// What is known of one item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Item {
    /// Words in its paragraphs.
    pub words: u32,
    /// The sum of its grams' rarity.
    total: u64,
    /// Whether it is found by whole paragraphs alone, having no n-gram.
    short: bool,
}

impl Item {
    /// Whether a text can be found to hold it.
    pub fn can_be_found(&self) -> bool {
        self.total > 0
    }
}

impl Index {
    /// Indexes items, each a list of paragraphs as word hashes, by n-grams of `n` words. What more than `most` of them share
    /// is left out.
    pub fn new(items: &[Vec<Vec<u64>>], n: usize, most: usize) -> Self {
        let n = n.max(SHORTEST);
        let mut holders: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        let mut index = Self {
            n,
            grams: HashMap::default(),
            lists: Vec::new(),
            posts: Vec::new(),
            rarity: Vec::new(),
            items: Vec::new(),
        };
        let mut grams = Grams::new(n);
        for (number, paragraphs) in items.iter().enumerate() {
            let mut own = Vec::new();
            for paragraph in paragraphs {
                grams.clear();
                own.extend(paragraph.iter().filter_map(|w| grams.push(*w)));
            }
            let short = own.is_empty();
            own.extend(paragraphs.iter().filter_map(|p| whole(p, n)));
            own.sort_unstable();
            own.dedup();
            own.iter().for_each(|gram| holders.entry(*gram).or_default().push(number as u32));
            index.items.push(Item { words: paragraphs.iter().map(|p| p.len() as u32).sum(), total: 0, short });
        }
        index.fill(holders, most);
        index
    }

    fn fill(&mut self, holders: BTreeMap<u64, Vec<u32>>, most: usize) {
        let all = self.items.len() as f64;
        for (gram, items) in holders {
            self.grams.insert(gram, self.lists.len() as u32);
            let rarity = ((1.0 + all / items.len() as f64).ln() * 65_536.0) as u64;
            let from = self.posts.len() as u32;
            if items.len() <= most {
                for &item in &items {
                    if let Some(item) = self.items.get_mut(item as usize) {
                        item.total += rarity;
                    }
                }
                self.posts.extend(items);
            }
            self.lists.push(from..self.posts.len() as u32);
            self.rarity.push(rarity);
        }
    }

    /// The items.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Different n-grams and short paragraphs.
    pub fn grams(&self) -> usize {
        self.lists.len()
    }

    fn gram(&self, hash: u64) -> Option<(usize, List)> {
        let gram = *self.grams.get(&hash)? as usize;
        Some((gram, self.lists.get(gram)?.clone()))
    }
}

/// A stretch of a text that holds an item, or as much of it as was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The item's number.
    pub item: u32,
    /// The share found, 0..1.
    pub score: f64,
    /// The words it spans in the text.
    pub words: Range<usize>,
}

/// Looks for items in texts. One for each worker.
#[derive(Debug, Clone)]
pub struct Scanner {
    index: Arc<Index>,
    /// Words without a hit that end a stretch.
    gap: usize,
    grams: Grams,
    /// For each post, the stretch in which it was counted last.
    counted: Vec<u32>,
    stretches: u32,
    open: Vec<Option<Stretch>>,
    touched: Vec<u32>,
    hits: BTreeMap<u32, u32>,
}

/// The stretch of one item that is still growing.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    name: u32,
    start: usize,
    end: usize,
    sum: u64,
}

impl Scanner {
    /// A scanner that ends a stretch after `gap` words without a hit.
    pub fn new(index: Arc<Index>, gap: usize) -> Self {
        let (posts, items) = (index.posts.len(), index.items.len());
        let grams = Grams::new(index.n);
        Self {
            index,
            gap,
            grams,
            counted: vec![0; posts],
            stretches: 0,
            open: vec![None; items],
            touched: Vec::new(),
            hits: BTreeMap::new(),
        }
    }

    /// What is looked for.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Every stretch of `words` that holds something of an item, for each item by itself. `paragraphs` cuts the words.
    pub fn items(&mut self, words: &[u64], paragraphs: &[Range<usize>], each: &mut dyn FnMut(Match)) {
        let index = self.index.clone();
        let mut next = paragraphs.iter().filter(|p| !p.is_empty());
        let mut paragraph = next.next();
        self.grams.clear();
        for (at, word) in words.iter().enumerate() {
            let ended = paragraph.filter(|p| p.end == at + 1).cloned();
            if let Some(gram) = self.grams.push(*word) {
                self.hit(&index, gram, at + 1 - index.n..at + 1, false, each);
            }
            if let Some(own) = ended {
                if let Some(gram) = words.get(own.clone()).and_then(|words| whole(words, index.n)) {
                    self.hit(&index, gram, own, true, each);
                }
                paragraph = next.next();
            }
        }
        for item in std::mem::take(&mut self.touched) {
            if let Some(stretch) = self.open.get_mut(item as usize).and_then(Option::take) {
                each(index.found(item, stretch));
            }
        }
    }

    /// Counts a gram at `at` for every item that has it.
    fn hit(&mut self, index: &Index, gram: u64, at: Range<usize>, short: bool, each: &mut dyn FnMut(Match)) {
        let Some((gram, list)) = index.gram(gram) else { return };
        let rarity = index.rarity.get(gram).copied().unwrap_or(0);
        for post in list {
            let item = index.posts.get(post as usize).copied().unwrap_or(0);
            let Some(known) = index.items.get(item as usize) else { continue };
            // An item with n-grams is not to be found by a short paragraph of its own.
            if short && !known.short {
                continue;
            }
            let Some(open) = self.open.get_mut(item as usize) else { continue };
            if let Some(old) = *open
                && (at.start > old.end + self.gap || (old.sum == known.total && at.start >= old.end))
            {
                each(index.found(item, old));
                *open = None;
            }
            let stretch = open.get_or_insert_with(|| {
                self.stretches = self.stretches.checked_add(1).unwrap_or_else(|| {
                    self.counted.fill(0);
                    1
                });
                self.touched.push(item);
                Stretch { name: self.stretches, start: at.start, end: at.end, sum: 0 }
            });
            stretch.start = stretch.start.min(at.start);
            stretch.end = at.end;
            if let Some(counted) = self.counted.get_mut(post as usize).filter(|counted| **counted != stretch.name) {
                *counted = stretch.name;
                stretch.sum += rarity;
            }
        }
    }

    /// The share of the n-grams of one paragraph that any item has, and the item that has most of them. A paragraph shorter
    /// than an n-gram is compared as a whole.
    pub fn paragraph(&mut self, words: &[u64], at: Range<usize>) -> Option<Match> {
        let index = self.index.clone();
        let own = words.get(at.clone())?;
        let (mut all, mut found, mut span) = (0u64, 0u64, own.len()..own.len());
        self.hits.clear();
        self.grams.clear();
        let short = whole(own, index.n).map(|gram| (gram, 0..own.len()));
        let grams = &mut self.grams;
        let long = own.iter().enumerate().filter_map(|(i, w)| Some((grams.push(*w)?, i + 1 - index.n..i + 1)));
        for (gram, words) in short.into_iter().chain(long) {
            let known = index.gram(gram);
            // What belongs to templates is neither found nor missed.
            if known.as_ref().is_some_and(|(_, list)| list.is_empty()) {
                continue;
            }
            all += 1;
            let Some((_, list)) = known else { continue };
            found += 1;
            span = span.start.min(words.start)..words.end;
            for item in index.posts.get(list.start as usize..list.end as usize).unwrap_or_default() {
                *self.hits.entry(*item).or_default() += 1;
            }
        }
        let item = self.hits.iter().max_by_key(|(item, hits)| (**hits, std::cmp::Reverse(**item)))?;
        let score = found as f64 / all as f64;
        Some(Match { item: *item.0, score, words: at.start + span.start..at.start + span.end })
    }
}

impl Index {
    fn found(&self, item: u32, stretch: Stretch) -> Match {
        let total = self.items.get(item as usize).map_or(1, |i| i.total).max(1);
        Match { item, score: stretch.sum.min(total) as f64 / total as f64, words: stretch.start..stretch.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn words(text: &str) -> Vec<u64> {
        let mut buffer = Vec::new();
        text.split_whitespace().map(|w| word(w, &mut buffer)).collect()
    }

    fn index(items: &[&str], n: usize, most: usize) -> Arc<Index> {
        let items: Vec<_> = items.iter().map(|text| text.split('|').map(words).collect()).collect();
        Arc::new(Index::new(&items, n, most))
    }

    /// Paragraphs are separated by `|`.
    fn text(text: &str) -> (Vec<u64>, Vec<Range<usize>>) {
        let (mut all, mut paragraphs) = (Vec::new(), Vec::new());
        for paragraph in text.split('|') {
            let from = all.len();
            all.extend(words(paragraph));
            paragraphs.push(from..all.len());
        }
        (all, paragraphs)
    }

    fn found(index: &Arc<Index>, given: &str, gap: usize) -> Vec<Match> {
        let (words, paragraphs) = text(given);
        let mut all = Vec::new();
        Scanner::new(index.clone(), gap).items(&words, &paragraphs, &mut |m| all.push(m));
        all
    }

    #[test]
    fn an_item_is_found_whole_in_part_and_again() {
        let index = index(&["a b c d e f", "x y z"], 3, 10);
        let whole = found(&index, "so A B C D E F too", 2);
        assert_eq!(whole, [Match { item: 0, score: 1.0, words: 1..7 }]);
        let part = found(&index, "a b c d - - -", 2);
        assert_eq!(part, [Match { item: 0, score: 0.5, words: 0..4 }]);
        let twice = found(&index, "a b c d - - - - x y z - a b c", 2);
        let pieces: Vec<_> = twice.iter().map(|m| (m.item, m.words.clone())).collect();
        assert_eq!(pieces, [(0, 0..4), (0, 12..15), (1, 8..11)]);
        let whole = found(&index, "x y z - x y z", 2);
        assert_eq!(whole.iter().map(|m| m.words.clone()).collect::<Vec<_>>(), [0..3, 4..7]);
        assert!(found(&index, "a b d e", 2).is_empty());
    }

    #[test]
    fn a_stretch_bridges_a_gap_and_counts_an_n_gram_once() {
        let index = index(&["a b c d e f g h"], 3, 10);
        let bridged = found(&index, "a b c d X e f g h", 1);
        assert_eq!(bridged, [Match { item: 0, score: 4.0 / 6.0, words: 0..9 }]);
        assert_eq!(found(&index, "a b c d X e f g h", 0).len(), 2);
        let again = found(&index, "a b c a b c a b c", 3);
        assert_eq!(again, [Match { item: 0, score: 1.0 / 6.0, words: 0..9 }]);
    }

    #[test]
    fn short_items_are_found_as_paragraphs_alone() {
        let index = index(&["who is it", "one", "1 2 3"], 5, 10);
        assert!(
            index.items()[0].can_be_found() && !index.items()[1].can_be_found() && !index.items()[2].can_be_found()
        );
        assert!(found(&index, "guess who is it now", 2).is_empty());
        assert_eq!(found(&index, "well|who is it|one", 2), [Match { item: 0, score: 1.0, words: 1..4 }]);
    }

    #[test]
    fn templates_and_numbers_count_for_nothing() {
        let index =
            index(&["pick the right one now cat dog cow", "pick the right one now sun", "pick the right one"], 3, 2);
        assert!(found(&index, "pick the right one", 2).is_empty());
        let rest = found(&index, "pick the right one now cat dog cow", 2);
        assert_eq!((rest[0].item, rest[0].score), (0, 1.0));
        let mut scanner = Scanner::new(index.clone(), 2);
        let (words, paragraphs) = text("pick the right one now cat yes|9 8 7 6 5");
        // Two n-grams are the template's, two are an item's, one is neither.
        let paragraph = scanner.paragraph(&words, paragraphs[0].clone()).unwrap();
        assert_eq!((paragraph.score, paragraph.item, paragraph.words), (2.0 / 3.0, 0, 2..6));
        assert_eq!(scanner.paragraph(&words, paragraphs[1].clone()), None);
    }

    proptest! {
        /// With no end to gaps a score is the weighted share of an item's n-grams that the text has anywhere.
        #[test]
        fn scores_are_what_sets_say(items in prop::collection::vec("[ab]( [abc]){1,9}", 1..5), given in "[ab]( [abc]){0,30}") {
            let n = 3;
            let grams = |text: &str| -> BTreeSet<Vec<u64>> { words(text).windows(n).map(<[u64]>::to_vec).collect() };
            let refs: Vec<&str> = items.iter().map(String::as_str).collect();
            let mut best: BTreeMap<u32, f64> = BTreeMap::new();
            for m in found(&index(&refs, n, 100), &given, usize::MAX / 2) {
                let best = best.entry(m.item).or_default();
                *best = m.score.max(*best);
            }
            for (number, item) in items.iter().enumerate() {
                let weight = |gram: &Vec<u64>| {
                    let holders = items.iter().filter(|i| grams(i).contains(gram)).count();
                    ((1.0 + items.len() as f64 / holders as f64).ln() * 65_536.0).floor()
                };
                let own = grams(item);
                let all: f64 = own.iter().map(weight).sum();
                let shared: f64 = own.intersection(&grams(&given)).map(weight).sum();
                let want = if all > 0.0 { shared / all } else { 0.0 };
                prop_assert!((best.get(&(number as u32)).copied().unwrap_or(0.0) - want).abs() < 1e-9, "{}", item);
            }
        }

        /// A scanner keeps nothing of the texts it has seen.
        #[test]
        fn texts_do_not_depend_on_each_other(texts in prop::collection::vec("[ab|]( [abc|]){0,12}", 1..5)) {
            let index = index(&["a b c", "b b a c|a a a", "c c"], 3, 2);
            let mut used = Scanner::new(index.clone(), 1);
            for given in &texts {
                let (words, paragraphs) = text(given);
                let mut seen = Vec::new();
                used.items(&words, &paragraphs, &mut |m| seen.push(m));
                prop_assert_eq!(seen, found(&index, given, 1));
            }
        }
    }
}
