//! Stages that make tokens.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[Entry::of::<encode::Encode>()];

pub mod encode;
