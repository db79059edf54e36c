//! Reads source code: trees of files, and tar or zip archives of them, in any compression. Nothing is ever extracted to
//! disk: a member named `../x` is a document with an odd path and nothing else.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Origin};
use crate::error::{Error, Result};
use crate::io::codec;
use crate::io::glob::{self, FileEntry};
use crate::io::table::{Batches, ParquetFile};
use crate::stage::settings::{ByteSize, Paths};
use crate::stage::{
    About, BadRecord, Build, Family, FilePart, Morsel, Read, Reader, Settings, Source, Split, Stage, whole_files,
};
use crate::text::{charset, programming};

const SPLIT: u64 = 32 << 20;
const MORSEL: u64 = 1 << 20;

/// Settings of `code`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Files, patterns or folders; archives (tar, zip, compressed or not) and Parquet files with the columns `content`
    /// and `path` are told by their first bytes.
    pub paths: Paths,
    /// Whether files and folders whose names begin with a dot are read.
    #[serde(default)]
    pub hidden: bool,
    /// Longest file in bytes.
    #[serde(default = "max_record")]
    pub max_record: ByteSize,
}

fn max_record() -> ByteSize {
    ByteSize(8 << 20)
}

impl Settings for Code {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &[
            ("binary", "the file holds a NUL byte in its first 8 KiB"),
            ("file_too_long", "the file is longer than `max_record`"),
            ("link", "the archive's member is a link or device, not a file"),
            ("bad_archive", "the archive cannot be read from here on"),
            ("truncated", "the archive ends too early"),
            ("corrupt", "the archive's compressed data is damaged from here on"),
        ],
        fields: &[
            ("path", "the file's path, in its archive or from the folder named"),
            ("code_language", "programming language, by the file's name"),
            ("size", "bytes of the file"),
        ],
        ..About::new("code", Family::Read, "reads source files from folders and archives")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let (path, language, size) = (cx.writes("path")?, cx.writes("code_language")?, cx.writes("size")?);
        let running = Running { settings: Arc::new(self), path, language, size, source: cx.flow.into() };
        Ok(Stage::Source(Arc::new(running)))
    }
}

#[derive(Clone)]
struct Running {
    settings: Arc<Code>,
    path: Field<String>,
    language: Field<String>,
    size: Field<i64>,
    source: Arc<str>,
}

impl Running {
    fn shown(&self, path: &str) -> bool {
        self.settings.hidden || !path.split('/').any(|p| p.starts_with('.') && p != "." && p != "..")
    }

    /// Files under a folder, links not followed.
    fn tree(&self, root: &str, files: &mut Vec<FileEntry>) -> Result<()> {
        let mut folders = vec![PathBuf::from(root)];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).map_err(|e| Error::io("read the folder", &folder, e))?;
            for entry in entries {
                let entry = entry.map_err(|e| Error::io("read the folder", &folder, e))?;
                if !self.settings.hidden && entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                let kind = entry.file_type().map_err(|e| Error::io("open", &entry.path(), e))?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.push(glob::entry(entry.path())?);
                }
            }
        }
        Ok(())
    }

    fn file(&self, file: &Arc<str>, at: u64, path: &str, bytes: &[u8]) -> Read {
        if bytes.len() as u64 > self.settings.max_record.0 {
            let detail = format!("`{path}` is longer than {} bytes", self.settings.max_record.0);
            return Read::Bad(BadRecord::new(file, at, "file_too_long", detail, bytes));
        }
        if memchr::memchr(0, bytes.get(..8 << 10).unwrap_or(bytes)).is_some() {
            return Read::Bad(BadRecord::new(file, at, "binary", format!("`{path}` is no text"), bytes));
        }
        let (text, _) = charset::decode(bytes, None);
        self.document(file, at, path, text, bytes.len())
    }

    fn document(&self, file: &Arc<str>, at: u64, path: &str, text: String, size: usize) -> Read {
        let mut doc = Document::new(Origin { source: self.source.clone(), file: file.clone(), at }, text);
        doc.set(self.path, path.to_owned());
        if let Some(language) = programming::language(path) {
            doc.set(self.language, language.to_owned());
        }
        doc.set(self.size, size as i64);
        Read::Document(Box::new(doc))
    }
}

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        let (mut patterns, mut files) = (Vec::new(), Vec::new());
        for path in &self.settings.paths.0 {
            if std::path::Path::new(path).is_dir() {
                self.tree(path, &mut files)?;
            } else {
                patterns.push(path.clone());
            }
        }
        if !patterns.is_empty() {
            files.extend(glob::expand(&patterns)?);
        }
        files.sort_by(|a, b| a.path.as_os_str().as_encoded_bytes().cmp(b.path.as_os_str().as_encoded_bytes()));
        files.dedup();
        Ok(whole_files(files, SPLIT))
    }

    fn open(&self, split: &Split, _: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        Ok(Box::new(Files { files: split.files.clone().into_iter(), archive: None, running: self.clone() }))
    }
}

