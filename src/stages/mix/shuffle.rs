//! Shuffles the documents of the whole corpus, out of core: a permutation by a keyed hash of the document's id, the same
//! whatever the files, the splits or the workers.
//!
//! Writers of tokens shuffle by themselves (`write: { tokens: { shuffle: 1 } }`) at no cost; this is for documents.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::Document;
use crate::error::Result;
use crate::sketch::hash;
use crate::stage::{About, Build, Exchange, Family, Settings, Stage};

/// Settings of `shuffle`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shuffle {
    /// Seed of the permutation.
    pub seed: u64,
}

impl Settings for Shuffle {
    const ABOUT: About = About {
        shorthand: Some("seed"),
        ..About::new("shuffle", Family::Mix, "shuffles the documents of the whole corpus, out of core")
    };

    fn build(self, _: &mut Build<'_>) -> Result<Stage> {
        let exchange = Arc::new(Permutation { seed: hash::seeded(b"shuffle", self.seed) });
        Ok(Stage::Exchange { look: None, exchange })
    }
}

struct Permutation {
    seed: u64,
}

impl Exchange for Permutation {
    fn place(&self, doc: &Document) -> (u64, u64) {
        (hash::seeded(&doc.id.0.to_le_bytes(), self.seed), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::docs;

    #[test]
    fn places_are_spread_evenly_and_another_seed_is_another_order() {
        let docs = docs(&vec!["text"; 10_000]);
        let places = |seed| -> Vec<u64> { docs.iter().map(|d| Permutation { seed }.place(d).0).collect() };
        for quarter in 0..4 {
            let there = places(1).iter().filter(|p| **p >> 62 == quarter).count();
            assert!((2300..2700).contains(&there), "{there}");
        }
        assert_ne!(places(1), places(2));
        assert_eq!(Permutation { seed: 0 }.splits(1 << 40), 4096);
        assert_eq!((Permutation { seed: 0 }.splits(0), Permutation { seed: 0 }.splits(100 << 20)), (1, 4));
    }
}
