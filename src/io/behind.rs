//! Files written by a thread of their own: who makes the bytes does not wait for them to be copied, digested and written.

use std::io::{Error, Result, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::atomic::AtomicFile;

/// Bytes handed over at a time; two such blocks wait at most.
const BLOCK: usize = 256 << 10;

/// A file that another thread writes, in the order in which it is given bytes.
pub struct Behind {
    block: Vec<u8>,
    full: Option<SyncSender<Vec<u8>>>,
    /// Blocks that were written come back to be filled again.
    empty: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<Result<AtomicFile>>>,
}

impl Behind {
    /// Lets a thread write `file`.
    pub fn new(mut file: AtomicFile) -> Result<Self> {
        let ((full, blocks), (back, empty)) = (sync_channel::<Vec<u8>>(2), channel());
        let write = move || {
            for mut block in blocks {
                file.write_all(&block)?;
                block.clear();
                block.shrink_to(BLOCK);
                // Nobody takes blocks back any more once all bytes are given.
                let _ = back.send(block);
            }
            Ok(file)
        };
        let thread = std::thread::Builder::new().name("write".into()).spawn(write)?;
        Ok(Self { block: Vec::with_capacity(BLOCK), full: Some(full), empty, thread: Some(thread) })
    }

    /// Waits until everything is written; gives the file back, to be committed.
    pub fn into_inner(mut self) -> Result<AtomicFile> {
        self.hand_over()?;
        self.join()
    }

    fn hand_over(&mut self) -> Result<()> {
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(BLOCK));
        let block = std::mem::replace(&mut self.block, next);
        match self.full.as_ref().map(|full| full.send(block)) {
            Some(Ok(())) => Ok(()),
            // The thread ended because it failed, and says why.
            _ => self.join().and_then(|_| Err(Error::other("a file is written after its end"))),
        }
    }

    fn join(&mut self) -> Result<AtomicFile> {
        self.full = None;
        let ended = self.thread.take().map(JoinHandle::join);
        ended.and_then(|done| done.ok()).unwrap_or_else(|| Err(Error::other("the thread that writes a file is gone")))
    }
}

impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if !self.block.is_empty() && self.block.len() + bytes.len() > BLOCK {
            self.hand_over()?;
        }
        self.block.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        // A file that is given up is removed before the folder may be looked at.
        if self.thread.is_some() {
            drop(self.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_behind_is_what_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut out = Behind::new(AtomicFile::create(&path).unwrap()).unwrap();
        let mut all = Vec::new();
        for n in 0..3000usize {
            let bytes = vec![n as u8; if n % 1000 == 7 { 2 * BLOCK + n } else { n % 500 }];
            out.write_all(&bytes).unwrap();
            all.extend(bytes);
        }
        let written = out.into_inner().unwrap().commit().unwrap();
        assert!(std::fs::read(&path).unwrap() == all);
        assert_eq!((written.xxh3, written.bytes), (xxhash_rust::xxh3::xxh3_64(&all), all.len() as u64));
        let mut given_up = Behind::new(AtomicFile::create(&dir.path().join("b")).unwrap()).unwrap();
        given_up.write_all(&all).unwrap();
        drop(given_up);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::create(&dir.path().join("a")).unwrap();
        file.fail_for_test();
        let mut out = Behind::new(file).unwrap();
        let mut result = Ok(());
        for _ in 0..9 {
            result = result.and_then(|()| out.write_all(&[0; BLOCK]));
        }
        let error = result.and_then(|()| out.into_inner().map(drop)).unwrap_err();
        assert!(error.to_string().contains("committed"), "{error}");
    }
}
