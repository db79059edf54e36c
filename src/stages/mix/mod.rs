//! Stages that choose among documents: whole-corpus ones, and those that go by a hash.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[
    Entry::of::<mix::Mix>(),
    Entry::of::<quantile_buckets::QuantileBuckets>(),
    Entry::of::<rehydrate::Rehydrate>(),
    Entry::of::<repository::Repository>(),
    Entry::of::<reshard::Reshard>(),
    Entry::of::<sample::Sample>(),
    Entry::of::<shuffle::Shuffle>(),
    Entry::of::<sort::Sort>(),
    Entry::of::<split::Split>(),
    Entry::of::<top_fraction::TopFraction>(),
];

pub mod mix;
pub mod quantile_buckets;
pub mod rehydrate;
pub mod repository;
pub mod reshard;
pub mod sample;
pub mod shuffle;
pub mod sort;
pub mod split;
pub mod top_fraction;
