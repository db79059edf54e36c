//! The native form of tokens: ids one after another in little-endian, without a header, and beside them an index of
//! documents. Every other format is made from these two without encoding again.
//!
//! The index is `TAMISIDX`, version u32 = 1, width of an id in bytes u32, then for each document 32 bytes: exclusive end
//! in tokens u64, document id u128, index of its source u32, zero u32; then a JSON list of source names and its length
//! in bytes u64. All little-endian.

use std::io::{Read, Write};

use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"TAMISIDX";
const ENTRY: usize = 32;

/// How wide an id is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
}

impl Width {
    /// Two bytes for vocabularies below 65,500: between there and 65,536 consumers disagree on the width.
    pub fn of(vocab_size: u32) -> Self {
        if vocab_size < 65_500 { Self::U16 } else { Self::U32 }
    }

    /// In bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    /// Appends ids; an error if one does not fit.
    pub fn append(self, ids: &[u32], out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::U32 => ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes())),
            Self::U16 => {
                for &id in ids {
                    let id = u16::try_from(id).map_err(|_| {
                        Error::pipeline(format!("the id {id} does not fit two bytes"))
                            .hint("leave `width` out, or write `width: 4`")
                    })?;
                    out.extend_from_slice(&id.to_le_bytes());
                }
            }
        }
        Ok(())
    }
}

/// One document of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentEntry {
    /// Where it ends, in tokens from the payload's start.
    pub end: u64,
    /// Its id.
    pub id: u128,
    /// Its source, as an index into [`Index::sources`].
    pub source: u32,
}

/// Writes an index as documents come.
#[derive(Debug, Default)]
pub struct IndexWriter {
    entries: Vec<u8>,
    end: u64,
    sources: Vec<String>,
}

impl IndexWriter {
    /// Adds a document of `tokens` tokens.
    pub fn push(&mut self, tokens: u64, id: u128, source: &str) {
        self.end += tokens;
        let at = match self.sources.iter().position(|s| s == source) {
            Some(at) => at,
            None => {
                self.sources.push(source.to_owned());
                self.sources.len() - 1
            }
        };
        self.entries.extend_from_slice(&self.end.to_le_bytes());
        self.entries.extend_from_slice(&id.to_le_bytes());
        self.entries.extend_from_slice(&(at as u32).to_le_bytes());
        self.entries.extend_from_slice(&[0; 4]);
    }

    /// Documents so far.
    pub fn len(&self) -> u64 {
        (self.entries.len() / ENTRY) as u64
    }

    /// Whether there is no document.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Tokens so far.
    pub fn tokens(&self) -> u64 {
        self.end
    }

    /// Writes the index.
    pub fn write(&self, width: Width, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(MAGIC)?;
        out.write_all(&1u32.to_le_bytes())?;
        out.write_all(&(width.bytes() as u32).to_le_bytes())?;
        out.write_all(&self.entries)?;
        let names = serde_json::to_vec(&self.sources)?;
        out.write_all(&names)?;
        out.write_all(&(names.len() as u64).to_le_bytes())
    }
}

/// An index read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// How wide ids are.
    pub width: Width,
    /// Documents in order.
    pub documents: Vec<DocumentEntry>,
    /// Names of sources.
    pub sources: Vec<String>,
}

impl Index {
    /// Reads an index.
    pub fn read(input: &mut impl Read) -> Result<Self, String> {
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Self::parse(&bytes).ok_or_else(|| "it is no whole token index".to_owned())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (width, rest) = rest.split_first_chunk::<4>()?;
        let width = match (u32::from_le_bytes(*version), u32::from_le_bytes(*width)) {
            (1, 2) => Width::U16,
            (1, 4) => Width::U32,
            _ => return None,
        };
        let (rest, length) = rest.split_last_chunk::<8>()?;
        let entries = rest.len().checked_sub(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let (entries, names) = rest.split_at_checked(entries)?;
        let sources: Vec<String> = serde_json::from_slice(names).ok()?;
        if entries.len() % ENTRY != 0 {
            return None;
        }
        let documents = entries.chunks_exact(ENTRY).map(|e| {
            Some(DocumentEntry {
                end: u64::from_le_bytes(e.get(..8)?.try_into().ok()?),
                id: u128::from_le_bytes(e.get(8..24)?.try_into().ok()?),
                source: u32::from_le_bytes(e.get(24..28)?.try_into().ok()?),
            })
        });
        Some(Self { width, documents: documents.collect::<Option<_>>()?, sources })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_comes_back_and_a_cut_one_does_not() {
        let mut writer = IndexWriter::default();
        writer.push(5, 1, "web");
        writer.push(0, u128::MAX, "code");
        writer.push(2, 3, "web");
        let mut bytes = Vec::new();
        writer.write(Width::U16, &mut bytes).unwrap();
        let index = Index::read(&mut bytes.as_slice()).unwrap();
        let ends: Vec<_> = index.documents.iter().map(|d| (d.end, d.id, d.source)).collect();
        assert_eq!(ends, [(5, 1, 0), (5, u128::MAX, 1), (7, 3, 0)]);
        assert_eq!(index.sources, ["web", "code"]);
        for cut in 0..bytes.len() {
            assert!(Index::read(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        assert!(Width::U16.append(&[70_000], &mut Vec::new()).is_err());
        assert_eq!((Width::of(50_257), Width::of(65_500)), (Width::U16, Width::U32));
    }
}
