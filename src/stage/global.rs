//! Global stages: they see the whole corpus before any document is judged.
//!
//! *map* every document to small records of a fixed size (in the walk before the barrier), *reduce* each partition of
//! the sorted records alone, *finish* once over all links, *apply* the findings to every document (in the walk after).
//! The run spills, sorts and merges records within `limits.memory`, adds the [`DocRef`] to each record, cuts findings by
//! split and refuses findings that do not belong to their split.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use crate::doc::{DocRef, Document, FieldTable, Verdict};
use crate::error::Result;

/// A stage that needs everyone.
pub trait Global: Send + Sync {
    /// Bytes of a record, without the [`DocRef`] that the run appends. Records sort as bytes: put a big-endian key first.
    fn record_bytes(&self) -> usize;
    /// How many partitions the records have. From the settings alone.
    fn partitions(&self) -> u32;
    /// Whether a reduce gets its records in corpus order, those of one document by their bytes, instead of all by their
    /// bytes.
    fn in_corpus_order(&self) -> bool {
        false
    }
    /// A mapper for one worker.
    fn mapper(&self, fields: &Arc<FieldTable>) -> Result<Box<dyn Mapper>>;
    /// Reads one partition's records, sorted by bytes and then by [`DocRef`] (or the other way round), and
    /// writes links.
    fn reduce(&self, part: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()>;
    /// Makes the findings from the links of all partitions. Once.
    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings>;
    /// The findings of one split as something to judge its documents with.
    fn apply(&self, shared: &[u8], split: &[u8], fields: &Arc<FieldTable>) -> Result<Arc<dyn Apply>>;
    /// The rows of a split that [`Global::apply`] will drop, ascending; `None` if that takes more than the findings.
    /// A global stage right after one that answers shares its walk: its reduce never sees the dropped rows.
    fn dropped_rows(&self, shared: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        let _ = (shared, split);
        Ok(None)
    }
    /// Whether [`Global::dropped_rows`] answers: known while planning.
    fn drops_by_row(&self) -> bool {
        false
    }
    /// Whether the stage only judges and annotates, so that the next global stage sees the text it would see anyway.
    fn keeps_text(&self) -> bool {
        true
    }
    /// Whether a record tells of many documents at once, so that it cannot be left out with one of them: then no stage
    /// that drops shares the walk before it.
    fn gathers(&self) -> bool {
        false
    }
    /// The files that [`Global::finish`] writes, in a folder of their own. A stage that has any only looks: every
    /// document goes on as it came, and a flow may end with it.
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// One worker's mapper.
pub trait Mapper: Send {
    /// Emits the document's records.
    fn map(&mut self, doc: &Document, out: &mut dyn Records);

    /// Emits what was gathered over the documents since the last call. Called after each morsel: what is in one depends
    /// on the input alone.
    fn flush(&mut self, out: &mut dyn Records) {
        let _ = out;
    }
}

/// Where records go.
pub trait Records {
    /// Emits one record of [`Global::record_bytes`] bytes into partition `part`.
    fn emit(&mut self, part: u32, record: &[u8]);
}

/// A partition's records in order.
pub trait Sorted {
    /// The next record with its document; `None` at the end.
    fn next(&mut self) -> Result<Option<(&[u8], DocRef)>>;
    /// Goes back to the first record: for reduces that must count before they can decide.
    fn rewind(&mut self) -> Result<()>;
    /// The corpus the records come from.
    fn corpus(&self) -> &Corpus;
}

/// The links of all partitions.
pub trait Links {
    /// Number of partitions.
    fn partitions(&self) -> u32;
    /// The bytes that the reduce of `part` wrote.
    fn open(&mut self, part: u32) -> Result<Box<dyn BufRead>>;
}

/// What a global stage may know of the corpus: its splits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corpus {
    /// Rows of each split, in corpus order.
    pub rows: Vec<u32>,
}

impl Corpus {
    /// The ordinal of a document in the whole corpus.
    pub fn ordinals(&self) -> Vec<u64> {
        let mut sum = 0;
        self.rows
            .iter()
            .map(|&rows| {
                let base = sum;
                sum += u64::from(rows);
                base
            })
            .collect()
    }

    /// All documents.
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|&r| u64::from(r)).sum()
    }
}

/// What was found: something for everyone, and something for each split. Opaque to the run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// For every task.
    pub shared: Vec<u8>,
    /// For each split of [`Corpus::rows`], in that order.
    pub splits: Vec<Vec<u8>>,
    /// What a user should know, one sentence each: a source too small for its share, the largest cluster.
    pub notes: Vec<String>,
}

/// Judges the documents of one split by the findings; shared by all workers on that split.
pub trait Apply: Send + Sync {
    /// Judges the document at `row`.
    fn apply(&self, row: u32, doc: &mut Document) -> Verdict;
}
