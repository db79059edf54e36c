//! Stages that judge documents.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] =
    &[Entry::of::<gopher_quality::GopherQuality>(), Entry::of::<language::Language>(), Entry::of::<length::Length>()];

pub mod gopher_quality;
pub mod language;
pub mod length;
