//! Frames lines out of a stream, about a megabyte at a time, in bounded memory whatever the lines.

use std::io::Read;

use memchr::{memchr, memrchr};

use super::codec::damage;

/// Bytes framed at a time.
pub const CHUNK: usize = 1 << 20;

/// What was framed.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// Whole lines with their newlines (the file's last may lack it); `at` is the offset of the first, decompressed.
    Lines {
        /// Offset of the first byte.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A line longer than allowed was skipped.
    TooLong {
        /// Its offset.
        at: u64,
        /// Its length in bytes.
        length: u64,
        /// Its first bytes.
        head: Vec<u8>,
    },
    /// The data cannot be read from here on.
    Damaged {
        /// Offset of the line that could not be read to its end.
        at: u64,
        /// `truncated` or `corrupt`.
        reason: &'static str,
        /// What the decoder said.
        detail: String,
        /// What was read of that line.
        head: Vec<u8>,
    },
}

/// Frames the lines of one stream.
pub struct Lines {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    at: u64,
    max_line: usize,
    /// Lines that start at or after this offset belong to somebody else.
    end: u64,
    ended: bool,
    failed: Option<std::io::Error>,
}

impl Lines {
    /// Lines of `reader`, whose first byte is at offset `at`; lines longer than `max_line` bytes are skipped.
    pub fn new(reader: Box<dyn Read + Send>, at: u64, max_line: usize) -> Self {
        Self { reader, buffer: Vec::new(), at, max_line, end: u64::MAX, ended: false, failed: None }
    }

    /// Only lines that start before `end`.
    pub fn until(mut self, end: u64) -> Self {
        self.end = end;
        self
    }

    /// Skips to the line after the one in which the stream begins: a part that starts inside a line leaves it to the
    /// part before. The stream must begin one byte before the part.
    pub fn skip_first(mut self) -> std::io::Result<Self> {
        loop {
            if let Some(newline) = memchr(b'\n', &self.buffer) {
                self.drop_front(newline + 1);
                return Ok(self);
            }
            let all = self.buffer.len();
            self.drop_front(all);
            if !self.fill(CHUNK)? {
                return Ok(self);
            }
        }
    }

    fn drop_front(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
        self.at += bytes as u64;
    }

    /// Reads until the buffer holds `target` bytes. `false` if nothing was added.
    fn fill(&mut self, target: usize) -> std::io::Result<bool> {
        let missing = target.saturating_sub(self.buffer.len()) as u64;
        if self.ended || missing == 0 {
            return Ok(false);
        }
        // Room for all of it and for the read that finds the end: growing would copy.
        self.buffer.reserve(missing as usize + 64);
        let added = (&mut self.reader).take(missing).read_to_end(&mut self.buffer)? as u64;
        self.ended = added < missing;
        Ok(added > 0)
    }

    /// The next lines; `None` at the end.
    pub fn next(&mut self) -> Option<Framed> {
        if self.at >= self.end {
            return None;
        }
        if let Some(error) = self.failed.take() {
            return Some(self.damaged(&error));
        }
        let mut target = CHUNK;
        loop {
            if let Err(error) = self.fill(target) {
                self.ended = true;
                return match memrchr(b'\n', &self.buffer) {
                    Some(last) => {
                        self.failed = Some(error);
                        Some(self.lines(last + 1))
                    }
                    None => Some(self.damaged(&error)),
                };
            }
            if self.buffer.is_empty() {
                return None;
            }
            if let Some(last) = memrchr(b'\n', &self.buffer) {
                return self.checked(last + 1);
            }
            if self.buffer.len() > self.max_line {
                return Some(self.skip_long());
            }
            if self.ended {
                let all = self.buffer.len();
                return self.checked(all);
            }
            target = self.buffer.len() * 2;
        }
    }

    /// Lines up to `length`, unless the first of them is too long.
    fn checked(&mut self, length: usize) -> Option<Framed> {
        let first = memchr(b'\n', &self.buffer).unwrap_or(self.buffer.len());
        if first > self.max_line {
            let head = self.buffer.get(..64 << 10).unwrap_or_default().to_vec();
            let at = self.at;
            let end = (first + 1).min(self.buffer.len());
            self.drop_front(end);
            return Some(Framed::TooLong { at, length: first as u64, head });
        }
        Some(self.lines(length))
    }

    fn lines(&mut self, mut length: usize) -> Framed {
        if self.at + length as u64 > self.end {
            // Keep the line that straddles the end, leave those after it.
            let inside = (self.end - self.at) as usize;
            let last = memchr(b'\n', self.buffer.get(inside - 1..length).unwrap_or_default());
            length = last.map_or(length, |newline| inside + newline);
            self.ended = true;
            self.failed = None;
            let bytes = self.buffer.drain(..length).collect();
            self.buffer.clear();
            let at = std::mem::replace(&mut self.at, u64::MAX);
            return Framed::Lines { at, bytes };
        }
        let rest = self.buffer.split_off(length);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let at = self.at;
        self.at += length as u64;
        Framed::Lines { at, bytes }
    }

