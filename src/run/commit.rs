//! Commits what writers write: the part of each walk, and at the end the final files.

use super::{Layout, Receipt};
use crate::error::{Error, Result};
use crate::io::atomic::gather;
use crate::plan::{End, Pass, Plan, SinkStep, Task};
use crate::stage::{Part, PartPlace};

/// The open part of one writer in one walk.
pub struct SinkPart {
    /// The part.
    pub part: Box<dyn Part>,
}

impl SinkPart {
    /// Opens the part of `task` for the writer `index`.
    pub fn open(
        plan: &Plan,
        pass: &Pass,
        task: &Task,
        index: usize,
        flow: &str,
        step: &SinkStep,
        layout: &Layout,
    ) -> Result<Self> {
        let pass_index = plan.passes.iter().position(|p| p.id == pass.id).unwrap_or_default();
        let scratch = layout.parts(&plan.assemble_id(pass_index, index));
        for dir in [scratch.as_path(), step.sink.dir()] {
            std::fs::create_dir_all(dir).map_err(|e| Error::io("create the folder", dir, e))?;
        }
        let place = PartPlace { ordinal: task.ordinal, flow: flow.to_owned(), scratch };
        Ok(Self { part: step.sink.part(&place, &plan.fields)? })
    }
}

/// Makes the final files of the writer `sink` of the pass `index`. `false` if that is done.
pub fn assemble(plan: &Plan, index: usize, sink: usize, layout: &Layout) -> Result<bool> {
    let pass = plan.passes.get(index).ok_or_else(|| Error::bug("a pass index is out of range"))?;
    let End::Write { sinks, .. } = &pass.end else {
        return Err(Error::bug("an assembly of a pass that writes nothing"));
    };
    let step = sinks.get(sink).ok_or_else(|| Error::bug("an assembly of no writer"))?;
    let id = plan.assemble_id(index, sink);
    if Receipt::valid(layout, &id, &step.fingerprint).is_some() {
        return Ok(false);
    }
    let mut parts = Vec::new();
    for task in &pass.tasks {
        let receipt = Receipt::require(layout, &task.id, &task.fingerprint)?;
        parts.push(receipt.parts.get(sink).cloned().unwrap_or_default());
    }
    let mut receipt = Receipt::new(&id, &step.fingerprint);
    let (outputs, files) = gather(|| step.sink.assemble(&parts))?;
    files.commit()?;
    receipt.outputs = outputs;
    receipt.commit(layout)?;
    Ok(true)
}
