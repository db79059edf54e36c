//! The running part of `minhash`: the first look, which finds the documents that share a band, and the second, which shows
//! the n-grams of those.

use std::sync::Arc;

use super::minhash::{Compat, Minhash, Unit};
use crate::doc::{Document, Field, FieldTable};
use crate::error::Result;
use crate::sketch::components;
use crate::sketch::hash;
use crate::sketch::minhash::{MinHash, Minima};
use crate::sketch::minhash_datatrove::Datatrove;
use crate::sketch::shingle::{Roller, lower_word};
use crate::sketch::similarity;
use crate::stage::candidates::{self, Candidate, Join, Tail};
use crate::stage::clusters::{Clusters, Judge};
use crate::stage::index::{Entry, Known, url_hash};
use crate::stage::keys::Key;
use crate::stage::survivor::Preference;
use crate::stage::verify::{Member, Verification};
use crate::stage::{Apply, Chosen, Corpus, Findings, Global, Links, Mapper, Records, Sorted};
use crate::text::simplify::simplify;
use crate::text::words::Words;

/// Whose orders.
pub(super) enum Hashes {
    Ours(MinHash),
    Datatrove(Datatrove),
}

/// What both looks share.
pub(super) struct Shared {
    pub(super) settings: Minhash,
    pub(super) bands: u32,
    pub(super) hashes: Hashes,
    pub(super) tokens: Option<Field<Vec<u32>>>,
    /// Where documents were read, if an index is written: they can be forgotten by it.
    pub(super) url: Option<Key>,
    pub(super) preference: Preference,
    pub(super) known: Known,
}

impl Shared {
    fn signer(self: &Arc<Self>) -> Signer {
        let roller = Roller::new(self.settings.ngrams);
        let (minima, member) = (Minima::default(), Member::default());
        Signer { shared: self.clone(), roller, minima, shingles: Vec::new(), bytes: Vec::new(), member }
    }

    /// The key of a band, in the upper bits if it is narrow.
    fn key(&self, band: u64, minima: &[u8]) -> u128 {
        match self.settings.key_bits {
            128 => hash::wide(minima, band),
            _ => u128::from(hash::seeded(minima, band)) << 64,
        }
    }

    fn key_bytes(&self) -> usize {
        self.settings.key_bits as usize / 8
    }
}

/// The first look: which documents share a band.
pub(super) struct Candidates {
    pub(super) shared: Arc<Shared>,
    pub(super) judge: Judge,
    pub(super) second: Option<Arc<dyn Global>>,
}

const PARTITIONS: u32 = 64;

impl Candidates {
    /// Records carry what the choice of the survivor needs only where no second look makes it.
    fn tail(&self) -> Tail {
        match (&self.second, self.shared.known.is_empty()) {
            (None, _) if !self.shared.preference.is_none() => Tail::Preference,
            (Some(_), false) => Tail::Known,
            _ => Tail::None,
        }
    }
}

/// Emits the record of a key.
fn emit(key: u128, width: usize, tail: Tail, behind: u64, out: &mut dyn Records) {
    let mut record = [0; 24];
    record[..16].copy_from_slice(&key.to_be_bytes());
    if let Some(place) = record.get_mut(width..width + 8) {
        place.copy_from_slice(&behind.to_be_bytes());
    }
    out.emit((key >> 122) as u32, record.get(..width + tail.bytes()).unwrap_or_default());
}

