//! An index of documents: what a later run must know of the documents that stayed, so that it need not read them again.
//!
//! A folder with a manifest and parts. A part is a sequence of entries: id, keys, and the smallest members of the
//! document's set. The manifest is written last and names every part with its digest: an index without it is none. Parts
//! are in an order of their own that does not matter; a document's number is its place among all entries.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Build;
use crate::doc::DocId;
use crate::error::{Error, Kind, Result};
use crate::io::atomic::{AtomicFile, Written, write_whole};
use crate::sketch::hash;
use crate::text::url::{Folding, canonical};

/// The manifest's name in the folder.
const MANIFEST: &str = "index.json";
/// Members of a set that are kept: the sets of most documents whole, and of none more than 4 kB.
pub const MEMBERS: usize = 1024;

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of the parts.
    #[serde(default)]
    pub version: u32,
    /// How keys and sets were made: only an index made alike can be compared with.
    pub made: String,
    /// In the order of their numbers.
    pub parts: Vec<Part>,
}

/// One file of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its name in the folder.
    pub file: String,
    /// Its entries.
    pub documents: u64,
    /// Its length.
    pub bytes: u64,
    /// xxh3-64 of its bytes.
    pub xxh3: u64,
}

/// The format written here.
const VERSION: u32 = 2;

/// The hash by which a document is found that was read at `url`; never 0. What hardly ever makes another page is ignored.
pub fn url_hash(url: &str) -> u64 {
    hash::seeded(canonical(url, Folding::USUAL, &[]).as_bytes(), 0).max(1)
}

/// One document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Who it is.
    pub id: DocId,
    /// The [`url_hash`] of where it was read; 0 if that is not known.
    pub url: u64,
    /// Its keys.
    pub keys: Vec<u128>,
    /// The smallest members of its set, ascending.
    pub set: Vec<u32>,
    /// How many members the whole set has.
    pub total: u32,
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>) {
        let set = self.set.get(..self.set.len().min(MEMBERS)).unwrap_or_default();
        out.clear();
        out.extend(self.id.0.to_le_bytes());
        out.extend(self.url.to_le_bytes());
        for number in [self.total, self.keys.len() as u32, set.len() as u32] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.keys.iter().flat_map(|k| k.to_le_bytes()));
        out.extend(set.iter().flat_map(|m| m.to_le_bytes()));
    }

    /// Reads the next entry; `false` at the end.
    fn read(&mut self, from: &mut impl Read, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
        let mut head = [0; HEAD];
        if from.read(&mut head[..1])? == 0 {
            return Ok(false);
        }
        from.read_exact(&mut head[1..])?;
        let number = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        let (id, total, keys, set) =
            (head.first_chunk().copied().unwrap_or_default(), number(24), number(28), number(32));
        self.url = u64::from(number(16)) | u64::from(number(20)) << 32;
        let (keys, set) = (keys as u64 * 16, u64::from(set) * 4);
        bytes.clear();
        if from.take(keys + set).read_to_end(bytes)? as u64 != keys + set {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (keys, set) = bytes.split_at(keys as usize);
        (self.id, self.total) = (DocId(u128::from_le_bytes(id)), total);
        self.keys.clear();
        self.keys.extend(keys.chunks_exact(16).map(|b| u128::from_le_bytes(b.try_into().unwrap_or_default())));
        self.set.clear();
        self.set.extend(set.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default())));
        Ok(true)
    }
}

const HEAD: usize = 16 + 8 + 3 * 4;

/// An index being written, one part at a time, by whoever reduces a partition.
#[derive(Debug, Clone)]
pub struct Writer {
    dir: PathBuf,
    made: String,
}

impl Writer {
    /// An index in the folder `dir`.
    pub fn new(dir: &Path, made: String) -> Self {
        Self { dir: dir.to_owned(), made }
    }

    /// Begins a part; what lay there is replaced when it is committed.
    pub fn part(&self, number: u32) -> Result<PartWriter> {
        let path = self.dir.join(part_name(number));
        let out = BufWriter::with_capacity(1 << 18, AtomicFile::create(&path)?);
        Ok(PartWriter { path, out, documents: 0, bytes: Vec::new() })
    }

