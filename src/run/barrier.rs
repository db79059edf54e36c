//! The barrier: reduces each partition alone, finishes once, and leaves findings for every split.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::found::{Found, SplitIdentity};
use super::partition::{DroppedRows, Partition};
use super::records::Order;
use super::{Context, Layout, Receipt, found};
use crate::error::{Error, Result};
use crate::io::atomic::{Written, digest, write_whole};
use crate::plan::{End, GlobalStep, Plan};
use crate::stage::{Corpus, Links};

/// Reduces every partition of a global stage, in parallel. For each, whether it was done now.
pub fn reduce_all(plan: &Plan, pass: usize, global: usize, layout: &Layout, cx: &Context<'_>) -> Result<Vec<bool>> {
    let (step, _) = stage(plan, pass, global)?;
    let partitions = step.partitions;
    let todo = (0..partitions)
        .filter(|&p| Receipt::valid(layout, &plan.reduce_id(pass, global, p), &step.fingerprint).is_none())
        .count();
    let mut did = vec![false; partitions as usize];
    if todo == 0 {
        return Ok(did);
    }
    cx.observer.begin(&format!("{} reduce", step.label), partitions as usize, partitions as usize - todo, 0);
    let shared = Reducing::new(plan, pass, global, layout)?;
    let (next, failed) = (AtomicU32::new(0), Mutex::new(None::<Error>));
    let results = Mutex::new(&mut did);
    let workers = cx.workers.clamp(1, todo);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while failed.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= partitions {
                        break;
                    }
                    match cx.check().and_then(|()| shared.reduce(part, workers)) {
                        Ok(done) => {
                            if let Some(slot) =
                                results.lock().unwrap_or_else(PoisonError::into_inner).get_mut(part as usize)
                            {
                                *slot = done;
                            }
                            cx.observer.committed(&plan.reduce_id(pass, global, part));
                        }
                        Err(error) => {
                            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    cx.observer.end();
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(did),
    }
}

/// Reduces one partition. `false` if that is done.
pub fn reduce(plan: &Plan, pass: usize, global: usize, part: u32, layout: &Layout, workers: usize) -> Result<bool> {
    Reducing::new(plan, pass, global, layout)?.reduce(part, workers)
}

fn stage(plan: &Plan, pass: usize, global: usize) -> Result<(&GlobalStep, &[GlobalStep])> {
    let end = plan.passes.get(pass).map(|p| &p.end);
    let Some(End::Barrier { globals, .. }) = end else {
        return Err(Error::bug("a reduce of a pass without a barrier"));
    };
    let step = globals.get(global).ok_or_else(|| Error::bug("a reduce of no global stage"))?;
    Ok((step, globals))
}

struct Reducing<'p> {
    plan: &'p Plan,
    pass: usize,
    global: usize,
    layout: &'p Layout,
    files: Vec<PathBuf>,
    dropped: Arc<DroppedRows>,
    corpus: Arc<Corpus>,
}

impl<'p> Reducing<'p> {
    fn new(plan: &'p Plan, pass: usize, global: usize, layout: &'p Layout) -> Result<Self> {
        let (step, _) = stage(plan, pass, global)?;
        let identities = identities(plan, pass, layout)?;
        let tasks = plan.passes.get(pass).map(|p| p.tasks.as_slice()).unwrap_or_default();
        let files = tasks.iter().map(|t| layout.records(&t.id, global)).collect();
        let mut dropped: DroppedRows = vec![roaring::RoaringBitmap::new(); identities.len()];
        drop_earlier(plan, pass, global, layout, &mut dropped)?;
        if let Some((first, by)) = step.chosen_by {
            drop_earlier(plan, first, by, layout, &mut dropped)?;
        }
        let corpus = Corpus { rows: identities.iter().map(|i| i.rows).collect() };
        Ok(Self { plan, pass, global, layout, files, dropped: Arc::new(dropped), corpus: Arc::new(corpus) })
    }

