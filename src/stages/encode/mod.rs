//! Stages that make tokens.

use crate::stage::Entry;

/// The stages of this family, by name.
pub static STAGES: &[Entry] =
    &[Entry::of::<count_tokens::CountTokens>(), Entry::of::<encode::Encode>(), Entry::of::<train_bpe::TrainBpe>()];

pub mod count_tokens;
pub mod encode;
pub mod train_bpe;
