//! n-gram language models as KenLM writes them (Heafield 2011): ARPA text, probing tables, and tries, packed or quantized.
//!
//! Binary files are used where they lie; nothing but a header is copied. The crate that reads them wraps LGPL code in C++.
//! Scores are log10 probabilities in single precision, as the reference's.

mod arpa;
mod bits;
mod header;
mod probing;
mod trie;

use std::sync::Arc;

use arpa::Arpa;
use bits::murmur;
use header::{Header, Kind};
use probing::Probing;
use trie::Trie;

/// The bytes of a model file: mapped, or in memory.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// The longest n-gram there may be.
const MOST_ORDER: usize = 12;

/// A language model; cheap to clone.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    order: usize,
    search: Search,
}

enum Search {
    Arpa(Arpa),
    Probing(Probing),
    Trie(Trie),
}

/// What a model knows of an n-gram.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    /// Its log10 probability; `None` if only longer n-grams with it are known.
    prob: Option<f32>,
    backoff: f32,
    /// Whether no known n-gram has a word before it.
    leftmost: bool,
}

/// A way to look n-grams up, from the last word to the first.
trait Lookup {
    type Node;
    fn word(&self, model: &[u8], word: &[u8]) -> u32;
    fn unigram(&self, model: &[u8], word: u32) -> (Known, Self::Node);
    /// The n-gram of `order` words that `before` and the n-gram at `node` make.
    fn middle(&self, model: &[u8], order: usize, before: u32, node: &mut Self::Node) -> Option<Known>;
    fn longest(&self, model: &[u8], before: u32, node: &Self::Node) -> Option<f32>;
}

/// The words before, last first, with the backoffs of the n-grams they make.
#[derive(Clone, Copy)]
struct State {
    words: [u32; MOST_ORDER],
    backoffs: [f32; MOST_ORDER],
    length: usize,
}

/// How likely a text is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Score {
    /// The sum of log10 probabilities.
    pub log10: f64,
    /// How many they are: words, and an end for each line.
    pub tokens: u64,
}

impl Score {
    /// 10 to the mean negative log10 probability.
    pub fn perplexity(&self) -> f64 {
        10f64.powf(-self.log10 / self.tokens.max(1) as f64)
    }

    /// Both texts, one after the other.
    pub fn and(self, more: Self) -> Self {
        Self { log10: self.log10 + more.log10, tokens: self.tokens + more.tokens }
    }
}

impl Model {
    /// Reads a model; `Err` says what is wrong with it.
    pub fn read(bytes: Bytes) -> Result<Self, String> {
        let model = (*bytes).as_ref();
        let (order, search) = match Header::read(model)? {
            None => {
                let arpa = Arpa::read(model)?;
                (arpa.order(), Search::Arpa(arpa))
            }
            Some(header) if header.kind == Kind::Probing => {
                (header.counts.len(), Search::Probing(Probing::new(model, &header)?))
            }
            Some(header) => (header.counts.len(), Search::Trie(Trie::new(model, &header)?)),
        };
        if !(2..=MOST_ORDER).contains(&order) {
            return Err(format!("its n-grams are of up to {order} words, and 2 to {MOST_ORDER} are understood"));
        }
        Ok(Self(Arc::new(Inner { bytes, order, search })))
    }

    /// The length of its longest n-grams, in words.
    pub fn order(&self) -> usize {
        self.0.order
    }

    /// The score of a line: its words, which ASCII whitespace separates, between the start and the end of a sentence.
    pub fn score(&self, line: &str) -> Score {
        let model = (*self.0.bytes).as_ref();
        match &self.0.search {
            Search::Arpa(search) => score(search, model, self.0.order, line),
            Search::Probing(search) => score(search, model, self.0.order, line),
            Search::Trie(search) => score(search, model, self.0.order, line),
        }
    }
}

fn score<L: Lookup>(search: &L, model: &[u8], order: usize, line: &str) -> Score {
    let start = search.word(model, b"<s>");
    let mut state = State { words: [0; MOST_ORDER], backoffs: [0.0; MOST_ORDER], length: 1 };
    state.words[0] = start;
    state.backoffs[0] = search.unigram(model, start).0.backoff;
    let mut total = Score::default();
    let words = line.as_bytes().split(|b| b.is_ascii_whitespace() || *b == 0x0b).filter(|word| !word.is_empty());
    for word in words.chain([&b"</s>"[..]]) {
        let word = search.word(model, word);
        total.log10 += f64::from(next(search, model, order, &mut state, word));
        total.tokens += 1;
    }
    total
}

