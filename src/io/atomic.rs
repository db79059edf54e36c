//! Files that appear whole or not at all: written beside, synced, renamed.
//!
//! A sync waits for the disk's journal, some milliseconds each, and journals write what waits together: files that are
//! committed together ([`gather`]) are synced at once, and may be by another thread than the one that made them.

use std::cell::RefCell;
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

    /// Syncs the file, gives it its name and syncs the folder; within [`gather`], leaves that to its batch.
    pub fn commit(mut self) -> Result<Written> {
        let Some(file) = self.file.take() else { return Err(Error::bug("a file is committed twice")) };
        let written = Written { path: self.path.clone(), bytes: self.bytes, xxh3: self.hash.digest() };
        let (path, temporary) = (std::mem::take(&mut self.path), std::mem::take(&mut self.temporary));
        let whole = Whole { file, path, temporary, named: false };
        let due = GATHERED.with_borrow_mut(|gathered| match gathered {
            Some(batch) => {
                batch.0.push(whole);
                if batch.0.len() < TOGETHER { Batch::default() } else { std::mem::take(batch) }
            }
            None => Batch(vec![whole]),
        });
        due.commit()?;
        Ok(written)
    }

    /// Bytes written so far.
    pub fn position(&self) -> u64 {
        self.bytes
    }

    /// Makes every write fail.
    #[cfg(test)]
    pub(super) fn fail_for_test(&mut self) {
        self.file = None;
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let file = self.file.as_mut().ok_or_else(|| std::io::Error::other("the file is committed"))?;
        let written = file.write(bytes)?;
        let before = self.bytes;
        self.bytes += written as u64;
        if before / EARLY != self.bytes / EARLY {
            begin_writing(file, self.bytes - self.bytes % EARLY - EARLY, EARLY);
        }
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

/// The disk begins to write after so many bytes, and has little left to do when the file is synced.
const EARLY: u64 = 8 << 20;

/// Asks the kernel to begin writing a part of the file, without waiting. It is a hint: syncing is what counts.
fn begin_writing(file: &File, from: u64, bytes: u64) {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        // The standard library has no such call. It is given a descriptor that is open, and no memory.
        #[allow(unsafe_code)]
        unsafe {
            libc::sync_file_range(file.as_raw_fd(), from as i64, bytes as i64, libc::SYNC_FILE_RANGE_WRITE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, from, bytes);
}

/// A file that is written whole and has not its name yet; dropped before it has, it is removed.
struct Whole {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    named: bool,
}

impl Drop for Whole {
    fn drop(&mut self) {
        if !self.named {
            // As for a file that is not whole.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// Files of a batch, at most: each is open until the batch is committed.
const TOGETHER: usize = 48;
/// Syncs that wait at a time.
const SYNCS: usize = 8;

thread_local! {
    static GATHERED: RefCell<Option<Batch>> = const { RefCell::new(None) };
}

/// Files that are whole and wait for their names. None of them is there before [`Batch::commit`].
#[derive(Default)]
#[must_use = "files that are not committed are removed"]
pub struct Batch(Vec<Whole>);

impl Batch {
    /// Syncs all files, gives each its name, in the order in which they were committed, and syncs the folders.
    pub fn commit(mut self) -> Result<()> {
        at_once(&self.0, |whole| whole.file.sync_all().map_err(|e| Error::io("sync", &whole.temporary, e)))?;
        for whole in &mut self.0 {
            std::fs::rename(&whole.temporary, &whole.path).map_err(|e| Error::io("rename to", &whole.path, e))?;
            whole.named = true;
        }
        let mut dirs: Vec<&Path> = self.0.iter().filter_map(|whole| whole.path.parent()).collect();
        dirs.sort_unstable();
        dirs.dedup();
        at_once(&dirs, |dir| {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io("sync the folder", dir, e))
        })
    }
}

/// Does all, several at a time; the error is that of the first in order.
fn at_once<T: Sync>(all: &[T], sync: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    if let [] | [_] = all {
        return all.iter().try_for_each(sync);
    }
    std::thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(SYNCS));
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| part.iter().try_for_each(&sync))).collect();
        threads.into_iter().try_for_each(|t| t.join().unwrap_or_else(|_| Err(Error::bug("syncing a file panicked"))))
    })
}

/// Runs `work`; the files that it commits on this thread appear when the batch is committed. Work that commits more than a
/// batch holds finds the first of them in their places, so it must not read what it commits.
pub fn gather<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Batch)> {
    /// Puts back what was gathered before, also if the work panics.
    struct Before(Option<Batch>);
    impl Drop for Before {
        fn drop(&mut self) {
            GATHERED.set(self.0.take());
        }
    }
    let before = Before(GATHERED.replace(Some(Batch::default())));
    let done = work()?;
    let batch = GATHERED.take().unwrap_or_default();
    drop(before);
    Ok((done, batch))
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

    #[test]
    fn a_file_that_the_disk_begins_early_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut file = AtomicFile::create(&path).unwrap();
        let block: Vec<u8> = (0..3_000_007u32).map(|n| (n % 251) as u8).collect();
        (0..9).for_each(|_| file.write_all(&block).unwrap());
        let written = file.commit().unwrap();
        assert!(std::fs::read(&path).unwrap() == block.repeat(9));
        assert_eq!((written.xxh3, written.bytes), digest(&path).unwrap());
    }

    #[test]
    fn files_that_are_gathered_appear_together_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = |n: usize| dir.path().join(format!("{}/{n}", n % 3));
        let files = || std::iter::repeat(()).zip(0..).map_while(|((), n)| path(n).exists().then_some(n)).count();
        let write =
            |all: std::ops::Range<usize>| all.map(|n| write_whole(&path(n), b"whole")).collect::<Result<Vec<_>>>();
        let (written, batch) = gather(|| write(0..5)).unwrap();
        assert_eq!((written.len(), files()), (5, 0));
        assert_eq!((written[4].xxh3, written[4].bytes), (written[0].xxh3, 5));
        batch.commit().unwrap();
        assert_eq!(files(), 5);
        // A batch is never larger than the files that may be open.
        let (_, rest) = gather(|| write(5..5 + TOGETHER + 2)).unwrap();
        assert_eq!(files(), 5 + TOGETHER);
        drop(rest);
        let failed = gather(|| write(100..102).and_then(|_| Err::<(), _>(Error::world("no"))));
        assert!(failed.is_err());
        assert!(std::panic::catch_unwind(|| gather::<()>(|| panic!("no"))).is_err());
        assert!(dir.path().read_dir().unwrap().all(|d| {
            d.unwrap().path().read_dir().unwrap().all(|f| !f.unwrap().path().to_string_lossy().ends_with(".tmp"))
        }));
        write(200..201).unwrap();
        assert!(path(200).exists());
    }
}
