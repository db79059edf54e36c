//! Global stages: they see the whole corpus before any document is judged.
//!
//! *map* every document to small records of a fixed size (in the walk before the barrier), *reduce* each partition of
//! the sorted records alone, *finish* once over all links, *apply* the findings to every document (in the walk after).
//! The run spills, sorts and merges records within `limits.memory`, adds the [`DocRef`] to each record, cuts findings by
//! split and refuses findings that do not belong to their split.

use std::fs::File;
use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;

use crate::doc::{DocRef, Document, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::io::atomic::Written;

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
    /// Whether its reduce or finish writes files: then it is not tried on a sample.
    fn writes(&self) -> bool {
        !self.files().is_empty()
    }
    /// How many records [`Global::beside`] emits, about, if that is known while planning.
    fn records_beside(&self) -> u64 {
        0
    }
    /// Bytes that the finish holds in memory for `documents` documents, beside its findings and what it spills.
    fn finish_bytes(&self, documents: u64) -> u64 {
        let _ = documents;
        0
    }
    /// The stage that looks a second time, at the documents that this one's findings choose; its findings are the ones
    /// that are applied. The documents are walked once more in between, and their rows stay what they are.
    fn second(&self) -> Option<Arc<dyn Global>> {
        None
    }
    /// Emits records of no document of this corpus, once for each barrier: what an earlier run left, an index. Their
    /// [`DocRef`] means nothing. `first` is what the first look found for everyone, if this is the second.
    fn beside(&self, first: &[u8], out: &mut dyn Records) -> Result<()> {
        let _ = (first, out);
        Ok(())
    }
    /// The documents of one split that the second look is for; asked only of a stage that has a [`Global::second`].
    fn chosen(&self, shared: &[u8], split: &[u8]) -> Result<Arc<dyn Chosen>> {
        let _ = (shared, split);
        Err(Error::bug("a stage without a second look was asked what it chose"))
    }
}

/// The documents of one split that a second look is for; shared by all workers on that split.
pub trait Chosen: Send + Sync {
    /// What the first look has to say of the document at `row`, if the second is for it. Opaque to the run.
    fn mark(&self, row: u32) -> Option<u128>;
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

    /// Emits the records of a document that an earlier look chose, with what that look said of it.
    fn map_chosen(&mut self, doc: &Document, mark: u128, out: &mut dyn Records) {
        let _ = mark;
        self.map(doc, out);
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
    /// Bytes that the reduce may hold in memory beside its links. What it finds must not depend on them.
    fn memory(&self) -> u64 {
        64 << 20
    }
    /// Says that the reduce wrote a file of its own: it is part of what the run must find whole when it is resumed.
    fn wrote(&mut self, file: Written) {
        let _ = file;
    }
    /// A nameless file for what does not fit; gone when it is closed.
    fn scratch(&self) -> Result<File> {
        tempfile::tempfile().map_err(|e| Error::world("cannot create a temporary file").because(e))
    }
}

/// The links of all partitions.
pub trait Links {
    /// Number of partitions.
    fn partitions(&self) -> u32;
    /// The bytes that the reduce of `part` wrote.
    fn open(&mut self, part: u32) -> Result<Box<dyn BufRead>>;
    /// Bytes that the finish may hold in memory beside its findings. What it finds must not depend on them.
    fn memory(&self) -> u64 {
        64 << 20
    }
    /// A nameless file for what does not fit; gone when it is closed.
    fn scratch(&self) -> Result<File> {
        tempfile::tempfile().map_err(|e| Error::world("cannot create a temporary file").because(e))
    }
    /// Says that the finish wrote a file of its own: it is part of what the run must find whole when it is resumed.
    fn wrote(&mut self, file: Written) {
        let _ = file;
    }
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
