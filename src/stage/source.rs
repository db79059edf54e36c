//! Readers: they list splits while planning and turn one split into documents while running.
//!
//! Reading has two halves. [`Reader::next`] frames: it runs under the split's lock, one thread at a time, and should do
//! little (decompress, find record boundaries, about 1 MiB at a time). The [`Morsel`] it gives parses: any worker runs
//! it, in parallel with others. Where morsels begin and end must depend on the input alone.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::doc::{Document, FieldTable};
use crate::error::Result;
use crate::io::glob::FileEntry;

/// A reader of one format.
pub trait Source: Send + Sync {
    /// The pieces of input that one task can read alone, in corpus order. Must not depend on the number of workers.
    fn splits(&self) -> Result<Vec<Split>>;
    /// Opens a split. `fields` says which fields of the input somebody reads; the rest is carried raw.
    fn open(&self, split: &Split, fields: &Arc<FieldTable>) -> Result<Box<dyn Reader>>;
}

/// One task's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// The files or parts of files, read in this order.
    pub files: Vec<FilePart>,
}

/// A file, or a byte range (or range of row groups, as the format has it) of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePart {
    /// Path as the pattern expanded.
    pub path: PathBuf,
    /// Bytes of the whole file.
    pub size: u64,
    /// Modification time, nanoseconds since 1970: notices that an input changed, never part of results.
    pub mtime_ns: u64,
    /// The part to read; `None` for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range<u64>>,
}

impl Split {
    /// A split of one part.
    pub fn one(part: FilePart) -> Self {
        Self { files: vec![part] }
    }

    /// Bytes on disk that the split covers.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(FilePart::bytes).sum()
    }
}

impl FilePart {
    /// Bytes on disk that the part covers (ranges of other units count as the whole file).
    pub fn bytes(&self) -> u64 {
        match &self.range {
            Some(range) if range.end <= self.size => range.end - range.start,
            _ => self.size,
        }
    }
}

/// Packs whole files, in order, into splits of at least `target` bytes: thousands of small files are a few tasks.
pub fn pack(files: Vec<FilePart>, target: u64) -> Vec<Split> {
    let mut splits: Vec<Split> = Vec::new();
    let mut open = 0;
    for part in files {
        let bytes = part.bytes();
        match splits.last_mut() {
            Some(split) if open + bytes <= target && part.range.is_none() => {
                split.files.push(part);
                open += bytes;
            }
            _ => {
                splits.push(Split::one(part));
                open = bytes;
            }
        }
    }
    splits
}

/// Splits of whole files, for formats that cannot be cut.
pub fn whole_files(files: Vec<FileEntry>, target: u64) -> Vec<Split> {
    let part = |FileEntry { path, size, mtime_ns }| FilePart { path, size, mtime_ns, range: None };
    pack(files.into_iter().map(part).collect(), target)
}

/// An open split.
pub trait Reader: Send {
    /// Frames the next morsel; `None` at the end. An `Err` fails the task: damage that leaves neighbours readable must
    /// be given as [`Read::Bad`] instead.
    fn next(&mut self) -> Result<Option<Morsel>>;
}

/// What parsing a morsel does: give each record to the callback, in order.
pub type Parse = Box<dyn FnOnce(&mut dyn FnMut(Read)) + Send>;

/// About a megabyte of framed records, to be parsed by any worker.
pub struct Morsel {
    /// Bytes framed, decompressed: for progress and speed.
    pub bytes: u64,
    /// Parses.
    pub parse: Parse,
}

impl Morsel {
    /// A morsel of `bytes` that `parse` turns into records.
    pub fn new(bytes: u64, parse: impl FnOnce(&mut dyn FnMut(Read)) + Send + 'static) -> Self {
        Self { bytes, parse: Box::new(parse) }
    }
}

/// One record read.
pub enum Read {
    /// A document.
    Document(Box<Document>),
    /// A document made of documents that an earlier walk left, and how many of these it accounts for.
    Joined(Box<Document>, u64),
    /// A record that is none: quarantined with its bytes and its place.
    Bad(BadRecord),
}

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// The file.
    pub file: Arc<str>,
    /// Offset of the record (as [`crate::doc::Origin::at`]).
    pub at: u64,
    /// A word of the reader's `About::reasons`.
    pub reason: &'static str,
    /// What exactly was wrong.
    pub detail: String,
    /// The record's bytes, cut to 64 KiB.
    pub bytes: Vec<u8>,
}

impl BadRecord {
    /// Cuts `bytes` to what quarantine keeps.
    pub fn new(file: &Arc<str>, at: u64, reason: &'static str, detail: impl Into<String>, bytes: &[u8]) -> Self {
        let kept = bytes.get(..64 << 10).unwrap_or(bytes).to_vec();
        Self { file: file.clone(), at, reason, detail: detail.into(), bytes: kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: u64) -> FilePart {
        FilePart { path: name.into(), size, mtime_ns: 0, range: None }
    }

    #[test]
    fn small_files_share_a_split_and_large_ones_do_not() {
        let splits = pack(vec![file("a", 4), file("b", 5), file("c", 20), file("d", 1), file("e", 1)], 10);
        let names: Vec<Vec<_>> =
            splits.iter().map(|s| s.files.iter().map(|f| f.path.to_string_lossy().into_owned()).collect()).collect();
        assert_eq!(names, [vec!["a", "b"], vec!["c"], vec!["d", "e"]]);
        assert_eq!(splits[0].bytes(), 9);
    }
}
