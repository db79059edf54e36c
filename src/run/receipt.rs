//! Receipts: the record that a task was committed, and the only proof of it.

use serde::{Deserialize, Serialize};

use super::Layout;
use crate::error::{Error, Kind, Result};
use crate::io::atomic::{Written, write_whole};
use crate::plan::Fingerprint;
use crate::stats::Tally;

/// Records on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spilled {
    /// How many.
    pub records: u64,
    /// Bytes of the files that hold them.
    pub bytes: u64,
}

/// One task's receipt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The task.
    pub task: String,
    /// What made it.
    pub fingerprint: Fingerprint,
    /// The version of tamis that did it.
    pub tamis: String,
    /// Files of the run folder (held documents, records, ledger, links, findings) or, for an assembly, final files.
    pub outputs: Vec<Written>,
    /// For a walk that writes: each writer's files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Vec<Written>>,
    /// Rows of each morsel left to the next walk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<u32>,
    /// What happened.
    #[serde(default)]
    pub tally: Tally,
    /// For a walk before a barrier: the records that it mapped for each global stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Spilled>,
    /// What a global stage has to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Receipt {
    /// A receipt for `task`, still without outputs.
    pub fn new(task: &str, fingerprint: &Fingerprint) -> Self {
        let tamis = env!("CARGO_PKG_VERSION").to_owned();
        Self { task: task.to_owned(), fingerprint: fingerprint.clone(), tamis, ..Self::default() }
    }

    /// The receipt of `task`, if there is one that belongs to `fingerprint` and whose files still lie where they were
    /// written, as long as they were.
    pub fn valid(layout: &Layout, task: &str, fingerprint: &Fingerprint) -> Option<Self> {
        let bytes = std::fs::read(layout.receipt(task)).ok()?;
        let receipt: Self = serde_json::from_slice(&bytes).ok()?;
        let whole = |w: &Written| std::fs::metadata(&w.path).is_ok_and(|m| m.len() == w.bytes);
        let intact = receipt.outputs.iter().all(whole) && receipt.parts.iter().flatten().all(whole);
        (receipt.fingerprint == *fingerprint && intact).then_some(receipt)
    }

    /// The receipt of a task that must have been done before.
    pub fn require(layout: &Layout, task: &str, fingerprint: &Fingerprint) -> Result<Self> {
        Self::valid(layout, task, fingerprint).ok_or_else(|| {
            Error::new(
                Kind::Changed,
                format!("the task `{task}` is not done, or its files or inputs have changed since"),
            )
            .hint("run `tamis run` on the pipeline again: it repeats what is missing")
        })
    }

    /// Commits the receipt: from now on the task has happened.
    pub fn commit(&self, layout: &Layout) -> Result<()> {
        let json =
            serde_json::to_vec_pretty(self).map_err(|e| Error::bug("a receipt does not serialize").because(e))?;
        write_whole(&layout.receipt(&self.task), &json).map(drop)
    }

    /// Rows in all morsels.
    pub fn total_rows(&self) -> u32 {
        self.rows.iter().sum()
    }
}
