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
    /// The token put before each document.
    pub before: Option<u32>,
    /// The token put after each document.
    pub after: Option<u32>,
    /// Where its file lies; not part of what is written.
    #[serde(skip)]
    pub path: PathBuf,
}

impl Vocabulary {
    /// A document's ids without the tokens put around it.
    pub fn inner<'i>(&self, ids: &'i [u32]) -> &'i [u32] {
        let ids = match (self.before, ids.split_first()) {
            (Some(before), Some((first, rest))) if *first == before => rest,
            _ => ids,
        };
        match (self.after, ids.split_last()) {
            (Some(after), Some((last, rest))) if *last == after => rest,
            _ => ids,
        }
    }
}
