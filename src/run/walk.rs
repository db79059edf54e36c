//! Walks one morsel's documents through a chain, while each is warm in cache.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use super::batch::{self, Judged};
use super::guard::guarded;
use super::ledger::{LedgerRow, PANICKED};
use super::open::OpenTask;
use super::records::MorselRecords;
use super::walked::{Output, Walked};
use crate::doc::{Document, Reason, Verdict};
use crate::error::{Error, Result};
use crate::plan::{Action, Chain, ChainStep, Condition, End, Pass, Plan};
use crate::stage::{Apply, BadRecord, BatchTransform, Encode, Expand, Mapper, Morsel, Read, Transform};
use crate::stats::{StepTally, Tally};

/// What one worker needs to walk documents of one chain. Reused from morsel to morsel.
pub struct Walker<'p> {
    plan: &'p Plan,
    chain: &'p Chain,
    stages: Vec<Running>,
    /// Parts of expanded documents that are still to be walked, the next one last, and the step at which each begins.
    parts: Vec<(Document, usize)>,
    /// Documents that came to a step that wants all of a morsel, with their rows.
    waiting: Vec<(Document, u32)>,
    ends: Ends<'p>,
}

/// This worker's own clone of a step's stage.
enum Running {
    Transform(Box<dyn Transform>),
    Expand(Box<dyn Expand>),
    Batch(Box<dyn BatchTransform>),
    /// Findings are the task's, not the worker's.
    Apply,
}

/// How a document's walk through the chain ended.
enum Ended {
    Kept,
    Dropped(Reason),
    /// It waits for the others of its morsel.
    Waits,
    /// These go on in its place.
    Expanded(Vec<Document>),
}

