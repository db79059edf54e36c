//! Records of global stages: gathered by a walk, spilled and sorted within a budget, merged by partition.
//!
//! A record in memory is `partition u32 | key and payload | DocRef`, all big-endian, so that sorting bytes sorts by
//! partition, then record, then corpus order; for a stage that asks for corpus order the `DocRef` stands before the
//! record. In a file the partition number is left out; a footer counts the records
//! of each partition.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::partition::{Cursor, Merge};
use crate::doc::DocRef;
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};
use crate::stage::{Global, Records};

pub(super) const MAGIC: &[u8; 8] = b"TAMISREC";
const PART: usize = 4;
const DOC_REF: usize = 8;

/// Records that one worker maps from one morsel: `partition | record | row within the morsel`.
#[derive(Default)]
pub struct MorselRecords {
    bytes: Vec<u8>,
    record_bytes: usize,
    row: u32,
    wrong: Option<usize>,
}

impl MorselRecords {
    /// Records of `record_bytes` bytes each.
    pub fn new(record_bytes: usize) -> Self {
        Self { record_bytes, ..Self::default() }
    }

    /// Says which document the next records belong to.
    pub fn at(&mut self, row: u32) -> &mut Self {
        self.row = row;
        self
    }
}

impl Records for MorselRecords {
    fn emit(&mut self, part: u32, record: &[u8]) {
        if record.len() != self.record_bytes {
            self.wrong = Some(record.len());
            return;
        }
        self.bytes.extend_from_slice(&part.to_be_bytes());
        self.bytes.extend_from_slice(record);
        self.bytes.extend_from_slice(&self.row.to_be_bytes());
    }
}

/// The records of one walk for one global stage.
pub struct TaskRecords {
    path: PathBuf,
    split: u32,
    width: usize,
    partitions: u32,
    budget: usize,
    order: Order,
    buffer: Vec<u8>,
    runs: Vec<PathBuf>,
    count: u64,
}

/// What the records of a partition are sorted by first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Their bytes.
    Bytes,
    /// Their documents.
    Corpus,
}

impl Order {
    /// What `global` asks for.
    pub fn of(global: &dyn Global) -> Self {
        if global.in_corpus_order() { Self::Corpus } else { Self::Bytes }
    }

    /// An entry's record and its document.
    pub(super) fn split(self, entry: &[u8]) -> (&[u8], DocRef) {
        let parts = match self {
            Self::Bytes => entry.split_last_chunk::<DOC_REF>(),
            Self::Corpus => entry.split_first_chunk::<DOC_REF>().map(|(at, record)| (record, at)),
        };
        let (record, at) = parts.unwrap_or((&[], &[0; DOC_REF]));
        (record, DocRef::from_bytes(*at))
    }
}

impl TaskRecords {
    /// Gathers into a file at `path`, holding at most `budget` bytes in memory.
    pub fn new(path: PathBuf, split: u32, record_bytes: usize, partitions: u32, order: Order, budget: u64) -> Self {
        let width = PART + record_bytes + DOC_REF;
        // Sorting takes 20 bytes beside each record.
        let budget = (budget as usize / (width + 20) * width).max(width * 1024);
        Self { path, split, width, partitions, budget, order, buffer: Vec::new(), runs: Vec::new(), count: 0 }
    }

    /// Adds the records of a morsel whose first row is `base`.
    pub fn append(&mut self, morsel: &MorselRecords, base: u32) -> Result<()> {
        if let Some(wrong) = morsel.wrong {
            return Err(Error::bug(format!(
                "a global stage emitted a record of {wrong} bytes, not {}",
                morsel.record_bytes
            )));
        }
        for entry in morsel.bytes.chunks_exact(PART + morsel.record_bytes + 4) {
            self.count += 1;
            let (head, row) = entry.split_at(PART + morsel.record_bytes);
            let row = base + u32::from_be_bytes(row.try_into().unwrap_or_default());
            let part = u32::from_be_bytes(head.get(..PART).and_then(|p| p.try_into().ok()).unwrap_or_default());
            if part >= self.partitions {
                return Err(Error::bug(format!("a global stage emitted into partition {part} of {}", self.partitions)));
            }
            let (part, record) = head.split_at(PART);
            let at = DocRef { split: self.split, row }.to_bytes();
            let parts = match self.order {
                Order::Bytes => [part, record, &at],
                Order::Corpus => [part, &at, record],
            };
            parts.iter().for_each(|bytes| self.buffer.extend_from_slice(bytes));
        }
        if self.buffer.len() >= self.budget {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let path = self.path.with_extension(format!("run{}.tmp", self.runs.len()));
        let file = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        self.runs.push(path.clone());
        let mut out = BufWriter::with_capacity(1 << 18, file);
        for index in sorted_order(&self.buffer, self.width) {
            out.write_all(entry(&self.buffer, self.width, index)).map_err(|e| Error::io("write", &path, e))?;
        }
        out.flush().map_err(|e| Error::io("write", &path, e))?;
        self.buffer.clear();
        Ok(())
    }

    /// Records so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Commits the sorted file.
    pub fn finish(mut self) -> Result<Written> {
        let mut out = SortedFile::create(&self.path, self.width, self.partitions)?;
        if self.runs.is_empty() {
            for index in sorted_order(&self.buffer, self.width) {
                out.push(entry(&self.buffer, self.width, index))?;
            }
        } else {
            if !self.buffer.is_empty() {
                self.spill()?;
            }
            let mut cursors = Vec::new();
            for run in &self.runs {
                let file = File::open(run).map_err(|e| Error::io("open", run, e))?;
                cursors.push(Cursor::new(run.clone(), file, u64::MAX, self.width, 1 << 16)?);
            }
            let mut merge = Merge::new(cursors);
            while let Some(record) = merge.next()? {
                out.push(record)?;
            }
        }
        let written = out.finish()?;
        for run in &self.runs {
            std::fs::remove_file(run).map_err(|e| Error::io("remove", run, e))?;
        }
        Ok(written)
    }
}

/// Records of no document on their way to those of a walk.
pub struct Beside<'r> {
    to: &'r mut TaskRecords,
    some: MorselRecords,
    failed: Option<Error>,
}