    fn reduce(&self, part: u32, workers: usize) -> Result<bool> {
        let (step, _) = stage(self.plan, self.pass, self.global)?;
        let id = self.plan.reduce_id(self.pass, self.global, part);
        if Receipt::valid(self.layout, &id, &step.fingerprint).is_some() {
            return Ok(false);
        }
        let memory = self.plan.memory / 4 / workers.max(1) as u64;
        let mut records = Partition::open(
            &self.files,
            part,
            Order::of(&*step.global),
            memory,
            self.dropped.clone(),
            self.corpus.clone(),
        )?;
        let mut links = Vec::new();
        step.global.reduce(part, &mut records, &mut links).map_err(|e| e.with("step", &step.label))?;
        let mut receipt = Receipt::new(&id, &step.fingerprint);
        receipt.outputs = vec![write_whole(&self.layout.links(&id), &links)?];
        receipt.outputs.append(&mut records.outputs);
        receipt.commit(self.layout)?;
        Ok(true)
    }
}

/// Adds the rows that the global stages before the `global`-th of one barrier drop.
fn drop_earlier(plan: &Plan, pass: usize, global: usize, layout: &Layout, dropped: &mut DroppedRows) -> Result<()> {
    let (_, globals) = stage(plan, pass, global)?;
    let identities = identities(plan, pass, layout)?;
    for (earlier, step) in globals.iter().enumerate().take(global) {
        let mut found = Found::open(&layout.found(&plan.finish_id(pass, earlier)), &step.fingerprint)?;
        let shared = found.shared()?;
        for (ordinal, (identity, rows)) in identities.iter().zip(&mut *dropped).enumerate() {
            let drops = step.global.dropped_rows(&shared, &found.split(ordinal as u32, identity)?)?;
            rows.extend(drops.ok_or_else(|| Error::bug(format!("`{}` does not say which rows it drops", step.label)))?);
        }
    }
    Ok(())
}

fn identities(plan: &Plan, pass: usize, layout: &Layout) -> Result<Vec<SplitIdentity>> {
    let tasks = plan.passes.get(pass).map(|p| p.tasks.as_slice()).unwrap_or_default();
    tasks
        .iter()
        .map(|task| {
            let receipt = Receipt::require(layout, &task.id, &task.fingerprint)?;
            Ok(SplitIdentity { task: receipt.fingerprint.clone(), rows: receipt.total_rows() })
        })
        .collect()
}

/// Finishes a global stage. `false` if that is done.
pub fn finish(plan: &Plan, pass: usize, global: usize, layout: &Layout) -> Result<bool> {
    let (step, _) = stage(plan, pass, global)?;
    let id = plan.finish_id(pass, global);
    if Receipt::valid(layout, &id, &step.fingerprint).is_some() {
        return Ok(false);
    }
    let mut paths = Vec::new();
    for part in 0..step.partitions {
        let reduce = plan.reduce_id(pass, global, part);
        Receipt::require(layout, &reduce, &step.fingerprint)?;
        paths.push(layout.links(&reduce));
    }
    let identities = identities(plan, pass, layout)?;
    let corpus = Corpus { rows: identities.iter().map(|i| i.rows).collect() };
    let mut links =
        LinkFiles { paths, memory: plan.memory / 2, scratch: layout.root().to_owned(), outputs: Vec::new() };
    let found = step.global.finish(&mut links, &corpus).map_err(|e| e.with("step", &step.label))?;
    let mut receipt = Receipt::new(&id, &step.fingerprint);
    receipt.notes = found.notes.clone();
    receipt.outputs = vec![found::write(&layout.found(&id), &step.fingerprint, &identities, &found)?];
    for path in step.global.files() {
        let (xxh3, bytes) = digest(&path)?;
        receipt.outputs.push(Written { path, bytes, xxh3 });
    }
    receipt.outputs.append(&mut links.outputs);
    receipt.commit(layout)?;
    Ok(true)
}

struct LinkFiles {
    paths: Vec<PathBuf>,
    memory: u64,
    scratch: PathBuf,
    outputs: Vec<Written>,
}

impl Links for LinkFiles {
    fn partitions(&self) -> u32 {
        self.paths.len() as u32
    }

    fn open(&mut self, part: u32) -> Result<Box<dyn BufRead>> {
        let path = self.paths.get(part as usize).ok_or_else(|| Error::bug(format!("links of partition {part}")))?;
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        Ok(Box::new(BufReader::with_capacity(1 << 18, file)))
    }

    fn memory(&self) -> u64 {
        self.memory
    }

    fn scratch(&self) -> Result<File> {
        tempfile::tempfile_in(&self.scratch).map_err(|e| Error::io("create a temporary file in", &self.scratch, e))
    }

    fn wrote(&mut self, file: Written) {
        self.outputs.push(file);
    }
}
