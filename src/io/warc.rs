//! WARC records (ISO 28500) out of files: one gzip member each, or one stream.
//!
//! Member files are framed anywhere: the first member at or after an offset is found by its header and by what its first
//! bytes inflate to, so that byte ranges of one file are read in parallel, and a damaged member costs that member only.
//! Readers elsewhere give up the rest of the file.

use std::cell::RefCell;
use std::io::{BufRead, Read};
use std::ops::Range;

use flate2::bufread::GzDecoder;
use libdeflater::{Crc, Decompressor};

/// A record: header fields and block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Offset of its gzip member, or of the record in the decompressed stream.
    pub at: u64,
    /// Names in lower case, values trimmed, in file order.
    pub headers: Vec<(String, String)>,
    /// The block: for a response, HTTP headers and body.
    pub block: Vec<u8>,
}

impl Record {
    /// The first value of the header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What was framed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    /// A record.
    Record(Record),
    /// Bytes that are no record.
    Damaged {
        /// Offset, as [`Record::at`].
        at: u64,
        /// `corrupt`, `truncated`, `bad_header`, `wrong_length`, `record_too_long`.
        reason: &'static str,
        /// What exactly.
        detail: String,
        /// The first bytes, if any could be read.
        head: Vec<u8>,
    },
}

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Bytes of a record's own header at most.
const MAX_HEADER: usize = 64 << 10;

/// Whether a gzip member with a WARC record begins at the start of `bytes`.
fn begins_member(bytes: &[u8]) -> bool {
    let plausible =
        bytes.len() > 18 && bytes.starts_with(&MAGIC) && bytes.get(3).is_some_and(|flags| flags & 0xe0 == 0);
    let mut head = [0u8; 5];
    plausible && GzDecoder::new(bytes).read_exact(&mut head).is_ok() && &head == b"WARC/"
}

/// The offset of the first member at or after `from`.
fn find_member(bytes: &[u8], from: usize) -> Option<usize> {
    let tail = bytes.get(from..)?;
    memchr::memmem::find_iter(tail, &MAGIC).map(|at| from + at).find(|&at| bytes.get(at..).is_some_and(begins_member))
}

/// Whether a gzip file has one member for each record: its first member holds one record.
pub fn is_per_record(bytes: &[u8]) -> bool {
    let mut head = Vec::new();
    let mut decoder = GzDecoder::new(bytes);
    let _ = decoder.by_ref().take(4 << 20).read_to_end(&mut head);
    match header(&head) {
        Ok((headers, start)) => match content_length(&headers) {
            Ok(length) => head.len() <= start + length + 4,
            Err(_) => true,
        },
        Err(_) => find_member(bytes, 1).is_some(),
    }
}

/// Gives every record whose member starts in `range` to `each`. `max` is the longest record in bytes.
pub fn members(bytes: &[u8], range: Range<u64>, max: usize, each: &mut dyn FnMut(Framed)) {
    let end = (range.end as usize).min(bytes.len());
    let mut at = range.start as usize;
    // The start of a file must be a member; the start of a range is wherever the next one begins.
    if at > 0 || bytes.is_empty() {
        match find_member(bytes, at) {
            Some(found) => at = found,
            None => return,
        }
    }
    let mut buffer = Vec::new();
    // A member that begins at or past the end belongs to the next range, unless it is so damaged that the next range
    // would not see it begin: then it is told here.
    while at < bytes.len() && (at < end || !bytes.get(at..).is_some_and(begins_member)) {
        let tail = bytes.get(at..).unwrap_or_default();
        match member(tail, at as u64, max, &mut buffer) {
            Ok((framed, length)) => {
                each(framed);
                at += length;
                let rest = bytes.get(at..).unwrap_or_default();
                if rest.len() < PADDING && rest.iter().all(|b| *b == 0) {
                    return;
                }
            }
            Err((reason, detail)) => {
                let next = find_member(bytes, at + 1);
                let lost = next.unwrap_or(bytes.len()) - at;
                let detail = format!("{detail}; {lost} bytes of compressed data are lost, to offset {}", at + lost);
                each(Framed::Damaged {
                    at: at as u64,
                    reason,
                    detail,
                    head: buffer.iter().take(64 << 10).copied().collect(),
                });
                match next {
                    Some(next) => at = next,
                    None => return,
                }
            }
        }
    }
}

/// Fewer zeros than this at the end of a file are padding; more, or zeros elsewhere, were once records.
const PADDING: usize = 512;

