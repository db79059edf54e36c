//! Little-endian numbers out of bytes; never reads past the end, never allocates more than the bytes could fill.

use std::ops::Range;

/// A cursor.
pub struct Input<'b> {
    all: &'b [u8],
    at: usize,
}

impl<'b> Input<'b> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { all: bytes, at: 0 }
    }

    /// Everything, from the start.
    pub fn all(&self) -> &'b [u8] {
        self.all
    }

    /// How far it has read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'b [u8], String> {
        let range = self.skip(n)?;
        Ok(self.all.get(range).unwrap_or_default())
    }

    /// Where the next `n` bytes lie.
    pub fn skip(&mut self, n: usize) -> Result<Range<usize>, String> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.all.len()).ok_or("it ends too early")?;
        let range = self.at..end;
        self.at = end;
        Ok(range)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it ends too early".to_owned())
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, String> {
        self.array::<1>().map(|[b]| b)
    }

    /// Four bytes.
    pub fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_le_bytes)
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> Result<i64, String> {
        self.array().map(i64::from_le_bytes)
    }

    /// Eight bytes.
    pub fn f64(&mut self) -> Result<f64, String> {
        self.array().map(f64::from_le_bytes)
    }

    /// A count that cannot be negative.
    pub fn count(&mut self) -> Result<usize, String> {
        usize::try_from(self.i64()?).map_err(|_| "a size is negative".to_owned())
    }

    /// `n` floats.
    pub fn floats(&mut self, n: usize) -> Result<Vec<f32>, String> {
        Ok(floats(self.take(n.checked_mul(4).ok_or("a size is absurd")?)?).collect())
    }

    /// Bytes up to a NUL, which is taken too.
    pub fn word(&mut self) -> Result<&'b [u8], String> {
        let rest = self.all.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(0, rest).ok_or("a word has no end")?;
        let word = self.take(end)?;
        self.take(1)?;
        Ok(word)
    }
}

/// Little-endian floats, wherever they lie: on this side of an aligned load there is nothing to gain.
pub fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default()))
}
