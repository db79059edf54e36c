//! Walks one morsel's documents through a chain, while each is warm in cache.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::ledger::{LedgerRow, PANICKED};
use super::open::{OpenTask, Output};
use super::records::MorselRecords;
use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::plan::{Action, Chain, ChainStep, Condition, End, Pass, Plan};
use crate::stage::{Apply, BadRecord, Encode, Mapper, Morsel, Read, Transform};
use crate::stats::{StepTally, Tally};

thread_local! {
    /// Set while a stage runs on a document: its panic is ours to report, not the process's.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics that are caught and quarantined off the terminal; every other panic is printed as before.
pub fn quiet_guarded_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
}

/// Runs `work`; a panic becomes its message.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    GUARDED.set(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".into())
    })
}

/// What one worker needs to walk documents of one chain. Reused from morsel to morsel.
pub struct Walker<'p> {
    plan: &'p Plan,
    pass: &'p Pass,
    chain: &'p Chain,
    transforms: Vec<Option<Box<dyn Transform>>>,
    ends: Ends<'p>,
}

enum Ends<'p> {
    Barrier { mappers: Vec<(Box<dyn Mapper>, Option<&'p Condition>, usize)>, held: Option<Box<dyn Encode>> },
    Write { encoders: Vec<Box<dyn Encode>> },
}

/// What became of one morsel.
pub struct Walked {
    /// Rows left: the morsel's contribution to the next walk.
    pub rows: u32,
    /// Records for each global stage of the barrier.
    pub records: Vec<MorselRecords>,
    /// The documents encoded for the held file, or for each writer.
    pub outputs: Vec<Output>,
    /// JSON lines.
    pub ledger: Vec<u8>,
    /// Counts.
    pub tally: Tally,
}

impl<'p> Walker<'p> {
    /// A walker for the chain `chain` of `pass`.
    pub fn new(plan: &'p Plan, pass: &'p Pass, chain: usize) -> Result<Self> {
        let chain = pass.chains.get(chain).ok_or_else(|| Error::bug("a task names no chain"))?;
        let transforms = chain.steps.iter().map(fresh).collect();
        let ends = match &pass.end {
            End::Barrier { globals, hold } => Ends::Barrier {
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
            End::Write { sinks, .. } => {
                Ends::Write { encoders: sinks.iter().map(|s| s.sink.encoder(&plan.fields)).collect::<Result<_>>()? }
            }
        };
        Ok(Self { plan, pass, chain, transforms, ends })
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
                let step = match read {
                    Read::Bad(bad) => out.bad(&bad, task),
                    Read::Document(doc) => {
                        let result = self.document(*doc, row, task, &mut out, &mut kept);
                        GUARDED.set(true);
                        row += 1;
                        result
                    }
                };
                failed = step.err();
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
        if let Some(fault) = self.transforms.iter_mut().flatten().find_map(|t| t.fault()) {
            return Err(fault);
        }
        let (records, outputs) = self.end(&kept, task.task.first_reading)?;
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

    fn document(
        &mut self,
        mut doc: Document,
        row: u32,
        task: &OpenTask<'_>,
        out: &mut Tallied,
        kept: &mut Vec<Document>,
    ) -> Result<()> {
        out.tally.read += 1;
        out.tally.bytes += doc.text.len() as u64;
        let at = Cell::new(0);
        let mut clock = Instant::now();
        let verdict = guarded(|| {
            for (index, step) in self.chain.steps.iter().enumerate() {
                at.set(index);
                let bytes = doc.text.len() as u64;
                let verdict = match &step.when {
                    Some(holds) if !holds(&doc) => continue,
                    _ => judge(self.transforms.get_mut(index), task.apply(index), row, &mut doc, step),
                };
                if let Some(counts) = out.steps.get_mut(index) {
                    let now = Instant::now();
                    counts.nanos += (now - clock).as_nanos() as u64;
                    clock = now;
                    counts.seen += 1;
                    counts.bytes += bytes;
                    counts.kept += u64::from(verdict.keeps());
                }
                if !verdict.keeps() {
                    return verdict;
                }
            }
            Verdict::Keep
        });
        let index = at.get();
        let Some(step) = self.chain.steps.get(index) else {
            kept.push(doc);
            return Ok(());
        };
        match verdict {
            Ok(Verdict::Keep) => kept.push(doc),
            Ok(Verdict::Drop(reason)) => {
                out.tally.dropped += 1;
                if let Some(counts) = out.steps.get_mut(index) {
                    *counts.dropped.entry(reason.word.to_owned()).or_default() += 1;
                }
                let keep_text = sampled(doc.id.0, self.plan.keep_dropped);
                LedgerRow::dropped(&doc, &step.label, reason, keep_text).append_to(&mut out.ledger)?;
            }
            Err(message) => {
                *out.tally.quarantined.entry(PANICKED.to_owned()).or_default() += 1;
                if let Some(counts) = out.steps.get_mut(index) {
                    counts.seen += 1;
                    counts.panicked += 1;
                }
                LedgerRow::panicked(&doc, &step.label, message).append_to(&mut out.ledger)?;
                // Whatever state the stage was in when it panicked is not trusted with another document.
                if let Some(transform) = self.transforms.get_mut(index) {
                    *transform = fresh(step);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, kept: &[Document], first_reading: bool) -> Result<(Vec<MorselRecords>, Vec<Output>)> {
        match &mut self.ends {
            Ends::Barrier { mappers, held } => {
                let mut all = Vec::new();
                for (mapper, when, record_bytes) in mappers {
                    let mut records = MorselRecords::new(*record_bytes);
                    for (row, doc) in kept.iter().enumerate().filter(|(_, doc)| when.is_none_or(|holds| holds(doc))) {
                        mapper.map(doc, records.at(row as u32));
                    }
                    all.push(records);
                }
                let outputs = match held {
                    Some(held) if !kept.is_empty() => vec![Output::Held(held.encode(kept)?)],
                    _ => Vec::new(),
                };
                debug_assert!(first_reading || !self.pass.tasks.is_empty());
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

fn fresh(step: &ChainStep) -> Option<Box<dyn Transform>> {
    match &step.action {
        Action::Transform(prototype) => Some(prototype.fresh()),
        Action::Apply { .. } => None,
    }
}

fn judge(
    transform: Option<&mut Option<Box<dyn Transform>>>,
    apply: Option<&Arc<dyn Apply>>,
    row: u32,
    doc: &mut Document,
    step: &ChainStep,
) -> Verdict {
    let verdict = match (transform, apply) {
        (Some(Some(transform)), _) => transform.apply(doc),
        (_, Some(apply)) => apply.apply(row, doc),
        _ => Verdict::Keep,
    };
    match step.annotate {
        None => verdict,
        Some(field) => {
            let word = if let Verdict::Drop(reason) = verdict { reason.word } else { "keep" };
            doc.set(field, word.to_owned());
            Verdict::Keep
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