    /// Reads past a line without holding it.
    fn skip_long(&mut self) -> Framed {
        let at = self.at;
        let head = self.buffer.get(..64 << 10).unwrap_or_default().to_vec();
        loop {
            let all = self.buffer.len();
            if let Some(newline) = memchr(b'\n', &self.buffer) {
                let length = self.at + newline as u64 - at;
                self.drop_front(newline + 1);
                return Framed::TooLong { at, length, head };
            }
            self.drop_front(all);
            match self.fill(CHUNK) {
                Ok(true) => {}
                Ok(false) => return Framed::TooLong { at, length: self.at - at, head },
                Err(error) => {
                    self.failed = Some(error);
                    return Framed::TooLong { at, length: self.at - at, head };
                }
            }
        }
    }

    fn damaged(&mut self, error: &std::io::Error) -> Framed {
        let mut head = std::mem::take(&mut self.buffer);
        let at = std::mem::replace(&mut self.at, u64::MAX);
        self.ended = true;
        head.truncate(64 << 10);
        Framed::Damaged { at, reason: damage(error), detail: error.to_string(), head }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn all(mut lines: Lines) -> Vec<Framed> {
        std::iter::from_fn(|| lines.next()).collect()
    }

    fn split_lines(framed: &[Framed]) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Vec::new();
        for framed in framed {
            let Framed::Lines { at, bytes } = framed else { continue };
            let mut start = *at;
            for line in bytes.split_inclusive(|b| *b == b'\n') {
                lines.push((start, line.to_vec()));
                start += line.len() as u64;
            }
        }
        lines
    }

    proptest! {
        #[test]
        fn parts_of_a_file_hold_each_line_once(text in "[ab\n]{0,60}", cuts in proptest::collection::vec(0u64..60, 0..4)) {
            let bytes = text.into_bytes();
            let whole = split_lines(&all(Lines::new(Box::new(Cursor::new(bytes.clone())), 0, 1 << 20)));
            prop_assert_eq!(whole.iter().flat_map(|l| l.1.clone()).collect::<Vec<_>>(), bytes.clone());
            let mut cuts: Vec<u64> = cuts.into_iter().filter(|c| *c < bytes.len() as u64).collect();
            cuts.extend([0, bytes.len() as u64]);
            cuts.sort();
            cuts.dedup();
            let mut parts = Vec::new();
            for pair in cuts.windows(2) {
                let from = pair[0].saturating_sub(1);
                let tail = bytes[from as usize..].to_vec();
                let mut lines = Lines::new(Box::new(Cursor::new(tail)), from, 1 << 20).until(pair[1]);
                if pair[0] > 0 { lines = lines.skip_first().unwrap(); }
                parts.extend(split_lines(&all(lines)));
            }
            prop_assert_eq!(parts, whole);
        }
    }

    #[test]
    fn a_long_line_is_skipped_and_its_neighbours_are_kept() {
        let mut bytes = b"one\n".to_vec();
        bytes.extend(std::iter::repeat_n(b'x', 5 << 20));
        bytes.extend(b"\ntwo\n");
        let framed = all(Lines::new(Box::new(Cursor::new(bytes)), 0, 1000));
        let lines: Vec<_> = split_lines(&framed).into_iter().map(|l| l.1).collect();
        assert_eq!(lines, [b"one\n".to_vec(), b"two\n".to_vec()]);
        assert!(framed.iter().any(|f| matches!(f, Framed::TooLong { at: 4, length, .. } if *length == 5 << 20)));
    }

    #[test]
    fn lines_before_a_cut_are_kept() {
        let text: Vec<u8> =
            (0..100_000u32).flat_map(|i| format!("{}\n", i.wrapping_mul(2654435761)).into_bytes()).collect();
        let mut zst = zstd::encode_all(text.as_slice(), 1).unwrap();
        zst.truncate(zst.len() / 2);
        let framed = all(Lines::new(crate::io::codec::decode(Cursor::new(zst)).unwrap(), 0, 1000));
        let kept: Vec<u8> = split_lines(&framed).into_iter().flat_map(|l| l.1).collect();
        assert!(kept.len() > 100_000 && text.starts_with(&kept));
        assert!(
            matches!(framed.last(), Some(Framed::Damaged { at, reason: "truncated", .. }) if *at == kept.len() as u64)
        );
    }
}
