//! Global stages that remove duplicates.

use crate::stage::Entry;

mod exact;

/// The stages of this family, by name.
#[rustfmt::skip]
pub static STAGES: &[Entry] = &[
pub static STAGES: &[Entry] = &[];
pub static STAGES: &[Entry] = &[
    Entry::of::<exact::Exact>(),
];
