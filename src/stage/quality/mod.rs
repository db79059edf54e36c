//! What several quality filters measure of a text: its prose, its repetitions, its lines. A filter holds the numbers against its
//! limits; measuring knows no limit and keeps nothing of a document but scratch memory.

mod code;
mod counts;
mod page;
mod profile;
mod prose;
mod repetition;
mod seen;

pub use code::{CodeMeasures, MEASURES as CODE_MEASURES};
pub use page::{Page, PageMeasure};
pub use profile::{Profile, Ways, ways};
pub use prose::{Prose, ProseMeasure, StopWords};
pub use repetition::{Grams, Repetition, Repetitions, Shares};
pub use seen::Duplicates;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose decisions a filter repeats that one other implementation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// datatrove 0.10, which FineWeb and FineWeb-2 were made with.
    Datatrove,
}
