//! Fingerprints: what made a thing, in 128 bits. Equal fingerprints mean the work need not be done again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Raised when the meaning of receipts, held files or records changes.
const FORMAT: &str = "tamis-1";

/// A digest of everything that determines a task's result.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Fingerprint {
    /// The digest of `parts`, in order; where one part ends and the next begins matters.
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p str>) -> Self {
        let mut bytes = Vec::new();
        for part in std::iter::once(FORMAT).chain(parts) {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Self(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_matter() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
        assert_eq!(Fingerprint::of(["a"]), Fingerprint::of(["a"]));
    }
}
