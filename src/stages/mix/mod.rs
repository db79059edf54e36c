//! Global stages that choose among documents.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[Entry::of::<mix::Mix>(), Entry::of::<top_fraction::TopFraction>()];

pub mod mix;
pub mod top_fraction;
