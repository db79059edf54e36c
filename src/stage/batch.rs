//! Batches: stages that want neighbors, such as a neural model or an outside program, and the only ones that can fail.
//!
//! Such a stage gets the documents of a morsel that are alive when they reach it, in their order. What is in a morsel depends
//! on the input alone, and what a stage says of a document must not depend on its neighbors: then nothing depends on where a
//! batch begins. A batch fails in one of two ways ([`Failed`]), and the run knows what to do with both.

use crate::doc::{Document, Verdict};
use crate::error::Error;

/// Judges or changes several documents at once. Each worker owns a clone; it may block, and it may fail.
pub trait BatchTransform: Send + CloneBatch {
    /// A verdict for each of `docs`, in order. After a failure the documents are put back as they were, so that it does not
    /// matter which were changed. A panic is a failure because of some document.
    fn apply(&mut self, docs: &mut [Document]) -> Result<Vec<Verdict>, Failed>;
}

/// Why a batch was not judged.
#[derive(Debug)]
pub enum Failed {
    /// The stage cannot go on, whatever the documents: the run stops and says so. With [`Error::retry`] a fresh clone tries
    /// again first, twice at most.
    Stage(Error),
    /// One of the documents is to blame. Fresh clones try ever smaller parts of the batch, until those are known that
    /// fail alone: they are quarantined, and their neighbors are judged as if they had never been there.
    Document {
        /// A word of the stage's `About::reasons`.
        because: &'static str,
        /// What exactly happened.
        detail: String,
        /// The document that is to blame if any can be told, as an index into the batch: it is tried first.
        suspect: usize,
    },
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Stage(error)
    }
}

/// Cloning behind a trait object; implemented for every `BatchTransform + Clone`.
pub trait CloneBatch {
    /// A clone for another worker, or for another try: with no state left by the documents before.
    fn clone_box(&self) -> Box<dyn BatchTransform>;
}

impl<T: BatchTransform + Clone + 'static> CloneBatch for T {
    fn clone_box(&self) -> Box<dyn BatchTransform> {
        Box::new(self.clone())
    }
}
