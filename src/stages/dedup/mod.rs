//! Global stages that remove duplicates.

use crate::stage::Entry;

mod exact;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[];
pub static STAGES: &[Entry] = &[
    Entry::of::<exact::Exact>(),
];