impl Global for Candidates {
    fn record_bytes(&self) -> usize {
        self.shared.key_bytes() + self.tail().bytes()
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Signing { signer: self.shared.signer(), tail: self.tail() }))
    }

    fn records_beside(&self) -> u64 {
        self.shared.known.documents() * u64::from(self.shared.bands)
    }

    fn finish_bytes(&self, documents: u64) -> u64 {
        components::bytes(documents + self.shared.known.documents())
    }

    fn beside(&self, _: &[u8], out: &mut dyn Records) -> Result<()> {
        let width = self.shared.key_bytes();
        self.shared.known.each(|number, entry| {
            entry.keys.iter().for_each(|&key| emit(key, width, Tail::Known, number + 1, out));
        })
    }

    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        candidates::reduce(self.shared.key_bytes(), self.tail(), records, links)
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let join = Join::read(links, corpus, self.shared.known.documents(), self.tail())?;
        if self.second.is_some() {
            return join.candidates(corpus, self.shared.settings.index.is_some());
        }
        let clusters = Clusters::new(corpus, self.judge.fields.is_some(), self.shared.settings.max_cluster);
        join.clusters(links, clusters)
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        self.judge.apply(split)
    }

    fn dropped_rows(&self, _: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        self.judge.dropped_rows(split)
    }

    fn drops_by_row(&self) -> bool {
        self.judge.drops_by_row()
    }

    fn second(&self) -> Option<Arc<dyn Global>> {
        self.second.clone()
    }

    fn chosen(&self, _: &[u8], split: &[u8]) -> Result<Arc<dyn Chosen>> {
        candidates::chosen(split)
    }
}

/// The second look: how alike candidates are.
pub(super) struct Verified {
    pub(super) shared: Arc<Shared>,
    pub(super) verification: Verification,
}

impl Global for Verified {
    fn record_bytes(&self) -> usize {
        Verification::RECORD
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Showing(self.shared.signer())))
    }

    fn writes(&self) -> bool {
        self.verification.index.is_some()
    }

    fn beside(&self, first: &[u8], out: &mut dyn Records) -> Result<()> {
        let needed = candidates::known(first)?;
        let (mut next, mut member) = (needed.iter().peekable(), Member::default());
        self.shared.known.each(|number, entry| {
            if let Some(&(_, component)) = next.next_if(|(needed, _)| *needed == number) {
                member.entry.clone_from(entry);
                // A number no document of the corpus has.
                member.emit(Candidate { component, ordinal: (1 << 40) - 1 - number }, None, out);
            }
        })
    }

    fn reduce(&self, part: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        self.verification.reduce(part, records, links)
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        self.verification.finish(links, corpus)
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        self.verification.judge.apply(split)
    }

    fn dropped_rows(&self, _: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        self.verification.judge.dropped_rows(split)
    }

    fn drops_by_row(&self) -> bool {
        self.verification.judge.drops_by_row()
    }
}

/// One worker's signing.
struct Signer {
    shared: Arc<Shared>,
    roller: Roller,
    minima: Minima,
    /// Those of datatrove; ours are folded as they come.
    shingles: Vec<u64>,
    bytes: Vec<u8>,
    member: Member,
}

impl Signer {
    /// Takes the document's n-grams; with `keep` they are left in `member.entry`.
    fn sign(&mut self, doc: &Document, keep: bool) {
        self.member.entry.set.clear();
        self.shingles.clear();
        let settings = &self.shared.settings;
        let left_alone = settings.max_chars.is_some_and(|most| doc.text.chars() as u64 > most);
        if let Hashes::Ours(hashes) = &self.shared.hashes {
            hashes.start(&mut self.minima);
        }
        match settings.compat {
            _ if left_alone => {}
            None => self.sign_ours(doc, keep),
            Some(Compat::Datatrove) => {
                datatrove_shingles(doc.text.as_str(), settings.ngrams, &mut self.shingles);
                if keep {
                    self.member.entry.set.extend(self.shingles.iter().map(|&shingle| shingle as u32));
                }
            }
        }
    }

    fn sign_ours(&mut self, doc: &Document, keep: bool) {
        let Self { shared, roller, minima, bytes, member, .. } = self;
        let Hashes::Ours(hashes) = &shared.hashes else { return };
        roller.clear();
        let mut push = |element: u64| {
            if let Some(shingle) = roller.push(element) {
                hashes.push(minima, shingle);
                if keep {
                    // The signature is made of the high half: the set shall not share its collisions.
                    member.entry.set.push(shingle as u32);
                }
            }
        };
        match shared.settings.unit {
            Unit::Words => doc.text.words().iter().for_each(|&word| push(lower_word(doc.text.at(word), bytes))),
            Unit::Characters => characters(doc.text.as_str(), push),
            Unit::Tokens => {
                let tokens = shared.tokens.and_then(|field| doc.get(field)).unwrap_or_default();
                tokens.iter().for_each(|&token| push(hash::mix(u64::from(token))));
            }
        }
    }

