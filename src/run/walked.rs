//! What a walk hands in.

use super::records::MorselRecords;
use crate::stage::Chunk;
use crate::stats::Tally;

/// What became of one morsel.
pub struct Walked {
    /// Rows left: the morsel's contribution to the next walk.
    pub rows: u32,
    /// Records for each global stage of the barrier.
    pub records: Vec<MorselRecords>,
    /// The documents encoded for the held file, or for each writer.
    pub outputs: Vec<Output>,
    /// JSON lines.
    pub ledger: Vec<u8>,
    /// Counts.
    pub tally: Tally,
}

/// Encoded documents of one morsel on their way to a file.
pub enum Output {
    /// For the next walk.
    Held(Chunk),
    /// For the writer of this index.
    Sink(usize, Chunk),
}

impl Output {
    /// Tokens in it.
    pub fn tokens(&self) -> u64 {
        match self {
            Self::Held(_) => 0,
            Self::Sink(_, chunk) => chunk.tokens,
        }
    }
}