    /// Commits the manifest over `parts` parts, of which each has so many documents.
    pub fn finish(&self, documents: &[u64]) -> Result<Written> {
        let mut parts = Vec::new();
        for (number, &documents) in documents.iter().enumerate() {
            let file = part_name(number as u32);
            let (xxh3, bytes) = crate::io::atomic::digest(&self.dir.join(&file))?;
            parts.push(Part { file, documents, bytes, xxh3 });
        }
        write_manifest(&self.dir, &Manifest { version: VERSION, made: self.made.clone(), parts })
    }
}

fn part_name(number: u32) -> String {
    format!("{number:05}.bin")
}

fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<Written> {
    let json =
        serde_json::to_vec_pretty(manifest).map_err(|e| Error::bug("a manifest does not serialize").because(e))?;
    write_whole(&dir.join(MANIFEST), &json)
}

/// One part being written.
pub struct PartWriter {
    path: PathBuf,
    out: BufWriter<AtomicFile>,
    documents: u64,
    bytes: Vec<u8>,
}

impl PartWriter {
    /// Appends a document.
    pub fn push(&mut self, entry: &Entry) -> Result<()> {
        entry.write(&mut self.bytes);
        self.documents += 1;
        self.out.write_all(&self.bytes).map_err(|e| Error::io("write", &self.path, e))
    }

    /// Commits the part; how many documents it has.
    pub fn finish(self) -> Result<(Written, u64)> {
        let file = self.out.into_inner().map_err(|e| Error::io("write", &self.path, e.into_error()))?;
        Ok((file.commit()?, self.documents))
    }
}

/// Indexes of earlier runs, read as one.
#[derive(Debug, Clone, Default)]
pub struct Known {
    indexes: Vec<(PathBuf, Manifest)>,
}

impl Known {
    /// Opens the indexes in these folders, which must be made as `made` says. They become part of the fingerprint.
    pub fn open(dirs: &[String], made: &str, cx: &mut Build<'_>) -> Result<Self> {
        let mut indexes = Vec::new();
        for dir in dirs {
            let dir = PathBuf::from(dir);
            cx.resource(dir.join(MANIFEST))?;
            let manifest = manifest(&dir)?;
            if manifest.made != made {
                return Err(Error::pipeline(format!(
                    "the index `{}` was made with other settings: {}, and here {made}",
                    dir.display(),
                    manifest.made
                ))
                .hint("use the settings that it was made with, or make the index anew"));
            }
            indexes.push((dir, manifest));
        }
        Ok(Self { indexes })
    }

    /// Documents in all.
    pub fn documents(&self) -> u64 {
        self.indexes.iter().flat_map(|(_, m)| &m.parts).map(|p| p.documents).sum()
    }

