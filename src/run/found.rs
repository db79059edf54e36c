//! Findings on disk: what a global stage found, cut by split, each piece with the identity and row count of its split.
//! A finding that does not belong to the split it is asked for stops the run: removing the wrong documents is worse
//! than removing none.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::io::atomic::{AtomicFile, Written};
use crate::plan::Fingerprint;
use crate::stage::Findings;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    fingerprint: Fingerprint,
    shared: Piece,
    splits: Vec<SplitPiece>,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
struct Piece {
    offset: u64,
    bytes: u64,
    xxh3: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitPiece {
    task: Fingerprint,
    rows: u32,
    piece: Piece,
}

/// What a split must be for findings to be its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitIdentity {
    /// The fingerprint of the walk that mapped it.
    pub task: Fingerprint,
    /// How many rows it left.
    pub rows: u32,
}

/// Commits findings.
pub fn write(path: &Path, fingerprint: &Fingerprint, splits: &[SplitIdentity], found: &Findings) -> Result<Written> {
    if found.splits.len() != splits.len() {
        return Err(Error::bug(format!("findings for {} splits of {}", found.splits.len(), splits.len())));
    }
    let mut offset = 0;
    let mut piece = |bytes: &[u8]| {
        let piece = Piece { offset, bytes: bytes.len() as u64, xxh3: xxhash_rust::xxh3::xxh3_64(bytes) };
        offset += piece.bytes;
        piece
    };
    let header = Header {
        fingerprint: fingerprint.clone(),
        shared: piece(&found.shared),
        splits: found
            .splits
            .iter()
            .zip(splits)
            .map(|(bytes, is)| SplitPiece { task: is.task.clone(), rows: is.rows, piece: piece(bytes) })
            .collect(),
    };
    let header = serde_json::to_vec(&header).map_err(|e| Error::bug("findings do not serialize").because(e))?;
    let mut file = AtomicFile::create(path)?;
    let length = (header.len() as u64).to_le_bytes();
    let pieces = [&length[..], &header, &found.shared].into_iter().chain(found.splits.iter().map(Vec::as_slice));
    for bytes in pieces {
        file.write_all(bytes).map_err(|e| Error::io("write", path, e))?;
    }
    file.commit()
}

/// Findings opened for reading.
pub struct Found {
    path: std::path::PathBuf,
    file: File,
    header: Header,
    payload: u64,
}

impl Found {
    /// Opens findings that must have been made by `fingerprint`.
    pub fn open(path: &Path, fingerprint: &Fingerprint) -> Result<Self> {
        let io = |e| Error::io("read", path, e);
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut head = [0u8; 8];
        file.read_exact(&mut head).map_err(io)?;
        let header_bytes = u64::from_le_bytes(head);
        let damaged = || {
            Error::world(format!("the findings `{}` are damaged", path.display())).hint("delete the file and run again")
        };
        if header_bytes > length.saturating_sub(8) {
            return Err(damaged());
        }
        let mut header = vec![0; header_bytes as usize];
        file.read_exact(&mut header).map_err(io)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| damaged())?;
        if header.fingerprint != *fingerprint {
            return Err(Error::new(
                Kind::Changed,
                format!("the findings `{}` were made by other work", path.display()),
            )
            .hint("run the pipeline again: it repeats what is missing"));
        }
        Ok(Self { path: path.to_owned(), file, header, payload: 8 + header_bytes })
    }

    /// What is for everyone.
    pub fn shared(&mut self) -> Result<Vec<u8>> {
        self.piece(self.header.shared)
    }

    /// What is for the split `ordinal`, which must be `identity`.
    pub fn split(&mut self, ordinal: u32, identity: &SplitIdentity) -> Result<Vec<u8>> {
        let Some(split) = self.header.splits.get(ordinal as usize) else {
            return Err(Error::bug(format!("no findings for split {ordinal}")).with("file", self.path.display()));
        };
        if split.task != identity.task || split.rows != identity.rows {
            return Err(Error::new(
                Kind::Changed,
                format!(
                    "the findings for split {ordinal} were made for {} rows of {}, but the split is {} rows of {}",
                    split.rows, split.task, identity.rows, identity.task
                ),
            )
            .with("file", self.path.display())
            .hint("an input changed while the run worked; run the pipeline again"));
        }
        self.piece(split.piece)
    }

    fn piece(&mut self, piece: Piece) -> Result<Vec<u8>> {
        let io = |e| Error::io("read", &self.path, e);
        self.file.seek(SeekFrom::Start(self.payload + piece.offset)).map_err(io)?;
        let mut bytes = Vec::new();
        (&mut self.file).take(piece.bytes).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 != piece.bytes || xxhash_rust::xxh3::xxh3_64(&bytes) != piece.xxh3 {
            return Err(Error::world(format!("the findings `{}` are damaged", self.path.display()))
                .hint("delete the file and run again"));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_another_split_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f.bin");
        let print = |s: &str| Fingerprint::of([s]);
        let identity = |s, rows| SplitIdentity { task: print(s), rows };
        let found = Findings { shared: b"all".to_vec(), splits: vec![b"one".to_vec(), vec![]], notes: vec![] };
        write(&path, &print("g"), &[identity("a", 3), identity("b", 0)], &found).unwrap();
        let mut opened = Found::open(&path, &print("g")).unwrap();
        assert_eq!(opened.shared().unwrap(), b"all");
        assert_eq!(opened.split(0, &identity("a", 3)).unwrap(), b"one");
        assert_eq!(opened.split(0, &identity("a", 4)).unwrap_err().kind, Kind::Changed);
        assert_eq!(opened.split(1, &identity("a", 0)).unwrap_err().kind, Kind::Changed);
        assert!(Found::open(&path, &print("h")).is_err());
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(Found::open(&path, &print("g")).unwrap().split(0, &identity("a", 3)).is_err());
    }
}
