//! What every global stage that removes duplicates finds: which rows of a split go, or to which cluster each belongs.
//!
//! Two forms, by `mode`. Normally a split's finding is a bitmap of the rows that go, with how like the survivor each is
//! where that was measured. In `mode: annotate` nothing goes, and the finding lists the clustered rows with the cluster's
//! name (the corpus ordinal of its first document) and size.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Apply, Build, Corpus, Findings, varint};
use crate::doc::{DocId, DocRef, Document, Field, Verdict};
use crate::error::{Error, Result};

/// Corpus ordinals and where they lie.
#[derive(Debug, Clone)]
pub struct Ordinals {
    bases: Vec<u64>,
}

impl Ordinals {
    /// The ordinals of `corpus`.
    pub fn of(corpus: &Corpus) -> Self {
        Self { bases: corpus.ordinals() }
    }

    /// The ordinal of the document at `at`.
    pub fn ordinal(&self, at: DocRef) -> u64 {
        self.bases.get(at.split as usize).copied().unwrap_or(0) + u64::from(at.row)
    }

    /// The place of the document with this ordinal.
    pub fn place(&self, ordinal: u64) -> DocRef {
        let split = self.bases.partition_point(|&base| base <= ordinal).saturating_sub(1);
        let base = self.bases.get(split).copied().unwrap_or(0);
        DocRef { split: split as u32, row: (ordinal - base) as u32 }
    }
}

/// The fields that `mode: annotate` writes, named after the step.
#[derive(Debug, Clone, Copy)]
pub struct ClusterFields {
    cluster: Field<i64>,
    size: Field<i64>,
    duplicate: Field<bool>,
    measured: Option<(Field<f64>, Field<String>)>,
}

impl ClusterFields {
    /// Declares `LABEL_cluster`, `LABEL_cluster_size`, `LABEL_duplicate` and, if it is `measured`, `LABEL_similarity` and
    /// `LABEL_survivor`; only if the step annotates.
    pub fn declare(cx: &mut Build<'_>, measured: bool) -> Result<Option<Self>> {
        if !cx.annotate {
            return Ok(None);
        }
        let label = cx.label.to_owned();
        let measured = if measured {
            Some((cx.writes(&format!("{label}_similarity"))?, cx.writes(&format!("{label}_survivor"))?))
        } else {
            None
        };
        Ok(Some(Self {
            measured,
            cluster: cx.writes(&format!("{label}_cluster"))?,
            size: cx.writes(&format!("{label}_cluster_size"))?,
            duplicate: cx.writes(&format!("{label}_duplicate"))?,
        }))
    }
}

/// A cluster on its way from a reduce to the finish.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Corpus ordinals, and how like the survivor each is.
    pub members: Vec<(u64, f64)>,
    /// The ordinal of the document that stays; `None` if that is of an earlier run.
    pub survivor: Option<u64>,
    /// The id of the document that stays, if it is known.
    pub id: DocId,
    /// What people see of it: first words. May be empty.
    pub sample: String,
}

impl Group {
    /// Appends the group, if anything is a duplicate; forgets it. Similarities are rounded up to the next 65,536th.
    pub fn write(&mut self, links: &mut Vec<u8>) {
        if self.members.len() > usize::from(self.survivor.is_some()) {
            self.members.sort_unstable_by_key(|m| m.0);
            varint::write(self.members.len() as u64, links);
            varint::write(self.survivor.map_or(0, |ordinal| ordinal + 1), links);
            let mut before = 0;
            for &(ordinal, similarity) in &self.members {
                varint::write(ordinal - before, links);
                varint::write(((1.0 - similarity) * 65_536.0) as u64, links);
                before = ordinal;
            }
            varint::write((self.id.0 >> 64) as u64, links);
            varint::write(self.id.0 as u64, links);
            varint::write(self.sample.len() as u64, links);
            links.extend_from_slice(self.sample.as_bytes());
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.members.clear();
        self.sample.clear();
        (self.survivor, self.id) = (None, DocId::default());
    }

    /// Reads the next group; `false` at the end.
    pub fn read(&mut self, from: &mut dyn BufRead) -> Result<bool> {
        self.clear();
        let Some(size) = varint::read(from)? else { return Ok(false) };
        self.survivor = varint::expect(from)?.checked_sub(1);
        let mut ordinal = 0;
        for _ in 0..size {
            ordinal += varint::expect(from)?;
            self.members.push((ordinal, 1.0 - varint::expect(from)? as f64 / 65_536.0));
        }
        self.id = DocId(u128::from(varint::expect(from)?) << 64 | u128::from(varint::expect(from)?));
        let length = varint::expect(from)?;
        let read = from.take(length).read_to_string(&mut self.sample);
        read.map_err(|e| Error::world("cannot read links").because(e))?;
        Ok(true)
    }

    /// Documents in the cluster, the one that stays included.
    fn size(&self) -> u32 {
        self.members.len() as u32 + u32::from(self.survivor.is_none())
    }
}

/// One clustered document.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    row: u32,
    cluster: u64,
    size: u32,
    duplicate: bool,
    similarity: f32,
    survivor: DocId,
}