    /// Whether there is no index.
    pub fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// Reads every document with its number.
    pub fn each(&self, mut each: impl FnMut(u64, &Entry)) -> Result<()> {
        let mut number = 0;
        for (dir, manifest) in &self.indexes {
            for part in &manifest.parts {
                read_part(dir, part, |entry| {
                    each(number, entry);
                    number += 1;
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

fn manifest(dir: &Path) -> Result<Manifest> {
    let path = dir.join(MANIFEST);
    let bytes = std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|e| Error::world(format!("`{}` is no index of ours: {e}", path.display())))?;
    if manifest.version != VERSION {
        let version = manifest.version;
        return Err(Error::new(Kind::Changed, format!("`{}` has the format {version}, not {VERSION}", path.display()))
            .hint("make the index anew"));
    }
    Ok(manifest)
}

fn read_part(dir: &Path, part: &Part, mut each: impl FnMut(&Entry) -> Result<()>) -> Result<()> {
    let path = dir.join(&part.file);
    let file = File::open(&path).map_err(|e| Error::io("open", &path, e))?;
    let length = file.metadata().map_err(|e| Error::io("read", &path, e))?.len();
    let changed = || {
        Error::new(Kind::Changed, format!("`{}` is not the part that the index was written with", path.display()))
            .hint("restore it, or make the index anew")
    };
    if length != part.bytes {
        return Err(changed());
    }
    let (mut from, mut entry, mut bytes, mut documents) =
        (BufReader::with_capacity(1 << 18, file), Entry::default(), Vec::new(), 0);
    while entry.read(&mut from, &mut bytes).map_err(|e| Error::io("read", &path, e))? {
        each(&entry)?;
        documents += 1;
    }
    if documents == part.documents { Ok(()) } else { Err(changed()) }
}

/// What [`forget`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Documents removed.
    pub documents: u64,
    /// Files that were written anew.
    pub files: Vec<PathBuf>,
}

/// Removes documents from an index. Parts without any of them stay as they are; doing it twice is harmless.
pub fn forget(dir: &Path, forgets: impl Fn(&Entry) -> bool) -> Result<Forgotten> {
    let mut manifest = manifest(dir)?;
    let mut forgotten = Forgotten { documents: 0, files: Vec::new() };
    for part in &mut manifest.parts {
        let mut found = 0;
        read_part(dir, part, |entry| {
            found += u64::from(forgets(entry));
            Ok(())
        })?;
        if found == 0 {
            continue;
        }
        // A name of its own, so that the old manifest stays good until the new one is there.
        let file = format!("{}-{:016x}.bin", part.file.split(['-', '.']).next().unwrap_or("part"), part.xxh3);
        let path = dir.join(&file);
        let out = BufWriter::with_capacity(1 << 18, AtomicFile::create(&path)?);
        let mut writer = PartWriter { path: path.clone(), out, documents: 0, bytes: Vec::new() };
        read_part(dir, part, |entry| if forgets(entry) { Ok(()) } else { writer.push(entry) })?;
        let (written, documents) = writer.finish()?;
        *part = Part { file, documents, bytes: written.bytes, xxh3: written.xxh3 };
        forgotten.documents += found;
        forgotten.files.push(path);
    }
    if forgotten.documents > 0 {
        write_manifest(dir, &manifest)?;
        remove_others(dir, &manifest)?;
    }
    Ok(forgotten)
}

/// Removes parts that the manifest does not name.
fn remove_others(dir: &Path, manifest: &Manifest) -> Result<()> {
    let entries = std::fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".bin") && !manifest.parts.iter().any(|p| p.file == name) {
            std::fs::remove_file(entry.path()).map_err(|e| Error::io("remove", &entry.path(), e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u32) -> Entry {
        let keys = (0..3).map(|k| u128::from(n) << 64 | k).collect();
        Entry { id: DocId(u128::from(n)), url: u64::from(n % 3), keys, set: (n..n + 5).collect(), total: 5 }
    }

    fn write(dir: &Path) {
        let writer = Writer::new(dir, "so".into());
        let mut documents = Vec::new();
        for (number, entries) in [0..4, 4..4, 4..10].into_iter().enumerate() {
            let mut part = writer.part(number as u32).unwrap();
            entries.for_each(|n| part.push(&entry(n)).unwrap());
            documents.push(part.finish().unwrap().1);
        }
        writer.finish(&documents).unwrap();
    }

    fn read(dir: &Path) -> Vec<(u64, Entry)> {
        let known = Known { indexes: vec![(dir.to_owned(), manifest(dir).unwrap())] };
        let mut all = Vec::new();
        known.each(|number, entry| all.push((number, entry.clone()))).unwrap();
        assert_eq!(known.documents(), all.len() as u64);
        all
    }

    #[test]
    fn what_is_written_is_read_and_what_is_forgotten_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let all = read(dir.path());
        assert_eq!(all, (0..10).map(|n| (u64::from(n), entry(n))).collect::<Vec<_>>());
        let forgotten = forget(dir.path(), |entry| [5, 99].contains(&entry.id.0)).unwrap();
        assert_eq!((forgotten.documents, forgotten.files.len()), (1, 1));
        let left: Vec<u128> = read(dir.path()).iter().map(|(_, e)| e.id.0).collect();
        assert_eq!(left, [0, 1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(forget(dir.path(), |entry| entry.id.0 == 5).unwrap().documents, 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 4, "the old part is gone");
    }

    #[test]
    fn an_index_of_another_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let path = dir.path().join(MANIFEST);
        let text = std::fs::read_to_string(&path).unwrap().replace("\"version\": 2,", "");
        std::fs::write(&path, text).unwrap();
        assert_eq!(manifest(dir.path()).unwrap_err().kind, Kind::Changed);
    }

    #[test]
    fn an_address_is_found_as_it_is_written_elsewhere() {
        let hash = url_hash("http://www.A.org/x/?utm_source=feed#top");
        assert_eq!(hash, url_hash(" https://a.org/x"));
        assert_ne!(hash, url_hash("https://a.org/y"));
    }

    #[test]
    fn a_part_that_is_not_whole_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let path = dir.path().join(part_name(0));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let known = Known { indexes: vec![(dir.path().to_owned(), manifest(dir.path()).unwrap())] };
        assert_eq!(known.each(|_, _| ()).unwrap_err().kind, Kind::Changed);
    }
}
