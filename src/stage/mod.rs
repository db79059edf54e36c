//! The contract between a stage and the rest of the house: traits, settings, catalog entries. Knows no YAML and no thread.
//!
//! A stage is one file with one settings struct. [`Settings`] says what it is ([`About`]), and builds the running part
//! from the settings; [`Entry::of`] makes the catalog entry from the type alone:
//!
//! ```text
//! #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields, default)]
//! pub struct Length { /** Fewest characters. */ min_chars: u64, … }
//! impl Settings for Length {
//!     const ABOUT: About = About { name: "length", version: 1, family: Family::Filter, … };
//!     fn build(self, cx: &mut Build) -> Result<Stage> { Ok(Stage::Transform(Box::new(Running { … }))) }
//! }
//! ```

mod about;
mod batch;
mod build;
pub mod candidates;
pub mod classifier;
pub mod clusters;
pub mod columns;
mod entry;
mod exchange;
pub mod expr;
mod global;
pub mod hits;
pub mod in_memory;
pub mod index;
pub mod keys;
pub mod pieces;
pub mod quality;
pub mod ranks;
pub mod repeats;
pub mod repository;
pub mod rules;
pub mod settings;
mod sink;
mod source;
pub mod survivor;
#[cfg(test)]
pub(crate) mod testing;
pub mod urls;
pub mod values;
pub mod varint;
pub mod verify;

pub use about::{About, Example, Expect, Family};
pub use batch::{BatchTransform, CloneBatch, Failed};
pub use build::{Build, Requests, Resource, Scope, Shared, nearest};
pub use entry::{Entry, Settings};
pub use exchange::{Exchange, Join, Joined};
pub use global::{Apply, Chosen, Corpus, Findings, Global, Links, Mapper, Records, Sorted};
pub use sink::{Chunk, Encode, Part, PartPlace, Sink};
pub use source::{BadRecord, FilePart, Morsel, Read, Reader, Source, Split, pack, whole_files};

use std::sync::Arc;

use crate::doc::{Document, Verdict};
use crate::error::Error;

/// A built stage.
pub enum Stage {
    /// Lists splits and opens one as documents.
    Source(Arc<dyn Source>),
    /// One document → itself, or nothing.
    Transform(Box<dyn Transform>),
    /// One document → its parts.
    Expand(Box<dyn Expand>),
    /// Several documents at once: a neural model, an outside program. The only one that can fail.
    Batch(Box<dyn BatchTransform>),
    /// Sees everyone before anyone is judged: the barrier.
    Global(Arc<dyn Global>),
    /// Needs several barriers: what each but the last finds, its `apply` leaves in fields for the next to map.
    Chain(Vec<Arc<dyn Global>>),
    /// Moves documents to other splits, in another order, after a look at the corpus if it needs one.
    Exchange {
        /// What leaves in a field of each document what the exchange must know.
        look: Option<Arc<dyn Global>>,
        /// What moves them.
        exchange: Arc<dyn Exchange>,
    },
    /// Writes; commits whole or not at all.
    Sink(Arc<dyn Sink>),
}

/// Cleans, filters, redacts, annotates or encodes one document. Each worker owns a clone: no locks.
///
/// Judging a document cannot fail and must not block. A panic is caught, and the document quarantined.
pub trait Transform: Send + CloneTransform {
    /// Changes `doc` or decides against it.
    fn apply(&mut self, doc: &mut Document) -> Verdict;

    /// Something found since the last call that must stop the whole run: not a bad document, but a broken promise.
    fn fault(&mut self) -> Option<Error> {
        None
    }
}

/// Makes several documents of one: pieces of a long text, chapters of a book. Like a [`Transform`], it cannot fail.
pub trait Expand: Send + CloneExpand {
    /// Pushes the parts of `doc` (made by [`Document::part`]) in their order. If there are none, `doc` goes on as it is;
    /// if there are, they go on in its place. A document that is dropped must not have parts.
    fn expand(&mut self, doc: &Document, parts: &mut Vec<Document>) -> Verdict;
}

/// Cloning behind a trait object; implemented for every `Expand + Clone`.
pub trait CloneExpand {
    /// A clone for another worker.
    fn clone_box(&self) -> Box<dyn Expand>;
}

impl<T: Expand + Clone + 'static> CloneExpand for T {
    fn clone_box(&self) -> Box<dyn Expand> {
        Box::new(self.clone())
    }
}

/// Cloning behind a trait object; implemented for every `Transform + Clone`.
pub trait CloneTransform {
    /// A clone for another worker.
    fn clone_box(&self) -> Box<dyn Transform>;
}

impl<T: Transform + Clone + 'static> CloneTransform for T {
    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
