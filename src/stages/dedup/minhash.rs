//! Removes near-duplicates over the whole corpus: MinHash with banding (Broder 1997; Leskovec et al., *Mining of Massive
//! Datasets*, ch. 3), as FineWeb and others do it, out of core and in one line, and checked.
//!
//! Each document's set of n-grams is reduced to `bands` × `rows` minima. Documents that agree in all rows of a band are
//! candidates. Only those are looked at a second time: their n-gram sets are compared, and a document goes only if it
//! is as alike as `min_similarity` to one that stays. So no chain of candidates can swallow a source, and no document is
//! lost to a hash. With `verify: none` candidates are joined to clusters unseen, as elsewhere.
//!
//! Documents of fewer than `ngrams` words have no n-gram and stay.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::sketch::minhash::{MinHash, Minima};
use crate::sketch::minhash_datatrove::Datatrove;
use crate::sketch::scurve;
use crate::sketch::shingle::{Roller, lower_word};
use crate::sketch::similarity::{self, Measure};
use crate::stage::candidates::{self, Candidate, Join, Tail};
use crate::stage::clusters::{ClusterFields, Clusters, Judge};
use crate::stage::index::{self, Entry, Known};
use crate::stage::settings::{Fraction, Paths};
use crate::stage::survivor::{Preference, Survivor};
use crate::stage::verify::{Member, Verification};
use crate::stage::{
    About, Apply, Build, Chosen, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage,
};
use crate::text::simplify::simplify;
use crate::text::words::Words;

/// Settings of `minhash`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Minhash {
    /// Elements of an n-gram.
    #[schemars(range(min = 1, max = 64))]
    pub ngrams: usize,
    /// What n-grams are made of.
    pub unit: Unit,
    /// The similarity from which documents count as near-duplicates; `bands` and `rows` follow from it, at most 128 hashes
    /// in all. Without it they are as given, 14 × 8 by default.
    pub threshold: Option<Fraction>,
    /// Bands: more of them find less similar documents. 14 unless `threshold` is given.
    #[schemars(range(min = 1, max = 1024))]
    pub bands: Option<u32>,
    /// Rows of a band: more of them find only more similar documents. 8 unless `threshold` is given.
    #[schemars(range(min = 1, max = 64))]
    pub rows: Option<u32>,
    /// How candidates are compared before one goes.
    pub verify: Verify,
    /// How alike a document must be to the one that stays; by default `threshold`, or what bands and rows imply:
    /// (1 / bands) to the power 1 / rows, 0.72 for 14 × 8.
    pub min_similarity: Option<Fraction>,
    /// Which document of a cluster stays.
    pub keep: Survivor,
    /// Distinct n-grams of a document that are compared at most. For a longer document those with the smallest hashes
    /// stand for all: at the default the similarity is then right within 0.01.
    #[schemars(range(min = 256, max = 16_777_216))]
    pub sample_ngrams: usize,
    /// Documents of more characters take no part and stay.
    pub max_chars: Option<u64>,
    /// Clusters of more documents are left whole, and reported.
    #[schemars(range(min = 2))]
    pub max_cluster: Option<u32>,
    /// A folder where the documents that stay are written down: their ids, bands, and up to 1,024 n-gram hashes each. A later
    /// run compares with it instead of reading them again. What lies there is replaced.
    pub index: Option<String>,
    /// Folders of indexes written by earlier runs with the same settings. Documents like one of theirs go.
    #[serde(skip_serializing_if = "Paths::is_empty")]
    pub against: Paths,
    /// Bits of a band's key. With 64 some documents are compared, or with `verify: none` lost, by chance: 13 pairs at 100 TB.
    #[schemars(extend("enum" = [64, 128]))]
    pub key_bits: u32,
    /// Another tool's words and hashes instead of ours, bit for bit: to go on with a deduplication begun there.
    pub compat: Option<Compat>,
    /// Seed of the hash functions.
    pub seed: u64,
}

/// Whose words and hashes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// datatrove 0.10, English: the words that spaCy finds in what `simplify_text` leaves, XXH64, orders drawn as numpy draws
    /// them. Documents are linked as there; with `verify: none` the clusters are the same, and of each the first
    /// stays, where datatrove keeps whichever became the root.
    Datatrove,
}

