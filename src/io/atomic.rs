//! Files that appear whole or not at all: written beside, synced, renamed.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use crate::error::{Error, Result};

/// A file that was committed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// xxh3-64 of its bytes.
    pub xxh3: u64,
}

/// A file being written under a temporary name beside its final one. Dropped without [`AtomicFile::commit`], it is
/// removed; a process killed leaves a `.tmp` file that the next attempt overwrites.
pub struct AtomicFile {
    path: PathBuf,
    temporary: PathBuf,
    file: Option<File>,
    bytes: u64,
    hash: Box<Xxh3Default>,
}

impl AtomicFile {
    /// Begins to write `path`. Its folder is made if need be.
    pub fn create(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or_else(|| Error::bug(format!("`{}` names no file", path.display())))?;
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, e))?;
        }
        let temporary = path.with_file_name(format!(".{}.tmp", name.to_string_lossy()));
        let file = File::create(&temporary).map_err(|e| Error::io("create", &temporary, e))?;
        Ok(Self { path: path.to_owned(), temporary, file: Some(file), bytes: 0, hash: Box::default() })
    }

    /// Syncs the file, gives it its name and syncs the folder.
    pub fn commit(mut self) -> Result<Written> {
        let Some(file) = self.file.take() else { return Err(Error::bug("a file is committed twice")) };
        file.sync_all().map_err(|e| Error::io("sync", &self.temporary, e))?;
        drop(file);
        std::fs::rename(&self.temporary, &self.path).map_err(|e| Error::io("rename to", &self.path, e))?;
        if let Some(dir) = self.path.parent() {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io("sync the folder", dir, e))?;
        }
        Ok(Written { path: self.path.clone(), bytes: self.bytes, xxh3: self.hash.digest() })
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.bytes
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let file = self.file.as_mut().ok_or_else(|| std::io::Error::other("the file is committed"))?;
        let written = file.write(bytes)?;
        self.bytes += written as u64;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nothing can be done about a temporary file that cannot be removed; the next attempt overwrites it.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a whole file at once.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<Written> {
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|e| Error::io("write", path, e))?;
    file.commit()
}

/// xxh3-64 and length of the file as it lies there now.
pub fn digest(path: &Path) -> Result<(u64, u64)> {
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut hash = Xxh3Default::new();
    let mut buffer = vec![0u8; 1 << 18];
    let mut bytes = 0;
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer).map_err(|e| Error::io("read", path, e))?;
        if n == 0 {
            return Ok((hash.digest(), bytes));
        }
        hash.update(buffer.get(..n).unwrap_or_default());
        bytes += n as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/a.txt");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        let written = write_whole(&path, b"whole").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!((written.xxh3, written.bytes), digest(&path).unwrap());
    }
}
