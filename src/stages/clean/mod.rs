//! Stages that change text.

use crate::stage::Entry;

/// The stages of this family, by name.
#[rustfmt::skip]
pub static STAGES: &[Entry] = &[
    Entry::of::<normalize_unicode::NormalizeUnicode>(),
];

pub mod normalize_unicode;