/// What n-grams are made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Words (UAX #29) in lower case.
    #[default]
    Words,
    /// Characters in lower case, any run of white space as one space.
    Characters,
    /// The token ids that `encode` wrote before.
    Tokens,
}

/// How candidates are compared before one goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// By their n-grams in common, of those in either.
    #[default]
    Jaccard,
    /// By their n-grams in common, of those of the shorter: an excerpt is a duplicate of the whole.
    Containment,
    /// Not at all: candidates of candidates are duplicates.
    None,
}

impl Default for Minhash {
    fn default() -> Self {
        Self {
            ngrams: 5,
            unit: Unit::Words,
            threshold: None,
            bands: None,
            rows: None,
            verify: Verify::Jaccard,
            min_similarity: None,
            keep: Survivor::First,
            sample_ngrams: 65_536,
            max_chars: None,
            max_cluster: None,
            index: None,
            against: Paths::default(),
            key_bits: 64,
            compat: None,
            seed: 1,
        }
    }
}

/// The most hashes that a `threshold` is given.
const HASHES: u32 = 128;

impl Settings for Minhash {
    const ABOUT: About = About {
        version: 2,
        shorthand: Some("threshold"),
        reasons: &[("near_duplicate", "another document of its cluster stays")],
        fields: &[
            ("minhash_cluster", "corpus ordinal of the cluster's first document (`mode: annotate`)"),
            ("minhash_cluster_size", "documents in the cluster (`mode: annotate`)"),
            ("minhash_duplicate", "whether another document of the cluster would stay (`mode: annotate`)"),
            ("minhash_similarity", "how alike it is to the one that would stay, 0..1 (`mode: annotate`, verified)"),
            ("minhash_survivor", "id of the one that would stay (`mode: annotate`, verified)"),
        ],
        ..About::new(
            "minhash",
            Family::Dedup,
            "removes near-duplicates over the whole corpus (MinHash), each one verified",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let (bands, rows) = self.shape()?;
        let least = self.least(bands, rows)?;
        let measure = match self.verify {
            Verify::Jaccard => Some(Measure::Jaccard),
            Verify::Containment => Some(Measure::Containment),
            Verify::None => None,
        };
        let preference = self.keep.resolve(cx)?;
        let tokens = if self.unit == Unit::Tokens { Some(cx.reads("tokens")?) } else { None };
        let judge = Judge {
            word: "near_duplicate",
            limit: measure.map(|_| least),
            fields: ClusterFields::declare(cx, measure.is_some())?,
        };
        curve(bands, rows, measure.map(|_| least)).into_iter().for_each(|note| cx.notes(note));
        let made = self.made(bands, rows);
        let known = Known::open(&self.against.0, &made, cx)?;
        if !known.is_empty() {
            cx.notes(format!("{} documents of earlier runs are compared with", known.documents()));
        }
        let index = self.index.as_ref().map(|dir| index::Writer::new(dir.as_ref(), made));
        let hashes = match self.compat {
            None => Hashes::Ours(MinHash::new(bands as usize, rows as usize, self.seed)),
            Some(Compat::Datatrove) => {
                Hashes::Datatrove(Datatrove::new(bands as usize, rows as usize, self.seed as u32))
            }
        };
        let shared = Arc::new(Shared { settings: self, hashes, tokens, preference, known });
        let second = measure.map(|measure| {
            let verification = Verification { measure, least, most: shared.settings.max_cluster, judge, index };
            Arc::new(Verified { shared: shared.clone(), verification }) as Arc<dyn Global>
        });
        Ok(Stage::Global(Arc::new(Candidates { shared, judge, second })))
    }
}

impl Minhash {
    fn shape(&self) -> Result<(u32, u32)> {
        let wrong = |message: &str| Err(Error::pipeline(format!("`minhash`: {message}")));
        let shape = match (self.threshold, self.bands, self.rows) {
            (None, bands, rows) => (bands.unwrap_or(14), rows.unwrap_or(8)),
            (Some(Fraction(threshold)), None, None) if threshold > 0.0 => match self.verify {
                Verify::None => scurve::derive(threshold, HASHES),
                _ => scurve::derive_for_recall(threshold, HASHES),
            },
            (Some(_), None, None) => return wrong("`threshold` must be above 0"),
            _ => return wrong("give either `threshold`, or `bands` and `rows`"),
        };
        if self.ngrams == 0 || shape.0 == 0 || shape.1 == 0 || shape.0.saturating_mul(shape.1) > 1 << 16 {
            return wrong("`ngrams`, `bands` and `rows` must be at least 1, and bands × rows at most 65,536");
        }
        if !matches!(self.key_bits, 64 | 128) {
            return wrong("`key_bits` must be 64 or 128");
        }
        if self.compat.is_some() && (self.unit != Unit::Words || self.seed > u64::from(u32::MAX)) {
            return wrong("`compat: datatrove` is for `unit: words` and a `seed` of 32 bits");
        }
        if let Some(index) = self.index.as_ref().filter(|index| self.against.0.contains(index)) {
            return wrong(&format!("`{index}` cannot be written and compared with in one run"));
        }
        if self.verify == Verify::None && (self.index.is_some() || !self.against.0.is_empty()) {
            return wrong("`index` and `against` need n-grams to compare, which `verify: none` leaves out");
        }
        if self.sample_ngrams < 256 || self.max_cluster.is_some_and(|most| most < 2) {
            return wrong("`sample_ngrams` must be at least 256, and `max_cluster` at least 2");
        }
        Ok(shape)
    }

