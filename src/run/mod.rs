//! Does what a plan says: workers, commits, receipts, ledger. Names no stage.
//!
//! A task is a walk over one split, a reduce of one partition, a finish of one global stage, or an assembly of one
//! writer's files. Each commits whole (write beside, fsync, rename) and then leaves a receipt that carries its
//! fingerprint: a task without a receipt did not happen, one with the right receipt need not happen again, and doing one
//! twice is harmless. Local runs and clusters do the same tasks by the same code.

mod barrier;
mod batch;
mod commit;
mod found;
mod guard;
pub mod held;
pub mod layout;
mod ledger;
mod moved;
mod open;
mod partition;
mod pass;
mod receipt;
mod records;
mod walk;
mod walked;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::error::{Error, Kind, Result};
use crate::plan::{End, Plan};
use crate::stats::Tally;

pub use layout::Layout;
pub use ledger::{Ending, LedgerRow, read_ledger};
pub use receipt::{Receipt, Spilled};

/// How a run is told to stop, and whom it tells what it does.
pub struct Context<'c> {
    /// Worker threads.
    pub workers: usize,
    /// Set to stop: the run ends with [`Kind::Interrupted`] after the morsels in hand.
    pub stop: &'c AtomicBool,
    /// Told of progress.
    pub observer: &'c dyn Observer,
    /// Visits tasks in an order derived from this seed: results must not depend on it.
    pub shuffle: Option<u64>,
}

/// Whom a run tells what it does. Called from worker threads.
pub trait Observer: Send + Sync {
    /// A phase begins: its name, number of tasks, how many are already done, bytes of input left (0 if unknown).
    fn begin(&self, phase: &str, tasks: usize, done: usize, bytes: u64);
    /// Work was done: bytes framed and records seen since the last call.
    fn advance(&self, bytes: u64, records: u64);
    /// A task was committed.
    fn committed(&self, task: &str);
    /// The phase is over.
    fn end(&self);
}

/// An observer that wants to hear nothing.
pub struct Silent;

impl Observer for Silent {
    fn begin(&self, _: &str, _: usize, _: usize, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn committed(&self, _: &str) {}
    fn end(&self) {}
}

/// What a global stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Barrier {
    /// Its pass.
    pub pass: String,
    /// Its place among the global stages of the pass.
    pub global: usize,
    /// Its label.
    pub step: String,
    /// Records that its mappers emitted, and the bytes of their files.
    pub spilled: Spilled,
    /// Bytes of its findings.
    pub findings_bytes: u64,
}

/// What a finished run has to say.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Sums over all tasks: records are counted as read where they are read first, as kept where they are written.
    pub tally: Tally,
    /// Tasks done now, and tasks that an earlier run had done.
    pub done: usize,
    /// Tasks found done.
    pub found_done: usize,
    /// What global stages have to say, with their label.
    pub notes: Vec<(String, String)>,
    /// What global stages took.
    pub barriers: Vec<Barrier>,
    /// Final files.
    pub outputs: Vec<crate::io::atomic::Written>,
    /// Whether more records were quarantined than `limits.quarantine` allows.
    pub lossy: bool,
}

/// A plan with steps that execute what whoever runs it did not allow is not run.
fn allowed(plan: &Plan) -> Result<()> {
    match plan.refused.0.first() {
        Some(refused) => Err(Error::pipeline(refused.message.clone()).with("line", refused.line)),
        None => Ok(()),
    }
}

/// Runs everything in `plan` that has no valid receipt yet.
pub fn run(plan: &Plan, cx: &Context<'_>) -> Result<Outcome> {
    allowed(plan)?;
    let layout = Layout::create(&plan.run_dir)?;
    let _lock = layout.lock()?;
    layout.refuse_foreign_outputs(plan)?;
    let (mut done, mut found_done) = (0, 0);
    for index in 0..plan.passes.len() {
        let (did, had) = pass::walk_all(plan, index, &layout, cx)?;
        done += did;
        found_done += had;
        let (did, had) = finish_pass(plan, index, &layout, cx)?;
        done += did;
        found_done += had;
    }
    let mut outcome = summarize(plan, &layout)?;
    outcome.done = done;
    outcome.found_done = found_done;
    if !outcome.tally.balances() {
        return Err(Error::bug("the ledger does not balance").with("tally", format!("{:?}", outcome.tally)));
    }
    Ok(outcome)
}

