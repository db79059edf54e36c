//! Removes near-duplicates over the whole corpus: MinHash with banding (Broder 1997; Leskovec et al., *Mining of Massive
//! Datasets*, ch. 3), as FineWeb and others do it, out of core and in one line.
//!
//! Each document's set of word n-grams is reduced to `bands` × `rows` minima. Documents that agree in all rows of a band
//! are linked, links are joined to clusters, and one document of each cluster stays. Documents of fewer than `ngrams`
//! words have no n-gram and stay.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, FieldTable};
use crate::error::{Error, Result};
use crate::sketch::minhash::{MinHash, Minima};
use crate::sketch::scurve;
use crate::sketch::shingle::{Roller, lower_word};
use crate::sketch::union_find::UnionFind;
use crate::stage::clusters::{self, ClusterFields, Clusters, Ordinals};
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage, varint,
};

/// Settings of `minhash`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Minhash {
    /// Words of an n-gram.
    #[schemars(range(min = 1, max = 64))]
    pub ngrams: usize,
    /// Bands: more of them find less similar documents.
    #[schemars(range(min = 1, max = 1024))]
    pub bands: usize,
    /// Rows of a band: more of them find only more similar documents.
    #[schemars(range(min = 1, max = 64))]
    pub rows: usize,
    /// Seed of the hash functions.
    pub seed: u64,
    /// Which document of a cluster stays.
    pub keep: Survivor,
}

/// Which document of a cluster stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Survivor {
    /// The first in corpus order.
    #[default]
    First,
    /// The longest; of equally long ones the first.
    Longest,
}

impl Default for Minhash {
    fn default() -> Self {
        Self { ngrams: 5, bands: 14, rows: 8, seed: 1, keep: Survivor::First }
    }
}

impl Settings for Minhash {
    const ABOUT: About = About {
        reasons: &[("near_duplicate", "another document of its cluster stays")],
        fields: &[
            ("minhash_cluster", "corpus ordinal of the cluster's first document (`mode: annotate`)"),
            ("minhash_cluster_size", "documents in the cluster (`mode: annotate`)"),
            ("minhash_duplicate", "whether another document of the cluster would stay (`mode: annotate`)"),
        ],
        ..About::new("minhash", Family::Dedup, "removes near-duplicates over the whole corpus (MinHash)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if self.ngrams == 0 || self.bands == 0 || self.rows == 0 || self.bands * self.rows > 1 << 16 {
            return Err(Error::pipeline(
                "`minhash`: `ngrams`, `bands` and `rows` must be at least 1, and bands × rows at most 65,536",
            ));
        }
        let hashes = MinHash::new(self.bands, self.rows, self.seed);
        let fields = ClusterFields::declare(cx)?;
        Ok(Stage::Global(Arc::new(Running { settings: self, hashes, fields })))
    }
}

struct Running {
    settings: Minhash,
    hashes: MinHash,
    fields: Option<ClusterFields>,
}

const PARTITIONS: u32 = 64;
/// A record is a band's key and the document's length.
const KEY: usize = 8;

impl Global for Running {
    fn record_bytes(&self) -> usize {
        KEY + 4
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        let roller = Roller::new(self.settings.ngrams);
        Ok(Box::new(Signer { hashes: self.hashes.clone(), roller, minima: Minima::default(), word: Vec::new() }))
    }