const MEMBER: usize = 37;

impl Member {
    fn write(self, out: &mut Vec<u8>) {
        out.extend(self.row.to_le_bytes());
        out.extend(self.cluster.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out.push(u8::from(self.duplicate));
        out.extend(self.similarity.to_le_bytes());
        out.extend(self.survivor.0.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            row: u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?),
            cluster: u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?),
            size: u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?),
            duplicate: *bytes.get(16)? != 0,
            similarity: f32::from_le_bytes(bytes.get(17..21)?.try_into().ok()?),
            survivor: DocId(u128::from_le_bytes(bytes.get(21..37)?.try_into().ok()?)),
        })
    }
}

/// What a document's cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cluster {
    /// The corpus ordinal of its first document.
    pub name: u64,
    /// Its documents.
    pub size: u32,
    /// The id of the one that stays, if it is known.
    pub survivor: DocId,
}

/// Clusters that the notes show.
const SHOWN: usize = 5;

/// Collects clusters and cuts them by split.
#[derive(Debug)]
pub struct Clusters {
    ordinals: Ordinals,
    annotate: bool,
    /// Clusters of more documents are left whole.
    most: u32,
    dropped: Vec<Vec<(u32, f32)>>,
    members: Vec<Vec<Member>>,
    /// Clusters, documents that go, documents of clusters left whole.
    counts: [u64; 3],
    largest: BTreeSet<(std::cmp::Reverse<u32>, u64, String)>,
}

impl Clusters {
    /// No clusters yet. Those of more than `most` documents are left whole.
    pub fn new(corpus: &Corpus, annotate: bool, most: Option<u32>) -> Self {
        let splits = corpus.rows.len();
        Self {
            ordinals: Ordinals::of(corpus),
            annotate,
            most: most.unwrap_or(u32::MAX),
            dropped: vec![Vec::new(); if annotate { 0 } else { splits }],
            members: vec![Vec::new(); if annotate { splits } else { 0 }],
            counts: [0; 3],
            largest: BTreeSet::new(),
        }
    }

    /// Adds all documents of a cluster.
    pub fn add_group(&mut self, group: &Group) {
        let Some(&(first, _)) = group.members.first() else { return };
        let size = group.size();
        for &(document, similarity) in &group.members {
            let duplicate = group.survivor != Some(document);
            let cluster = Cluster { name: first, size, survivor: group.id };
            self.add(document, cluster, duplicate, similarity);
        }
        let id = if group.id == DocId::default() { String::new() } else { group.id.to_string() };
        let known = if group.survivor.is_none() { " of an earlier run" } else { "" };
        let words = if group.sample.is_empty() { String::new() } else { format!(" “{}”", group.sample) };
        self.show(first, size, &format!("{id}{known}{words}"));
    }

    /// Adds a document (by ordinal) of a cluster.
    pub fn add(&mut self, document: u64, cluster: Cluster, duplicate: bool, similarity: f64) {
        let DocRef { split, row } = self.ordinals.place(document);
        let Cluster { name, size, survivor } = cluster;
        let duplicate = duplicate && size <= self.most;
        let similarity = similarity as f32;
        if let Some(members) = self.members.get_mut(split as usize) {
            members.push(Member { row, cluster: name, size, duplicate, similarity, survivor });
        } else if let Some(dropped) = self.dropped.get_mut(split as usize).filter(|_| duplicate) {
            dropped.push((row, similarity));
        }
        let [_, going, whole] = &mut self.counts;
        *going += u64::from(duplicate);
        *whole += u64::from(size > self.most);
    }

    /// Counts a cluster, and remembers it if it is among the largest.
    pub fn show(&mut self, cluster: u64, size: u32, sample: &str) {
        self.counts[0] += 1;
        let key = (std::cmp::Reverse(size), cluster);
        if self.largest.len() < SHOWN || self.largest.last().is_some_and(|last| key < (last.0, last.1)) {
            self.largest.insert((key.0, key.1, sample.to_owned()));
        }
        if self.largest.len() > SHOWN {
            self.largest.pop_last();
        }
    }