fn finish_pass(plan: &Plan, index: usize, layout: &Layout, cx: &Context<'_>) -> Result<(usize, usize)> {
    let (mut done, mut had) = (0, 0);
    let Some(pass) = plan.passes.get(index) else { return Ok((0, 0)) };
    let mut count = |did: bool| if did { done += 1 } else { had += 1 };
    match &pass.end {
        End::Barrier { globals, .. } => {
            for global in 0..globals.len() {
                for did in barrier::reduce_all(plan, index, global, layout, cx)? {
                    count(did);
                }
                count(barrier::finish(plan, index, global, layout)?);
            }
        }
        End::Exchange { .. } => {}
        End::Write { sinks, .. } => {
            for sink in 0..sinks.len() {
                count(commit::assemble(plan, index, sink, layout)?);
            }
        }
    }
    Ok((done, had))
}

/// Does exactly the task called `id`, in this process, unless its receipt says it is done. What it builds on must be done.
pub fn task(plan: &Plan, id: &str, cx: &Context<'_>) -> Result<bool> {
    allowed(plan)?;
    let layout = Layout::create(&plan.run_dir)?;
    layout.refuse_foreign_outputs(plan)?;
    for (index, pass) in plan.passes.iter().enumerate() {
        if let Some(task) = pass.tasks.iter().find(|t| t.id == id) {
            return pass::walk_one(plan, index, task, &layout, cx);
        }
        match &pass.end {
            End::Barrier { globals, .. } => {
                for (global, step) in globals.iter().enumerate() {
                    if plan.finish_id(index, global) == id {
                        return barrier::finish(plan, index, global, &layout);
                    }
                    if let Some(part) = (0..step.partitions).find(|&p| plan.reduce_id(index, global, p) == id) {
                        return barrier::reduce(plan, index, global, part, &layout, cx.workers);
                    }
                }
            }
            End::Exchange { .. } => {}
            End::Write { sinks, .. } => {
                if let Some(sink) = (0..sinks.len()).find(|&s| plan.assemble_id(index, s) == id) {
                    return commit::assemble(plan, index, sink, &layout);
                }
            }
        }
    }
    Err(Error::pipeline(format!("the plan has no task `{id}`")).hint("`tamis plan --json` lists every task"))
}

/// The ids of all tasks in an order in which they can be done, with whether each is done.
pub fn task_list(plan: &Plan) -> Vec<(String, bool)> {
    let layout = Layout::at(&plan.run_dir);
    let mut list = Vec::new();
    let mut add = |id: String, print| {
        let done = Receipt::valid(&layout, &id, print).is_some();
        list.push((id, done));
    };
    for (index, pass) in plan.passes.iter().enumerate() {
        pass.tasks.iter().for_each(|t| add(t.id.clone(), &t.fingerprint));
        match &pass.end {
            End::Barrier { globals, .. } => {
                for (global, step) in globals.iter().enumerate() {
                    (0..step.partitions).for_each(|p| add(plan.reduce_id(index, global, p), &step.fingerprint));
                    add(plan.finish_id(index, global), &step.fingerprint);
                }
            }
            End::Exchange { .. } => {}
            End::Write { sinks, .. } => {
                sinks.iter().enumerate().for_each(|(s, step)| add(plan.assemble_id(index, s), &step.fingerprint));
            }
        }
    }
    list
}