    /// What an index depends on.
    fn made(&self, bands: u32, rows: u32) -> String {
        let unit = match self.unit {
            Unit::Words if self.compat.is_some() => "words of datatrove",
            Unit::Words => "words",
            Unit::Characters => "characters",
            Unit::Tokens => "tokens",
        };
        format!("minhash of {} {unit}, {bands} × {rows}, {}-bit keys, seed {}", self.ngrams, self.key_bits, self.seed)
    }

    fn least(&self, bands: u32, rows: u32) -> Result<f64> {
        match (self.min_similarity.or(self.threshold), self.verify) {
            (Some(_), Verify::None) if self.min_similarity.is_some() => {
                Err(Error::pipeline("`minhash`: `min_similarity` asks for what `verify: none` leaves out")
                    .hint("remove one of them"))
            }
            (Some(Fraction(least)), _) if least > 0.0 => Ok(least),
            (Some(_), _) => Err(Error::pipeline("`minhash`: `min_similarity` must be above 0")),
            (None, _) => Ok(scurve::threshold(bands, rows)),
        }
    }
}

/// What the plan says of the curve.
fn curve(bands: u32, rows: u32, least: Option<f64>) -> Vec<String> {
    let points = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
    let points = points.map(|s| format!("{:.3} at {s}", scurve::probability(s, bands, rows)));
    let curve = format!("{bands} bands × {rows} rows: documents are compared with probability {}", points.join(", "));
    let verified = match least {
        Some(least) => format!(
            "a document goes if it is at least {least:.3} alike to one that stays; of such pairs at the limit {:.0}% are found",
            100.0 * scurve::probability(least, bands, rows)
        ),
        None => format!(
            "nothing is verified: half of the pairs of similarity {:.2} are joined, and chains of them",
            scurve::half(bands, rows)
        ),
    };
    vec![curve, verified]
}

/// Whose orders.
enum Hashes {
    Ours(MinHash),
    Datatrove(Datatrove),
}

/// What both looks share.
struct Shared {
    settings: Minhash,
    hashes: Hashes,
    tokens: Option<Field<Vec<u32>>>,
    preference: Preference,
    known: Known,
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
struct Candidates {
    shared: Arc<Shared>,
    judge: Judge,
    second: Option<Arc<dyn Global>>,
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
            return Ok(join.candidates(corpus, self.shared.settings.index.is_some()));
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
struct Verified {
    shared: Arc<Shared>,
    verification: Verification,
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
    use std::collections::BTreeSet;

    fn text(seed: u32, words: usize) -> String {
        (0..words as u32)
            .map(|i| format!("w{} ", (seed.wrapping_mul(7919).wrapping_add(i.wrapping_mul(i))) % 9973))
            .collect()
    }

    fn run(settings: &str, texts: &[impl AsRef<str>], cuts: &[usize]) -> Outcome {
        build::<Minhash>(settings, false, |_| {}).unwrap().run(docs(texts), cuts).unwrap()
    }

