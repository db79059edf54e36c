//! Stages that judge documents.

use crate::stage::Entry;

/// The stages of this family, by name.
#[rustfmt::skip]
pub static STAGES: &[Entry] = &[
];
