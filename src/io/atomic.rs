//! Files that appear whole or not at all.

use std::path::PathBuf;

/// A file that was committed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// xxh3-64 of its bytes.
    pub xxh3: u64,
}