    /// The findings, with notes on what was found.
    pub fn findings(self) -> Result<Findings> {
        let notes = self.notes();
        let mut splits = Vec::with_capacity(self.ordinals.bases.len());
        for mut dropped in self.dropped {
            dropped.sort_unstable_by_key(|d| d.0);
            let rows = bitmap_bytes(
                &RoaringBitmap::from_sorted_iter(dropped.iter().map(|d| d.0))
                    .map_err(|_| Error::bug("a document is in two clusters"))?,
            )?;
            let mut bytes = (rows.len() as u64).to_le_bytes().to_vec();
            bytes.extend(rows);
            if dropped.iter().any(|d| d.1 < 1.0) {
                bytes.extend(dropped.iter().flat_map(|d| d.1.to_le_bytes()));
            }
            splits.push(bytes);
        }
        for (mut members, base) in self.members.into_iter().zip(&self.ordinals.bases) {
            members.sort_unstable_by_key(|m| m.row);
            let mut bytes = base.to_le_bytes().to_vec();
            members.into_iter().for_each(|m| m.write(&mut bytes));
            splits.push(bytes);
        }
        Ok(Findings { shared: Vec::new(), splits, notes })
    }

    fn notes(&self) -> Vec<String> {
        let [clusters, going, whole] = self.counts;
        if clusters == 0 {
            return Vec::new();
        }
        let verb = if self.annotate { "would go" } else { "go" };
        let mut notes = vec![format!("{going} documents of {clusters} clusters {verb}")];
        if whole > 0 {
            notes.push(format!("{whole} documents of clusters of more than {} are left whole", self.most));
        }
        notes.extend(self.largest.iter().map(|(size, first, sample)| {
            let at = self.ordinals.place(*first);
            let of = if sample.is_empty() { String::new() } else { format!(", {sample}") };
            format!("a cluster of {}, the first at row {} of split {}{of}", size.0, at.row, at.split)
        }));
        notes
    }
}

/// Serializes a bitmap of rows.
pub fn bitmap_bytes(bitmap: &RoaringBitmap) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).map_err(|e| Error::bug("a bitmap of rows does not serialize").because(e))?;
    Ok(bytes)
}

/// Reads a bitmap of rows.
pub fn bitmap(bytes: &[u8]) -> Result<RoaringBitmap> {
    RoaringBitmap::deserialize_from(bytes).map_err(|e| {
        Error::world(format!("the findings of a global stage are damaged: {e}"))
            .hint("remove the run folder's findings of this stage and run again")
    })
}

/// How one kind of duplicate is judged.
#[derive(Debug, Clone, Copy)]
pub struct Judge {
    /// The reason for those that go.
    pub word: &'static str,
    /// The similarity that a document that goes must have to the one that stays, where it is measured.
    pub limit: Option<f64>,
    /// Where to write instead of dropping.
    pub fields: Option<ClusterFields>,
}

impl Judge {
    /// The verdicts on one split's documents.
    pub fn apply(self, split: &[u8]) -> Result<Arc<dyn Apply>> {
        let damaged =
            || Error::world("the findings of a global stage are damaged").hint("remove the run folder and run again");
        let Some(fields) = self.fields else {
            let (rows, similarities) = drops(split).ok_or_else(damaged)?;
            let similarities = similarities.chunks_exact(4);
            let similarities = similarities.map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default())).collect();
            return Ok(Arc::new(Drops { rows: bitmap(rows)?, similarities, judge: self }));
        };
        let (base, members) =
            split.split_first_chunk::<8>().filter(|(_, members)| members.len() % MEMBER == 0).ok_or_else(damaged)?;
        let members = members.chunks_exact(MEMBER).filter_map(Member::read).collect();
        Ok(Arc::new(Annotates { base: u64::from_le_bytes(*base), members, fields }))
    }

    /// Whether documents go, by row.
    pub fn drops_by_row(self) -> bool {
        self.fields.is_none()
    }

    /// The rows that go, ascending: what [`super::Global::dropped_rows`] answers.
    pub fn dropped_rows(self, split: &[u8]) -> Result<Option<Vec<u32>>> {
        match drops(split) {
            Some((rows, _)) if self.drops_by_row() => Ok(Some(bitmap(rows)?.into_iter().collect())),
            _ => Ok(None),
        }
    }
}

/// The bitmap of the rows that go, and how like the survivor each is, if that is written.
fn drops(split: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = split.split_first_chunk::<8>()?;
    rest.split_at_checked(u64::from_le_bytes(*length) as usize)
}

struct Drops {
    rows: RoaringBitmap,
    similarities: Vec<f32>,
    judge: Judge,
}

impl Apply for Drops {
    fn apply(&self, row: u32, _: &mut Document) -> Verdict {
        if !self.rows.contains(row) {
            return Verdict::Keep;
        }
        let Some(limit) = self.judge.limit else { return Verdict::drop(self.judge.word) };
        let at = self.rows.rank(row) as usize - 1;
        let similarity = if self.similarities.is_empty() { Some(&1.0) } else { self.similarities.get(at) };
        Verdict::drop_by(self.judge.word, similarity.map_or(f64::NAN, |&s| f64::from(s)), limit)
    }
}

