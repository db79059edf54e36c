//! The stages, one file each. No stage knows another; all that the house knows of them is [`catalog`].

use crate::stage::{Entry, Family};

/// Every stage, by family and name.
pub fn catalog() -> impl Iterator<Item = &'static Entry> + Clone {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// Where a stage may stand in a pipeline. A reader and a writer of one format share their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Under `read:`
    Read,
    /// Under `steps:`
    Steps,
    /// Under `write:`
    Write,
}

impl Place {
    /// Where stages of `family` stand.
    pub fn of(family: Family) -> Self {
        match family {
            Family::Read => Self::Read,
            Family::Write => Self::Write,
            _ => Self::Steps,
        }
    }

    /// The key it stands under.
    pub fn key(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Steps => "steps",
            Self::Write => "write",
        }
    }
}

/// The stage called `name` that stands at `place`.
pub fn find(name: &str, place: Place) -> Option<&'static Entry> {
    catalog().find(|entry| entry.about.name == name && Place::of(entry.about.family) == place)
}

static FAMILIES: &[&[Entry]] = &[
    read::STAGES,
    clean::STAGES,
    filter::STAGES,
    redact::STAGES,
    dedup::STAGES,
    mix::STAGES,
    encode::STAGES,
    write::STAGES,
];

pub mod clean;
pub mod dedup;
pub mod encode;
pub mod filter;
pub mod mix;
pub mod read;
pub mod redact;
pub mod write;
