//! Counts that add up: one thread or a thousand machines alike.

mod tally;

pub use tally::{StepTally, Tally};
