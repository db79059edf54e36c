//! Sketches and the algebra of duplicates: seeded hashes, MinHash, S-curves, union-find. Knows no document.

pub mod anchors;
pub mod bloom;
pub mod components;
pub mod hash;
pub mod minhash;
pub mod minhash_datatrove;
pub mod overlap;
pub mod scurve;
pub mod shingle;
pub mod similarity;
pub mod spool;
pub mod stars;
pub mod union_find;
pub mod vectors;
