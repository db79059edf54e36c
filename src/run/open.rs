//! A walk in progress: its reader under one lock, its in-order commit under another.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::commit::SinkPart;
use super::found::{Found, SplitIdentity};
use super::receipt::Spilled;
use super::records::{Beside, Order, TaskRecords};
use super::walked::{Output, Walked};
use super::{Layout, Receipt, held, moved};
use crate::error::{Error, Kind, Result};
use crate::io::atomic::{AtomicFile, Batch, gather};
use crate::plan::{Action, End, Input, Pass, Plan, Task};
use crate::stage::{Apply, Chosen, Global, Morsel, Reader};

/// A walk that workers share.
pub struct OpenTask<'p> {
    /// The task.
    pub task: &'p Task,
    applies: Vec<Option<Arc<dyn Apply>>>,
    /// For each global stage of the barrier that looks a second time, the documents it looks at.
    chosen: Vec<Option<Arc<dyn Chosen>>>,
    /// First row of each morsel of what an earlier walk left, and the row after the last.
    bases: Option<Vec<u32>>,
    reading: Mutex<Reading>,
    committing: Mutex<Committing>,
    moved: Condvar,
    window: u64,
}

struct Reading {
    reader: Box<dyn Reader>,
    next: u64,
    ended: bool,
}

struct Committing {
    next: u64,
    /// Set when the reader has ended: how many morsels there are.
    total: Option<u64>,
    waiting: BTreeMap<u64, Walked>,
    files: Option<Files>,
    rows: u32,
    receipt: Receipt,
    keep_empty_rows: bool,
}

/// The files a walk writes.
struct Files {
    ledger: zstd::stream::write::Encoder<'static, AtomicFile>,
    held: Option<held::Part>,
    moved: Option<moved::Moved>,
    records: Vec<TaskRecords>,
    sinks: Vec<SinkPart>,
}

