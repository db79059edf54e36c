//! Global stages that remove duplicates.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[
    Entry::of::<bloom::Bloom>(),
    Entry::of::<decontaminate::Decontaminate>(),
    Entry::of::<exact::Exact>(),
    Entry::of::<lines::Lines>(),
    Entry::of::<minhash::Minhash>(),
    Entry::of::<paragraphs::Paragraphs>(),
    Entry::of::<semantic::Semantic>(),
    Entry::of::<sentences::Sentences>(),
    Entry::of::<substrings::Substrings>(),
    Entry::of::<url::Url>(),
];

pub mod bloom;
pub mod decontaminate;
pub mod exact;
pub mod lines;
pub mod minhash;
mod minhash_looks;
pub mod paragraphs;
pub mod semantic;
pub mod sentences;
mod substring_runs;
mod substring_stretches;
pub mod substrings;
pub mod url;