thread_local! {
    /// Its tables are worth more than a member: one for each thread.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
}

type Lost = (&'static str, String);

/// Decodes, in one go, the member that reaches from the start of `tail` to the next thing that looks like a member; its
/// length. `None` if it is not exactly that (a damaged member, junk behind it, the magic inside the data): then the
/// streaming decoder finds out what it is.
fn whole_member(tail: &[u8], limit: usize, buffer: &mut Vec<u8>) -> Option<usize> {
    let length = memchr::memmem::find(tail.get(1..)?, &MAGIC).map_or(tail.len(), |at| at + 1);
    let member = tail.get(..length)?;
    let (_, trailer) = member.split_last_chunk::<8>()?;
    let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
    let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
    if size == 0 || size >= limit {
        return None;
    }
    buffer.resize(size, 0);
    let decompress = |d: &RefCell<Decompressor>| d.borrow_mut().gzip_decompress(member, buffer).ok();
    if DECOMPRESSOR.with(decompress)? != size {
        return None;
    }
    // The decoder stops at the end of the first member: only if the trailer is this member's, nothing lies between.
    let mut crc = Crc::new();
    crc.update(buffer);
    (crc.sum() == u32::from_le_bytes([c0, c1, c2, c3])).then_some(length)
}

/// Decodes the member at the start of `tail`: its record and its compressed length.
fn member(tail: &[u8], at: u64, max: usize, buffer: &mut Vec<u8>) -> Result<(Framed, usize), Lost> {
    if let Some(length) = whole_member(tail, max + MAX_HEADER, buffer) {
        return Ok((whole_record(buffer, at), length));
    }
    buffer.clear();
    let mut decoder = GzDecoder::new(tail);
    let limit = max + MAX_HEADER;
    if let Err(e) = decoder.by_ref().take(limit as u64).read_to_end(buffer) {
        let reason = if e.kind() == std::io::ErrorKind::UnexpectedEof { "truncated" } else { "corrupt" };
        return Err((reason, e.to_string()));
    }
    let too_long = buffer.len() == limit;
    if too_long {
        // Run to the member's end without holding what comes out.
        let rest = std::io::copy(&mut decoder, &mut std::io::sink());
        if let Err(e) = rest {
            return Err(("corrupt", e.to_string()));
        }
    }
    let length = tail.len() - decoder.into_inner().len();
    if too_long {
        let detail = format!("the record is longer than {max} bytes");
        return Ok((Framed::Damaged { at, reason: "record_too_long", detail, head: first(buffer) }, length));
    }
    Ok((whole_record(buffer, at), length))
}

fn first(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().take(64 << 10).copied().collect()
}

/// A buffer that must be exactly one record.
fn whole_record(bytes: &[u8], at: u64) -> Framed {
    let damaged = |reason, detail| Framed::Damaged { at, reason, detail, head: first(bytes) };
    let (headers, start) = match header(bytes) {
        Ok(parsed) => parsed,
        Err(detail) => return damaged("bad_header", detail),
    };
    let length = match content_length(&headers) {
        Ok(length) => length,
        Err(detail) => return damaged("bad_header", detail),
    };
    let block = bytes.get(start..).unwrap_or_default();
    let after = block.get(length..);
    match after {
        Some(after) if after.iter().all(|b| matches!(b, b'\r' | b'\n')) && after.len() <= 4 => {
            Framed::Record(Record { at, headers, block: block.get(..length).unwrap_or_default().to_vec() })
        }
        Some(after) => {
            damaged("wrong_length", format!("Content-Length is {length}, but {} more bytes follow", after.len()))
        }
        None => {
            damaged("wrong_length", format!("Content-Length is {length}, but the record has {} bytes", block.len()))
        }
    }
}

/// Parses a record's header; where its block begins.
fn header(bytes: &[u8]) -> Result<(Vec<(String, String)>, usize), String> {
    if !bytes.starts_with(b"WARC/") {
        return Err("it does not begin with `WARC/`".into());
    }
    let window = bytes.get(..MAX_HEADER).unwrap_or(bytes);
    let (end, gap) = match (memchr::memmem::find(window, b"\r\n\r\n"), memchr::memmem::find(window, b"\n\n")) {
        (Some(crlf), Some(lf)) if lf < crlf => (lf, 2),
        (Some(crlf), _) => (crlf, 4),
        (None, Some(lf)) => (lf, 2),
        (None, None) => return Err("its header has no end".into()),
    };
    let text = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text.lines().skip(1) {
        match line.split_once(':') {
            Some((name, value)) if !line.starts_with([' ', '\t']) => {
                headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            // A folded line goes on with the value before.
            _ => match headers.last_mut() {
                Some((_, value)) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                None => return Err(format!("its header has the line `{}`", line.chars().take(80).collect::<String>())),
            },
        }
    }
    Ok((headers, end + gap))
}

fn content_length(headers: &[(String, String)]) -> Result<usize, String> {
    let value = headers.iter().find(|(n, _)| n == "content-length").map(|(_, v)| v.as_str());
    let value = value.ok_or("it has no Content-Length")?;
    value.parse().map_err(|_| format!("its Content-Length is `{value}`"))
}

/// Frames records out of one uncompressed (or decompressed) stream.
pub struct Stream {
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    at: u64,
    max: usize,
    ended: bool,
    failed: Option<std::io::Error>,
}

impl Stream {
    /// Records of `reader`; longer ones than `max` bytes are skipped.
    pub fn new(reader: Box<dyn Read + Send>, max: usize) -> Self {
        let reader = Box::new(std::io::BufReader::with_capacity(1 << 18, reader));
        Self { reader, buffer: Vec::new(), at: 0, max, ended: false, failed: None }
    }

    /// Tries to hold `length` bytes.
    fn fill(&mut self, length: usize) -> bool {
        while self.buffer.len() < length && !self.ended {
            match self.reader.fill_buf() {
                Ok([]) => self.ended = true,
                Ok(bytes) => {
                    let n = bytes.len();
                    self.buffer.extend_from_slice(bytes);
                    self.reader.consume(n);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.failed = Some(e);
                    self.ended = true;
                }
            }
        }
        self.buffer.len() >= length
    }

    fn consume(&mut self, length: usize) {
        self.buffer.drain(..length);
        self.at += length as u64;
    }

    /// The next record; `None` at the end.
    pub fn next(&mut self) -> Option<Framed> {
        self.fill(MAX_HEADER);
        let blank = self.buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        self.consume(blank);
        self.fill(MAX_HEADER);
        if self.buffer.is_empty() {
            let error = self.failed.take()?;
            return Some(self.damaged(super::codec::damage(&error), error.to_string(), 0));
        }
        let (headers, start) = match header(&self.buffer) {
            Ok(parsed) => parsed,
            Err(detail) => return Some(self.resync("bad_header", detail, 1)),
        };
        let length = match content_length(&headers) {
            Ok(length) => length,
            Err(detail) => return Some(self.resync("bad_header", detail, start)),
        };
        if length > self.max {
            let detail = format!("Content-Length is {length}; the longest record allowed has {} bytes", self.max);
            return Some(self.resync("record_too_long", detail, start));
        }
        // The record and a little of what follows: the next must begin where this one says it ends.
        self.fill(start + length + 9);
        let Some(block) = self.buffer.get(start..start + length) else {
            let has = self.buffer.len() - start;
            let (reason, detail) = match &self.failed {
                Some(e) => (super::codec::damage(e), e.to_string()),
                None => ("truncated", format!("Content-Length is {length}, but the file ends after {has} bytes")),
            };
            self.failed = None;
            return Some(self.resync(
                if has_record(&self.buffer, start) { "wrong_length" } else { reason },
                detail,
                start,
            ));
        };
        let after = self.buffer.get(start + length..).unwrap_or_default();
        let blank = after.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let follows = after.get(blank..).unwrap_or_default();
        if blank > 4 || !(follows.is_empty() || follows.starts_with(b"WARC/")) {
            let detail = format!("Content-Length is {length}, but no record begins after so many bytes");
            return Some(self.resync("wrong_length", detail, start));
        }
        let record = Record { at: self.at, headers, block: block.to_vec() };
        self.consume(start + length + blank);
        Some(Framed::Record(record))
    }

    fn damaged(&mut self, reason: &'static str, detail: String, skip: usize) -> Framed {
        let framed = Framed::Damaged { at: self.at, reason, detail, head: first(&self.buffer) };
        self.consume(skip.min(self.buffer.len()));
        framed
    }

    /// Skips to the next thing that begins like a record, in bounded memory.
    fn resync(&mut self, reason: &'static str, detail: String, from: usize) -> Framed {
        let (at, head) = (self.at, first(&self.buffer));
        self.consume(from.min(self.buffer.len()));
        loop {
            if let Some(found) = memchr::memmem::find(&self.buffer, b"\nWARC/1.") {
                self.consume(found + 1);
                break;
            }
            let keep = self.buffer.len().min(8);
            self.consume(self.buffer.len() - keep);
            if !self.fill(keep + 1) {
                let all = self.buffer.len();
                self.consume(all);
                break;
            }
        }
        Framed::Damaged { at, reason, detail: format!("{detail}; the next record is at {}", self.at), head }
    }
}

fn has_record(buffer: &[u8], from: usize) -> bool {
    buffer.get(from..).is_some_and(|b| memchr::memmem::find(b, b"\nWARC/1.").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn record(body: &str, length: Option<i64>) -> Vec<u8> {
        let length = length.unwrap_or(body.len() as i64);
        format!("WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {length}\r\n\r\n{body}\r\n\r\n").into_bytes()
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        e.write_all(bytes).unwrap();
        e.finish().unwrap()
    }

    fn summary(framed: Framed) -> String {
        match framed {
            Framed::Record(r) => String::from_utf8(r.block).unwrap(),
            Framed::Damaged { reason, .. } => format!("!{reason}"),
        }
    }

    fn in_ranges(bytes: &[u8], cut: u64) -> Vec<String> {
        let mut all = Vec::new();
        let mut start = 0;
        while start < bytes.len() as u64 {
            members(bytes, start..start + cut, 1 << 20, &mut |f| all.push(summary(f)));
            start += cut;
        }
        all
    }

    #[test]
    fn any_ranges_give_each_record_once_and_a_damaged_member_costs_itself() {
        let bodies: Vec<String> = (0..40).map(|i| format!("body {i} {}", "x".repeat(i * 7))).collect();
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for body in &bodies {
            starts.push(bytes.len());
            bytes.extend(gz(&record(body, None)));
        }
        for cut in [1, 50, 333, 4096, 1 << 20] {
            assert_eq!(in_ranges(&bytes, cut), bodies, "ranges of {cut}");
        }
        let (from, to) = (starts[10] + 12, starts[11]);
        bytes[from..to].fill(0);
        let mut expected = bodies.clone();
        expected[10] = "!corrupt".into();
        for cut in [50, 1 << 20] {
            let got = in_ranges(&bytes, cut);
            assert_eq!(got.len(), 40);
            assert!(got[10].starts_with('!'), "{}", got[10]);
            assert_eq!((&got[..10], &got[11..]), (&expected[..10], &expected[11..]));
        }
        // A member of which not even the magic is left is no padding.
        bytes[starts[10]..to].fill(0);
        for cut in [50, 1 << 20] {
            assert_eq!(in_ranges(&bytes, cut), expected, "ranges of {cut}");
        }
        let padded = [&bytes[..], &[0; 300]].concat();
        assert_eq!(in_ranges(&padded, 1 << 20), expected);
        bytes.truncate(bytes.len() - 6);
        assert_eq!(in_ranges(&bytes, 1 << 20).last().unwrap(), "!truncated");
    }

    #[test]
    fn wrong_lengths_cost_one_record() {
        for (length, gzipped) in [(3, true), (500, true), (-1, true), (3, false), (500, false), (-1, false)] {
            let mut bytes = Vec::new();
            for (body, length) in [("first", None), ("second", Some(length)), ("third", None), ("fourth", None)] {
                let record = record(body, length);
                bytes.extend(if gzipped { gz(&record) } else { record });
            }
            let got = if gzipped {
                in_ranges(&bytes, 1 << 20)
            } else {
                let mut stream = Stream::new(Box::new(std::io::Cursor::new(bytes)), 1 << 20);
                std::iter::from_fn(|| stream.next()).map(summary).collect()
            };
            assert_eq!(got.len(), 4, "{length} {gzipped} {got:?}");
            assert!(got[1].starts_with('!'), "{got:?}");
            assert_eq!((got[0].as_str(), got[2].as_str(), got[3].as_str()), ("first", "third", "fourth"));
        }
    }

    #[test]
    fn one_member_for_the_whole_file_is_noticed() {
        let all: Vec<u8> = (0..5).flat_map(|i| record(&format!("b{i}"), None)).collect();
        assert!(!is_per_record(&gz(&all)));
        assert!(is_per_record(&gz(&record("x", None))));
    }
}