/// What [`OpenTask::pull`] found.
pub enum Pulled {
    /// A morsel, its number, and its first row.
    Morsel(Morsel, u64, u32),
    /// Nothing more to read.
    Ended,
    /// Somebody else is reading, and only would-be waiters are asked to wait.
    Busy,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'p> OpenTask<'p> {
    /// Opens `task` of `pass`: its input, its findings, its files.
    pub fn open(plan: &'p Plan, pass: &'p Pass, task: &'p Task, layout: &Layout, workers: usize) -> Result<Self> {
        let upstream = upstream(plan, task, layout)?;
        let reader = open_reader(plan, task, layout)?;
        let applies = open_applies(plan, pass, task, layout)?;
        let chosen = open_chosen(plan, pass, task, layout)?;
        let mut files = Files::create(plan, pass, task, layout, workers)?;
        if task.ordinal == 0 {
            files.add_beside(plan, pass, task, layout)?;
        }
        let bases = upstream.map(|receipt| {
            let mut bases = vec![0];
            for rows in receipt.rows {
                bases.push(bases.last().copied().unwrap_or(0) + rows);
            }
            bases
        });
        let keep_empty_rows = matches!(pass.end, End::Barrier { hold: false, .. });
        Ok(Self {
            task,
            applies,
            chosen,
            bases,
            reading: Mutex::new(Reading { reader, next: 0, ended: false }),
            committing: Mutex::new(Committing {
                next: 0,
                total: None,
                waiting: BTreeMap::new(),
                files: Some(files),
                rows: 0,
                receipt: Receipt::new(&task.id, &task.fingerprint),
                keep_empty_rows,
            }),
            moved: Condvar::new(),
            window: 2 * workers as u64 + 2,
        })
    }

    /// The findings that the step `index` applies.
    pub fn apply(&self, index: usize) -> Option<&Arc<dyn Apply>> {
        self.applies.get(index).and_then(Option::as_ref)
    }

    /// The documents that the second look of the barrier's global stage `index` is for, if it is one.
    pub fn chosen(&self, index: usize) -> Option<&Arc<dyn Chosen>> {
        self.chosen.get(index).and_then(Option::as_ref)
    }

    /// The reader's label.
    pub fn reader_label(&self) -> &str {
        match &self.task.input {
            Input::Split { label, .. } => label,
            Input::Held { .. } => "held",
            Input::Moved { .. } => "moved",
        }
    }

    /// Frames the next morsel. With `wait`, waits for its turn; otherwise says [`Pulled::Busy`].
    pub fn pull(&self, wait: bool) -> Result<Pulled> {
        let mut reading = match self.reading.try_lock() {
            Ok(reading) => reading,
            Err(_) if !wait => return Ok(Pulled::Busy),
            Err(_) => lock(&self.reading),
        };
        if reading.ended {
            return Ok(Pulled::Ended);
        }
        if !self.has_room(reading.next, wait) {
            return Ok(Pulled::Busy);
        }
        let Some(morsel) = reading.reader.next().map_err(|e| e.with("task", &self.task.id))? else {
            reading.ended = true;
            lock(&self.committing).total = Some(reading.next);
            return Ok(Pulled::Ended);
        };
        let number = reading.next;
        reading.next += 1;
        let base = match &self.bases {
            None => 0,
            Some(bases) => match bases.get(number as usize) {
                Some(&base) => base,
                None => return Err(self.changed()),
            },
        };
        Ok(Pulled::Morsel(morsel, number, base))
    }

    /// A slow morsel must not let others run ahead without bound.
    fn has_room(&self, next: u64, wait: bool) -> bool {
        let mut committing = lock(&self.committing);
        while wait && next >= committing.next + self.window && committing.files.is_some() {
            committing = self.moved.wait(committing).unwrap_or_else(PoisonError::into_inner);
        }
        next < committing.next + self.window
    }

    fn changed(&self) -> Error {
        Error::new(Kind::Changed, format!("the input of `{}` changed while the run worked", self.task.id))
            .hint("run the pipeline again once the input rests")
    }

    /// Hands in what became of morsel `number`; appends every morsel whose turn has come.
    pub fn hand_in(&self, number: u64, walked: Walked) -> Result<()> {
        if let Some(bases) = &self.bases {
            let rows_in =
                bases.get(number as usize + 1).zip(bases.get(number as usize)).map(|(end, start)| end - start);
            if rows_in.map(u64::from) != Some(walked.tally.read) {
                return Err(self.changed());
            }
        }
        let mut committing = lock(&self.committing);
        committing.waiting.insert(number, walked);
        loop {
            let next = committing.next;
            let Some(walked) = committing.waiting.remove(&next) else { break };
            committing.append(walked).map_err(|e| e.with("task", &self.task.id))?;
            committing.next += 1;
            self.moved.notify_all();
        }
        Ok(())
    }

    /// Lets nobody wait for this task any longer: another worker failed.
    pub fn abandon(&self) {
        lock(&self.committing).files = None;
        self.moved.notify_all();
    }

    /// If everything was handed in, finishes the task's files: what is left is to commit them. `Some` for exactly one caller.
    pub fn try_finish(&self) -> Result<Option<Finished>> {
        let mut committing = lock(&self.committing);
        if committing.total != Some(committing.next) {
            return Ok(None);
        }
        let Some(files) = committing.files.take() else { return Ok(None) };
        if self.bases.as_ref().is_some_and(|bases| bases.len() as u64 != committing.next + 1) {
            return Err(self.changed());
        }
        let mut receipt = std::mem::take(&mut committing.receipt);
        let ((), files) = gather(|| files.commit(&mut receipt))?;
        if !receipt.tally.balances() {
            return Err(Error::bug(format!("the ledger of `{}` does not balance", self.task.id))
                .with("tally", format!("{:?}", receipt.tally)));
        }
        Ok(Some(Finished { files, receipt }))
    }
}

/// A task whose files are whole, and that has not happened yet.
pub struct Finished {
    files: Batch,
    receipt: Receipt,
}

impl Finished {
    /// The task's id.
    pub fn task(&self) -> &str {
        &self.receipt.task
    }

