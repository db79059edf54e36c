//! Stages that change text.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] = &[
    Entry::of::<chunk::Chunk>(),
    Entry::of::<extract_html::ExtractHtml>(),
    Entry::of::<fix_encoding::FixEncoding>(),
    Entry::of::<normalize_unicode::NormalizeUnicode>(),
    Entry::of::<notebook::Notebook>(),
    Entry::of::<replace::Replace>(),
    Entry::of::<strip_boilerplate_lines::StripBoilerplateLines>(),
    Entry::of::<trim::Trim>(),
    Entry::of::<truncate::Truncate>(),
];

pub mod chunk;
pub mod extract_html;
pub mod fix_encoding;
pub mod normalize_unicode;
pub mod notebook;
pub mod replace;
pub mod strip_boilerplate_lines;
pub mod trim;
pub mod truncate;
