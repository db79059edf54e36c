//! What every global stage that removes duplicates finds: which rows of a split go, or to which cluster each belongs.
//!
//! Two forms, by `mode`. Normally a split's finding is a bitmap of the rows that go. In `mode: annotate` nothing goes,
//! and the finding lists the clustered rows with the cluster's name (the corpus ordinal of its first document) and size.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{Apply, Build, Corpus, Findings};
use crate::doc::{DocRef, Document, Field, Verdict};
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
}

impl ClusterFields {
    /// Declares `LABEL_cluster`, `LABEL_cluster_size` and `LABEL_duplicate` if the step annotates.
    pub fn declare(cx: &mut Build<'_>) -> Result<Option<Self>> {
        if !cx.annotate {
            return Ok(None);
        }
        let label = cx.label.to_owned();
        Ok(Some(Self {
            cluster: cx.writes(&format!("{label}_cluster"))?,
            size: cx.writes(&format!("{label}_cluster_size"))?,
            duplicate: cx.writes(&format!("{label}_duplicate"))?,
        }))
    }
}

/// One clustered document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Member {
    row: u32,
    cluster: u64,
    size: u32,
    duplicate: bool,
}

const MEMBER: usize = 17;

impl Member {
    fn write(self, out: &mut Vec<u8>) {
        out.extend(self.row.to_le_bytes());
        out.extend(self.cluster.to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out.push(u8::from(self.duplicate));
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            row: u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?),
            cluster: u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?),
            size: u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?),
            duplicate: *bytes.get(16)? != 0,
        })
    }
}

/// Collects clusters and cuts them by split.
#[derive(Debug)]
pub struct Clusters {
    ordinals: Ordinals,
    dropped: Vec<RoaringBitmap>,
    members: Vec<Vec<Member>>,
    duplicates: u64,
    largest: Option<(u32, u64)>,
}

impl Clusters {
    /// No clusters yet.
    pub fn new(corpus: &Corpus, annotate: bool) -> Self {
        let splits = corpus.rows.len();
        Self {
            ordinals: Ordinals::of(corpus),
            dropped: vec![RoaringBitmap::new(); if annotate { 0 } else { splits }],
            members: vec![Vec::new(); if annotate { splits } else { 0 }],
            duplicates: 0,
            largest: None,
        }
    }

    /// Adds a document (by ordinal) of the cluster named `cluster`, which has `size` documents.
    pub fn add(&mut self, document: u64, cluster: u64, size: u32, duplicate: bool) {
        let DocRef { split, row } = self.ordinals.place(document);
        self.duplicates += u64::from(duplicate);
        if self.largest.is_none_or(|(most, name)| size > most || (size == most && cluster < name)) {
            self.largest = Some((size, cluster));
        }
        if let Some(members) = self.members.get_mut(split as usize) {
            members.push(Member { row, cluster, size, duplicate });
        } else if let Some(dropped) = self.dropped.get_mut(split as usize).filter(|_| duplicate) {
            dropped.insert(row);
        }
    }

    /// The findings, with a note on what was found.
    pub fn findings(self) -> Result<Findings> {
        let total = self.ordinals.bases.len();
        let mut splits = Vec::with_capacity(total);
        for bitmap in &self.dropped {
            splits.push(bitmap_bytes(bitmap)?);
        }
        for (mut members, base) in self.members.into_iter().zip(&self.ordinals.bases) {
            members.sort_unstable_by_key(|m| m.row);
            let mut bytes = base.to_le_bytes().to_vec();
            members.into_iter().for_each(|m| m.write(&mut bytes));
            splits.push(bytes);
        }
        let notes = self.largest.map(|(size, first)| {
            let at = self.ordinals.place(first);
            format!(
                "{} duplicates; the largest cluster has {size} documents, the first at row {} of split {}",
                self.duplicates, at.row, at.split
            )
        });
        Ok(Findings { shared: Vec::new(), splits, notes: notes.into_iter().collect() })
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

/// The verdicts on one split's documents; `word` is the reason for those that go.
pub fn judge(split: &[u8], fields: Option<ClusterFields>, word: &'static str) -> Result<Arc<dyn Apply>> {
    let Some(fields) = fields else {
        return Ok(Arc::new(Drops { rows: bitmap(split)?, word }));
    };
    let (base, members) =
        split.split_first_chunk::<8>().filter(|(_, members)| members.len() % MEMBER == 0).ok_or_else(|| {
            Error::world("the findings of a global stage are damaged").hint("remove the run folder and run again")
        })?;
    let members = members.chunks_exact(MEMBER).filter_map(Member::read).collect();
    Ok(Arc::new(Annotates { base: u64::from_le_bytes(*base), members, fields }))
}

/// The rows that go, ascending: what [`super::Global::dropped_rows`] answers.
pub fn dropped_rows(split: &[u8]) -> Result<Option<Vec<u32>>> {
    Ok(Some(bitmap(split)?.into_iter().collect()))
}

struct Drops {
    rows: RoaringBitmap,
    word: &'static str,
}

impl Apply for Drops {
    fn apply(&self, row: u32, _: &mut Document) -> Verdict {
        if self.rows.contains(row) { Verdict::drop(self.word) } else { Verdict::Keep }
    }
}

struct Annotates {
    base: u64,
    members: Vec<Member>,
    fields: ClusterFields,
}

impl Apply for Annotates {
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict {
        let alone = Member { row, cluster: self.base + u64::from(row), size: 1, duplicate: false };
        let at = self.members.binary_search_by_key(&row, |m| m.row);
        let member = at.ok().and_then(|at| self.members.get(at)).copied().unwrap_or(alone);
        doc.set(self.fields.cluster, member.cluster as i64);
        doc.set(self.fields.size, i64::from(member.size));
        doc.set(self.fields.duplicate, member.duplicate);
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

    #[test]
    fn rows_that_go_are_cut_by_split() {
        let mut clusters = Clusters::new(&Corpus { rows: vec![2, 0, 3] }, false);
        clusters.add(1, 1, 3, false);
        clusters.add(2, 1, 3, true);
        clusters.add(4, 1, 3, true);
        let found = clusters.findings().unwrap();
        assert_eq!(dropped_rows(&found.splits[0]).unwrap(), Some(vec![]));
        assert_eq!(dropped_rows(&found.splits[2]).unwrap(), Some(vec![0, 2]));
        assert_eq!(found.notes, ["2 duplicates; the largest cluster has 3 documents, the first at row 1 of split 0"]);
    }

    #[test]
    fn damaged_findings_are_an_error() {
        assert!(bitmap(&[1, 2, 3]).is_err());
    }
}
