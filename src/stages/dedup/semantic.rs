//! Removes documents that mean the same: neighbours by the cosine of their embeddings, within clusters (SemDeDup, Abbas et
//! al. 2023, <https://arxiv.org/abs/2303.09540>).
//!
//! Embeddings are a field: a list of numbers of the input, or of a step before. The first look trains the centers of
//! k-means; each document then belongs to its nearest center, and the second look compares documents within a cluster. A
//! document goes if it is near one that stays. (SemDeDup compares with those that go as well, so that a chain of neighbours
//! can vanish but for one end.)

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::sketch::{hash, vectors};
use crate::stage::clusters::{ClusterFields, Clusters, Group, Judge, Ordinals};
use crate::stage::settings::Fraction;
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage, varint,
};

/// Settings of `semantic`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Semantic {
    /// The field that holds the embedding, a list of numbers.
    pub of: String,
    /// How many numbers an embedding has. Documents without one of this length stay.
    #[schemars(range(min = 1, max = 65536))]
    pub dimensions: usize,
    /// The least cosine of two embeddings whose documents mean the same; SemDeDup's 1 - ε.
    #[serde(default = "min_similarity")]
    pub min_similarity: Fraction,
    /// Clusters of k-means; `null` for the square root of the number of documents.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub clusters: Option<usize>,
    /// The share of documents that k-means is trained on, by hash; of a large corpus, 1% is plenty. Of these, no more than
    /// sixteen for each cluster are used.
    #[serde(default = "all")]
    pub train_fraction: Fraction,
    /// Rounds of k-means.
    #[serde(default = "iterations")]
    #[schemars(range(min = 1, max = 1000))]
    pub iterations: usize,
    /// Which document stays of those that mean the same.
    #[serde(default)]
    pub keep: Keep,
    /// Seed of the choice of documents to train on.
    #[serde(default)]
    pub seed: u64,
}

fn min_similarity() -> Fraction {
    Fraction(0.95)
}

fn all() -> Fraction {
    Fraction(1.0)
}

fn iterations() -> usize {
    10
}

/// Which document stays of those that mean the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The first in corpus order.
    #[default]
    First,
    /// The one farthest from its center, as SemDeDup keeps.
    Outlying,
    /// The one nearest to its center.
    Central,
}

impl Settings for Semantic {
    const ABOUT: About = About {
        reasons: &[("semantic_duplicate", "another document that means the same stays")],
        fields: &[
            ("semantic_cluster", "corpus ordinal of the first document that means the same (`mode: annotate`)"),
            ("semantic_cluster_size", "documents that mean the same as the one that would stay (`mode: annotate`)"),
            ("semantic_duplicate", "whether another document would stay (`mode: annotate`)"),
            ("semantic_similarity", "cosine to the one that would stay (`mode: annotate`)"),
        ],
        ..About::new("semantic", Family::Dedup, "removes documents that mean the same, by their embeddings (SemDeDup)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let wrong = |message: &str| Err(Error::pipeline(format!("`semantic`: {message}")));
        if !(1..=65536).contains(&self.dimensions) {
            return wrong("`dimensions` goes from 1 to 65,536");
        }
        if self.clusters == Some(0) || self.iterations == 0 || self.train_fraction.0 == 0.0 {
            return wrong("`clusters`, `iterations` and `train_fraction` must be above 0");
        }
        let embedding = cx.reads::<Vec<f32>>(&self.of)?;
        let center = cx.inner("center")?;
        let limit = Some(self.min_similarity.0);
        let judge = Judge { word: "semantic_duplicate", limit, fields: ClusterFields::declare(cx, true)? };
        let settings = Arc::new(self);
        let trainer = Trainer { settings: settings.clone(), embedding, center };
        Ok(Stage::Chain(vec![Arc::new(trainer), Arc::new(Matcher { settings, embedding, center, judge })]))
    }
}

/// The embedding as a unit vector, if it is one of the right length.
fn unit(doc: &Document, embedding: Field<Vec<f32>>, dimensions: usize, out: &mut Vec<f32>) -> bool {
    doc.get(embedding).is_some_and(|vector| vector.len() == dimensions && vectors::unit(vector, out))
}

fn write(vector: &[f32], out: &mut Vec<u8>) {
    out.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
}

fn read(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default()))
}