    /// Commits the files, and then the receipt: from now on the task has happened.
    pub fn commit(self, layout: &Layout) -> Result<()> {
        self.files.commit()?;
        self.receipt.commit(layout)
    }
}

impl Committing {
    fn append(&mut self, walked: Walked) -> Result<()> {
        let Some(files) = self.files.as_mut() else { return Ok(()) };
        for (records, morsel) in files.records.iter_mut().zip(&walked.records) {
            records.append(morsel, self.rows)?;
        }
        for output in walked.outputs {
            match output {
                Output::Held(chunk) => match (&mut files.held, &mut files.moved) {
                    (Some(held), _) => held.append(chunk)?,
                    (None, Some(moved)) => moved.append(chunk)?,
                    (None, None) => {}
                },
                Output::Sink(sink, chunk) => {
                    if let Some(part) = files.sinks.get_mut(sink) {
                        part.part.append(chunk)?;
                    }
                }
            }
        }
        files.ledger.write_all(&walked.ledger).map_err(|e| Error::world(format!("cannot write the ledger: {e}")))?;
        if walked.rows > 0 || self.keep_empty_rows {
            self.receipt.rows.push(walked.rows);
        }
        self.rows = self.rows.checked_add(walked.rows).ok_or_else(|| {
            Error::world("a split holds more than 4,294,967,295 documents").hint("cut the input into smaller files")
        })?;
        self.receipt.tally.add(&walked.tally);
        Ok(())
    }
}

impl Files {
    fn create(plan: &Plan, pass: &Pass, task: &Task, layout: &Layout, workers: usize) -> Result<Self> {
        let ledger = AtomicFile::create(&layout.ledger(&task.id))?;
        let ledger = zstd::stream::write::Encoder::new(ledger, 3)
            .map_err(|e| Error::world(format!("cannot start compressing the ledger: {e}")))?;
        let mut files = Self { ledger, held: None, moved: None, records: Vec::new(), sinks: Vec::new() };
        match &pass.end {
            End::Barrier { globals, hold, .. } => {
                if *hold {
                    files.held = Some(held::Part::create(&layout.held(&task.id), &plan.fields)?);
                }
                let open_at_once = (2 * workers * globals.len()).max(1) as u64;
                for (index, step) in globals.iter().enumerate() {
                    files.records.push(TaskRecords::new(
                        layout.records(&task.id, index),
                        task.ordinal,
                        step.global.record_bytes(),
                        step.partitions,
                        Order::of(&*step.global),
                        plan.memory / 4 / open_at_once,
                    ));
                }
            }
            End::Exchange { .. } => {
                files.moved = Some(moved::Moved::create(&layout.moved(&task.id), &plan.fields)?);
            }
            End::Write { flow, sinks } => {
                for (index, step) in sinks.iter().enumerate() {
                    files.sinks.push(SinkPart::open(plan, pass, task, index, flow, step, layout)?);
                }
            }
        }
        Ok(files)
    }

    /// The records of no document: they come with those of the first task.
    fn add_beside(&mut self, plan: &Plan, pass: &Pass, task: &Task, layout: &Layout) -> Result<()> {
        let End::Barrier { globals, .. } = &pass.end else { return Ok(()) };
        for (step, records) in globals.iter().zip(&mut self.records) {
            let first = match step.chosen_by {
                Some((from, global)) => findings(plan, task, from, global, layout)?.shared,
                None => Vec::new(),
            };
            let mut beside = Beside::new(records, step.global.record_bytes());
            step.global.beside(&first, &mut beside).map_err(|e| e.with("step", &step.label))?;
            beside.finish()?;
        }
        Ok(())
    }

