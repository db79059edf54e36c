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

use super::minhash_looks::{Candidates, Hashes, Shared, Verified};
use crate::error::{Error, Result};
use crate::sketch::minhash::MinHash;
use crate::sketch::minhash_datatrove::Datatrove;
use crate::sketch::scurve;
use crate::sketch::similarity::Measure;
use crate::stage::clusters::{ClusterFields, Judge};
use crate::stage::index::{self, Known};
use crate::stage::keys::Key;
use crate::stage::settings::{Fraction, Paths};
use crate::stage::survivor::Survivor;
use crate::stage::verify::Verification;
use crate::stage::{About, Build, Family, Global, Settings, Stage};

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
    /// A folder where the documents that stay are written down: their ids, hashes of their `url`, bands, and up to 1,024 n-gram hashes each. A later
    /// run compares with it instead of reading them again. What lies there is replaced.
    pub index: Option<String>,
    /// Folders of indexes written by earlier runs with the same settings. Documents like one of theirs go.
    #[serde(skip_serializing_if = "Paths::is_empty")]
    pub against: Paths,
    /// Bits of a band's key. With 64 some documents are compared, or with `verify: none` lost, by chance: of
    /// 25 billion documents (100 TB) some 3,300 pairs, with 14 bands; with 128 none.
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
        version: 3,
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
        // Any reader that has a URL may load it.
        let url = self.index.as_ref().and_then(|_| Key::resolve(cx, "url").ok());
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
        let shared = Arc::new(Shared { settings: self, bands, hashes, tokens, url, preference, known });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Outcome, build, docs};

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
        crate::stage::index::forget(index("b").as_ref(), |entry| entry.id == of).unwrap();
        assert_eq!(run(&settings, &third, &[]).keeps(), [true, false, true]);
        let other = format!(r#"{{"against": "{}", "rows": 7}}"#, index("a"));
        assert!(build::<Minhash>(&other, false, |_| {}).err().unwrap().message.contains("made with other settings"));
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
}