/// The first look: centers.
struct Trainer {
    settings: Arc<Semantic>,
    embedding: Field<Vec<f32>>,
    center: Field<i64>,
}

/// Documents to train on for each cluster, at most.
const PER_CLUSTER: usize = 16;

impl Global for Trainer {
    fn record_bytes(&self) -> usize {
        8 + 4 * self.settings.dimensions
    }

    fn partitions(&self) -> u32 {
        1
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        let (settings, embedding) = (self.settings.clone(), self.embedding);
        Ok(Box::new(Emitter { settings, embedding, vector: Vec::new(), record: Vec::new() }))
    }

    /// Writes the centers, end to end.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let documents = records.corpus().total();
        let count = self.settings.clusters.unwrap_or((documents as f64).sqrt().ceil() as usize).max(1);
        let mut sample = Vec::new();
        for _ in 0..count.saturating_mul(PER_CLUSTER) {
            let Some((record, _)) = records.next()? else { break };
            sample.extend(read(record.get(8..).unwrap_or_default()));
        }
        write(&vectors::centers(&sample, self.settings.dimensions, count, self.settings.iterations), links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut shared = Vec::new();
        links.open(0)?.read_to_end(&mut shared).map_err(|e| Error::world("cannot read links").because(e))?;
        if shared.is_empty() && corpus.total() > 0 {
            let Semantic { of, dimensions, .. } = &*self.settings;
            return Err(Error::world(format!("no document to train on has {dimensions} numbers in `{of}`"))
                .hint("set `dimensions` to the length of the embeddings, or raise `train_fraction`"));
        }
        let centers = shared.len() / 4 / self.settings.dimensions;
        let notes = vec![format!("documents are compared within {centers} clusters")];
        Ok(Findings { shared, splits: vec![Vec::new(); corpus.rows.len()], notes })
    }

    fn apply(&self, shared: &[u8], _: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let (dimensions, embedding, center) = (self.settings.dimensions, self.embedding, self.center);
        Ok(Arc::new(Assigner { centers: read(shared).collect(), dimensions, embedding, center }))
    }
}

/// Emits the vectors to train on, in the order of their hash.
struct Emitter {
    settings: Arc<Semantic>,
    embedding: Field<Vec<f32>>,
    vector: Vec<f32>,
    record: Vec<u8>,
}

impl Mapper for Emitter {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let hash = hash::seeded(&doc.id.0.to_le_bytes(), self.settings.seed);
        if hash::within(hash, self.settings.train_fraction.0)
            && unit(doc, self.embedding, self.settings.dimensions, &mut self.vector)
        {
            self.record.clear();
            self.record.extend(hash.to_be_bytes());
            write(&self.vector, &mut self.record);
            out.emit(0, &self.record);
        }
    }
}

struct Assigner {
    centers: Vec<f32>,
    dimensions: usize,
    embedding: Field<Vec<f32>>,
    center: Field<i64>,
}

impl Apply for Assigner {
    fn apply(&self, _: u32, doc: &mut Document) -> Verdict {
        let mut vector = Vec::new();
        if unit(doc, self.embedding, self.dimensions, &mut vector) {
            let (center, cosine) = vectors::nearest(&vector, &self.centers);
            // The cosine goes along, in fixed point below the center's number.
            let order = ((f64::from(cosine) + 1.0) * f64::from(1 << 30)) as u32;
            doc.set(self.center, ((center as i64) << 32) | i64::from(order));
        }
        Verdict::Keep
    }
}