struct Files {
    files: std::vec::IntoIter<FilePart>,
    archive: Option<(Arc<str>, Archive)>,
    running: Running,
}

enum Archive {
    Tar(Box<TarFiles>),
    Zip(Box<zip::ZipArchive<BufReader<File>>>, usize),
    Rows(Rows),
}

/// A Parquet file being read.
struct Rows {
    parquet: ParquetFile,
    /// The next row group, and the row that comes next.
    group: usize,
    row: u64,
    batches: Batches,
}

/// What a file is, by its first bytes (decompressed).
enum Kind {
    Tar,
    Zip,
    Parquet,
    File,
}

fn kind(path: &std::path::Path) -> Result<Kind> {
    let mut head = Vec::new();
    // A damaged start is told when the file is read.
    let _ = codec::open(path)?.take(512).read_to_end(&mut head);
    Ok(if head.get(257..262) == Some(b"ustar") {
        Kind::Tar
    } else if head.starts_with(b"PK\x03\x04") {
        Kind::Zip
    } else if head.starts_with(b"PAR1") {
        Kind::Parquet
    } else {
        Kind::File
    })
}

impl Reader for Files {
    fn next(&mut self) -> Result<Option<Morsel>> {
        loop {
            if let Some((file, archive)) = &mut self.archive {
                let file = file.clone();
                match archive_morsel(&self.running, &file, archive)? {
                    Some(morsel) => return Ok(Some(morsel)),
                    None => self.archive = None,
                }
                continue;
            }
            let Some(part) = self.files.next() else { return Ok(None) };
            let file: Arc<str> = part.path.to_string_lossy().into();
            let damaged = |detail: String| {
                let bad = BadRecord::new(&file, 0, "bad_archive", detail, b"");
                Ok(Some(Morsel::new(part.size, move |each| each(Read::Bad(bad)))))
            };
            match kind(&part.path)? {
                Kind::Tar => {
                    self.archive = Some((file, Archive::Tar(Box::new(TarFiles::new(codec::open(&part.path)?)))))
                }
                Kind::Zip => {
                    let open = File::open(&part.path).map_err(|e| Error::io("open", &part.path, e))?;
                    match zip::ZipArchive::new(BufReader::new(open)) {
                        Ok(zip) => self.archive = Some((file, Archive::Zip(Box::new(zip), 0))),
                        Err(e) => return damaged(e.to_string()),
                    }
                }
                Kind::Parquet => match ParquetFile::open(&part.path) {
                    Ok(parquet) => {
                        let rows = Rows { parquet, group: 0, row: 0, batches: Box::new(std::iter::empty()) };
                        self.archive = Some((file, Archive::Rows(rows)));
                    }
                    Err(e) => return damaged(e.to_string()),
                },
                Kind::File => {
                    let (running, size) = (self.running.clone(), part.size);
                    return Ok(Some(Morsel::new(size, move |each| each(single(&running, &file, &part)))));
                }
            }
        }
    }
}

fn single(running: &Running, file: &Arc<str>, part: &FilePart) -> Read {
    let limit = running.settings.max_record.0 + 1;
    let mut bytes = Vec::new();
    let read = codec::open(&part.path)
        .map_err(|e| ("corrupt", e.to_string()))
        .and_then(|reader| reader.take(limit).read_to_end(&mut bytes).map_err(|e| (codec::damage(&e), e.to_string())));
    match read {
        Ok(_) => running.file(file, 0, file, &bytes),
        Err((reason, detail)) => Read::Bad(BadRecord::new(file, 0, reason, detail, &bytes)),
    }
}

