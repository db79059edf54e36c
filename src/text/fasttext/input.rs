//! Little-endian numbers out of bytes; never reads past the end, never allocates more than the bytes could fill.

/// A cursor.
pub struct Input<'b> {
    bytes: &'b [u8],
}

impl<'b> Input<'b> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'b [u8], String> {
        let (head, rest) = self.bytes.split_at_checked(n).ok_or("it ends too early")?;
        self.bytes = rest;
        Ok(head)
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
        let bytes = self.take(n.checked_mul(4).ok_or("a size is absurd")?)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap_or_default())).collect())
    }

    /// Bytes up to a NUL, which is taken too.
    pub fn word(&mut self) -> Result<&'b [u8], String> {
        let end = memchr::memchr(0, self.bytes).ok_or("a word has no end")?;
        let word = self.take(end)?;
        self.take(1)?;
        Ok(word)
    }
}