/// A row that no document has, so that no finding drops it.
const NO_ROW: u32 = u32::MAX;

impl<'r> Beside<'r> {
    /// Gathers records of `record_bytes` bytes for `to`.
    pub fn new(to: &'r mut TaskRecords, record_bytes: usize) -> Self {
        Self { to, some: MorselRecords::new(record_bytes), failed: None }
    }

    fn flush(&mut self) -> Result<()> {
        let record_bytes = self.some.record_bytes;
        let some = std::mem::replace(&mut self.some, MorselRecords::new(record_bytes));
        self.to.append(&some, 0)
    }

    /// Hands in what is left.
    pub fn finish(mut self) -> Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.flush(),
        }
    }
}

impl Records for Beside<'_> {
    fn emit(&mut self, part: u32, record: &[u8]) {
        self.some.at(NO_ROW).emit(part, record);
        if self.some.bytes.len() > 1 << 20 && self.failed.is_none() {
            self.failed = self.flush().err();
        }
    }
}

fn entry(buffer: &[u8], width: usize, index: u32) -> &[u8] {
    let at = index as usize * width;
    buffer.get(at..at + width).unwrap_or_default()
}

/// The order of the entries by their bytes. The first 16 bytes are compared as one number: most entries need no more.
fn sorted_order(buffer: &[u8], width: usize) -> Vec<u32> {
    let prefix = |e: &[u8]| {
        let mut head = [0u8; 16];
        let n = e.len().min(16);
        head[..n].copy_from_slice(&e[..n]);
        u128::from_be_bytes(head)
    };
    let mut order: Vec<(u128, u32)> =
        buffer.chunks_exact(width).enumerate().map(|(i, e)| (prefix(e), i as u32)).collect();
    order.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| entry(buffer, width, a.1).cmp(entry(buffer, width, b.1))));
    order.into_iter().map(|o| o.1).collect()
}

/// A sorted record file being written.
struct SortedFile {
    out: BufWriter<AtomicFile>,
    path: PathBuf,
    width: usize,
    counts: Vec<u64>,
}

impl SortedFile {
    fn create(path: &Path, width: usize, partitions: u32) -> Result<Self> {
        let out = BufWriter::with_capacity(1 << 18, AtomicFile::create(path)?);
        Ok(Self { out, path: path.to_owned(), width, counts: vec![0; partitions as usize] })
    }

    fn push(&mut self, entry: &[u8]) -> Result<()> {
        let (part, record) = entry.split_at(PART);
        let part = u32::from_be_bytes(part.try_into().unwrap_or_default());
        if let Some(count) = self.counts.get_mut(part as usize) {
            *count += 1;
        }
        self.out.write_all(record).map_err(|e| Error::io("write", &self.path, e))
    }

    fn finish(mut self) -> Result<Written> {
        let mut footer = Vec::new();
        for count in &self.counts {
            footer.extend_from_slice(&count.to_le_bytes());
        }
        footer.extend_from_slice(&(self.counts.len() as u32).to_le_bytes());
        footer.extend_from_slice(&((self.width - PART) as u32).to_le_bytes());
        footer.extend_from_slice(MAGIC);
        self.out.write_all(&footer).map_err(|e| Error::io("write", &self.path, e))?;
        let file = self.out.into_inner().map_err(|e| Error::io("write", &self.path, e.into_error()))?;
        file.commit()
    }
}