struct Annotates {
    base: u64,
    members: Vec<Member>,
    fields: ClusterFields,
}

impl Apply for Annotates {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let cluster = self.base + u64::from(row);
        let alone = Member { row, cluster, size: 1, duplicate: false, similarity: 1.0, survivor: doc.id };
        let at = self.members.binary_search_by_key(&row, |m| m.row);
        let member = at.ok().and_then(|at| self.members.get(at)).copied().unwrap_or(alone);
        doc.set(self.fields.cluster, member.cluster as i64);
        doc.set(self.fields.size, i64::from(member.size));
        doc.set(self.fields.duplicate, member.duplicate);
        if let Some((similarity, survivor)) = self.fields.measured {
            doc.set(similarity, f64::from(member.similarity));
            doc.set(survivor, member.survivor.to_string());
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ordinals_and_places_are_inverse(rows in prop::collection::vec(0u32..5, 1..9)) {
            let corpus = Corpus { rows };
            let ordinals = Ordinals::of(&corpus);
            for ordinal in 0..corpus.total() {
                let at = ordinals.place(ordinal);
                prop_assert!(at.row < corpus.rows[at.split as usize]);
                prop_assert_eq!(ordinals.ordinal(at), ordinal);
            }
        }
    }

    fn group(members: &[(u64, f64)], survivor: impl Into<Option<u64>>, sample: &str) -> Group {
        Group { members: members.to_vec(), survivor: survivor.into(), id: DocId(7 << 70 | 5), sample: sample.into() }
    }

    const JUDGE: Judge = Judge { word: "near_duplicate", limit: Some(0.7), fields: None };

    #[test]
    fn rows_that_go_are_cut_by_split_and_say_how_alike_they_are() {
        let corpus = Corpus { rows: vec![2, 0, 3] };
        let mut clusters = Clusters::new(&corpus, false, None);
        clusters.add_group(&group(&[(1, 1.0), (2, 0.75), (4, 0.875)], 1, "once upon"));
        let found = clusters.findings().unwrap();
        assert_eq!(JUDGE.dropped_rows(&found.splits[0]).unwrap(), Some(vec![]));
        assert_eq!(JUDGE.dropped_rows(&found.splits[2]).unwrap(), Some(vec![0, 2]));
        let verdicts = JUDGE.apply(&found.splits[2]).unwrap();
        let mut doc = crate::stage::testing::doc("web", 0, "x");
        let verdicts = [0, 1, 2].map(|row| verdicts.apply(row, &mut doc));
        let drop = |number| Verdict::drop_by("near_duplicate", number, 0.7);
        assert_eq!(verdicts, [drop(0.75), Verdict::Keep, drop(0.875)]);
        let notes = [
            "2 documents of 1 clusters go",
            "a cluster of 3, the first at row 1 of split 0, 00000000000001c00000000000000005 “once upon”",
        ];
        assert_eq!(found.notes, notes);
    }

    #[test]
    fn a_cluster_that_is_too_large_is_left_whole() {
        let mut clusters = Clusters::new(&Corpus { rows: vec![5] }, false, Some(2));
        clusters.add_group(&group(&[(0, 1.0), (1, 1.0), (2, 1.0)], 0, ""));
        clusters.add_group(&group(&[(3, 1.0), (4, 1.0)], 4, ""));
        let found = clusters.findings().unwrap();
        assert_eq!(JUDGE.dropped_rows(&found.splits[0]).unwrap(), Some(vec![3]));
        assert!(
            found.notes.contains(&"3 documents of clusters of more than 2 are left whole".to_owned()),
            "{:?}",
            found.notes
        );
    }

    proptest! {
        #[test]
        fn a_group_that_is_written_is_read(
            members in prop::collection::btree_map(0u64..1000, 0u32..=65_536, 0..9), survivor in prop::option::of(0u64..1000), sample in ".{0,9}"
        ) {
            let members: Vec<_> = members.into_iter().map(|(m, s)| (m, f64::from(s) / 65_536.0)).collect();
            let whole = group(&members, survivor, &sample);
            let (mut links, mut read) = (Vec::new(), Group::default());
            let mut backwards = whole.clone();
            backwards.members.reverse();
            backwards.write(&mut links);
            let some = members.len() > usize::from(survivor.is_some());
            prop_assert_eq!(read.read(&mut &links[..]).unwrap(), some);
            if some {
                prop_assert_eq!(read, whole);
            }
        }
    }

    #[test]
    fn damaged_findings_are_an_error() {
        assert!(bitmap(&[1, 2, 3]).is_err());
        assert!(JUDGE.apply(&[1, 2, 3]).is_err());
    }
}