fn archive_morsel(running: &Running, file: &Arc<str>, archive: &mut Archive) -> Result<Option<Morsel>> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while bytes < MORSEL {
        let limit = running.settings.max_record.0 + 1;
        let next = match archive {
            Archive::Tar(tar) => tar.next(limit),
            Archive::Zip(zip, at) => zip_entry(zip, at, limit),
            Archive::Rows(rows) => return row_morsel(running, file, rows),
        };
        let Some(entry) = next else { break };
        if let Entry::File { bytes: held, path, .. } = &entry {
            if !running.shown(path) {
                continue;
            }
            bytes += held.len() as u64;
        }
        entries.push(entry);
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let (running, file) = (running.clone(), file.clone());
    Ok(Some(Morsel::new(bytes, move |each| {
        for entry in entries {
            each(match entry {
                Entry::File { at, path, bytes } => running.file(&format!("{file}!/{path}").into(), at, &path, &bytes),
                Entry::Bad { at, reason, detail } => Read::Bad(BadRecord::new(&file, at, reason, detail, b"")),
            });
        }
    })))
}

enum Entry {
    File { at: u64, path: String, bytes: Vec<u8> },
    Bad { at: u64, reason: &'static str, detail: String },
}

/// `../a//b` → `a/b`.
fn normal(path: &str) -> String {
    path.split(['/', '\\']).filter(|p| !matches!(*p, "" | "." | "..")).collect::<Vec<_>>().join("/")
}

/// Members of a tar stream. The `tar` crate's iterator borrows its archive, so entries are read raw here: a header of
/// 512 bytes (parsed by the crate), then the content.
struct TarFiles {
    reader: Box<dyn std::io::Read + Send>,
    at: u64,
    long_name: Option<String>,
    ended: bool,
}

impl TarFiles {
    fn new(reader: Box<dyn std::io::Read + Send>) -> Self {
        Self { reader, at: 0, long_name: None, ended: false }
    }

    fn next(&mut self, limit: u64) -> Option<Entry> {
        while !self.ended {
            let at = self.at;
            match self.entry(limit) {
                Ok(Some(entry)) => return Some(entry),
                Ok(None) => {}
                Err((reason, detail)) => {
                    self.ended = true;
                    return Some(Entry::Bad { at, reason, detail });
                }
            }
        }
        None
    }

    /// One header and its content; `None` if it is no member of its own.
    fn entry(&mut self, limit: u64) -> Result<Option<Entry>, (&'static str, String)> {
        let io = |e: std::io::Error| (codec::damage(&e), e.to_string());
        let mut header = tar::Header::new_old();
        let mut first = [0u8; 1];
        if self.reader.read(&mut first).map_err(io)? == 0 {
            self.ended = true;
            return Ok(None);
        }
        let block = header.as_mut_bytes();
        block[0] = first[0];
        self.reader.read_exact(&mut block[1..]).map_err(io)?;
        let at = self.at;
        self.at += 512;
        if header.as_bytes().iter().all(|b| *b == 0) {
            self.ended = true;
            return Ok(None);
        }
        let bad = |e: std::io::Error| ("bad_archive", e.to_string());
        let sum: u32 = header
            .as_bytes()
            .iter()
            .enumerate()
            .map(|(i, &b)| if (148..156).contains(&i) { 32 } else { u32::from(b) })
            .sum();
        if header.cksum().map_err(bad)? != sum {
            return Err(("bad_archive", "a header's checksum is wrong".into()));
        }
        let size = header.entry_size().map_err(bad)?;
        let kind = header.entry_type();
        let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        let mut bytes = Vec::new();
        (&mut self.reader).take(size.min(limit.max(64 << 10))).read_to_end(&mut bytes).map_err(io)?;
        let padded = size.div_ceil(512) * 512;
        let skipped = std::io::copy(&mut (&mut self.reader).take(padded - bytes.len() as u64), &mut std::io::sink())
            .map_err(io)?;
        if bytes.len() as u64 + skipped < size {
            return Err(("truncated", format!("the archive ends inside `{}`", normal(&name))));
        }
        self.at += padded;
        if kind.is_gnu_longname() {
            self.long_name = Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned());
            return Ok(None);
        }
        if kind.is_pax_local_extensions() {
            self.long_name = pax_path(&bytes).or(self.long_name.take());
            return Ok(None);
        }
        let path = normal(&self.long_name.take().unwrap_or(name));
        Ok(if kind.is_file() || kind.is_contiguous() {
            Some(Entry::File { at, path, bytes })
        } else if kind.is_symlink()
            || kind.is_hard_link()
            || kind.is_block_special()
            || kind.is_character_special()
            || kind.is_fifo()
        {
            Some(Entry::Bad { at, reason: "link", detail: format!("`{path}` is a link or device") })
        } else {
            None
        })
    }
}

/// `path=` of a pax header: records of `LENGTH key=value\n`.
fn pax_path(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().find_map(|l| l.split_once(' ')?.1.strip_prefix("path=").map(str::to_owned))
}

