//! Buckets of pairs of ordinals in one nameless file: what an algorithm sets aside for a part of its work that comes later.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::{Error, Result};

/// Bytes of an ordinal below 2^40.
pub const ORDINAL: usize = 5;

/// The bytes of an ordinal below 2^40.
pub fn pack(ordinal: u64) -> [u8; ORDINAL] {
    let [a, b, c, d, e, ..] = ordinal.to_le_bytes();
    [a, b, c, d, e]
}

/// The ordinal that [`pack`] made of it; missing bytes are zeros.
pub fn unpack(bytes: &[u8]) -> u64 {
    bytes.iter().take(ORDINAL).rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

/// Buckets of pairs.
pub struct Spool {
    file: File,
    end: u64,
    buckets: Vec<Bucket>,
    buffer: usize,
}

#[derive(Default)]
struct Bucket {
    buffer: Vec<u8>,
    /// Where its chunks lie, and how long they are.
    chunks: Vec<(u64, u32)>,
}

impl Spool {
    /// `buckets` empty buckets over `file`, with buffers of about `memory` bytes in all.
    pub fn new(file: File, buckets: u64, memory: u64) -> Self {
        let buffer = (memory / buckets.max(1)).clamp(1 << 10, 1 << 18) as usize;
        let buckets = (0..buckets).map(|_| Bucket::default()).collect();
        Self { file, end: 0, buckets, buffer: buffer / (2 * ORDINAL) * (2 * ORDINAL) }
    }

    /// Puts a pair into a bucket.
    pub fn push(&mut self, bucket: u64, a: u64, b: u64) -> Result<()> {
        let Some(bucket) = self.buckets.get_mut(bucket as usize) else {
            return Err(Error::bug(format!("a spool has no bucket {bucket}")));
        };
        bucket.buffer.extend_from_slice(&pack(a));
        bucket.buffer.extend_from_slice(&pack(b));
        if bucket.buffer.len() >= self.buffer {
            let written = self.file.write_all_at(&bucket.buffer, self.end);
            written.map_err(|e| Error::world("cannot write to a temporary file").because(e))?;
            bucket.chunks.push((self.end, bucket.buffer.len() as u32));
            self.end += bucket.buffer.len() as u64;
            bucket.buffer.clear();
        }
        Ok(())
    }

    /// Takes some pairs out of a bucket, in no order; none if it is empty.
    pub fn take(&mut self, bucket: u64) -> Result<Vec<(u64, u64)>> {
        let Some(bucket) = self.buckets.get_mut(bucket as usize) else { return Ok(Vec::new()) };
        let mut bytes = std::mem::take(&mut bucket.buffer);
        if bytes.is_empty()
            && let Some((at, length)) = bucket.chunks.pop()
        {
            bytes.resize(length as usize, 0);
            let read = self.file.read_exact_at(&mut bytes, at);
            read.map_err(|e| Error::world("cannot read from a temporary file").because(e))?;
        }
        let pair = |pair: &[u8]| (unpack(pair), unpack(pair.get(ORDINAL..).unwrap_or_default()));
        Ok(bytes.chunks_exact(2 * ORDINAL).map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_taken_once_out_of_its_bucket() {
        let mut spool = Spool::new(tempfile::tempfile().unwrap(), 3, 0);
        let pair = |n: u64| (n * 7, (1 << 40) - 1 - n);
        for n in 0..5000 {
            let (a, b) = pair(n);
            spool.push(n % 3, a, b).unwrap();
        }
        for bucket in 0..3 {
            let mut all = Vec::new();
            loop {
                let some = spool.take(bucket).unwrap();
                if some.is_empty() {
                    break;
                }
                all.extend(some);
            }
            all.sort_unstable();
            assert_eq!(all, (0..5000).filter(|n| n % 3 == bucket).map(pair).collect::<Vec<_>>());
        }
        assert!(spool.push(3, 0, 0).is_err() && spool.take(3).unwrap().is_empty());
    }
}
