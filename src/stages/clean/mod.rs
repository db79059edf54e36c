//! Stages that change text.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] =
    &[Entry::of::<extract_html::ExtractHtml>(), Entry::of::<normalize_unicode::NormalizeUnicode>()];

pub mod extract_html;
pub mod normalize_unicode;
