//! A plan as people and programs read it.

use std::fmt;

use serde::Serialize;

use super::{Action, BarrierEstimate, End, Estimate, Input, Pass, Plan};

/// A plan as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanView {
    /// The pipeline's name.
    pub name: String,
    /// The run folder.
    pub run_dir: String,
    /// Names the plan.
    pub fingerprint: String,
    /// Bytes of input on disk.
    pub input_bytes: u64,
    /// Fields and their types.
    pub fields: Vec<(String, String)>,
    /// What steps tell the user, with their labels.
    pub notes: Vec<(String, String)>,
    /// Passes in order.
    pub passes: Vec<PassView>,
    /// What global stages will take, if that was estimated.
    pub estimate: Option<Estimate>,
    /// Bytes of memory that the run may use.
    pub memory_bytes: u64,
}

/// A pass as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassView {
    /// `p0` …
    pub id: String,
    /// Bytes of input read from disk; 0 when it reads held documents.
    pub reads_bytes: u64,
    /// Whether its documents are held for the next pass.
    pub holds: bool,
    /// What moves its documents to how many other splits.
    pub moves: Option<(String, u32)>,
    /// The distinct chains of steps, with the number of tasks that walk each.
    pub chains: Vec<(Vec<String>, usize)>,
    /// Global stages after the walk, with their partitions.
    pub globals: Vec<(String, u32)>,
    /// Folders written after the walk.
    pub writes: Vec<(String, String)>,
    /// All tasks of the pass, in order.
    pub tasks: Vec<TaskView>,
}

/// A task as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskView {
    /// Its id, for `tamis task`.
    pub id: String,
    /// What it reads or does.
    pub what: String,
    /// Whether its receipt says it is done.
    pub done: bool,
}

impl PlanView {
    /// The view of `plan`; `done` says which tasks are done.
    pub fn new(plan: &Plan, done: &dyn Fn(&str) -> bool) -> Self {
        let passes: Vec<PassView> = (0..plan.passes.len()).map(|index| pass_view(plan, index, done)).collect();
        Self {
            name: plan.name.clone(),
            run_dir: plan.run_dir.display().to_string(),
            fingerprint: plan.fingerprint.to_string(),
            input_bytes: plan
                .passes
                .iter()
                .flat_map(|p| &p.tasks)
                .filter(|t| t.first_reading)
                .map(|t| reads(&t.input))
                .sum(),
            fields: plan.fields.public().map(|(_, name, kind)| (name.to_owned(), kind.name().to_owned())).collect(),
            notes: plan.notes.clone(),
            passes,
            estimate: None,
            memory_bytes: plan.memory,
        }
    }
}

fn reads(input: &Input) -> u64 {
    match input {
        Input::Split { split, .. } => split.bytes(),
        Input::Held { .. } | Input::Moved { .. } => 0,
    }
}

fn pass_view(plan: &Plan, index: usize, done: &dyn Fn(&str) -> bool) -> PassView {
    let empty = Pass {
        id: String::new(),
        tasks: Vec::new(),
        chains: Vec::new(),
        end: End::Write { flow: String::new(), sinks: Vec::new() },
    };
    let pass = plan.passes.get(index).unwrap_or(&empty);
    let task = |id: String, what: String| TaskView { done: done(&id), id, what };
    let mut tasks: Vec<TaskView> = pass.tasks.iter().map(|t| task(t.id.clone(), describe(plan, &t.input))).collect();
    let (mut globals, mut writes, mut holds, mut moves) = (Vec::new(), Vec::new(), false, None);
    match &pass.end {
        End::Barrier { globals: steps, hold, .. } => {
            holds = *hold;
            for (global, step) in steps.iter().enumerate() {
                let again = if step.chosen_by.is_some() { " (second look)" } else { "" };
                globals.push((format!("{}{again}", step.label), step.partitions));
                for part in 0..step.partitions {
                    tasks.push(task(plan.reduce_id(index, global, part), format!("reduce {} {part}", step.label)));
                }
                tasks.push(task(plan.finish_id(index, global), format!("finish {}", step.label)));
            }
        }
        End::Exchange { label, splits, .. } => moves = Some((label.clone(), *splits)),
        End::Write { sinks, .. } => {
            for (sink, step) in sinks.iter().enumerate() {
                writes.push((step.label.clone(), step.sink.dir().display().to_string()));
                tasks.push(task(plan.assemble_id(index, sink), format!("assemble {}", step.label)));
            }
        }
    }
    let chains = pass.chains.iter().enumerate().map(|(number, chain)| {
        let labels = chain.steps.iter().map(|s| match s.action {
            Action::Transform(_) | Action::Expand(_) | Action::Batch(_) => s.label.clone(),
            Action::Apply { .. } => format!("apply {}", s.label),
        });
        (labels.collect(), pass.tasks.iter().filter(|t| t.chain == number).count())
    });
    PassView {
        id: pass.id.clone(),
        reads_bytes: pass.tasks.iter().map(|t| reads(&t.input)).sum(),
        holds,
        moves,
        chains: chains.collect(),
        globals,
        writes,
        tasks,
    }
}