/// The second look: neighbours within a cluster.
struct Matcher {
    settings: Arc<Semantic>,
    embedding: Field<Vec<f32>>,
    center: Field<i64>,
    judge: Judge,
}

const PARTITIONS: u32 = 64;

impl Global for Matcher {
    fn record_bytes(&self) -> usize {
        8 + 4 * self.settings.dimensions
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        let (dimensions, embedding, center) = (self.settings.dimensions, self.embedding, self.center);
        Ok(Box::new(Member { dimensions, embedding, center, vector: Vec::new(), record: Vec::new() }))
    }

    /// Writes the number of documents, then the groups of those that mean the same.
    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let mut documents = 0u64;
        while records.next()?.is_some() {
            documents += 1;
        }
        varint::write(documents, links);
        records.rewind()?;
        let ordinals = Ordinals::of(records.corpus());
        let mut cluster = Cluster::new(self.settings.dimensions);
        let mut last = [0; 4];
        while let Some((record, at)) = records.next()? {
            let Some((center, rest)) = record.split_first_chunk::<4>() else { continue };
            if *center != last {
                cluster.write_groups(&self.settings, links);
                last = *center;
            }
            cluster.add(rest, ordinals.ordinal(at));
        }
        cluster.write_groups(&self.settings, links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut found = Clusters::new(corpus, self.judge.fields.is_some(), None);
        let (mut documents, mut group) = (0, Group::default());
        for part in 0..links.partitions() {
            let mut from = links.open(part)?;
            documents += varint::expect(&mut *from)?;
            while group.read(&mut *from)? {
                found.add_group(&group);
            }
        }
        let mut findings = found.findings()?;
        let without = corpus.total() - documents;
        if without > 0 {
            let Semantic { of, dimensions, .. } = &*self.settings;
            findings.notes.push(format!("{without} documents have no {dimensions} numbers in `{of}` and stay"));
        }
        Ok(findings)
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        Ok(Arc::new(Tidy { judge: self.judge.apply(split)?, center: self.center }))
    }

    fn dropped_rows(&self, _: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        self.judge.dropped_rows(split)
    }

    fn drops_by_row(&self) -> bool {
        self.judge.drops_by_row()
    }
}

/// Judges, and takes away what the looks left for each other.
struct Tidy {
    judge: Arc<dyn Apply>,
    center: Field<i64>,
}

impl Apply for Tidy {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        doc.fields.take(self.center.slot());
        self.judge.apply(row, doc)
    }
}

struct Member {
    dimensions: usize,
    embedding: Field<Vec<f32>>,
    center: Field<i64>,
    vector: Vec<f32>,
    record: Vec<u8>,
}

impl Mapper for Member {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let Some(center) = doc.get(self.center).map(|c| c as u64) else { return };
        if unit(doc, self.embedding, self.dimensions, &mut self.vector) {
            self.record.clear();
            self.record.extend(center.to_be_bytes());
            write(&self.vector, &mut self.record);
            out.emit((center >> 32) as u32 % PARTITIONS, &self.record);
        }
    }
}

/// The documents of one cluster.
struct Cluster {
    dimensions: usize,
    /// Vectors that differ, end to end.
    vectors: Vec<f32>,
    last: Vec<u8>,
    /// Cosine to the center in fixed point, ordinal, which vector.
    members: Vec<(u32, u64, usize)>,
}

impl Cluster {
    fn new(dimensions: usize) -> Self {
        Self { dimensions, vectors: Vec::new(), last: Vec::new(), members: Vec::new() }
    }

    /// Adds a document; equal vectors follow each other.
    fn add(&mut self, record: &[u8], document: u64) {
        let (order, vector) = record.split_at(4);
        if vector != self.last || self.members.is_empty() {
            self.vectors.extend(read(vector));
            self.last.clear();
            self.last.extend_from_slice(vector);
        }
        let order = u32::from_be_bytes(order.try_into().unwrap_or_default());
        self.members.push((order, document, self.vectors.len() / self.dimensions - 1));
    }

