//! Reads Parquet: one document for each row.
//!
//! Large files are split by row groups. A row group of moderate size is decoded by whichever worker takes it; a larger one
//! is decoded batch by batch, so that memory stays flat whatever others wrote.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table_source::{REASONS, Rows};
use crate::doc::FieldTable;
use crate::error::Result;
use crate::io::codec;
use crate::io::glob::{self, FileEntry};
use crate::io::table::{Batches, ParquetFile};
use crate::stage::settings::Paths;
use crate::stage::{
    About, BadRecord, Build, Family, FilePart, Morsel, Read, Reader, Settings, Source, Split, Stage, pack,
};

/// Settings of `parquet`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parquet {
    /// Files or patterns, read in the order of their paths.
    pub paths: Paths,
    /// The column that holds the text.
    #[serde(default = "text")]
    pub text: String,
}

fn text() -> String {
    "text".into()
}

impl Settings for Parquet {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &REASONS,
        ..About::new("parquet", Family::Read, "reads Parquet files, one document each row")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        cx.opens();
        Ok(Stage::Source(Arc::new(Running { settings: self, source: cx.flow.into() })))
    }
}

struct Running {
    settings: Parquet,
    source: Arc<str>,
}

/// Row groups are gathered into splits of this many bytes on disk.
const SPLIT: u64 = 64 << 20;
/// Row groups of more bytes (uncompressed) are decoded batch by batch.
const LARGE: u64 = 64 << 20;

impl Source for Running {
    /// A part is a byte range of its file, and reads the row groups that begin in it.
    fn splits(&self) -> Result<Vec<Split>> {
        let mut parts = Vec::new();
        for FileEntry { path, size, mtime_ns } in glob::expand(&self.settings.paths.0)? {
            let part = |range| FilePart { path: path.clone(), size, mtime_ns, range };
            // What is no whole Parquet file is told, and quarantined, when it is read.
            let starts: Vec<u64> = match ParquetFile::open(&path) {
                Ok(file) if size > SPLIT => (0..file.groups()).map(|g| file.group(g).0).collect(),
                _ => Vec::new(),
            };
            let mut cuts = vec![0];
            for start in starts {
                if start - cuts.last().copied().unwrap_or(0) >= SPLIT {
                    cuts.push(start);
                }
            }
            if let [_] = cuts.as_slice() {
                parts.push(part(None));
                continue;
            }
            cuts.push(size);
            parts.extend(cuts.windows(2).filter_map(|w| Some(part(Some(*w.first()?..*w.last()?)))));
        }
        Ok(pack(parts, SPLIT))
    }

    fn open(&self, split: &Split, fields: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        let rows = Arc::new(Rows::new(&self.settings.text, &self.source, fields));
        Ok(Box::new(Groups { rows, files: split.files.clone().into_iter(), open: None, large: None }))
    }
}

struct Groups {
    rows: Arc<Rows>,
    files: std::vec::IntoIter<FilePart>,
    /// The file, its part, the next row group and that group's first row.
    open: Option<(ParquetFile, FilePart, usize, u64)>,
    /// A large row group being read: the file's name, the next row, the rest.
    large: Option<(Arc<str>, u64, Batches)>,
}

impl Reader for Groups {
    fn next(&mut self) -> Result<Option<Morsel>> {
        loop {
            if let Some((file, at, batches)) = &mut self.large {
                let (file, first) = (file.clone(), *at);
                match batches.next() {
                    Some(Ok(batch)) => {
                        *at += batch.rows() as u64;
                        let rows = self.rows.clone();
                        return Ok(Some(Morsel::new(batch.bytes(), move |each| rows.read(&file, first, &batch, each))));
                    }
                    Some(Err(detail)) => {
                        self.large = None;
                        return Ok(Some(Morsel::new(0, move |each| each(corrupt(&file, first, detail)))));
                    }
                    None => self.large = None,
                }
            }
            let Some((parquet, part, next, row)) = &mut self.open else {
                let Some(part) = self.files.next() else { return Ok(None) };
                match ParquetFile::open(&part.path) {
                    Ok(parquet) => self.open = Some((parquet, part, 0, 0)),
                    Err(e) => {
                        let file = part.path.to_string_lossy().into();
                        let bad = BadRecord::new(&file, 0, "truncated", e.to_string(), b"");
                        return Ok(Some(Morsel::new(part.size, move |each| each(Read::Bad(bad)))));
                    }
                }
                continue;
            };
            if *next == parquet.groups() {
                self.open = None;
                continue;
            }
            let (group, first) = (*next, *row);
            let (start, bytes, count) = parquet.group(group);
            *next += 1;
            *row += count;
            if part.range.as_ref().is_some_and(|range| !range.contains(&start)) {
                continue;
            }
            codec::take(parquet.compressed(group));
            let file: Arc<str> = part.path.to_string_lossy().into();
            if bytes > LARGE {
                self.large = Some((file, first, parquet.batches(group)?));
                continue;
            }
            let (rows, parquet) = (self.rows.clone(), parquet.clone());
            return Ok(Some(Morsel::new(bytes, move |each| decode(&rows, &parquet, &file, group, first, each))));
        }
    }
}

fn decode(rows: &Rows, parquet: &ParquetFile, file: &Arc<str>, group: usize, mut at: u64, each: &mut dyn FnMut(Read)) {
    let batches = match parquet.batches(group) {
        Ok(batches) => batches,
        Err(e) => return each(corrupt(file, at, e.to_string())),
    };
    for batch in batches {
        match batch {
            Ok(batch) => {
                rows.read(file, at, &batch, each);
                at += batch.rows() as u64;
            }
            Err(detail) => return each(corrupt(file, at, detail)),
        }
    }
}

fn corrupt(file: &Arc<str>, at: u64, detail: String) -> Read {
    Read::Bad(BadRecord::new(file, at, "corrupt", format!("rows from {at} on: {detail}"), b""))
}
