//! `tamis run` and `tamis task`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::{Failure, LOSSY, Outcome, PipelineArguments, render};
use crate::error::{Error, Kind, Result};
use crate::io::atomic::write_whole;
use crate::plan::{End, Plan};
use crate::run::{self, Barrier, Context, Layout};

/// What `tamis run` takes.
#[derive(clap::Args)]
pub struct RunArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Worker threads; all cores if not given. What is written does not depend on it
    #[arg(long, short = 'j')]
    workers: Option<usize>,
    /// No progress on stderr
    #[arg(long, short)]
    quiet: bool,
    /// Visit tasks in an order made from this seed: for testing that results do not depend on it
    #[arg(long, hide = true)]
    visit: Option<u64>,
}

/// What `tamis task` takes.
#[derive(clap::Args)]
pub struct TaskArguments {
    /// The run folder; `tamis run` or `tamis plan --save` makes it
    run: PathBuf,
    /// The task's id, from `tamis plan --json`
    task: String,
    /// Worker threads
    #[arg(long, short = 'j')]
    workers: Option<usize>,
    /// Let steps run programs and load libraries that the pipeline names (`command`, `onnx`)
    #[arg(long)]
    allow_exec: bool,
}

/// How a run folder remembers what it runs.
#[derive(Serialize, Deserialize)]
pub struct Remembered {
    /// The pipeline's file.
    pub pipeline: PathBuf,
    /// Its variables.
    pub set: Vec<(String, String)>,
    /// The plan's fingerprint.
    pub fingerprint: crate::plan::Fingerprint,
}

impl Remembered {
    /// Writes what `plan` was made from into its run folder.
    pub fn save(arguments: &PipelineArguments, plan: &Plan) -> Result<()> {
        let layout = Layout::create(&plan.run_dir)?;
        let path =
            std::path::absolute(&arguments.pipeline).map_err(|e| Error::io("resolve", &arguments.pipeline, e))?;
        let it = Self { pipeline: path, set: arguments.set.clone(), fingerprint: plan.fingerprint.clone() };
        let json = serde_json::to_vec_pretty(&it).map_err(|e| Error::bug("a plan does not serialize").because(e))?;
        write_whole(&layout.root().join("run.json"), &json).map(drop)
    }

    /// Plans again what the run folder ran.
    pub fn plan(run_dir: &std::path::Path, allow_exec: bool) -> Result<Plan, Failure> {
        let path = run_dir.join("run.json");
        let bytes = std::fs::read(&path).map_err(|e| {
            Error::io("read", &path, e).hint("give the run folder that `tamis run` printed, such as `runs/quickstart`")
        })?;
        let it: Self = serde_json::from_slice(&bytes)
            .map_err(|e| Error::world(format!("`{}` is damaged: {e}", path.display())))?;
        let arguments = PipelineArguments { pipeline: it.pipeline, set: it.set, json: false, allow_exec };
        let (_, mut plan) = arguments.plan()?;
        plan.run_dir = run_dir.to_owned();
        if plan.fingerprint != it.fingerprint {
            let error = Error::new(Kind::Changed, "the pipeline or its inputs have changed since this run was planned");
            return Err(error.hint("`tamis run` the pipeline again").into());
        }
        Ok(plan)
    }
}

fn workers(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

/// A flag that Ctrl-C sets; the second Ctrl-C ends the process at once.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(super::INTERRUPTED));
        }
        eprintln!("stopping after the documents in hand; once more to stop at once");
    };
    // Without a handler Ctrl-C ends the process, which leaves a run that can be resumed all the same.
    let _ = ctrlc::set_handler(handler);
    stop
}