    fn vector(&self, index: usize) -> &[f32] {
        self.vectors.get(index * self.dimensions..(index + 1) * self.dimensions).unwrap_or_default()
    }

    /// Goes through the documents in the order of preference: each stays, or joins the first that stays and is near it.
    fn write_groups(&mut self, settings: &Semantic, links: &mut Vec<u8>) {
        match settings.keep {
            Keep::First => self.members.sort_unstable_by_key(|m| m.1),
            Keep::Outlying => self.members.sort_unstable_by_key(|m| (m.0, m.1)),
            Keep::Central => self.members.sort_unstable_by_key(|m| (u32::MAX - m.0, m.1)),
        }
        let near = settings.min_similarity.0 as f32;
        let mut groups: Vec<(usize, Group)> = Vec::new();
        // Equal vectors are compared once, so that a million equal documents are no more work than one.
        let mut of_vector: Vec<Option<(usize, f32)>> = vec![None; self.vectors.len() / self.dimensions];
        for &(_, document, index) in &self.members {
            let vector = self.vector(index);
            let compared = || {
                let cosines = groups.iter().map(|(stays, _)| vectors::dot(vector, self.vector(*stays)));
                cosines.enumerate().find(|(_, cosine)| *cosine >= near)
            };
            let found = of_vector.get(index).copied().flatten().or_else(compared);
            let (group, cosine) = found.unwrap_or_else(|| {
                groups.push((index, Group { survivor: Some(document), ..Group::default() }));
                (groups.len() - 1, 1.0)
            });
            if let Some(of_vector) = of_vector.get_mut(index) {
                *of_vector = Some((group, cosine));
            }
            if let Some((_, group)) = groups.get_mut(group) {
                group.members.push((document, f64::from(cosine)));
            }
        }
        groups.iter_mut().for_each(|(_, group)| group.write(links));
        self.vectors.clear();
        self.members.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Built, build, doc};
    use proptest::prelude::*;

    fn built(settings: &str) -> Result<Built> {
        build::<Semantic>(settings, false, |cx| {
            cx.writes::<Vec<f32>>("embedding").unwrap();
        })
    }

    fn documents(built: &Built, embeddings: &[Vec<f32>]) -> Vec<Document> {
        let field = built.fields.find::<Vec<f32>>("embedding").unwrap();
        let make = |(n, embedding): (usize, &Vec<f32>)| {
            let mut doc = doc("web", n as u64, &format!("text {n}"));
            doc.set(field, embedding.clone());
            doc
        };
        embeddings.iter().enumerate().map(make).collect()
    }

