//! What the readers of WARC and WET files share: splits by byte range, morsels of members, and streams.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::codec::{self, Codec};
use crate::io::glob::{self, FileEntry};
use crate::io::mapped::Mapped;
use crate::io::warc::{self, Framed, Record, Stream};
use crate::stage::{BadRecord, FilePart, Morsel, Read, Reader, Split, pack};

/// Files with a member for each record are split into parts of this size.
const SPLIT: u64 = 64 << 20;
/// A morsel is this many compressed bytes.
const MORSEL: u64 = 256 << 10;
/// Records of a stream go into a morsel until they have this many bytes.
const STREAM_MORSEL: usize = 1 << 20;

/// What reasons both readers have for quarantining.
pub const REASONS: [(&str, &str); 7] = [
    ("corrupt", "the gzip member is damaged; its neighbours are read"),
    ("truncated", "the file ends inside the record"),
    ("bad_header", "the record's header cannot be read"),
    ("wrong_length", "the record's Content-Length is not its length"),
    ("record_too_long", "the record is longer than `max_record`"),
    ("bad_http", "the HTTP body cannot be decompressed"),
    ("unsupported_encoding", "the HTTP body is compressed in a way that is not supported"),
];

/// Record → what it is for this reader: nothing of its business, a document, or a bad record.
pub type Accept = Arc<dyn Fn(&Arc<str>, Record) -> Option<Read> + Send + Sync>;

/// The splits of the files that `patterns` name.
pub fn splits(patterns: &[String]) -> Result<Vec<Split>> {
    let mut parts = Vec::new();
    for FileEntry { path, size, mtime_ns } in glob::expand(patterns)? {
        let part = |range| FilePart { path: path.clone(), size, mtime_ns, range };
        if size > SPLIT && has_members(&path)? {
            let cuts = size.div_ceil(SPLIT);
            parts.extend((0..cuts).map(|n| part(Some(n * SPLIT..((n + 1) * SPLIT).min(size)))));
        } else {
            parts.push(part(None));
        }
    }
    Ok(pack(parts, SPLIT))
}

fn has_members(path: &Path) -> Result<bool> {
    Ok(codec::detect(path)? == Codec::Gzip && warc::is_per_record(Mapped::open(path)?.bytes()))
}

/// Opens a split; `max` is the longest record in bytes.
pub fn open(split: &Split, max: u64, accept: Accept) -> Box<dyn Reader> {
    Box::new(Running { files: split.files.clone().into_iter(), open: None, max: max as usize, accept })
}

struct Running {
    files: std::vec::IntoIter<FilePart>,
    open: Option<Open>,
    max: usize,
    accept: Accept,
}

enum Open {
    Members { file: Arc<str>, bytes: Arc<Mapped>, left: Range<u64> },
    Stream { file: Arc<str>, stream: Box<Stream> },
}

impl Running {
    fn open(&self, part: &FilePart) -> Result<Open> {
        let path: &PathBuf = &part.path;
        let file: Arc<str> = path.to_string_lossy().into();
        if has_members(path)? {
            let left = part.range.clone().unwrap_or(0..part.size);
            return Ok(Open::Members { file, bytes: Arc::new(Mapped::open(path)?), left });
        }
        let stream = Box::new(Stream::new(codec::open(path)?, self.max));
        Ok(Open::Stream { file, stream })
    }
}

impl Reader for Running {
    fn next(&mut self) -> Result<Option<Morsel>> {
        loop {
            match &mut self.open {
                None => {
                    let Some(part) = self.files.next() else { return Ok(None) };
                    self.open = Some(self.open(&part).map_err(|e: Error| e)?);
                }
                Some(Open::Members { left, .. }) if left.is_empty() => self.open = None,
                Some(Open::Members { file, bytes, left }) => {
                    let range = left.start..(left.start + MORSEL).min(left.end);
                    left.start = range.end;
                    let (file, bytes, accept, max) = (file.clone(), bytes.clone(), self.accept.clone(), self.max);
                    return Ok(Some(Morsel::new(range.end - range.start, move |each| {
                        warc::members(bytes.bytes(), range, max, &mut |framed| give(&file, framed, &accept, each));
                    })));
                }
                Some(Open::Stream { file, stream }) => {
                    let (mut framed, mut held) = (Vec::new(), 0);
                    while held < STREAM_MORSEL {
                        let Some(next) = stream.next() else { break };
                        if let Framed::Record(record) = &next {
                            held += record.block.len();
                        }
                        framed.push(next);
                    }
                    if framed.is_empty() {
                        self.open = None;
                        continue;
                    }
                    let (file, accept) = (file.clone(), self.accept.clone());
                    return Ok(Some(Morsel::new(held as u64, move |each| {
                        framed.into_iter().for_each(|framed| give(&file, framed, &accept, each));
                    })));
                }
            }
        }
    }
}

fn give(file: &Arc<str>, framed: Framed, accept: &Accept, each: &mut dyn FnMut(Read)) {
    match framed {
        Framed::Record(record) => {
            if let Some(read) = accept(file, record) {
                each(read);
            }
        }
        Framed::Damaged { at, reason, detail, head } => {
            each(Read::Bad(BadRecord::new(file, at, reason, detail, &head)));
        }
    }
}
