//! Documents of tokens on their way from walks to shards: in corpus order, or shuffled over the whole corpus.
//!
//! The shuffle is a permutation by a keyed hash of the document's id: the same for any cutting into splits. It works out of
//! core: documents are scattered into cells by their key's highest bits, and each cell is sorted in memory.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::payload::Width;
use crate::error::{Error, Result};

/// One document of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenDocument<'d> {
    /// Its id.
    pub id: u128,
    /// Which of its copies, and which of its pieces.
    pub copy: u32,
    /// Its source.
    pub source: &'d str,
    /// Its URL, or its file and place.
    pub place: &'d str,
    /// Its ids.
    pub ids: &'d [u32],
    /// Which shards it goes to; empty if there are only those for all.
    pub part: &'d str,
    /// xxh3-64 of the text that the ids are of, if it is known; otherwise 0.
    pub text: u64,
}

const HEAD: usize = 16 + 4 + 4 + 4 + 4 + 8 + 4;

impl TokenDocument<'_> {
    /// Appends it to `out`, its ids as wide as they will be in shards; an error if one does not fit.
    pub fn write(&self, width: Width, out: &mut Vec<u8>) -> Result<()> {
        out.extend(self.id.to_le_bytes());
        for number in [self.copy, self.source.len() as u32, self.place.len() as u32, self.ids.len() as u32] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.text.to_le_bytes());
        out.extend((self.part.len() as u32).to_le_bytes());
        [self.source, self.place, self.part].iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
        width.append(self.ids, out)
    }
}

/// A document's bytes, with lengths.
struct Record {
    width: Width,
    bytes: Vec<u8>,
}

impl Record {
    fn new(width: Width) -> Self {
        Self { width, bytes: Vec::new() }
    }

    fn number(&self, at: usize) -> usize {
        let bytes = self.bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
        bytes.map_or(0, |b| u32::from_le_bytes(b) as usize)
    }

    /// Reads the next; `false` at the end.
    fn read(&mut self, from: &mut impl Read, path: &Path) -> Result<bool> {
        let io = |e| Error::io("read", path, e);
        self.bytes.resize(HEAD, 0);
        let mut first = [0u8];
        if from.read(&mut first).map_err(io)? == 0 {
            return Ok(false);
        }
        if let Some((head, rest)) = self.bytes.split_first_mut() {
            *head = first[0];
            from.read_exact(rest).map_err(io)?;
        }
        let body = self.number(20) + self.number(24) + self.number(40) + self.width.bytes() * self.number(28);
        self.bytes.resize(HEAD + body, 0);
        from.read_exact(self.bytes.get_mut(HEAD..).unwrap_or_default()).map_err(io)?;
        Ok(true)
    }

    fn key(&self, seed: u64) -> u64 {
        xxhash_rust::xxh3::xxh3_64_with_seed(self.bytes.get(..20).unwrap_or_default(), seed)
    }

    fn visit(&self, ids: &mut Vec<u32>, visit: Visit<'_>) -> Result<()> {
        let (source, place, part) = (self.number(20), self.number(24), self.number(40));
        let text = |from: usize, length: usize| {
            self.bytes.get(from..from + length).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
        };
        let body = self.bytes.get(HEAD + source + place + part..).unwrap_or_default();
        ids.clear();
        self.width.read(body, ids);
        let id = self.bytes.get(..16).and_then(|b| b.try_into().ok()).map_or(0, u128::from_le_bytes);
        let copy = self.number(16) as u32;
        let digest = self.bytes.get(32..40).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
        let part = text(HEAD + source + place, part);
        let (source, place) = (text(HEAD, source), text(HEAD + source, place));
        visit(&TokenDocument { id, copy, source, place, part, ids, text: digest })
    }
}

/// Whom documents are shown to.
pub type Visit<'v> = &'v mut dyn FnMut(&TokenDocument<'_>) -> Result<()>;

fn open(path: &Path) -> Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 20, File::open(path).map_err(|e| Error::io("open", path, e))?))
}

