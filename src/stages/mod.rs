//! The stages, one file each. No stage knows another; all that the house knows of them is [`catalog`].

use crate::stage::Entry;

/// Every stage, by family and name.
pub fn catalog() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The stage called `name`.
pub fn find(name: &str) -> Option<&'static Entry> {
    catalog().find(|entry| entry.about.name == name)
}

static FAMILIES: &[&[Entry]] =
    &[read::STAGES, clean::STAGES, filter::STAGES, dedup::STAGES, mix::STAGES, encode::STAGES, write::STAGES];

pub mod clean;
pub mod dedup;
pub mod encode;
pub mod filter;
pub mod mix;
pub mod read;
pub mod write;