/// Adds up the receipts of a run.
pub fn summarize(plan: &Plan, layout: &Layout) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let sum = &mut outcome.tally;
    for (index, pass) in plan.passes.iter().enumerate() {
        let mut spilled: Vec<Spilled> = Vec::new();
        for task in &pass.tasks {
            let receipt = Receipt::require(layout, &task.id, &task.fingerprint)?;
            spilled.resize(spilled.len().max(receipt.records.len()), Spilled::default());
            for (sum, of) in spilled.iter_mut().zip(&receipt.records) {
                sum.records += of.records;
                sum.bytes += of.bytes;
            }
            sum.add(&counted(receipt.tally, task.first_reading, pass.is_last()));
            outcome.outputs.extend(receipt.parts.into_iter().flatten());
        }
        match &pass.end {
            End::Barrier { globals, .. } => {
                for (global, step) in globals.iter().enumerate() {
                    let receipt = Receipt::require(layout, &plan.finish_id(index, global), &step.fingerprint)?;
                    outcome.barriers.push(Barrier {
                        pass: pass.id.clone(),
                        global,
                        step: step.label.clone(),
                        spilled: spilled.get(global).copied().unwrap_or_default(),
                        findings_bytes: receipt.outputs.first().map_or(0, |found| found.bytes),
                    });
                    outcome.notes.extend(receipt.notes.into_iter().map(|note| (step.label.clone(), note)));
                    outcome.outputs.extend(receipt.outputs);
                }
            }
            End::Exchange { .. } => {}
            End::Write { sinks, .. } => {
                for (sink, step) in sinks.iter().enumerate() {
                    let receipt = Receipt::require(layout, &plan.assemble_id(index, sink), &step.fingerprint)?;
                    outcome.outputs.extend(receipt.outputs);
                }
            }
        }
    }
    let dirs = plan.output_dirs();
    outcome.outputs.retain(|w| dirs.iter().any(|d| w.path.starts_with(d)));
    outcome.outputs.sort_by(|a, b| a.path.cmp(&b.path));
    let lost = outcome.tally.quarantined() as f64;
    outcome.lossy = lost > plan.quarantine * (outcome.tally.read + outcome.tally.parts) as f64;
    Ok(outcome)
}

/// What of a task's tally counts for the run: records count as read once, and as kept where their flow ends.
fn counted(mut tally: Tally, first_reading: bool, last: bool) -> Tally {
    if !first_reading {
        tally.read = 0;
        tally.bytes = 0;
    }
    if !last {
        tally.kept = 0;
        tally.bytes_kept = 0;
    }
    tally
}

impl Context<'_> {
    /// An error if the user asked to stop.
    fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Interrupted, "interrupted")
                .hint("run the same command again to go on where it stopped"));
        }
        Ok(())
    }
}

/// Removes the run folder's intermediate files (held documents, records, links), keeping receipts, ledger and findings.
pub fn prune(run_dir: &Path) -> Result<()> {
    let layout = Layout::at(run_dir);
    for dir in layout.intermediate_dirs() {
        match std::fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove", &dir, e)),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{Document, Verdict};
    use crate::plan::{Action, SharedTransform};
    use crate::stage::Transform;

    #[derive(Clone)]
    struct Panics;

    impl Transform for Panics {
        fn apply(&mut self, doc: &mut Document) -> Verdict {
            assert!(!doc.text.as_str().contains("bad"), "cannot take {:?}", doc.text.as_str());
            Verdict::Keep
        }
    }

    #[test]
    fn a_panic_costs_the_document_it_happened_on() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let lines: String =
            (0..500).map(|i| format!("{{\"text\":\"{} {i}\"}}\n", if i % 7 == 3 { "bad" } else { "good" })).collect();
        std::fs::write(dir.path().join("a.jsonl"), lines).unwrap();
        let path = dir.path().join("p.yaml");
        std::fs::write(&path, format!("run: {at}/run\nread: {{ jsonl: {at}/a.jsonl }}\nsteps:\n  - {{ length: {{ min_chars: 1 }}, as: fragile }}\nwrite: {{ jsonl: {{ dir: {at}/out, compression: none }} }}\nlimits: {{ quarantine: 100% }}\n")).unwrap();
        let pipeline = crate::pipeline::load(&path, &[], &|_| None).unwrap();
        let mut plan = crate::plan::compile(&pipeline).unwrap();
        plan.passes[0].chains[0].steps[0].action = Action::Transform(SharedTransform::new(Box::new(Panics)).into());
        let stop = AtomicBool::new(false);
        let cx = Context { workers: 2, stop: &stop, observer: &Silent, shuffle: None };
        let outcome = run(&plan, &cx).unwrap();
        assert_eq!((outcome.tally.read, outcome.tally.kept, outcome.tally.quarantined()), (500, 429, 71));
        assert_eq!(outcome.tally.steps["fragile"].panicked, 71);
        let mut rows = 0;
        read_ledger(&Layout::at(&plan.run_dir).ledger("p0-00000"), &mut |row| {
            assert_eq!((&*row.by, &*row.because), ("fragile", "panicked"));
            assert!(row.detail.as_deref().is_some_and(|d| d.contains("cannot take \"bad")), "{row:?}");
            rows += 1;
            true
        })
        .unwrap();
        assert_eq!(rows, 71);
    }
}