    #[test]
    fn near_duplicates_go_whatever_the_splits_and_others_stay() {
        let base = text(1, 200);
        let near = base.replacen("w", "v", 1);
        let longer = format!("{base} and a little more at the end");
        let texts =
            [base.clone(), text(2, 200), near, text(3, 200), longer.clone(), "too short".into(), "too short".into()];
        for cuts in [vec![], vec![1], vec![2, 3, 5]] {
            for more in ["", r#", "verify": "none""#, r#", "key_bits": 128"#, r#", "threshold": 0.8"#] {
                let kept = run(&format!("{{\"seed\": 1{more}}}"), &texts, &cuts).keeps();
                assert_eq!(kept, [true, true, false, true, false, true, true], "{cuts:?} {more}");
                let kept = run(&format!("{{\"keep\": \"longest\"{more}}}"), &texts, &cuts);
                assert_eq!(kept.keeps(), [false, true, false, true, true, true, true], "{cuts:?} {more}");
            }
        }
    }

    /// Texts of which each shares nine tenths of its words' places with the one before.
    fn chain(links: usize) -> Vec<String> {
        let words: Vec<String> = (0..1000 + links * 100).map(|i| format!("w{i}")).collect();
        (0..links).map(|at| words[at * 100..at * 100 + 1000].join(" ")).collect()
    }