fn describe(plan: &Plan, input: &Input) -> String {
    match input {
        Input::Held { pass, ordinal } => {
            let task = plan.passes.get(*pass).and_then(|p| p.tasks.get(*ordinal as usize));
            format!("held {}", task.map_or("", |t| &t.id))
        }
        Input::Moved { cell, .. } => format!("moved to split {cell}"),
        Input::Split { label, split, .. } => {
            let mut what = format!("{label}: ");
            for (n, file) in split.files.iter().enumerate().take(3) {
                what.push_str(if n > 0 { ", " } else { "" });
                what.push_str(&file.path.display().to_string());
                if let Some(range) = &file.range {
                    what.push_str(&format!(" [{}..{}]", range.start, range.end));
                }
            }
            if split.files.len() > 3 {
                what.push_str(&format!(" and {} more", split.files.len() - 3));
            }
            what
        }
    }
}

impl fmt::Display for BarrierEstimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "about {} records", self.records)?;
        if let Some(most) = self.records_at_most {
            write!(f, " (at most {most})")?;
        }
        let (spilled, findings) = (size(self.spilled_bytes), size(self.findings_bytes));
        write!(f, ", {spilled} spilled, {findings} of findings, {} of memory", size(self.memory_bytes))
    }
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS.get(unit).unwrap_or(&"")) }
}

impl fmt::Display for PlanView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan of `{}`: {} of input, run folder {}", self.name, size(self.input_bytes), self.run_dir)?;
        for (label, note) in &self.notes {
            writeln!(f, "{label}: {note}")?;
        }
        if let Some(Estimate { sampled_bytes, documents, .. }) = &self.estimate {
            let sample = size(*sampled_bytes);
            writeln!(f, "about {documents} documents; what global stages take is estimated from a sample of {sample}")?;
        }
        for pass in &self.passes {
            let walks = pass.chains.iter().map(|c| c.1).sum::<usize>();
            let done = pass.tasks.iter().filter(|t| t.done).count();
            write!(f, "\n{}: {walks} walks", pass.id)?;
            match pass.reads_bytes {
                0 => write!(f, " over held documents")?,
                bytes => write!(f, ", {} read", size(bytes))?,
            }
            writeln!(f, ", {done} of {} tasks done", pass.tasks.len())?;
            for (steps, tasks) in &pass.chains {
                let steps = if steps.is_empty() { "(as read)".to_owned() } else { steps.join(" → ") };
                writeln!(f, "    {tasks} × {steps}")?;
            }
            for (global, (label, partitions)) in pass.globals.iter().enumerate() {
                writeln!(f, "    barrier {label}, {partitions} partitions")?;
                let barriers = self.estimate.iter().flat_map(|e| &e.barriers);
                for barrier in barriers.filter(|b| b.pass == pass.id && b.global == global) {
                    writeln!(f, "        {barrier}")?;
                }
            }
            let kept = self.estimate.iter().flat_map(|e| &e.kept_between);
            let kept =
                kept.filter(|k| k.0 == pass.id).map(|k| format!(", about {}", size(k.1))).next().unwrap_or_default();
            if !pass.globals.is_empty() {
                let held = match (pass.holds, pass.reads_bytes) {
                    (true, _) => format!("documents are held as Parquet{kept}"),
                    (false, 0) => "nothing is held: the held documents are read again".to_owned(),
                    (false, _) => "nothing is held: the input is read again".to_owned(),
                };
                writeln!(f, "    {held}")?;
            }
            if let Some((label, splits)) = &pass.moves {
                writeln!(f, "    {label} moves documents to {splits} splits{kept}")?;
            }
            for (label, dir) in &pass.writes {
                writeln!(f, "    write {label} to {dir}")?;
            }
        }
        Ok(())
    }
}