    /// One cluster: every document is compared with every one that stays.
    fn brute_force(embeddings: &[Vec<f32>], near: f64) -> Vec<bool> {
        let mut stay: Vec<&Vec<f32>> = Vec::new();
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let mut keeps = Vec::new();
        for embedding in embeddings {
            let length = product(embedding, embedding);
            let cosine = |other: &[f32]| product(embedding, other) / (length * product(other, other)).sqrt();
            let stays = length == 0.0 || !stay.iter().any(|other| cosine(other) >= near);
            if stays && length > 0.0 {
                stay.push(embedding);
            }
            keeps.push(stays);
        }
        keeps
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn within_one_cluster_all_are_compared(
            embeddings in prop::collection::vec(prop::collection::vec(-3i8..4, 5), 1..40),
            cuts in prop::collection::vec(0usize..15, 0..4),
        ) {
            let embeddings: Vec<Vec<f32>> =
                embeddings.into_iter().map(|v| v.into_iter().map(f32::from).collect()).collect();
            prop_assume!(embeddings.iter().any(|v| v.iter().any(|x| *x != 0.0)));
            // No two of these small whole vectors have a cosine this near to the limit but not on one side of it.
            let built = built(r#"{"of": "embedding", "dimensions": 5, "clusters": 1, "min_similarity": 0.90137}"#).unwrap();
            let keeps = built.run(documents(&built, &embeddings), &cuts).unwrap().keeps();
            prop_assert_eq!(keeps, brute_force(&embeddings, 0.90137));
        }

        #[test]
        fn splits_do_not_matter_with_many_clusters(
            embeddings in prop::collection::vec(prop::collection::vec(-1f32..1.0, 3), 1..60),
            cuts in prop::collection::vec(0usize..15, 0..4),
        ) {
            prop_assume!(embeddings.iter().any(|v| v.iter().any(|x| *x != 0.0)));
            for keep in ["first", "outlying", "central"] {
                let built = built(&format!(r#"{{"of": "embedding", "dimensions": 3, "keep": "{keep}"}}"#)).unwrap();
                let whole = built.run(documents(&built, &embeddings), &[]).unwrap().keeps();
                prop_assert_eq!(built.run(documents(&built, &embeddings), &cuts).unwrap().keeps(), whole);
            }
        }
    }

    #[test]
    fn the_outlying_or_the_central_stays() {
        let embeddings = [vec![1.0, 0.02], vec![1.0, 0.0], vec![1.0, -0.06], vec![-1.0, 0.0]];
        let keeps = |keep: &str| {
            let settings = format!(r#"{{"of": "embedding", "dimensions": 2, "clusters": 2, "keep": "{keep}"}}"#);
            let built = built(&settings).unwrap();
            built.run(documents(&built, &embeddings), &[2]).unwrap().keeps()
        };
        assert_eq!(keeps("first"), [true, false, false, true]);
        assert_eq!(keeps("outlying"), [false, false, true, true]);
        assert_eq!(keeps("central"), [false, true, false, true]);
    }

    #[test]
    fn a_hundred_thousand_equal_documents_are_no_more_work_than_one() {
        let built = built(r#"{"of": "embedding", "dimensions": 2, "clusters": 2}"#).unwrap();
        let mut embeddings = vec![vec![0.6, 0.8]; 100_000];
        embeddings.extend((0..500).map(|n| vec![(n as f32 / 10.0).sin(), (n as f32 / 10.0).cos()]));
        let keeps = built.run(documents(&built, &embeddings), &[]).unwrap().keeps();
        assert_eq!(keeps[..100_000].iter().filter(|k| **k).count(), 1);
    }

    #[test]
    fn embeddings_of_another_length_stay_and_are_told() {
        let built = built(r#"{"of": "embedding", "dimensions": 2}"#).unwrap();
        let embeddings =
            [vec![1.0, 0.0], vec![1.0, 0.0, 0.0], vec![], vec![0.0, 0.0], vec![f32::NAN, 1.0], vec![2.0, 0.0]];
        let outcome = built.run(documents(&built, &embeddings), &[3]).unwrap();
        assert_eq!(outcome.keeps(), [true, true, true, true, true, false]);
        assert!(outcome.notes.iter().any(|n| n.contains("4 documents have no 2 numbers")), "{:?}", outcome.notes);
        let error = built.run(documents(&built, &[vec![1.0]]), &[]).unwrap_err();
        assert!(error.hint.is_some_and(|h| h.contains("dimensions")));
        assert!(built.run(Vec::new(), &[]).unwrap().verdicts.is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            r#"{"of": "embedding", "dimensions": 0}"#,
            r#"{"of": "embedding", "dimensions": 2, "clusters": 0}"#,
            r#"{"of": "embedding", "dimensions": 2, "min_similarity": 1.5}"#,
            r#"{"of": "missing", "dimensions": 2}"#,
            r#"{"of": "embedding"}"#,
        ] {
            assert!(built(wrong).is_err(), "{wrong}");
        }
    }
}