    /// The key of every band, in order.
    fn keys(&mut self, mut each: impl FnMut(u128)) {
        let Self { shared, minima, shingles, .. } = self;
        let each = |band: u64, minima: &[u8]| each(shared.key(band, minima));
        match &shared.hashes {
            Hashes::Ours(hashes) => hashes.bands(minima, each),
            Hashes::Datatrove(hashes) => hashes.bands(shingles, each),
        }
    }
}

/// Hashes of every `n` neighboring words of the simplified text, joined by spaces.
fn datatrove_shingles(text: &str, n: usize, out: &mut Vec<u64>) {
    let mut simple = String::new();
    simplify(text, &mut simple);
    let (mut words, mut joined, mut spans) = (Vec::new(), String::with_capacity(simple.len() * 2), Vec::new());
    Words::Spacy.find(&simple, &mut words);
    for (start, end) in words {
        let at = joined.len();
        joined.push_str(simple.get(start as usize..end as usize).unwrap_or_default());
        spans.push((at, joined.len()));
        joined.push(' ');
    }
    for run in spans.windows(n) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        out.push(Datatrove::shingle(joined.get(first.0..last.1).unwrap_or_default().as_bytes()));
    }
}

/// Hashes of the characters in lower case, any run of white space as one space.
fn characters(text: &str, mut push: impl FnMut(u64)) {
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 {
            push(hash::mix(u64::from(' ')));
        }
        word.chars().flat_map(char::to_lowercase).for_each(|c| push(hash::mix(u64::from(c))));
    }
}

struct Signing {
    signer: Signer,
    tail: Tail,
}

impl Mapper for Signing {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let Signing { signer, tail } = self;
        signer.sign(doc, false);
        let behind = if *tail == Tail::Preference { signer.shared.preference.of(doc) } else { 0 };
        let width = signer.shared.key_bytes();
        signer.keys(|key| emit(key, width, *tail, behind, out));
    }
}

struct Showing(Signer);

impl Mapper for Showing {
    /// A second look is for chosen documents only.
    fn map(&mut self, _: &Document, _: &mut dyn Records) {}