enum Ends<'p> {
    Barrier { mappers: Vec<(Box<dyn Mapper>, Option<&'p Condition>, usize)>, held: Option<Box<dyn Encode>> },
    Write { encoders: Vec<Box<dyn Encode>> },
}

impl<'p> Walker<'p> {
    /// A walker for the chain `chain` of `pass`.
    pub fn new(plan: &'p Plan, pass: &'p Pass, chain: usize) -> Result<Self> {
        let chain = pass.chains.get(chain).ok_or_else(|| Error::bug("a task names no chain"))?;
        let stages = chain.steps.iter().map(fresh).collect();
        let ends = match &pass.end {
            End::Barrier { globals, hold, .. } => Ends::Barrier {
                mappers: globals
                    .iter()
                    .map(|g| Ok((g.global.mapper(&plan.fields)?, g.when.as_ref(), g.global.record_bytes())))
                    .collect::<Result<_>>()?,
                held: if *hold {
                    Some(Box::new(super::held::Encoder::new(&plan.fields)) as Box<dyn Encode>)
                } else {
                    None
                },
            },
            End::Exchange { exchange, splits, .. } => Ends::Barrier {
                mappers: Vec::new(),
                held: Some(Box::new(super::moved::Encoder::new(exchange, *splits))),
            },
            End::Write { sinks, .. } => {
                Ends::Write { encoders: sinks.iter().map(|s| s.sink.encoder(&plan.fields)).collect::<Result<_>>()? }
            }
        };
        Ok(Self { plan, chain, stages, parts: Vec::new(), waiting: Vec::new(), ends })
    }

    /// Parses and walks `morsel`, the next of `task`; its first document is row `base` of what an earlier walk left.
    pub fn walk(&mut self, task: &OpenTask<'_>, morsel: Morsel, base: u32) -> Result<Walked> {
        let started = Instant::now();
        let mut out = Tallied::new(self.chain.steps.len(), task);
        let mut kept: Vec<Document> = Vec::new();
        let mut row = base;
        let mut failed = None;
        let panicked = guarded(|| {
            (morsel.parse)(&mut |read| {
                if failed.is_some() {
                    return;
                }
                let doc = match read {
                    Read::Bad(bad) => {
                        failed = out.bad(&bad, task).err();
                        return;
                    }
                    Read::Document(doc) => {
                        out.tally.read += 1;
                        doc
                    }
                    Read::Joined(doc, of) => {
                        out.joined(of, task);
                        doc
                    }
                };
                failed = self.document(*doc, row, task, &mut out, &mut kept).err();
                row += 1;
            });
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if let Err(message) = panicked {
            return Err(Error::bug(format!("the reader `{}` panicked: {message}", task.reader_label()))
                .with("task", &task.task.id)
                .hint("please report this with the file; other tasks are not affected"));
        }
        let gates = self.chain.steps.iter().enumerate().filter(|(_, step)| matches!(step.action, Action::Batch(_)));
        for (gate, step) in gates {
            self.batch(gate, step, task, &mut out, &mut kept)?;
        }
        let fault = |stage: &mut Running| if let Running::Transform(t) = stage { t.fault() } else { None };
        if let Some(fault) = self.stages.iter_mut().find_map(fault) {
            return Err(fault);
        }
        let (records, outputs) = self.end(&kept, base, task)?;
        let mut tally = out.tally;
        tally.kept = kept.len() as u64;
        tally.bytes_kept = kept.iter().map(|d| d.text.len() as u64).sum();
        tally.tokens = outputs.iter().map(|o| o.tokens()).max().unwrap_or(0);
        let mut spent = 0;
        for (step, counts) in self.chain.steps.iter().zip(out.steps) {
            spent += counts.nanos;
            tally.steps.insert(step.label.clone(), counts);
        }
        tally.io_nanos = (started.elapsed().as_nanos() as u64).saturating_sub(spent);
        Ok(Walked { rows: kept.len() as u32, records, outputs, ledger: out.ledger, tally })
    }

    /// Walks a document that was read, and then its parts, in their order.
    fn document(
        &mut self,
        doc: Document,
        row: u32,
        task: &OpenTask<'_>,
        out: &mut Tallied,
        kept: &mut Vec<Document>,
    ) -> Result<()> {
        out.tally.bytes += doc.text.len() as u64;
        self.walk_with_parts(doc, 0, row, task, out, kept)
    }

    fn walk_with_parts(
        &mut self,
        doc: Document,
        first: usize,
        row: u32,
        task: &OpenTask<'_>,
        out: &mut Tallied,
        kept: &mut Vec<Document>,
    ) -> Result<()> {
        self.walk_on(doc, first, row, task, out, kept)?;
        while let Some((part, step)) = self.parts.pop() {
            self.walk_on(part, step, row, task, out, kept)?;
        }
        Ok(())
    }

    /// Judges the documents that wait at the step `index`, and walks on with those that are left, in their order.
    fn batch(
        &mut self,
        index: usize,
        step: &ChainStep,
        task: &OpenTask<'_>,
        out: &mut Tallied,
        kept: &mut Vec<Document>,
    ) -> Result<()> {
        let (Action::Batch(prototype), Some(Running::Batch(stage))) = (&step.action, self.stages.get_mut(index)) else {
            return Err(Error::bug("a batch of no batch stage"));
        };
        let started = Instant::now();
        let mut docs = Vec::new();
        // Those that `when` lets pass by keep their place in the line.
        let mut line: Vec<(Option<Document>, u32)> = Vec::new();
        for (doc, row) in std::mem::take(&mut self.waiting) {
            if step.when.as_ref().is_none_or(|holds| holds(&doc)) {
                docs.push(doc);
                line.push((None, row));
            } else {
                line.push((Some(doc), row));
            }
        }
        let bytes: u64 = docs.iter().map(|doc| doc.text.len() as u64).sum();
        let judged = batch::judge(stage, &|| prototype.fresh(), &mut docs, &step.label)?;
        if let Some(counts) = out.steps.get_mut(index) {
            counts.seen += docs.len() as u64;
            counts.bytes += bytes;
            counts.nanos += started.elapsed().as_nanos() as u64;
        }
        let mut judged = docs.into_iter().zip(judged);
        for (passed_by, row) in line {
            let doc = match passed_by {
                Some(doc) => Some(doc),
                None => match judged.next() {
                    Some((doc, judged)) => self.settle(doc, judged, index, step, out)?,
                    None => None,
                },
            };
            if let Some(doc) = doc {
                self.walk_with_parts(doc, index + 1, row, task, out, kept)?;
            }
        }
        Ok(())
    }

    /// Acts on what a batch stage said of `doc`; gives it back if it goes on.
    fn settle(
        &self,
        mut doc: Document,
        judged: Judged,
        index: usize,
        step: &ChainStep,
        out: &mut Tallied,
    ) -> Result<Option<Document>> {
        if !doc.marks.is_empty() {
            out.redacted(&mut doc, index, &step.label)?;
        }
        let verdict = match judged {
            Judged::Verdict(verdict) => verdict,
            Judged::Bad(because, detail) => {
                out.quarantined(&doc, index, &step.label, because, detail)?;
                return Ok(None);
            }
        };
        match ending(verdict, Vec::new(), &mut doc, step) {
            Ended::Dropped(reason) => {
                out.dropped(&doc, index, &step.label, reason, self.plan.keep_dropped)?;
                Ok(None)
            }
            _ => {
                if let Some(counts) = out.steps.get_mut(index) {
                    counts.kept += 1;
                }
                Ok(Some(doc))
            }
        }
    }

    fn walk_on(
        &mut self,
        mut doc: Document,
        first: usize,
        row: u32,
        task: &OpenTask<'_>,
        out: &mut Tallied,
        kept: &mut Vec<Document>,
    ) -> Result<()> {
        let at = Cell::new(first);
        let mut clock = Instant::now();
        let mut ledgered = Ok(());
        let ended = guarded(|| {
            for (index, step) in self.chain.steps.iter().enumerate().skip(first) {
                at.set(index);
                if matches!(step.action, Action::Batch(_)) {
                    return Ended::Waits;
                }
                let bytes = doc.text.len() as u64;
                let ended = match &step.when {
                    Some(holds) if !holds(&doc) => continue,
                    _ => judge(self.stages.get_mut(index), task.apply(index), row, &mut doc, step),
                };
                if let Some(counts) = out.steps.get_mut(index) {
                    let now = Instant::now();
                    counts.nanos += (now - clock).as_nanos() as u64;
                    clock = now;
                    counts.seen += 1;
                    counts.bytes += bytes;
                    counts.kept += match &ended {
                        Ended::Kept => 1,
                        Ended::Dropped(_) | Ended::Waits => 0,
                        Ended::Expanded(parts) => parts.len() as u64,
                    };
                }
                if !doc.marks.is_empty() {
                    ledgered = out.redacted(&mut doc, index, &step.label);
                    if ledgered.is_err() {
                        return ended;
                    }
                }
                if !matches!(ended, Ended::Kept) {
                    return ended;
                }
            }
            Ended::Kept
        });
        ledgered?;
        let index = at.get();
        let (Some(step), Some(counts)) = (self.chain.steps.get(index), out.steps.get_mut(index)) else {
            kept.push(doc);
            return Ok(());
        };
        match ended {
            Ok(Ended::Kept) => kept.push(doc),
            Ok(Ended::Waits) => self.waiting.push((doc, row)),
            Ok(Ended::Expanded(parts)) => {
                counts.expanded += 1;
                out.tally.expanded += 1;
                out.tally.parts += parts.len() as u64;
                self.parts.extend(parts.into_iter().rev().map(|part| (part, index + 1)));
            }
            Ok(Ended::Dropped(reason)) => {
                out.dropped(&doc, index, &step.label, reason, self.plan.keep_dropped)?;
            }
            Err(message) => {
                counts.seen += 1;
                out.quarantined(&doc, index, &step.label, PANICKED, message)?;
                // Whatever state the stage was in when it panicked is not trusted with another document.
                if let Some(stage) = self.stages.get_mut(index) {
                    *stage = fresh(step);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, kept: &[Document], base: u32, task: &OpenTask<'_>) -> Result<(Vec<MorselRecords>, Vec<Output>)> {
        match &mut self.ends {
            Ends::Barrier { mappers, held } => {
                let mut all = Vec::new();
                for (index, (mapper, when, record_bytes)) in mappers.iter_mut().enumerate() {
                    let mut records = MorselRecords::new(*record_bytes);
                    let chosen = task.chosen(index);
                    for (row, doc) in kept.iter().enumerate().filter(|(_, doc)| when.is_none_or(|holds| holds(doc))) {
                        let out = records.at(row as u32);
                        match chosen {
                            None => mapper.map(doc, out),
                            // A second look drops nothing, so the rows are those of the first.
                            Some(chosen) => {
                                if let Some(mark) = chosen.mark(base + row as u32) {
                                    mapper.map_chosen(doc, mark, out);
                                }
                            }
                        }
                    }
                    if let Some(last) = kept.len().checked_sub(1) {
                        mapper.flush(records.at(last as u32));
                    }
                    all.push(records);
                }
                let outputs = match held {
                    Some(held) if !kept.is_empty() => vec![Output::Held(held.encode(kept)?)],
                    _ => Vec::new(),
                };
                Ok((all, outputs))
            }
            Ends::Write { encoders } => {
                let mut outputs = Vec::new();
                for (sink, encoder) in encoders.iter_mut().enumerate() {
                    if !kept.is_empty() {
                        outputs.push(Output::Sink(sink, encoder.encode(kept)?));
                    }
                }
                Ok((Vec::new(), outputs))
            }
        }
    }
}

fn fresh(step: &ChainStep) -> Running {
    match &step.action {
        Action::Transform(prototype) => Running::Transform(prototype.fresh()),
        Action::Expand(prototype) => Running::Expand(prototype.fresh()),
        Action::Batch(prototype) => Running::Batch(prototype.fresh()),
        Action::Apply { .. } => Running::Apply,
    }
}

fn judge(
    stage: Option<&mut Running>,
    apply: Option<&Arc<dyn Apply>>,
    row: u32,
    doc: &mut Document,
    step: &ChainStep,
) -> Ended {
    let mut parts = Vec::new();
    let verdict = match (stage, apply) {
        (Some(Running::Transform(transform)), _) => transform.apply(doc),
        (Some(Running::Expand(expand)), _) => expand.expand(doc, &mut parts),
        (_, Some(apply)) => apply.apply(row, doc),
        _ => Verdict::Keep,
    };
    ending(verdict, parts, doc, step)
}

/// What a verdict means at this step.
fn ending(verdict: Verdict, parts: Vec<Document>, doc: &mut Document, step: &ChainStep) -> Ended {
    match (verdict, step.annotate) {
        (Verdict::Keep, None) if !parts.is_empty() => Ended::Expanded(parts),
        (Verdict::Keep, None) => Ended::Kept,
        (Verdict::Drop(reason), None) => Ended::Dropped(reason),
        (verdict, Some(field)) => {
            let word = if let Verdict::Drop(reason) = verdict { reason.word } else { "keep" };
            doc.set(field, word.to_owned());
            Ended::Kept
        }
    }
}

/// Whether a document is in the sample of `fraction`, by its id.
fn sampled(id: u128, fraction: f64) -> bool {
    fraction >= 1.0 || ((id >> 64) as u64 as f64) < fraction * u64::MAX as f64
}

/// Counts and ledger of one morsel.
struct Tallied {
    tally: Tally,
    steps: Vec<StepTally>,
    ledger: Vec<u8>,
    count_bad: bool,
}

impl Tallied {
    fn new(steps: usize, task: &OpenTask<'_>) -> Self {
        let count_bad = task.task.first_reading;
        Self { tally: Tally::default(), steps: vec![StepTally::default(); steps], ledger: Vec::new(), count_bad }
    }

    /// What a step took out of a text is counted by kind, and where it was goes into the ledger.
    fn redacted(&mut self, doc: &mut Document, step: usize, label: &str) -> Result<()> {
        let marks = std::mem::take(&mut doc.marks);
        if let Some(counts) = self.steps.get_mut(step) {
            for mark in &marks {
                *counts.redacted.entry(mark.what.to_owned()).or_default() += 1;
            }
        }
        LedgerRow::redacted(doc, label, &marks).append_to(&mut self.ledger)
    }

    /// A document made of `of` others is a part of them, and they end with it, where it is read first.
    fn joined(&mut self, of: u64, task: &OpenTask<'_>) {
        if task.task.upstream.is_some() {
            self.tally.read += 1;
            return;
        }
        self.tally.read += of;
        self.tally.expanded += of;
        self.tally.parts += 1;
    }

    /// The step `step` decided against a document.
    fn dropped(&mut self, doc: &Document, step: usize, label: &str, reason: Reason, keep_text: f64) -> Result<()> {
        self.tally.dropped += 1;
        if let Some(counts) = self.steps.get_mut(step) {
            *counts.dropped.entry(reason.word.to_owned()).or_default() += 1;
        }
        LedgerRow::dropped(doc, label, reason, sampled(doc.id.0, keep_text)).append_to(&mut self.ledger)
    }

    /// The step `step` could not take a document.
    fn quarantined(
        &mut self,
        doc: &Document,
        step: usize,
        label: &str,
        because: &'static str,
        detail: String,
    ) -> Result<()> {
        *self.tally.quarantined.entry(because.to_owned()).or_default() += 1;
        if let Some(counts) = self.steps.get_mut(step) {
            counts.panicked += 1;
        }
        LedgerRow::quarantined(doc, label, because, detail).append_to(&mut self.ledger)
    }

    /// A record that could not be read is counted where it is read first.
    fn bad(&mut self, bad: &BadRecord, task: &OpenTask<'_>) -> Result<()> {
        if !self.count_bad {
            return Ok(());
        }
        self.tally.read += 1;
        *self.tally.quarantined.entry(bad.reason.to_owned()).or_default() += 1;
        LedgerRow::bad(bad, task.reader_label()).append_to(&mut self.ledger)
    }
}