    fn commit(self, receipt: &mut Receipt) -> Result<()> {
        let ledger = self.ledger.finish().map_err(|e| Error::world(format!("cannot finish the ledger: {e}")))?;
        receipt.outputs.push(ledger.commit()?);
        if let Some(held) = self.held {
            receipt.outputs.push(held.finish()?);
        }
        if let Some(moved) = self.moved {
            receipt.outputs.push(moved.finish()?);
        }
        for records in self.records {
            let count = records.count();
            let written = records.finish()?;
            receipt.records.push(Spilled { records: count, bytes: written.bytes });
            receipt.outputs.push(written);
        }
        for part in self.sinks {
            receipt.parts.push(part.part.finish()?);
        }
        Ok(())
    }
}

/// The receipt of the walk whose documents `task` walks again.
fn upstream(plan: &Plan, task: &Task, layout: &Layout) -> Result<Option<Receipt>> {
    let Some((pass, ordinal)) = task.upstream else { return Ok(None) };
    let before = walked_before(plan, pass, ordinal)?;
    Receipt::require(layout, &before.id, &before.fingerprint).map(Some)
}

fn walked_before(plan: &Plan, pass: usize, ordinal: u32) -> Result<&Task> {
    let task = plan.passes.get(pass).and_then(|p| p.tasks.get(ordinal as usize));
    task.ok_or_else(|| Error::bug("a task follows one that the plan does not have"))
}

fn open_reader(plan: &Plan, task: &Task, layout: &Layout) -> Result<Box<dyn Reader>> {
    match &task.input {
        Input::Split { source, split, .. } => {
            for file in &split.files {
                let now = std::fs::metadata(&file.path).map_err(|e| Error::io("open", &file.path, e))?;
                if now.len() != file.size {
                    return Err(Error::new(
                        Kind::Changed,
                        format!(
                            "`{}` has {} bytes, but had {} when the run was planned",
                            file.path.display(),
                            now.len(),
                            file.size
                        ),
                    )
                    .hint("run again once the input rests"));
                }
            }
            source.open(split, &plan.fields)
        }
        Input::Held { pass, ordinal } => {
            held::open(&layout.held(&walked_before(plan, *pass, *ordinal)?.id), &plan.fields)
        }
        Input::Moved { pass, cell } => {
            let from =
                plan.passes.get(*pass).ok_or_else(|| Error::bug("documents moved by a pass that is not there"))?;
            let mut files = Vec::new();
            for task in &from.tasks {
                Receipt::require(layout, &task.id, &task.fingerprint)?;
                files.push(layout.moved(&task.id));
            }
            let join = if let End::Exchange { exchange, .. } = &from.end { exchange.join() } else { None };
            Ok(moved::open(files, *cell, &plan.fields, join))
        }
    }
}

fn open_applies(plan: &Plan, pass: &Pass, task: &Task, layout: &Layout) -> Result<Vec<Option<Arc<dyn Apply>>>> {
    let chain = pass.chains.get(task.chain).ok_or_else(|| Error::bug("a task names no chain"))?;
    let mut applies = Vec::new();
    for step in &chain.steps {
        let Action::Apply { pass: from, global } = step.action else {
            applies.push(None);
            continue;
        };
        let found = findings(plan, task, from, global, layout)?;
        applies.push(Some(found.by.apply(&found.shared, &found.split, &plan.fields)?));
    }
    Ok(applies)
}

fn open_chosen(plan: &Plan, pass: &Pass, task: &Task, layout: &Layout) -> Result<Vec<Option<Arc<dyn Chosen>>>> {
    let End::Barrier { globals, .. } = &pass.end else { return Ok(Vec::new()) };
    let mut chosen = Vec::new();
    for step in globals {
        let Some((from, global)) = step.chosen_by else {
            chosen.push(None);
            continue;
        };
        let found = findings(plan, task, from, global, layout)?;
        chosen.push(Some(found.by.chosen(&found.shared, &found.split)?));
    }
    Ok(chosen)
}

/// What a global stage found: for all, and for the documents of one task.
struct SplitFound {
    by: Arc<dyn Global>,
    shared: Vec<u8>,
    split: Vec<u8>,
}

/// What the global stage `global` of the pass `from` found for the documents of `task`, which must be the very documents
/// that were mapped.
fn findings(plan: &Plan, task: &Task, from: usize, global: usize, layout: &Layout) -> Result<SplitFound> {
    let Some(Pass { end: End::Barrier { globals, .. }, .. }) = plan.passes.get(from) else {
        return Err(Error::bug("findings of a pass that has no barrier"));
    };
    let found_by = globals.get(global).ok_or_else(|| Error::bug("findings of no global stage"))?;
    let mapped = mapped_in(plan, task, from)?;
    let receipt = Receipt::require(layout, &mapped.id, &mapped.fingerprint)?;
    let identity = SplitIdentity { task: receipt.fingerprint.clone(), rows: receipt.total_rows() };
    let mut found = Found::open(&layout.found(&plan.finish_id(from, global)), &found_by.fingerprint)?;
    let (shared, split) = (found.shared()?, found.split(mapped.ordinal, &identity)?);
    Ok(SplitFound { by: found_by.global.clone(), shared, split })
}

/// The task of the pass `from` that mapped the documents of `task`: the one before it, or before that if all that came
/// between was a second look, which leaves the rows as they are.
fn mapped_in<'p>(plan: &'p Plan, task: &Task, from: usize) -> Result<&'p Task> {
    let mut upstream = task.upstream;
    while let Some((pass, ordinal)) = upstream {
        let before = walked_before(plan, pass, ordinal)?;
        if pass == from {
            return Ok(before);
        }
        let looked_again = match plan.passes.get(pass).map(|p| &p.end) {
            Some(End::Barrier { globals, .. }) => globals.iter().all(|g| g.chosen_by.is_some()),
            _ => false,
        };
        upstream = before.upstream.filter(|_| looked_again);
    }
    Err(Error::bug("findings are applied to documents that nobody mapped"))
}
