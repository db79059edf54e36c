//! Files of lines: how they are split, and each line on its way to a reader's own parser.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::io::codec::{self, Codec};
use crate::io::glob::{self, FileEntry};
use crate::io::lines::{Framed, Lines};
use crate::stage::settings::Paths;
use crate::stage::{BadRecord, FilePart, Morsel, Read, Reader, Split, pack};

/// Plain files are cut into parts of this size, and small files gathered up to it.
const SPLIT: u64 = 64 << 20;

/// What a reader makes of one line: file, offset of the line in the (decompressed) file, the line without its end.
pub type Accept = Arc<dyn Fn(&Arc<str>, u64, &[u8]) -> Read + Send + Sync>;

/// The splits of `paths`: large plain files in byte ranges, everything else whole.
pub fn splits(paths: &Paths) -> Result<Vec<Split>> {
    let mut parts = Vec::new();
    for FileEntry { path, size, mtime_ns } in glob::expand(&paths.0)? {
        let part = |range| FilePart { path: path.clone(), size, mtime_ns, range };
        if size > SPLIT && codec::detect(&path)? == Codec::Plain {
            let cuts = size.div_ceil(SPLIT);
            parts.extend((0..cuts).map(|n| part(Some(n * SPLIT..((n + 1) * SPLIT).min(size)))));
        } else {
            parts.push(part(None));
        }
    }
    Ok(pack(parts, SPLIT))
}

/// Opens a split; lines of white space alone are no records.
pub fn open(split: &Split, max_record: u64, accept: Accept) -> Box<dyn Reader> {
    Box::new(Running { max_record, files: split.files.clone().into_iter(), open: None, accept })
}

struct Running {
    max_record: u64,
    files: std::vec::IntoIter<FilePart>,
    open: Option<(Arc<str>, Lines)>,
    accept: Accept,
}

impl Running {
    fn open(&self, part: &FilePart) -> Result<Lines> {
        let max = self.max_record as usize;
        let Some(range) = &part.range else { return Ok(Lines::new(codec::open(&part.path)?, 0, max)) };
        let from = range.start.saturating_sub(1);
        let lines = Lines::new(Box::new(codec::open_at(&part.path, from)?), from, max).until(range.end);
        if range.start == 0 {
            return Ok(lines);
        }
        lines.skip_first().map_err(|e| Error::io("read", &part.path, e))
    }

    fn morsel(&self, file: Arc<str>, framed: Framed) -> Morsel {
        match framed {
            Framed::Lines { at, bytes } => {
                let accept = self.accept.clone();
                Morsel::new(bytes.len() as u64, move |each| each_line(&file, at, &bytes, &accept, each))
            }
            Framed::TooLong { at, length, head } => {
                let detail = format!("a line of {length} bytes; `max_record` allows {}", self.max_record);
                let bad = BadRecord::new(&file, at, "line_too_long", detail, &head);
                Morsel::new(length, move |each| each(Read::Bad(bad)))
            }
            Framed::Damaged { at, reason, detail, head } => {
                let bad = BadRecord::new(&file, at, reason, detail, &head);
                Morsel::new(head.len() as u64, move |each| each(Read::Bad(bad)))
            }
        }
    }
}

impl Reader for Running {
    fn next(&mut self) -> Result<Option<Morsel>> {
        loop {
            let Some((file, lines)) = &mut self.open else {
                let Some(part) = self.files.next() else { return Ok(None) };
                let lines = self.open(&part)?;
                self.open = Some((part.path.to_string_lossy().into(), lines));
                continue;
            };
            let file = file.clone();
            let Some(framed) = lines.next() else {
                self.open = None;
                continue;
            };
            return Ok(Some(self.morsel(file, framed)));
        }
    }
}

/// Gives each line of `bytes`, which begin at `at`, to `accept`.
pub fn each_line(file: &Arc<str>, at: u64, bytes: &[u8], accept: &Accept, each: &mut dyn FnMut(Read)) {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]) {
        let line = bytes.get(start..end).unwrap_or_default();
        if !line.iter().all(u8::is_ascii_whitespace) {
            each(accept(file, at + start as u64, line));
        }
        start = end + 1;
    }
}