/// Runs a pipeline.
pub fn run(arguments: &RunArguments) -> Outcome {
    let started = std::time::Instant::now();
    let plan = arguments.pipeline.plan_to_run()?;
    let stop = stop_on_interrupt();
    Remembered::save(&arguments.pipeline, &plan)?;
    let progress = Progress::new(arguments.quiet || arguments.pipeline.json);
    let cx =
        Context { workers: workers(arguments.workers), stop: &stop, observer: &progress, shuffle: arguments.visit };
    let outcome = run::run(&plan, &cx)?;
    let seconds = started.elapsed().as_secs_f64();
    if arguments.pipeline.json {
        render::json(&account(&plan, &outcome));
    } else {
        render::out(&report(&plan, &outcome));
        let megabytes = outcome.tally.bytes as f64 / 1e6;
        render::out(&format!(
            " {megabytes:.1} MB of text in {seconds:.1} s ({:.1} MB/s); {} tasks done, {} were done before\n",
            megabytes / seconds,
            outcome.done,
            outcome.found_done
        ));
    }
    lossy(&plan, &outcome)
}

fn lossy(plan: &Plan, outcome: &run::Outcome) -> Outcome {
    if !outcome.lossy {
        return Ok(());
    }
    eprintln!(
        "{} of {} records were quarantined, and `limits.quarantine` allows {}%; the ledger in `{}` names each",
        render::count(outcome.tally.quarantined()),
        render::count(outcome.tally.read),
        plan.quarantine * 100.0,
        plan.run_dir.join("ledger").display()
    );
    Err(Failure::Code(LOSSY))
}

/// The steps in the order in which documents meet them.
pub fn step_order(plan: &Plan) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    for chain in plan.passes.iter().flat_map(|p| &p.chains) {
        for step in &chain.steps {
            if !order.contains(&step.label) {
                order.push(step.label.clone());
            }
        }
    }
    order
}

/// The account of a run for people.
pub fn report(plan: &Plan, outcome: &run::Outcome) -> String {
    let mut text = render::summary(&outcome.tally, &step_order(plan));
    for (label, note) in plan.notes.iter().chain(&outcome.notes) {
        text.push_str(&format!(" {label}: {note}\n"));
    }
    for Barrier { step, spilled, findings_bytes, .. } in &outcome.barriers {
        let (records, bytes) = (render::count(spilled.records), crate::plan::size(spilled.bytes));
        let findings = crate::plan::size(*findings_bytes);
        text.push_str(&format!(" {step}: {records} records, {bytes} spilled, {findings} of findings\n"));
    }
    if outcome.tally.tokens > 0 {
        text.push_str(&format!(" {} tokens\n", render::count(outcome.tally.tokens)));
    }
    for pass in &plan.passes {
        let End::Write { sinks, .. } = &pass.end else { continue };
        for sink in sinks {
            let files: Vec<_> = outcome.outputs.iter().filter(|w| w.path.starts_with(sink.sink.dir())).collect();
            let bytes = files.iter().map(|w| w.bytes).sum();
            text.push_str(&format!(
                " written by {}: {} files, {} in {}\n",
                sink.label,
                files.len(),
                crate::plan::size(bytes),
                sink.sink.dir().display()
            ));
        }
    }
    text.push_str(&format!(" the account of every document: tamis stats {}\n", plan.run_dir.display()));
    text
}

/// The account of a run for programs.
pub fn account(plan: &Plan, outcome: &run::Outcome) -> serde_json::Value {
    serde_json::json!({
        "name": plan.name,
        "run": plan.run_dir,
        "tally": outcome.tally,
        "notes": plan.notes.iter().chain(&outcome.notes).map(|(step, note)| serde_json::json!({ "step": step, "note": note })).collect::<Vec<_>>(),
        "barriers": outcome.barriers,
        "outputs": outcome.outputs,
        "tasks_done": outcome.done,
        "tasks_done_before": outcome.found_done,
        "lossy": outcome.lossy,
    })
}

/// Does one task.
pub fn task(arguments: &TaskArguments) -> Outcome {
    let plan = super::allowed(Remembered::plan(&arguments.run, arguments.allow_exec)?, false)?;
    let stop = stop_on_interrupt();
    let cx = Context { workers: workers(arguments.workers), stop: &stop, observer: &run::Silent, shuffle: None };
    let did = run::task(&plan, &arguments.task, &cx)?;
    eprintln!("{} {}", arguments.task, if did { "done" } else { "was done before" });
    Ok(())
}
