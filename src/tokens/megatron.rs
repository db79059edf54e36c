//! Megatron-LM's indexed dataset: `.bin` with the ids, `.idx` with lengths, pointers and document boundaries. Read by
//! Megatron-core, NeMo, GPT-NeoX and MaxText as it is.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::payload::Width;
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};

/// A dataset being written: one sequence for each document.
pub struct Megatron {
    prefix: PathBuf,
    bin: BufWriter<AtomicFile>,
    width: Width,
    lengths: Vec<i32>,
}

fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Megatron {
    /// Begins `prefix.bin` and `prefix.idx`.
    pub fn create(prefix: &Path, width: Width) -> Result<Self> {
        let bin = BufWriter::with_capacity(1 << 20, AtomicFile::create(&with_suffix(prefix, ".bin"))?);
        Ok(Self { prefix: prefix.to_owned(), bin, width, lengths: Vec::new() })
    }

    /// Adds a document whose ids are `payload`, in the width of the dataset.
    pub fn push(&mut self, payload: &[u8]) -> Result<()> {
        let tokens = payload.len() / self.width.bytes();
        let length = i32::try_from(tokens).map_err(|_| {
            Error::world(format!("a document has {tokens} tokens, and the format's limit is 2,147,483,647"))
                .hint("cut long documents before `encode`, or give `encode` a `max_tokens`")
        })?;
        self.lengths.push(length);
        self.bin.write_all(payload).map_err(|e| Error::io("write", &self.prefix, e))
    }

    /// Bytes of ids so far.
    pub fn bytes(&self) -> u64 {
        self.lengths.iter().map(|&l| l as u64).sum::<u64>() * self.width.bytes() as u64
    }

    /// Commits both files. A dataset without tokens is not written: its readers fail on empty files.
    pub fn finish(self) -> Result<Vec<Written>> {
        if self.lengths.iter().all(|&l| l == 0) {
            return Ok(Vec::new());
        }
        let bin = self.bin.into_inner().map_err(|e| Error::io("write", &self.prefix, e.into_error()))?;
        let path = with_suffix(&self.prefix, ".idx");
        let mut idx = BufWriter::new(AtomicFile::create(&path)?);
        index(&self.lengths, self.width, &mut idx).map_err(|e| Error::io("write", &path, e))?;
        let idx = idx.into_inner().map_err(|e| Error::io("write", &path, e.into_error()))?;
        Ok(vec![bin.commit()?, idx.commit()?])
    }
}

/// Writes the index: header, lengths i32, byte pointers i64, document boundaries i64.
fn index(lengths: &[i32], width: Width, out: &mut impl Write) -> std::io::Result<()> {
    let code: u8 = match width {
        Width::U16 => 8,
        // There is no code for unsigned 32-bit ids; vocabularies stay far below 2^31.
        Width::U32 => 4,
    };
    out.write_all(b"MMIDIDX\0\0")?;
    out.write_all(&1u64.to_le_bytes())?;
    out.write_all(&[code])?;
    out.write_all(&(lengths.len() as u64).to_le_bytes())?;
    out.write_all(&(lengths.len() as u64 + 1).to_le_bytes())?;
    for length in lengths {
        out.write_all(&length.to_le_bytes())?;
    }
    let mut pointer = 0i64;
    for &length in lengths {
        out.write_all(&pointer.to_le_bytes())?;
        pointer += i64::from(length) * width.bytes() as i64;
    }
    for document in 0..=lengths.len() as i64 {
        out.write_all(&document.to_le_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_the_readers_expect() {
        let dir = tempfile::tempdir().unwrap();
        let prefix = dir.path().join("a_text_document");
        let mut dataset = Megatron::create(&prefix, Width::U16).unwrap();
        dataset.push(&[1, 0, 2, 0, 3, 0]).unwrap();
        dataset.push(&[4, 0]).unwrap();
        dataset.finish().unwrap();
        assert_eq!(std::fs::read(with_suffix(&prefix, ".bin")).unwrap(), [1, 0, 2, 0, 3, 0, 4, 0]);
        let mut expected = b"MMIDIDX\0\0".to_vec();
        expected.extend(1u64.to_le_bytes());
        expected.push(8);
        expected.extend([2u64.to_le_bytes(), 3u64.to_le_bytes()].concat());
        expected.extend([3i32.to_le_bytes(), 1i32.to_le_bytes()].concat());
        expected.extend([0i64, 6, 0, 1, 2].map(i64::to_le_bytes).concat());
        assert_eq!(std::fs::read(with_suffix(&prefix, ".idx")).unwrap(), expected);
    }

    #[test]
    fn nothing_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let dataset = Megatron::create(&dir.path().join("a"), Width::U16).unwrap();
        assert!(dataset.finish().unwrap().is_empty());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
