//! Compression, recognised by the first bytes and never by the name.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    Plain,
    /// gzip, one member or many.
    Gzip,
    /// Zstandard, windows up to 2 GiB.
    Zstd,
    /// bzip2, one stream or many.
    Bzip2,
    /// xz.
    Xz,
}

impl Codec {
    /// The codec of data that begins with `head` (6 bytes are enough).
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // Skippable frames may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }
}

/// The codec of the file at `path`.
pub fn detect(path: &Path) -> Result<Codec> {
    let mut head = [0u8; 6];
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut length = 0;
    while let Some(rest) = head.get_mut(length..).filter(|r| !r.is_empty()) {
        match file.read(rest).map_err(|e| Error::io("read", path, e))? {
            0 => break,
            n => length += n,
        }
    }
    Ok(Codec::of(head.get(..length).unwrap_or_default()))
}

thread_local! {
    /// Bytes that this thread has taken out of files through [`open`].
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// Bytes on disk that this thread has read so far through [`open`]; the difference of two calls says what some
/// decompressed bytes took.
pub fn taken() -> u64 {
    TAKEN.get()
}

/// Counts bytes on disk that were read by other means.
pub fn take(bytes: u64) {
    TAKEN.set(TAKEN.get() + bytes);
}

struct Counted<R>(R);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(out)?;
        take(count as u64);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        take(count as u64);
        self.0.consume(count);
    }
}

/// Opens `path` for reading what it holds, decompressed.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    decode(file).map_err(|e| Error::io("read", path, e))
}

/// Opens the bytes of `path` from `start` on, as they lie there.
pub fn open_at(path: &Path, start: u64) -> Result<File> {
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    file.seek(SeekFrom::Start(start)).map_err(|e| Error::io("read", path, e))?;
    Ok(file)
}

/// Decompresses `inner`, whatever it is.
pub fn decode<R: Read + Send + 'static>(inner: R) -> std::io::Result<Box<dyn Read + Send>> {
    let mut buffered = Counted(BufReader::with_capacity(256 << 10, inner));
    let codec = Codec::of(buffered.fill_buf()?);
    Ok(match codec {
        Codec::Plain => Box::new(buffered),
        Codec::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?;
            decoder.window_log_max(31)?;
            Box::new(decoder)
        }
        Codec::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)),
        Codec::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(buffered)),
    })
}

/// Why reading compressed data stopped.
pub fn damage(error: &std::io::Error) -> &'static str {
    let text = error.to_string();
    let cut = error.kind() == std::io::ErrorKind::UnexpectedEof || text.contains("incomplete frame");
    if cut { "truncated" } else { "corrupt" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn encoded(codec: Codec, text: &[u8]) -> Vec<u8> {
        match codec {
            Codec::Plain => text.to_vec(),
            Codec::Gzip => {
                let mut all = Vec::new();
                for half in [&text[..text.len() / 2], &text[text.len() / 2..]] {
                    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    e.write_all(half).unwrap();
                    all.extend(e.finish().unwrap());
                }
                all
            }
            Codec::Zstd => zstd::encode_all(text, 1).unwrap(),
            Codec::Bzip2 => {
                let mut e = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                e.write_all(text).unwrap();
                e.finish().unwrap()
            }
            Codec::Xz => {
                let mut e = liblzma::write::XzEncoder::new(Vec::new(), 1);
                e.write_all(text).unwrap();
                e.finish().unwrap()
            }
        }
    }

    #[test]
    fn every_codec_is_known_by_its_first_bytes_and_a_cut_is_told_from_the_end() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|i| (i.wrapping_mul(2654435761) >> 7).to_le_bytes()).collect();
        for codec in [Codec::Plain, Codec::Gzip, Codec::Zstd, Codec::Bzip2, Codec::Xz] {
            let bytes = encoded(codec, &text);
            assert_eq!(Codec::of(&bytes), codec);
            let (mut back, before) = (Vec::new(), taken());
            decode(std::io::Cursor::new(bytes.clone())).unwrap().read_to_end(&mut back).unwrap();
            assert!(back == text, "{codec:?}");
            assert_eq!(taken() - before, bytes.len() as u64, "{codec:?}");
            if codec != Codec::Plain {
                let cut = bytes[..bytes.len() * 3 / 4].to_vec();
                let mut part = Vec::new();
                let error = decode(std::io::Cursor::new(cut)).unwrap().read_to_end(&mut part).unwrap_err();
                assert_eq!(damage(&error), "truncated", "{codec:?}: {error}");
            }
        }
        let mut nothing = Vec::new();
        decode(std::io::empty()).unwrap().read_to_end(&mut nothing).unwrap();
        assert!(nothing.is_empty());
    }
}