    /// Writes every group of documents with one key: how many, then for each the distance to the one before, and its length.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let ordinals = Ordinals::of(records.corpus());
        let (mut key, mut group) = ([0; KEY], Vec::new());
        while let Some((record, at)) = records.next()? {
            let (band, length) = record.split_at(KEY);
            if band != key {
                write_group(&mut group, links);
                key.copy_from_slice(band);
            }
            let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
            group.push((ordinals.ordinal(at), length));
        }
        write_group(&mut group, links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut forest = UnionFind::new(corpus.total());
        let mut lengths: HashMap<u64, u32> = HashMap::new();
        for part in 0..links.partitions() {
            let mut from = links.open(part)?;
            while let Some(size) = varint::read(&mut *from)? {
                let (mut ordinal, mut first) = (0, None);
                for _ in 0..size {
                    ordinal += varint::expect(&mut *from)?;
                    lengths.insert(ordinal, varint::expect(&mut *from)? as u32);
                    forest.union(*first.get_or_insert(ordinal), ordinal);
                }
            }
        }
        let mut members: Vec<(u64, u64)> = lengths.keys().map(|&document| (forest.find(document), document)).collect();
        members.sort_unstable();
        let mut found = Clusters::new(corpus, self.fields.is_some());
        for cluster in members.chunk_by(|a, b| a.0 == b.0).filter(|c| c.len() > 1) {
            let length = |document: &u64| lengths.get(document).copied().unwrap_or(0);
            let stays = match self.settings.keep {
                Survivor::First => cluster.first().map(|c| c.1),
                Survivor::Longest => cluster.iter().map(|c| c.1).max_by_key(|d| (length(d), std::cmp::Reverse(*d))),
            };
            for &(root, document) in cluster {
                found.add(document, root, cluster.len() as u32, Some(document) != stays);
            }
        }
        let mut findings = found.findings()?;
        let (bands, rows) = (self.settings.bands as u32, self.settings.rows as u32);
        findings.notes.push(format!(
            "documents are linked with probability one half at similarity {:.2}, {:.3} at 0.8",
            scurve::threshold(bands, rows),
            scurve::probability(0.8, bands, rows)
        ));
        Ok(findings)
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        clusters::judge(split, self.fields, "near_duplicate")
    }

    fn dropped_rows(&self, _: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        if self.drops_by_row() { clusters::dropped_rows(split) } else { Ok(None) }
    }

    fn drops_by_row(&self) -> bool {
        self.fields.is_none()
    }
}

fn write_group(group: &mut Vec<(u64, u32)>, links: &mut Vec<u8>) {
    if group.len() > 1 {
        group.sort_unstable();
        varint::write(group.len() as u64, links);
        let mut before = 0;
        for &(ordinal, length) in group.iter() {
            varint::write(ordinal - before, links);
            varint::write(u64::from(length), links);
            before = ordinal;
        }
    }
    group.clear();
}

/// One worker's signing.
struct Signer {
    hashes: MinHash,
    roller: Roller,
    minima: Minima,
    word: Vec<u8>,
}

impl Mapper for Signer {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        self.hashes.start(&mut self.minima);
        self.roller.clear();
        for &word in doc.text.words() {
            let hash = lower_word(doc.text.at(word), &mut self.word);
            if let Some(shingle) = self.roller.push(hash) {
                self.hashes.push(&mut self.minima, shingle);
            }
        }
        let length = u32::try_from(doc.text.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.hashes.finish(&mut self.minima, |key| {
            let mut record = [0; KEY + 4];
            record[..KEY].copy_from_slice(&key.to_be_bytes());
            record[KEY..].copy_from_slice(&length);
            out.emit((key >> 58) as u32, &record);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{build, docs};

    fn text(seed: u32, words: usize) -> String {
        (0..words as u32)
            .map(|i| format!("w{} ", (seed.wrapping_mul(7919).wrapping_add(i.wrapping_mul(i))) % 9973))
            .collect()
    }

    #[test]
    fn near_duplicates_go_whatever_the_splits_and_others_stay() {
        let base = text(1, 200);
        let near = base.replacen("w", "v", 1);
        let longer = format!("{base} and a little more at the end");
        let texts =
            [base.clone(), text(2, 200), near, text(3, 200), longer.clone(), "too short".into(), "too short".into()];
        for cuts in [vec![], vec![1], vec![2, 3, 5]] {
            let kept = build::<Minhash>("{}", false, |_| {}).unwrap().run(docs(&texts), &cuts).unwrap().keeps();
            assert_eq!(kept, [true, true, false, true, false, true, true], "{cuts:?}");
            let kept =
                build::<Minhash>(r#"{"keep": "longest"}"#, false, |_| {}).unwrap().run(docs(&texts), &cuts).unwrap();
            assert_eq!(kept.keeps(), [false, true, false, true, true, true, true]);
        }
    }

    #[test]
    fn a_thousand_equal_documents_are_one_cluster() {
        let texts = vec![text(5, 60); 1000];
        let kept = build::<Minhash>("{}", false, |_| {}).unwrap().run(docs(&texts), &[10, 500]).unwrap();
        assert_eq!(kept.kept().len(), 1);
    }
}
