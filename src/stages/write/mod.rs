//! Writers, by format.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] =
    &[Entry::of::<jsonl::WriteJsonl>(), Entry::of::<parquet::WriteParquet>(), Entry::of::<tokens::WriteTokens>()];

pub mod jsonl;
pub mod parquet;
pub mod tokens;
