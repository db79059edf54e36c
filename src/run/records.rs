//! Records of global stages: gathered by a walk, spilled and sorted within a budget, merged by partition.
//!
//! A record in memory is `partition u32 | key and payload | DocRef`, all big-endian, so that sorting bytes sorts by
//! partition, then record, then corpus order; for a stage that asks for corpus order the `DocRef` stands before the
//! record. In a file the partition number is left out; a footer counts the records
//! of each partition.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::doc::DocRef;
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};
use crate::stage::{Corpus, Global, Records, Sorted};

const MAGIC: &[u8; 8] = b"TAMISREC";
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
    fn split(self, entry: &[u8]) -> (&[u8], DocRef) {
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
        Self { path, split, width, partitions, budget, order, buffer: Vec::new(), runs: Vec::new() }
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

/// Reads entries of one sorted range.
struct Cursor {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
    current: Vec<u8>,
}

impl Cursor {
    /// `left` entries of `width` bytes from the file's position (`u64::MAX`: to its end). Stands on the first one.
    fn new(path: PathBuf, file: File, left: u64, width: usize, buffer: usize) -> Result<Self> {
        let mut cursor = Self { path, file: BufReader::with_capacity(buffer, file), left, current: vec![0; width] };
        cursor.advance()?;
        Ok(cursor)
    }

    fn advance(&mut self) -> Result<()> {
        if self.left == 0 {
            self.current.clear();
            return Ok(());
        }
        self.left -= 1;
        let to_end = self.left > u64::MAX / 2;
        match self.file.read_exact(&mut self.current) {
            Ok(()) => Ok(()),
            Err(e) if to_end && e.kind() == std::io::ErrorKind::UnexpectedEof => {
                self.left = 0;
                self.current.clear();
                Ok(())
            }
            Err(e) => Err(Error::io("read", &self.path, e)),
        }
    }
}

/// k-way merge.
struct Merge {
    cursors: Vec<Cursor>,
    heap: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    last: Vec<u8>,
}

impl Merge {
    fn new(cursors: Vec<Cursor>) -> Self {
        let heap = cursors
            .iter()
            .enumerate()
            .filter(|(_, c)| !c.current.is_empty())
            .map(|(i, c)| Reverse((c.current.clone(), i)))
            .collect();
        Self { cursors, heap, last: Vec::new() }
    }

    fn next(&mut self) -> Result<Option<&[u8]>> {
        let Some(mut top) = self.heap.peek_mut() else { return Ok(None) };
        let Reverse((bytes, index)) = &mut *top;
        std::mem::swap(&mut self.last, bytes);
        let cursor = self.cursors.get_mut(*index).ok_or_else(|| Error::bug("a merge lost a cursor"))?;
        cursor.advance()?;
        if cursor.current.is_empty() {
            std::collections::binary_heap::PeekMut::pop(top);
        } else {
            bytes.clear();
            bytes.extend_from_slice(&cursor.current);
        }
        Ok(Some(&self.last))
    }
}

/// Rows that earlier findings drop, by split.
pub type DroppedRows = Vec<roaring::RoaringBitmap>;

/// One partition of all walks' records, merged; rows that an earlier stage of the same barrier drops are left out.
pub struct Partition {
    files: Vec<PathBuf>,
    part: u32,
    buffer: usize,
    order: Order,
    merge: Merge,
    dropped: Arc<DroppedRows>,
    corpus: Arc<Corpus>,
    memory: u64,
    scratch: PathBuf,
    /// Files that the reduce wrote itself.
    pub outputs: Vec<Written>,
}

impl Partition {
    /// Opens partition `part` of `files`; half of `memory` is for buffers, the other half for the reduce.
    pub fn open(
        files: &[PathBuf],
        part: u32,
        order: Order,
        memory: u64,
        dropped: Arc<DroppedRows>,
        corpus: Arc<Corpus>,
    ) -> Result<Self> {
        let buffer = (memory / 2 / files.len().max(1) as u64).clamp(4 << 10, 1 << 20) as usize;
        let merge = merge(files, part, buffer)?;
        let scratch = files.first().and_then(|f| f.parent()).unwrap_or(Path::new(".")).to_owned();
        Ok(Self {
            files: files.to_vec(),
            part,
            buffer,
            order,
            merge,
            dropped,
            corpus,
            memory: memory / 2,
            scratch,
            outputs: Vec::new(),
        })
    }
}

/// Stands on the first record of a partition of `files`; each file is read through a buffer.
fn merge(files: &[PathBuf], part: u32, buffer: usize) -> Result<Merge> {
    let mut cursors = Vec::new();
    for path in files {
        let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let footer = Footer::read(path, &mut file)?;
        let (before, count) = footer.partition(part);
        if count == 0 {
            continue;
        }
        file.seek(SeekFrom::Start(before * footer.width as u64)).map_err(|e| Error::io("read", path, e))?;
        cursors.push(Cursor::new(path.clone(), file, count, footer.width, buffer)?);
    }
    Ok(Merge::new(cursors))
}

impl Sorted for Partition {
    fn next(&mut self) -> Result<Option<(&[u8], DocRef)>> {
        loop {
            let Some(bytes) = self.merge.next()? else { return Ok(None) };
            let (_, at) = self.order.split(bytes);
            if self.dropped.get(at.split as usize).is_some_and(|rows| rows.contains(at.row)) {
                continue;
            }
            break;
        }
        Ok(Some(self.order.split(&self.merge.last)))
    }

    fn rewind(&mut self) -> Result<()> {
        self.merge = merge(&self.files, self.part, self.buffer)?;
        Ok(())
    }

    fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn wrote(&mut self, file: Written) {
        self.outputs.push(file);
    }

    fn scratch(&self) -> Result<File> {
        tempfile::tempfile_in(&self.scratch).map_err(|e| Error::io("create a temporary file in", &self.scratch, e))
    }
}

struct Footer {
    counts: Vec<u64>,
    width: usize,
}

impl Footer {
    fn read(path: &Path, file: &mut File) -> Result<Self> {
        let bad =
            || Error::world(format!("`{}` is not a whole record file", path.display())).hint("delete it and run again");
        let io = |e| Error::io("read", path, e);
        let length = file.metadata().map_err(io)?.len();
        if length < 16 {
            return Err(bad());
        }
        let mut tail = [0u8; 16];
        file.seek(SeekFrom::End(-16)).map_err(io)?;
        file.read_exact(&mut tail).map_err(io)?;
        let number = |at: usize| {
            tail.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).unwrap_or_default()
        };
        let (partitions, width) = (u64::from(number(0)), number(4) as usize);
        if &tail[8..] != MAGIC || length < 16 + partitions * 8 {
            return Err(bad());
        }
        file.seek(SeekFrom::Start(length - 16 - partitions * 8)).map_err(io)?;
        let mut bytes = vec![0u8; partitions as usize * 8];
        file.read_exact(&mut bytes).map_err(io)?;
        let counts: Vec<u64> =
            bytes.chunks_exact(8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
        if counts.iter().sum::<u64>() * width as u64 != length - 16 - partitions * 8 {
            return Err(bad());
        }
        Ok(Self { counts, width })
    }

    /// Records before the partition, and in it.
    fn partition(&self, part: u32) -> (u64, u64) {
        let part = part as usize;
        (self.counts.iter().take(part).sum(), self.counts.get(part).copied().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn partition(files: &[PathBuf], part: u32, order: Order, dropped: DroppedRows) -> Vec<(Vec<u8>, DocRef)> {
        let mut sorted = Partition::open(files, part, order, 1 << 20, Arc::new(dropped), Arc::default()).unwrap();
        let mut all = Vec::new();
        while let Some((record, at)) = sorted.next().unwrap() {
            all.push((record.to_vec(), at));
        }
        sorted.rewind().unwrap();
        for first in &all {
            let again = sorted.next().unwrap().map(|(record, at)| (record.to_vec(), at));
            assert_eq!(again.as_ref(), Some(first));
        }
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_budget_gives_the_sorted_records(
            records in proptest::collection::vec((0u32..3, any::<[u8; 5]>()), 0..4000),
            split_at in 0usize..4000,
            spill in any::<bool>(),
            by_corpus in any::<bool>(),
        ) {
            let order = if by_corpus { Order::Corpus } else { Order::Bytes };
            let dir = tempfile::tempdir().unwrap();
            let split_at = split_at.min(records.len());
            let mut files = Vec::new();
            let mut expected: Vec<(u32, Vec<u8>, DocRef)> = Vec::new();
            for (split, records) in [&records[..split_at], &records[split_at..]].into_iter().enumerate() {
                let path = dir.path().join(format!("{split}.rec"));
                let budget = if spill { 1 } else { 1 << 30 };
                let mut task = TaskRecords::new(path.clone(), split as u32, 5, 3, order, budget);
                for (row, chunk) in records.chunks(100).enumerate() {
                    let mut morsel = MorselRecords::new(5);
                    for (i, (part, record)) in chunk.iter().enumerate() {
                        morsel.at(i as u32).emit(*part, record);
                        expected.push((*part, record.to_vec(), DocRef { split: split as u32, row: (row * 100 + i) as u32 }));
                    }
                    task.append(&morsel, (row * 100) as u32).unwrap();
                }
                task.finish().unwrap();
                files.push(path);
            }
            expected.sort();
            if by_corpus {
                expected.sort_by_key(|e| (e.0, e.2));
            }
            for part in 0..3 {
                let want: Vec<_> = expected.iter().filter(|e| e.0 == part).map(|e| (e.1.clone(), e.2)).collect();
                prop_assert_eq!(partition(&files, part, order, Vec::new()), want);
            }
        }
    }

    #[test]
    fn dropped_rows_are_left_out_and_a_cut_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.rec");
        let mut task = TaskRecords::new(path.clone(), 0, 1, 1, Order::Bytes, 1 << 20);
        let mut morsel = MorselRecords::new(1);
        (0..4).for_each(|row| morsel.at(row).emit(0, b"k"));
        task.append(&morsel, 10).unwrap();
        task.finish().unwrap();
        let dropped = vec![[11u32, 12].into_iter().collect()];
        let rows: Vec<u32> =
            partition(std::slice::from_ref(&path), 0, Order::Bytes, dropped).iter().map(|r| r.1.row).collect();
        assert_eq!(rows, [10, 13]);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        assert!(Partition::open(&[path], 0, Order::Bytes, 1, Arc::default(), Arc::default()).is_err());
    }
}
