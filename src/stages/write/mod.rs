//! Writers, by format.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] =
    &[Entry::of::<jsonl::WriteJsonl>(), Entry::of::<megatron::WriteMegatron>(), Entry::of::<parquet::WriteParquet>()];

pub mod jsonl;
pub mod megatron;
pub mod parquet;