    fn map_chosen(&mut self, doc: &Document, mark: u128, out: &mut dyn Records) {
        let signer = &mut self.0;
        signer.sign(doc, true);
        let mut keys = std::mem::take(&mut signer.member.entry.keys);
        keys.clear();
        signer.keys(|key| keys.push(key));
        let Signer { shared, member, .. } = signer;
        member.entry.keys = keys;
        if !member.entry.keys.is_empty() {
            let Entry { set, total, .. } = &mut member.entry;
            *total = similarity::sample(set, shared.settings.sample_ngrams);
            member.show(doc);
            member.entry.url = shared.url.and_then(|url| url.text(doc)).map_or(0, |url| url_hash(&url));
            member.emit(Candidate::of(mark), Some(shared.preference.of(doc)), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::hash::Words;
    use crate::stage::testing::{Outcome, build, docs};
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::collections::BTreeSet;

    fn run(settings: &str, texts: &[impl AsRef<str>], cuts: &[usize]) -> Outcome {
        build::<Minhash>(settings, false, |_| {}).unwrap().run(docs(texts), cuts).unwrap()
    }

    #[test]
    fn characters_and_tokens() {
        let texts = [
            "これは日本語の文章です。重複を見つけます。",
            "これは日本語の文章です。重複を見つけます!",
            "まったく別の話をしています、たぶん。",
        ];
        let settings = r#"{"unit": "characters", "ngrams": 3, "threshold": 0.7}"#;
        assert_eq!(run(settings, &texts, &[1]).keeps(), [true, false, true]);
        let mut field = None;
        let built = build::<Minhash>(r#"{"unit": "tokens"}"#, false, |cx| {
            field = Some(cx.writes::<Vec<u32>>("tokens").unwrap());
        })
        .unwrap();
        let mut all = docs(&["one text", "another text", "a third"]);
        for (doc, tokens) in all.iter_mut().zip([1..50u32, 1..50, 40..90]) {
            doc.set(field.unwrap(), tokens.collect());
        }
        assert_eq!(built.run(all, &[]).unwrap().keeps(), [true, false, true]);
        assert!(build::<Minhash>(r#"{"unit": "tokens"}"#, false, |_| {}).is_err());
    }

    #[derive(Deserialize)]
    struct Golden {
        text: String,
        signature: Option<String>,
        cluster: Option<i64>,
    }

    /// `fixtures/goldens/minhash.py` says how datatrove was asked.
    #[test]
    fn signatures_and_clusters_equal_those_of_datatrove() {
        let lines = include_str!("../../../fixtures/goldens/minhash.jsonl").lines();
        let goldens: Vec<Golden> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let orders = Datatrove::new(14, 8, 1);
        for golden in &goldens {
            let mut shingles = Vec::new();
            datatrove_shingles(&golden.text, 5, &mut shingles);
            let bytes = |signature: Vec<u64>| signature.iter().flat_map(|h| h.to_le_bytes()).collect::<Vec<_>>();
            let digest =
                orders.signature(&shingles).map(|s| format!("{:016x}", xxhash_rust::xxh64::xxh64(&bytes(s), 0)));
            assert_eq!(digest, golden.signature, "{:?}", golden.text);
        }
        let texts: Vec<&str> = goldens.iter().map(|g| g.text.as_str()).collect();
        let built = build::<Minhash>(r#"{"compat": "datatrove", "verify": "none"}"#, true, |_| {}).unwrap();
        let seen = built.run(docs(&texts), &[50]).unwrap();
        let of = |name| built.fields.find::<i64>(name).unwrap();
        let (cluster, size) = (of("minhash_cluster"), of("minhash_cluster_size"));
        let ours = seen.docs.iter().map(|d| d.get(cluster).filter(|_| d.get(size) > Some(1)));
        assert!(goldens.iter().filter(|g| g.cluster.is_some()).count() > 60);
        for (ours, golden) in ours.zip(&goldens) {
            assert_eq!(ours, golden.cluster, "{:?}", golden.text);
        }
    }

    /// What `minhash` must come to, from the sets themselves.
    fn grams(words: &[u64]) -> BTreeSet<&[u64]> {
        words.windows(5).collect()
    }

    fn jaccard(a: &BTreeSet<&[u64]>, b: &BTreeSet<&[u64]>) -> f64 {
        let both = a.intersection(b).count();
        both as f64 / (a.len() + b.len() - both) as f64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]
        /// Whoever goes is as alike as promised to one that stays; found are as many pairs as the curve says; and neither
        /// splits nor the memory of a reduce show.
        #[test]
        fn what_goes_is_like_what_stays_and_the_curve_is_kept(seed in any::<u64>(), cut in 1usize..100) {
            let mut words = Words::new(seed);
            let mut all = Vec::new();
            for _ in 0..20 {
                let base: Vec<u64> = (0..120).map(|_| words.word() % 5000).collect();
                for _ in 0..5 {
                    let changes = words.word() % 12;
                    let mut own = base.clone();
                    (0..changes).for_each(|_| own[(words.word() % 120) as usize] = words.word());
                    all.push(own);
                }
            }
            let texts: Vec<String> = all.iter().map(|own| own.iter().map(|w| format!("w{w} ")).collect()).collect();
            let settings = r#"{"threshold": 0.7}"#;
            let whole = run(settings, &texts, &[]).keeps();
            prop_assert_eq!(&run(settings, &texts, &[cut, 7]).keeps(), &whole);
            let sets: Vec<_> = all.iter().map(|own| grams(own)).collect();
            let (mut missed, mut due) = (0, 0);
            for (at, set) in sets.iter().enumerate() {
                let before = (0..at).filter(|&b| whole[b]).map(|b| jaccard(&sets[b], set)).fold(0.0, f64::max);
                let any = (0..sets.len()).filter(|&b| b != at && whole[b]).map(|b| jaccard(&sets[b], set)).fold(0.0, f64::max);
                prop_assert!(whole[at] || any >= 0.7, "{at} went, but is {any} alike at most");
                due += usize::from(before >= 0.7);
                missed += usize::from(whole[at] && before >= 0.7);
            }
            prop_assert!(missed <= 2 + due / 12, "{missed} of {due} missed");
        }
    }
}
