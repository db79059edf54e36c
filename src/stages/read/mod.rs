//! Readers, by format.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[
    Entry::of::<arrow::Arrow>(),
    Entry::of::<books::Books>(),
    Entry::of::<code::Code>(),
    Entry::of::<jsonl::Jsonl>(),
    Entry::of::<parquet::Parquet>(),
    Entry::of::<text::Text>(),
    Entry::of::<warc::Warc>(),
    Entry::of::<wet::Wet>(),
    Entry::of::<wikipedia::Wikipedia>(),
];

pub mod arrow;
pub mod books;
pub mod code;
pub mod jsonl;
mod line_source;
pub mod parquet;
mod table_source;
pub mod text;
pub mod warc;
mod warc_source;
pub mod wet;
pub mod wikipedia;
