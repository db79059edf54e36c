//! Exchanges: they move documents to other splits, in another order.

use crate::doc::Document;

/// A stage that moves documents. What it must know of the corpus beforehand, a global stage before it leaves in a field.
pub trait Exchange: Send + Sync {
    /// Where the document goes: how far along the new corpus, in units of 2⁻⁶⁴ of it, and its order among those of one place.
    /// Documents of one place and order stay in corpus order. Places should be spread evenly.
    fn place(&self, doc: &Document) -> (u64, u64);

    /// How many splits the new corpus has, of one that is read from `bytes`. Must not depend on the number of workers.
    fn splits(&self, bytes: u64) -> u32 {
        bytes.div_ceil(SPLIT).clamp(1, 4096) as u32
    }
}

/// Bytes of input that become one split: its documents are put in order in memory.
const SPLIT: u64 = 32 << 20;
