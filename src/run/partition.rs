//! One partition of the records that all walks spilled, merged: what a reduce reads.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::records::{MAGIC, Order};
use crate::doc::DocRef;
use crate::error::{Error, Result};
use crate::io::atomic::Written;
use crate::stage::{Corpus, Sorted};

/// Rows that earlier findings drop, by split.
pub type DroppedRows = Vec<roaring::RoaringBitmap>;

/// Sorted ranges that are merged at once: more would need more open files than systems allow.
const FAN_IN: usize = 256;

/// One partition of all walks' records, merged; rows that an earlier stage of the same barrier drops are left out.
pub struct Partition {
    ranges: Vec<Range>,
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
        let scratch = files.first().and_then(|f| f.parent()).unwrap_or(Path::new(".")).to_owned();
        let mut ranges = Vec::new();
        for path in files {
            let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
            let footer = Footer::read(path, &mut file)?;
            let (before, count) = footer.partition(part);
            if count > 0 {
                let (at, width) = (before * footer.width as u64, footer.width);
                ranges.push(Range { path: path.clone(), nameless: None, at, count, width });
            }
        }
        let buffer = (memory / 2 / ranges.len().clamp(1, FAN_IN) as u64).clamp(4 << 10, 1 << 20) as usize;
        let ranges = few(ranges, buffer, &scratch)?;
        let merge = merge(&ranges, buffer)?;
        Ok(Self { ranges, buffer, order, merge, dropped, corpus, memory: memory / 2, scratch, outputs: Vec::new() })
    }
}

/// Entries that lie sorted in a file.
struct Range {
    path: PathBuf,
    /// The file, where it has no name.
    nameless: Option<File>,
    at: u64,
    count: u64,
    width: usize,
}

/// Merges neighboring ranges into nameless files, until there are few enough to be merged at once.
fn few(mut ranges: Vec<Range>, buffer: usize, scratch: &Path) -> Result<Vec<Range>> {
    while ranges.len() > FAN_IN {
        let mut fewer = Vec::new();
        for some in ranges.chunks(FAN_IN) {
            let file =
                tempfile::tempfile_in(scratch).map_err(|e| Error::io("create a temporary file in", scratch, e))?;
            let (mut merge, mut out) = (merge(some, buffer)?, BufWriter::with_capacity(1 << 18, file));
            while let Some(entry) = merge.next()? {
                out.write_all(entry).map_err(|e| Error::io("write a temporary file in", scratch, e))?;
            }
            let file = out.into_inner();
            let file = file.map_err(|e| Error::io("write a temporary file in", scratch, e.into_error()))?;
            let count = some.iter().map(|range| range.count).sum();
            let width = some.first().map_or(0, |range| range.width);
            fewer.push(Range { path: scratch.to_owned(), nameless: Some(file), at: 0, count, width });
        }
        ranges = fewer;
    }
    Ok(ranges)
}

/// Stands on the first entry of `ranges`; each is read through a buffer.
fn merge(ranges: &[Range], buffer: usize) -> Result<Merge> {
    let mut cursors = Vec::new();
    for Range { path, nameless, at, count, width } in ranges {
        let file = match nameless {
            Some(file) => file.try_clone(),
            None => File::open(path),
        };
        let mut file = file.map_err(|e| Error::io("open", path, e))?;
        file.seek(SeekFrom::Start(*at)).map_err(|e| Error::io("read", path, e))?;
        cursors.push(Cursor::new(path.clone(), file, *count, *width, buffer)?);
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
        self.merge = merge(&self.ranges, self.buffer)?;
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

/// Reads entries of one sorted range.
pub(super) struct Cursor {
    path: PathBuf,
    file: BufReader<File>,
    left: u64,
    current: Vec<u8>,
}

impl Cursor {
    /// `left` entries of `width` bytes from the file's position (`u64::MAX`: to its end). Stands on the first one.
    pub(super) fn new(path: PathBuf, file: File, left: u64, width: usize, buffer: usize) -> Result<Self> {
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
pub(super) struct Merge {
    cursors: Vec<Cursor>,
    heap: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    last: Vec<u8>,
}

impl Merge {
    pub(super) fn new(cursors: Vec<Cursor>) -> Self {
        let heap = cursors
            .iter()
            .enumerate()
            .filter(|(_, c)| !c.current.is_empty())
            .map(|(i, c)| Reverse((c.current.clone(), i)))
            .collect();
        Self { cursors, heap, last: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
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

#[cfg(test)]
mod tests {
    use super::super::records::{MorselRecords, TaskRecords};
    use super::*;
    use crate::stage::Records;
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

    /// More walks than files can be open at once.
    #[test]
    fn very_many_walks_are_merged_in_steps() {
        let dir = tempfile::tempdir().unwrap();
        let walks = 2 * FAN_IN as u32 + 3;
        let files: Vec<PathBuf> = (0..walks).map(|walk| dir.path().join(format!("{walk}.rec"))).collect();
        for (walk, path) in files.iter().enumerate() {
            let mut task = TaskRecords::new(path.clone(), walk as u32, 4, 1, Order::Bytes, 1 << 20);
            let mut morsel = MorselRecords::new(4);
            (0..3u32).for_each(|row| morsel.at(row).emit(0, &((walk as u32 * 7919 + row * 101) % 1000).to_be_bytes()));
            task.append(&morsel, 0).unwrap();
            assert_eq!(task.count(), 3);
            task.finish().unwrap();
        }
        let all = partition(&files, 0, Order::Bytes, Vec::new());
        assert_eq!(all.len() as u32, 3 * walks);
        assert!(all.is_sorted());
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