    #[test]
    fn a_chain_is_cut_where_it_leaves_the_one_that_stays() {
        let texts = chain(9);
        let verified = run(r#"{"threshold": 0.8}"#, &texts, &[4]);
        assert_eq!(verified.keeps(), [true, false, true, false, true, false, true, false, true]);
        assert!(verified.verdicts.iter().all(|v| match v {
            crate::doc::Verdict::Drop(reason) => reason.limit == Some(0.8) && reason.number.is_some_and(|n| n >= 0.8),
            crate::doc::Verdict::Keep => true,
        }));
        let blind = run(r#"{"bands": 16, "rows": 8, "verify": "none"}"#, &texts, &[4]);
        assert_eq!(blind.texts().len(), 1);
        let whole = run(r#"{"bands": 16, "rows": 8, "verify": "none", "max_cluster": 8}"#, &texts, &[4]);
        assert_eq!(whole.texts().len(), 9);
    }

    #[test]
    fn an_excerpt_is_contained_but_not_alike() {
        let texts = [text(4, 300), text(4, 200)];
        assert_eq!(run(r#"{"bands": 60, "rows": 3}"#, &texts, &[]).texts().len(), 1);
        assert_eq!(run(r#"{"bands": 60, "rows": 3, "min_similarity": 0.9}"#, &texts, &[]).texts().len(), 2);
        let settings = r#"{"bands": 60, "rows": 3, "min_similarity": 0.9, "verify": "containment"}"#;
        assert_eq!(run(settings, &texts, &[]).texts().len(), 1);
    }

    #[test]
    fn edges_are_defined() {
        let one_character = [text(6, 400), text(6, 400).replacen("w7", "w8", 1)];
        assert_eq!(run("{}", &one_character, &[]).texts().len(), 1);
        assert_eq!(
            run("{}", &["", "", "a b c d", "a b c d", " \n", "…"], &[2]).texts().len(),
            6,
            "no n-gram, no duplicate"
        );
        assert_eq!(run("{}", &["a b c d e", "A b, c d E!"], &[]).texts().len(), 1, "one n-gram");
        assert!(run("{}", &[] as &[&str], &[0, 0]).texts().is_empty());
        let huge = "over and over again ".repeat(100_000);
        let texts = [huge.as_str(), "x", huge.as_str()];
        assert_eq!(run("{}", &texts, &[]).texts().len(), 2);
        assert_eq!(run(r#"{"max_chars": 1000}"#, &texts, &[]).texts().len(), 3);
    }

    #[test]
    fn very_many_equal_documents_are_one_cluster_in_linear_time() {
        let texts = vec![text(5, 30); 5000];
        for settings in ["{}", r#"{"verify": "none"}"#, r#"{"keep": "longest", "verify": "none"}"#] {
            let kept = run(settings, &texts, &[10, 2000]);
            assert_eq!(kept.keeps().iter().position(|k| *k), Some(0));
            assert_eq!(kept.texts().len(), 1);
            assert!(kept.notes.iter().any(|n| n.starts_with("a cluster of 5000")), "{:?}", kept.notes);
        }
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

    #[test]
    fn annotating_measures_and_drops_nothing() {
        let texts = [text(1, 200), text(2, 200), text(1, 210)];
        let built = build::<Minhash>("{}", true, |_| {}).unwrap();
        let seen = built.run(docs(&texts), &[1]).unwrap();
        assert_eq!(seen.keeps(), [true; 3]);
        let similarity = built.fields.find::<f64>("minhash_similarity").unwrap();
        assert_eq!(seen.docs[1].get(similarity), Some(1.0));
        let alike = seen.docs[2].get(similarity).unwrap();
        assert!((0.94..0.96).contains(&alike), "{alike}: 196 of 206 n-grams");
        let size = built.fields.find::<i64>("minhash_cluster_size").unwrap();
        assert_eq!(seen.docs.iter().map(|d| d.get(size).unwrap()).collect::<Vec<_>>(), [2, 1, 2]);
    }

    #[test]
    fn an_index_stands_for_the_documents_that_stayed() {
        let dir = tempfile::tempdir().unwrap();
        let index = |name: &str| dir.path().join(name).display().to_string();
        let near = |seed| text(seed, 200).replacen("w", "v", 1);
        let first = [text(1, 200), text(2, 200), near(1), "too short".into()];
        let settings = format!(r#"{{"index": "{}"}}"#, index("a"));
        let kept = run(&settings, &first, &[1]);
        assert_eq!(kept.keeps(), [true, true, false, true]);
        assert!(kept.notes.contains(&"2 documents are in the index".to_owned()), "{:?}", kept.notes);
        // A second crawl: documents of the first, near ones, new ones, and duplicates among the new.
        let second = [near(1), text(3, 200), near(2), near(3), text(2, 200), text(2, 200)];
        let settings = format!(r#"{{"against": "{}", "index": "{}"}}"#, index("a"), index("b"));
        for cuts in [vec![], vec![2], vec![1, 1, 1]] {
            let kept = run(&settings, &second, &cuts);
            assert_eq!(kept.keeps(), [false, true, false, false, false, false], "{cuts:?}");
            assert!(kept.notes.contains(&"4 documents are like one of an earlier run".to_owned()), "{:?}", kept.notes);
        }
        // A third is held against both; running it twice changes nothing.
        let third = [near(3), near(2), text(4, 200)];
        let settings = format!(r#"{{"against": ["{}", "{}"]}}"#, index("a"), index("b"));
        assert_eq!(run(&settings, &third, &[]).keeps(), [false, false, true]);
        assert_eq!(run(&settings, &third, &[]).keeps(), [false, false, true]);
        let built = build::<Minhash>(&settings, true, |_| {}).unwrap();
        let seen = built.run(docs(&third), &[]).unwrap();
        let survivor = built.fields.find::<String>("minhash_survivor").unwrap();
        let ids: Vec<String> = docs(&second).iter().map(|d| d.id.to_string()).collect();
        assert_eq!(seen.docs[0].get(survivor), Some(ids[1].as_str()), "the id of the earlier run");
        assert_eq!(seen.docs[2].get(survivor), Some(seen.docs[2].id.to_string().as_str()));
        // What is forgotten is new again.
        let of = docs(&second)[1].id;
        crate::stage::index::forget(index("b").as_ref(), |id| id == of).unwrap();
        assert_eq!(run(&settings, &third, &[]).keeps(), [true, false, true]);
        let other = format!(r#"{{"against": "{}", "rows": 7}}"#, index("a"));
        assert!(build::<Minhash>(&other, false, |_| {}).err().unwrap().message.contains("made with other settings"));
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

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for (settings, says) in [
            (r#"{"threshold": 0.8, "bands": 9}"#, "either"),
            (r#"{"threshold": 0}"#, "above 0"),
            (r#"{"verify": "none", "min_similarity": 0.8}"#, "leaves out"),
            (r#"{"key_bits": 96}"#, "64 or 128"),
            (r#"{"bands": 0}"#, "at least 1"),
            (r#"{"max_cluster": 1}"#, "at least 2"),
            (r#"{"index": "a", "verify": "none"}"#, "leaves out"),
            (r#"{"index": "a", "against": "a"}"#, "in one run"),
        ] {
            let error = build::<Minhash>(settings, false, |_| {}).err().unwrap();
            assert!(error.message.contains(says), "{settings}: {}", error.message);
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