fn zip_entry(zip: &mut zip::ZipArchive<BufReader<File>>, at: &mut usize, limit: u64) -> Option<Entry> {
    while *at < zip.len() {
        let index = *at;
        *at += 1;
        let mut file = match zip.by_index(index) {
            Ok(file) if file.is_dir() => continue,
            Ok(file) => file,
            Err(e) => return Some(Entry::Bad { at: index as u64, reason: "bad_archive", detail: e.to_string() }),
        };
        let path = normal(&file.name().map(|n| n.into_owned()).unwrap_or_default());
        if file.is_symlink() {
            return Some(Entry::Bad { at: index as u64, reason: "link", detail: format!("`{path}` is a link") });
        }
        let mut bytes = Vec::new();
        return Some(match (&mut file).take(limit).read_to_end(&mut bytes) {
            Ok(_) => Entry::File { at: index as u64, path, bytes },
            Err(e) => Entry::Bad { at: index as u64, reason: codec::damage(&e), detail: format!("`{path}`: {e}") },
        });
    }
    None
}

/// The next batch of rows; `at` of a document is its row in the file.
fn row_morsel(running: &Running, file: &Arc<str>, rows: &mut Rows) -> Result<Option<Morsel>> {
    let (batch, first) = loop {
        match rows.batches.next() {
            Some(batch) => break (batch, rows.row),
            None if rows.group == rows.parquet.groups() => return Ok(None),
            None => {
                rows.batches = rows.parquet.batches(rows.group)?;
                rows.row = (0..rows.group).map(|g| rows.parquet.group(g).2).sum();
                rows.group += 1;
            }
        }
    };
    let (running, file) = (running.clone(), file.clone());
    let bad = |at, detail: String| Read::Bad(BadRecord::new(&file, at, "bad_archive", detail, b""));
    let batch = match batch {
        Ok(batch) => batch,
        Err(detail) => {
            rows.batches = Box::new(std::iter::empty());
            let lost = bad(first, format!("rows from {first} on: {detail}"));
            return Ok(Some(Morsel::new(0, move |each| each(lost))));
        }
    };
    rows.row += batch.rows() as u64;
    let Ok(contents) = batch.texts("content") else {
        let lost = bad(first, "the Parquet file has no text column `content`".into());
        return Ok(Some(Morsel::new(0, move |each| each(lost))));
    };
    let paths = batch.texts("path").unwrap_or_default();
    Ok(Some(Morsel::new(batch.bytes(), move |each| {
        for (row, content) in contents.into_iter().enumerate() {
            let at = first + row as u64;
            let path = paths.get(row).and_then(Option::as_deref).unwrap_or_default();
            each(match content {
                Some(content) => {
                    let length = content.len();
                    running.document(&file, at, path, content, length)
                }
                None => Read::Bad(BadRecord::new(&file, at, "bad_archive", "the row has no content", b"")),
            });
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(bytes: Vec<u8>) -> Vec<String> {
        let mut tar = TarFiles::new(codec::decode(std::io::Cursor::new(bytes)).unwrap());
        std::iter::from_fn(|| tar.next(100))
            .map(|e| match e {
                Entry::File { path, bytes, .. } => format!("{path}={}", String::from_utf8(bytes).unwrap()),
                Entry::Bad { reason, .. } => format!("!{reason}"),
            })
            .collect()
    }

    #[test]
    fn members_are_streams_whatever_their_names() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut add = |name: &str, kind: tar::EntryType, text: &str| {
            let mut header = tar::Header::new_gnu();
            let place = header.as_mut_bytes();
            place[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(text.len() as u64);
            header.set_entry_type(kind);
            header.set_cksum();
            tar.append(&header, text.as_bytes()).unwrap();
        };
        add("../evil.py", tar::EntryType::Regular, "x");
        add("/etc/passwd", tar::EntryType::Symlink, "");
        add("a/b.rs", tar::EntryType::Regular, "fn main() {}");
        let long = format!("{}/long.rs", "d".repeat(150));
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_cksum();
        tar.append_data(&mut header, &long, &b"long"[..]).unwrap();
        let bytes = tar.into_inner().unwrap();
        let expected = ["evil.py=x".to_owned(), "!link".into(), "a/b.rs=fn main() {}".into(), format!("{long}=long")];
        assert_eq!(entries(bytes.clone()), expected);
        let cut = entries(bytes[..1600].to_vec());
        assert_eq!(cut.last().unwrap(), "!truncated");
    }
}
