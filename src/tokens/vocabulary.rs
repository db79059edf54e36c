//! Which vocabulary ids are of: shards of two must not be mixed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A tokenizer as shards remember it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vocabulary {
    /// The name of its file.
    pub name: String,
    /// xxh3-128 of its file, in hexadecimal.
    pub xxh3: String,
    /// One more than the greatest id.
    pub size: u32,
    /// The token after (or before) each document.
    pub eos: Option<u32>,
    /// Where its file lies; not part of what is written.
    #[serde(skip)]
    pub path: PathBuf,
}
