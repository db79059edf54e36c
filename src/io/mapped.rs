//! A file's bytes without reading them all.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// A read-only mapping.
pub struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        if file.metadata().map_err(|e| Error::io("open", path, e))?.len() == 0 {
            return Ok(Self(None));
        }
        // Mapping is unsafe because another process may cut the file while it is mapped. Inputs are checked against the
        // size they were planned with, and a file cut later ends this process with SIGBUS: no task is committed then.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) };
        map.map(|m| Self(Some(m))).map_err(|e| Error::io("map", path, e))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_the_files_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(Mapped::open(&path).unwrap().bytes(), b"");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(Mapped::open(&path).unwrap().bytes(), b"abc");
        assert!(Mapped::open(&dir.path().join("missing")).is_err());
    }
}
