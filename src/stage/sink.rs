//! Writers. Like readers they have two halves: [`Encode`] turns documents into bytes on any worker, [`Part`] appends them
//! in corpus order. A part is committed whole or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::doc::{Document, FieldTable};
use crate::error::Result;
use crate::io::atomic::Written;

/// A writer of one format.
pub trait Sink: Send + Sync {
    /// The folder the output lies in.
    fn dir(&self) -> &Path;
    /// An encoder for one worker.
    fn encoder(&self, fields: &Arc<FieldTable>) -> Result<Box<dyn Encode>>;
    /// Opens the part that one task writes.
    fn part(&self, place: &PartPlace, fields: &Arc<FieldTable>) -> Result<Box<dyn Part>>;
    /// Makes the final files from all parts, in corpus order; called once, after every part is committed. Sinks whose
    /// parts are the final files (the default) have nothing to do. Must give the same bytes if it is done twice.
    fn assemble(&self, parts: &[Vec<Written>]) -> Result<Vec<Written>> {
        let _ = parts;
        Ok(Vec::new())
    }
}

/// Where a task may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPlace {
    /// The task's ordinal in its pass: names the part's files.
    pub ordinal: u32,
    /// The flow that is written.
    pub flow: String,
    /// A folder of the run for parts that are not final files. Exists.
    pub scratch: PathBuf,
}

/// Documents → bytes, on any worker. The bytes of a chunk depend on its documents alone.
pub trait Encode: Send {
    /// Encodes the kept documents of one morsel. A document with `copies` above 1 is written as often.
    fn encode(&mut self, docs: &[Document]) -> Result<Chunk>;
}

/// What an [`Encode`] gives its [`Part`].
#[derive(Default)]
pub struct Chunk {
    /// The payload.
    pub bytes: Vec<u8>,
    /// Whatever else the part needs: offsets, an index.
    pub extra: Option<Box<dyn std::any::Any + Send>>,
    /// Documents in it, copies included.
    pub docs: u64,
    /// Tokens in it, copies included.
    pub tokens: u64,
}

/// The open part of one task.
pub trait Part: Send {
    /// Appends a chunk; chunks come in corpus order.
    fn append(&mut self, chunk: Chunk) -> Result<()>;
    /// Commits: fsync, rename. Returns the files written (none if there was nothing to write).
    fn finish(self: Box<Self>) -> Result<Vec<Written>>;
}
