//! Stages that take out what must not be learned.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[Entry::of::<pii::Pii>(), Entry::of::<secrets::Secrets>()];

pub mod pii;
pub mod secrets;