/// The log10 probability of `word` after `state`, which becomes the state after it.
fn next<L: Lookup>(search: &L, model: &[u8], order: usize, state: &mut State, word: u32) -> f32 {
    let (unigram, mut node) = search.unigram(model, word);
    let mut after = State { words: [0; MOST_ORDER], backoffs: [0.0; MOST_ORDER], length: 0 };
    after.words[0] = word;
    after.backoffs[0] = unigram.backoff;
    after.length = usize::from(extends(unigram.backoff));
    let (mut prob, mut matched) = (unigram.prob.unwrap_or_default(), 1);
    let mut leftmost = unigram.leftmost;
    for (n, &before) in state.words.iter().enumerate().take(state.length) {
        if leftmost {
            break;
        }
        let length = n + 2;
        if length == order {
            if let Some(longest) = search.longest(model, before, &node) {
                (prob, matched) = (longest, length);
            }
            break;
        }
        let Some(known) = search.middle(model, length, before, &mut node) else { break };
        leftmost = known.leftmost;
        if let Some(known) = known.prob {
            (prob, matched) = (known, length);
        }
        if let (Some(place), Some(backoff)) = (after.words.get_mut(n + 1), after.backoffs.get_mut(n + 1)) {
            (*place, *backoff) = (before, known.backoff);
        }
        if extends(known.backoff) {
            after.length = length;
        }
    }
    let charged = state.backoffs.get(matched - 1..state.length).unwrap_or_default();
    let prob = charged.iter().fold(prob, |sum, backoff| sum + backoff);
    *state = after;
    prob
}

/// A negative zero marks what no longer n-gram begins with.
fn extends(backoff: f32) -> bool {
    backoff.to_bits() != (-0.0f32).to_bits()
}

fn is_unknown(word: &[u8]) -> bool {
    matches!(word, b"<unk>" | b"<UNK>")
}

fn hash(word: &[u8]) -> u64 {
    murmur(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str) -> Result<Model, String> {
        Model::read(Arc::new(std::fs::read(format!("fixtures/models/{name}")).unwrap()))
    }

    const KINDS: [&str; 6] =
        ["tiny.arpa", "tiny.probing", "tiny.trie", "tiny.array", "tiny.quantized", "tiny.quantized-array"];

    /// `fixtures/goldens/kenlm.jsonl` holds what kenlm 0.3.0 (PyPI) says of the same models (`fixtures/models/ngrams.py`).
    #[test]
    fn scores_are_those_of_the_reference() {
        let goldens = std::fs::read_to_string("fixtures/goldens/kenlm.jsonl").unwrap();
        let models = KINDS.map(|name| load(name).unwrap());
        let mut seen = 0;
        for line in goldens.lines() {
            let golden: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = golden["text"].as_str().unwrap();
            for (name, model) in KINDS.iter().zip(&models) {
                let ours = model.score(text);
                let theirs = golden[*name].as_f64().unwrap();
                assert!((ours.log10 - theirs).abs() < 1e-4, "{name}: {} and {theirs} for {text:?}", ours.log10);
                assert_eq!(ours.tokens, golden["tokens"].as_u64().unwrap(), "{text:?}");
            }
            seen += 1;
        }
        assert!(seen >= 120, "{seen}");
    }

    #[test]
    fn a_bigram_model_has_no_middle() {
        let arpa = b"\\data\\\nngram 1=4\nngram 2=2\n\n\\1-grams:\n-1\t<unk>\n-99\t<s>\t-0.5\n-0.5\t</s>\n-0.25\ta\t-0.125\n\n\\2-grams:\n-0.0625\t<s> a\n-2\ta </s>\n\n\\end\\\n";
        let model = Model::read(Arc::new(arpa.to_vec())).unwrap();
        assert_eq!(model.score("a"), Score { log10: -2.0625, tokens: 2 });
        assert_eq!(model.score("a a").log10, -0.0625 - 0.125 - 0.25 - 2.0);
        assert_eq!(model.score("b").log10, -0.5 - 1.0 - 0.5);
    }

    #[test]
    fn a_cut_or_foreign_file_is_refused() {
        for name in KINDS {
            let model = std::fs::read(format!("fixtures/models/{name}")).unwrap();
            for cut in [0, 20, 100, model.len() / 2, model.len() * 3 / 4] {
                assert!(Model::read(Arc::new(model[..cut].to_vec())).is_err(), "{name} cut at {cut}");
            }
        }
        assert!(load("lid.176.ftz").is_err());
    }

    #[test]
    fn a_damaged_file_is_refused_or_scores_something() {
        for name in KINDS {
            let model = std::fs::read(format!("fixtures/models/{name}")).unwrap();
            for at in (0..model.len().min(400)).chain((400..model.len()).step_by(97)) {
                let mut damaged = model.clone();
                damaged[at] ^= 0xa5;
                if let Ok(model) = Model::read(Arc::new(damaged)) {
                    model.score("the whale was in the sea and of the sea");
                }
            }
        }
    }
}