/// Shows every document of `parts`, whose ids are of `width`: as they come, or shuffled by `seed` with about `memory` bytes of
/// memory and files in `scratch`.
pub fn in_order(
    parts: &[PathBuf],
    width: Width,
    seed: Option<u64>,
    memory: u64,
    scratch: &Path,
    visit: Visit<'_>,
) -> Result<()> {
    let mut record = Record::new(width);
    let mut ids = Vec::new();
    let Some(seed) = seed else {
        for path in parts {
            let mut from = open(path)?;
            while record.read(&mut from, path)? {
                record.visit(&mut ids, visit)?;
            }
        }
        return Ok(());
    };
    let size = |path: &PathBuf| std::fs::metadata(path).map(|m| m.len()).map_err(|e| Error::io("open", path, e));
    let total: u64 = parts.iter().map(size).sum::<Result<u64>>()?;
    // At most as many cells as files may be open at once almost anywhere.
    let cells = total.div_ceil((memory / 2).max(1)).next_power_of_two().clamp(1, 512);
    if cells == 1 {
        return sorted(parts, width, seed, visit);
    }
    let dir = tempfile::tempdir_in(scratch).map_err(|e| Error::io("write in", scratch, e))?;
    let paths: Vec<PathBuf> = (0..cells).map(|cell| dir.path().join(format!("{cell:05}.cell"))).collect();
    let mut files = Vec::new();
    for path in &paths {
        let file = File::create(path).map_err(|e| Error::io("create", path, e))?;
        files.push(BufWriter::with_capacity(1 << 16, file));
    }
    for path in parts {
        let mut from = open(path)?;
        while record.read(&mut from, path)? {
            let cell = record.key(seed) >> (64 - cells.trailing_zeros());
            if let Some(file) = files.get_mut(cell as usize) {
                file.write_all(&record.bytes).map_err(|e| Error::io("write in", dir.path(), e))?;
            }
        }
    }
    for mut file in files {
        file.flush().map_err(|e| Error::io("write in", dir.path(), e))?;
    }
    paths.iter().try_for_each(|path| sorted(std::slice::from_ref(path), width, seed, visit))
}

/// Sorts the documents of `paths` by key in memory; equal keys keep their order.
fn sorted(paths: &[PathBuf], width: Width, seed: u64, visit: Visit<'_>) -> Result<()> {
    let mut all = Vec::new();
    for path in paths {
        let mut from = open(path)?;
        let mut record = Record::new(width);
        while record.read(&mut from, path)? {
            all.push((record.key(seed), std::mem::replace(&mut record, Record::new(width))));
        }
    }
    all.sort_by_key(|(key, _)| *key);
    let mut ids = Vec::new();
    all.iter().try_for_each(|(_, record)| record.visit(&mut ids, visit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_is_the_same_for_any_cutting_and_any_memory() {
        let dir = tempfile::tempdir().unwrap();
        let documents: Vec<(u128, Vec<u32>)> =
            (0..500u32).map(|n| (u128::from(n) << 64, (0..n % 7).collect())).collect();
        let run = |cut: usize, seed: Option<u64>, memory: u64| {
            let mut parts = Vec::new();
            for (number, some) in documents.chunks(cut).enumerate() {
                let mut bytes = Vec::new();
                some.iter().for_each(|(id, ids)| {
                    TokenDocument { id: *id, copy: 0, source: "web", place: "é#1", part: "x", ids, text: *id as u64 }
                        .write(Width::U16, &mut bytes)
                        .unwrap();
                });
                let path = dir.path().join(format!("{cut}-{number}"));
                std::fs::write(&path, bytes).unwrap();
                parts.push(path);
            }
            let mut seen = Vec::new();
            in_order(&parts, Width::U16, seed, memory, dir.path(), &mut |d| {
                assert_eq!((d.source, d.place, d.part, d.text), ("web", "é#1", "x", d.id as u64));
                seen.push((d.id, d.ids.to_vec()));
                Ok(())
            })
            .unwrap();
            seen
        };
        assert_eq!(run(500, None, 1 << 20), documents);
        let shuffled = run(500, Some(3), 1 << 30);
        assert_ne!(shuffled, documents);
        assert_eq!(run(7, Some(3), 1 << 30), shuffled);
        assert_eq!(run(99, Some(3), 1000), shuffled);
        assert_ne!(run(99, Some(4), 1000), shuffled);
        let mut back = shuffled;
        back.sort();
        assert_eq!(back, documents);
    }
}
