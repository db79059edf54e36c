//! Folders of token shards: writing them from documents in order, with a manifest and an index of which document lies
//! where, and reading them again.

mod documents;
mod read;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::formats::{Format, ShardSummary};
use super::pack::How;
use super::payload::Width;
use super::vocabulary::Vocabulary;
pub use read::{Ids, ShardDir, Verified};
pub use write::{ShardSpec, ShardWriter};

/// What a folder of shards says of itself: `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format.
    pub format: Format,
    /// How wide ids are.
    pub dtype: Width,
    /// The vocabulary; its file lies in the folder.
    pub tokenizer: Vocabulary,
    /// The seed of the shuffle; corpus order without one.
    pub shuffle: Option<u64>,
    /// How rows are packed, if they are.
    pub packing: Option<Packing>,
    /// Documents, or pieces of such; a document packed in two rows counts once.
    pub documents: u64,
    /// Tokens, padding left out.
    pub tokens: u64,
    /// How much is of each source.
    pub sources: BTreeMap<String, Amount>,
    /// The shards, in order.
    pub shards: Vec<ShardSummary>,
}

/// How rows are packed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packing {
    /// Tokens of a row.
    pub length: usize,
    /// How documents were put in rows.
    pub how: How,
    /// Rows.
    pub rows: u64,
    /// Tokens of padding.
    pub padding: u64,
}

/// An amount of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// Documents.
    pub documents: u64,
    /// Tokens.
    pub tokens: u64,
}

const MANIFEST: &str = "manifest.json";
/// The folder of the indices of documents.
const DOCUMENTS: &str = "documents";

/// The digest by which a document's text is known again; never 0.
pub fn text_digest(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes()).max(1)
}
