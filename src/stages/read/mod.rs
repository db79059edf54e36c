//! Readers, by format.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[Entry::of::<jsonl::Jsonl>(), Entry::of::<warc::Warc>(), Entry::of::<wet::Wet>()];

pub mod jsonl;
pub mod warc;
mod warc_source;
pub mod wet;
