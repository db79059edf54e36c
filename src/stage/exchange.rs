//! Exchanges: they move documents to other splits, in another order.

use std::sync::Arc;

use crate::doc::Document;

/// A stage that moves documents. What it must know of the corpus beforehand, a global stage before it leaves in a field.
pub trait Exchange: Send + Sync {
    /// Where the document goes: how far along the new corpus, in units of 2⁻⁶⁴ of it, and its order among those of one place.
    /// Documents of one place and order stay in corpus order. Places should be spread evenly.
    fn place(&self, doc: &Document) -> (u64, u64);

    /// What makes new documents of those with one place and order, if anything.
    fn join(&self) -> Option<Arc<dyn Join>> {
        None
    }

    /// How many splits the new corpus has, of one that is read from `bytes`. Must not depend on the number of workers.
    fn splits(&self, bytes: u64) -> u32 {
        bytes.div_ceil(SPLIT).clamp(1, 4096) as u32
    }
}

/// Makes documents of those that an exchange has brought together.
pub trait Join: Send + Sync {
    /// Gives the documents made of `docs`, which share a place and an order and stand in corpus order: [`Joined::Made`]
    /// in their stead, or each as it came. At least one is made of those that do not come out as they came.
    fn join(&self, docs: Vec<Document>, out: &mut dyn FnMut(Joined));
}

/// A document that comes out of a [`Join`].
pub enum Joined {
    /// As it came.
    Alone(Document),
    /// Made of others, and how many of these are accounted for by it: all by the first made of them, none by the next.
    Made(Document, u64),
}

/// Bytes of input that become one split: its documents are put in order in memory.
const SPLIT: u64 = 32 << 20;
