//! Pipeline → plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    Action, Chain, ChainStep, Condition, End, Fingerprint, GlobalStep, Input, Pass, Plan, SharedBatch, SharedExpand,
    SharedTransform, SinkStep, Task,
};
use crate::doc::FieldTable;
use crate::error::{Error, Kind, Result};
use crate::pipeline::{Diagnostic, Diagnostics, Flow, Inputs, Pipeline, Span, Step};
use crate::stage::{Build, Exchange, Global, Requests, Scope, Shared, Sink, Source, Split, Stage};

/// Compiles `pipeline`. Lists inputs and reads resource files; every mistake is found, each with its place in the file.
pub fn compile(pipeline: &Pipeline) -> Result<Plan, Diagnostics> {
    let mut builder = Builder::new(pipeline);
    for index in 0..pipeline.flows.len() {
        builder.flow(index);
    }
    builder.outputs();
    if !builder.found.is_empty() {
        return Err(Diagnostics(builder.found));
    }
    let built = Built {
        flows: builder.flows.into_values().map(|f| f.0).collect(),
        table: builder.table,
        loads: builder.loads,
        notes: builder.notes,
        refused: builder.refused,
    };
    passes(pipeline, built).map_err(|error| {
        let mut diagnostic = Diagnostic::of(&pipeline.files, Span::default(), &error);
        diagnostic.line = 0;
        Diagnostics(vec![diagnostic])
    })
}

fn passes(pipeline: &Pipeline, built: Built) -> Result<Plan> {
    let mut passes = Passes { built: &built, passes: Vec::new() };
    for (index, flow) in pipeline.flows.iter().enumerate() {
        if !flow.writes.is_empty() {
            let streams = passes.streams(pipeline, index)?;
            passes.write(flow, index, streams)?;
        } else if !pipeline.is_taken(&flow.name) {
            passes.streams(pipeline, index)?;
            passes.end()?;
        }
    }
    let passes = passes.passes;
    let prints: Vec<&str> = passes.iter().flat_map(|p| p.tasks.iter().map(|t| t.fingerprint.0.as_str())).collect();
    Ok(Plan {
        name: pipeline.name.clone(),
        run_dir: pipeline.run_dir.clone().unwrap_or_else(|| PathBuf::from("runs").join(&pipeline.name)),
        fingerprint: Fingerprint::of(prints),
        fields: Arc::new(built.table),
        notes: built.notes,
        passes,
        memory: pipeline.limits.memory,
        quarantine: pipeline.limits.quarantine,
        keep_dropped: pipeline.keep.dropped_sample(),
        refused: Diagnostics(built.refused),
    })
}

/// A step with its stage built.
pub(super) struct BuiltStep {
    /// Its name in the pipeline; none for the earlier barriers of a step that needs several.
    pub(super) name: Option<String>,
    label: String,
    /// Name, version, settings, condition, mode and resources: what the fingerprint is made of.
    print: String,
    pub(super) stage: BuiltStage,
    /// For a reader, its input.
    splits: Vec<Split>,
    pub(super) when: Option<Condition>,
    pub(super) annotate: Option<crate::doc::Field<String>>,
}

pub(super) enum BuiltStage {
    Source(Arc<dyn Source>),
    Transform(Arc<SharedTransform>),
    Expand(Arc<SharedExpand>),
    Batch(Arc<SharedBatch>),
    Global(Arc<dyn Global>),
    Exchange(Arc<dyn Exchange>),
    Sink(Arc<dyn Sink>),
}

pub(super) struct BuiltFlow {
    reads: Vec<BuiltStep>,
    pub(super) steps: Vec<BuiltStep>,
    writes: Vec<BuiltStep>,
}

struct Built {
    flows: Vec<BuiltFlow>,
    table: FieldTable,
    /// Fields that readers must load: part of every reader's fingerprint.
    loads: BTreeSet<String>,
    notes: Vec<(String, String)>,
    refused: Vec<Diagnostic>,
}

/// Builds every stage, flow by flow, upstream first, so that fields are known where they are read.
pub(super) struct Builder<'p> {
    pipeline: &'p Pipeline,
    pub(super) table: FieldTable,
    loads: BTreeSet<String>,
    pub(super) flows: BTreeMap<usize, (BuiltFlow, Scope)>,
    many_flows: bool,
    list_inputs: bool,
    /// What steps tell the user, with their labels.
    notes: Vec<(String, String)>,
    /// What steps share.
    shared: Shared,
    pub(super) found: Vec<Diagnostic>,
    /// Steps that run programs or load libraries without leave.
    pub(super) refused: Vec<Diagnostic>,
}

impl<'p> Builder<'p> {
    /// Two writers in one folder would mix their files, or overwrite each other's.
    fn outputs(&mut self) {
        let mut taken: BTreeSet<PathBuf> = BTreeSet::new();
        for (index, (flow, _)) in &self.flows {
            let Some(declared) = self.pipeline.flows.get(*index) else { continue };
            let declared = declared.steps.iter().chain(&declared.writes);
            for (step, declared) in flow.steps.iter().chain(&flow.writes).zip(declared) {
                let dir = match &step.stage {
                    BuiltStage::Sink(sink) => Some(sink.dir().to_owned()),
                    BuiltStage::Global(global) => {
                        global.files().first().and_then(|file| file.parent()).map(Path::to_owned)
                    }
                    _ => None,
                };
                let Some(dir) = dir else { continue };
                if !taken.insert(dir.clone()) {
                    let message = format!("another writer already writes to `{}`", dir.display());
                    let diagnostic = Diagnostic::new(&self.pipeline.files, declared.span, message);
                    self.found.push(diagnostic.hint("give each writer a `dir` of its own"));
                }
            }
        }
    }

    fn new(pipeline: &'p Pipeline) -> Self {
        Self {
            pipeline,
            table: FieldTable::default(),
            loads: BTreeSet::new(),
            flows: BTreeMap::new(),
            many_flows: pipeline.flows.len() > 1,
            list_inputs: true,
            notes: Vec::new(),
            shared: Shared::default(),
            found: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// A builder that does not look whether the inputs are there.
    pub(super) fn without_inputs(pipeline: &'p Pipeline) -> Self {
        Self { list_inputs: false, ..Self::new(pipeline) }
    }

    pub(super) fn flow(&mut self, index: usize) -> Scope {
        if let Some((_, scope)) = self.flows.get(&index) {
            return scope.clone();
        }
        let Some(flow) = self.pipeline.flows.get(index) else { return Scope::default() };
        let mut scope = Scope::default();
        let mut reads = Vec::new();
        match &flow.inputs {
            Inputs::Read(steps) => steps.iter().for_each(|s| reads.extend(self.step(flow, &s.source, s, &mut scope))),
            Inputs::From(names) => {
                for (name, _) in names {
                    if let Ok(upstream) = flow_index(self.pipeline, name) {
                        let upstream = self.flow(upstream);
                        scope.written.extend(upstream.written);
                        scope.open |= upstream.open;
                        scope.vocabularies.extend(upstream.vocabularies);
                        scope.broken |= upstream.broken;
                    }
                }
            }
        }
        let (mut steps, mut writes) = (Vec::new(), Vec::new());
        flow.steps.iter().for_each(|s| steps.extend(self.step(flow, &flow.name, s, &mut scope)));
        flow.writes.iter().for_each(|s| writes.extend(self.step(flow, &flow.name, s, &mut scope)));
        self.flows.insert(index, (BuiltFlow { reads, steps, writes }, scope.clone()));
        scope
    }

    /// Builds a step; a mistake is recorded, and the next step is built all the same.
    fn step(&mut self, flow: &Flow, source: &str, step: &Step, scope: &mut Scope) -> Vec<BuiltStep> {
        self.try_step(flow, source, step, scope).unwrap_or_else(|error| {
            if error.kind != Kind::Follows {
                self.found.push(Diagnostic::of(&self.pipeline.files, step.span, &error));
            }
            scope.broken = true;
            Vec::new()
        })
    }

    fn try_step(&mut self, flow: &Flow, source: &str, step: &Step, scope: &mut Scope) -> Result<Vec<BuiltStep>> {
        let label = if self.many_flows { format!("{}.{}", flow.name, step.label) } else { step.label.clone() };
        let mut cx = Build::new(&step.label, source, &mut self.table, scope).sharing(&self.shared);
        cx.annotate = step.annotate;
        cx.allow_exec = self.pipeline.allow_exec;
        cx.memory = self.pipeline.limits.memory / 4;
        let when: Option<Condition> = match &step.when {
            None => None,
            Some(expr) => {
                let condition = expr.resolve(&mut cx)?;
                Some(Arc::new(move |doc| condition.holds(doc)))
            }
        };
        let stage = (step.entry.build)(step.settings.clone(), &mut cx)?;
        let annotate =
            if step.annotate { Some(cx.writes::<String>(&format!("{}.verdict", step.label))?) } else { None };
        let Requests { resources, loads, notes, executes } = cx.into_requests();
        self.refuse(step, &executes);
        self.loads.extend(loads);
        self.notes.extend(notes.into_iter().map(|note| (label.clone(), note)));
        let print = format!(
            "{}@{} {} {} when={} annotate={} source={source} resources={:?}",
            step.entry.about.name,
            step.entry.about.version,
            label,
            step.settings,
            step.when.as_ref().map(ToString::to_string).unwrap_or_default(),
            step.annotate,
            resources.iter().map(|r| r.digest).collect::<Vec<_>>(),
        );
        let (name, mut splits) = (Some(step.label.clone()), Vec::new());
        let stage = match stage {
            Stage::Source(s) => {
                if self.list_inputs {
                    splits = s.splits()?;
                }
                BuiltStage::Source(s)
            }
            Stage::Transform(t) => BuiltStage::Transform(Arc::new(SharedTransform::new(t))),
            Stage::Expand(_) if step.annotate => {
                return Err(Error::pipeline(format!("`{label}` makes documents, and judges none to annotate"))
                    .hint("take `mode: annotate` away"));
            }
            Stage::Expand(e) => BuiltStage::Expand(Arc::new(SharedExpand::new(e))),
            Stage::Batch(b) => BuiltStage::Batch(Arc::new(SharedBatch::new(b))),
            Stage::Global(g) => BuiltStage::Global(g),
            Stage::Exchange { .. } if when.is_some() || annotate.is_some() => {
                return Err(Error::pipeline(format!(
                    "`{label}` moves every document: it takes no `when` and no `mode`"
                )));
            }
            Stage::Exchange { look, exchange } => {
                let named = |name, label: &str, stage| BuiltStep {
                    name,
                    label: label.to_owned(),
                    print: print.clone(),
                    stage,
                    splits: Vec::new(),
                    when: None,
                    annotate: None,
                };
                let look = look.map(|look| named(None, &format!("{label} (look)"), BuiltStage::Global(look)));
                let exchange = named(name, &label, BuiltStage::Exchange(exchange));
                return Ok(look.into_iter().chain([exchange]).collect());
            }
            // One step for each barrier; the last of them is the one that judges.
            Stage::Chain(all) => {
                let last = all.len().saturating_sub(1);
                let look = |(index, global)| BuiltStep {
                    name: name.clone().filter(|_| index == last),
                    label: if index == last { label.clone() } else { format!("{label} (look {})", index + 1) },
                    print: format!("{print} look={index}"),
                    stage: BuiltStage::Global(global),
                    splits: Vec::new(),
                    when: when.clone(),
                    annotate: annotate.filter(|_| index == last),
                };
                return Ok(all.into_iter().enumerate().map(look).collect());
            }
            Stage::Sink(s) => BuiltStage::Sink(s),
        };
        Ok(vec![BuiltStep { name, label, print, stage, splits, when, annotate }])
    }

    /// A pipeline executes nothing unless whoever runs it says so.
    fn refuse(&mut self, step: &Step, executes: &[String]) {
        for what in executes.iter().filter(|_| !self.pipeline.allow_exec) {
            let diagnostic = Diagnostic::new(
                &self.pipeline.files,
                step.span,
                format!("`{}` {what}, which was not allowed", step.label),
            );
            self.refused.push(diagnostic.hint("read what it does, and give `--allow-exec` if you trust it"));
        }
    }
}

fn flow_index(pipeline: &Pipeline, name: &str) -> Result<usize> {
    pipeline
        .flows
        .iter()
        .position(|f| f.name == name)
        .ok_or_else(|| Error::pipeline(format!("no flow is called `{name}`")))
}

/// Documents on their way: inputs that share a chain of pending steps.
#[derive(Clone)]
struct Stream {
    inputs: Vec<StreamInput>,
    /// (flow, step) of each pending step, or the findings to apply.
    pending: Vec<Pending>,
    /// The fingerprint of the barrier it came through.
    after: Option<Fingerprint>,
}

#[derive(Clone)]
struct StreamInput {
    from: From,
    print: Fingerprint,
    upstream: Option<(usize, u32)>,
    first_reading: bool,
    /// Bytes on disk that it was read from, about.
    bytes: u64,
}

#[derive(Clone)]
enum From {
    Split { flow: usize, read: usize, split: Split },
    Held { pass: usize, ordinal: u32 },
    Moved { pass: usize, cell: u32 },
}

#[derive(Clone)]
enum Pending {
    Step { flow: usize, step: usize },
    Apply { pass: usize, global: usize, flow: usize, step: usize },
}

struct Passes<'b> {
    built: &'b Built,
    passes: Vec<Pass>,
}

impl Passes<'_> {
    fn built_flow(&self, flow: usize) -> Result<&BuiltFlow> {
        self.built.flows.get(flow).ok_or_else(|| Error::bug("a flow was not built"))
    }

    fn built_step(&self, flow: usize, step: usize) -> Result<&BuiltStep> {
        self.built_flow(flow)?.steps.get(step).ok_or_else(|| Error::bug("a step was not built"))
    }

    /// The streams at the end of a flow's steps; closes passes at its global steps.
    fn streams(&mut self, pipeline: &Pipeline, flow: usize) -> Result<Vec<Stream>> {
        let declared = pipeline.flows.get(flow).ok_or_else(|| Error::bug("a flow index is out of range"))?;
        let mut streams = match &declared.inputs {
            Inputs::Read(_) => self.read(flow)?,
            Inputs::From(names) => {
                let mut streams = Vec::new();
                for (name, _) in names {
                    streams.extend(self.streams(pipeline, flow_index(pipeline, name)?)?);
                }
                streams
            }
        };
        let count = self.built_flow(flow)?.steps.len();
        let mut step = 0;
        while step < count {
            match &self.built_step(flow, step)?.stage {
                BuiltStage::Transform(_) | BuiltStage::Expand(_) | BuiltStage::Batch(_) => {
                    streams.iter_mut().for_each(|s| s.pending.push(Pending::Step { flow, step }));
                    step += 1;
                }
                BuiltStage::Global(_) => {
                    let fused = self.fusable(flow, step)?;
                    streams = vec![self.barrier(flow, step..step + fused, streams)?];
                    step += fused;
                }
                BuiltStage::Exchange(_) => {
                    streams = vec![self.exchange(flow, step, streams)?];
                    step += 1;
                }
                _ => return Err(Error::bug("a reader or writer stands among the steps")),
            }
        }
        Ok(streams)
    }

    fn read(&self, flow: usize) -> Result<Vec<Stream>> {
        let mut streams = Vec::new();
        for (read, step) in self.built_flow(flow)?.reads.iter().enumerate() {
            let loads = format!("{:?}", self.built.loads);
            let inputs = step.splits.iter().cloned().map(|split| {
                let identity = serde_json::to_string(&split).unwrap_or_default();
                let print = Fingerprint::of([step.print.as_str(), &loads, &identity]);
                let bytes = split.bytes();
                StreamInput {
                    from: From::Split { flow, read, split },
                    print,
                    upstream: None,
                    first_reading: true,
                    bytes,
                }
            });
            streams.push(Stream { inputs: inputs.collect(), pending: Vec::new(), after: None });
        }
        Ok(streams)
    }

    /// How many global steps from `step` on share one walk.
    fn fusable(&self, flow: usize, step: usize) -> Result<usize> {
        let mut fused = 1;
        loop {
            let BuiltStage::Global(last) = &self.built_step(flow, step + fused - 1)?.stage else { break };
            let next = self.built_flow(flow)?.steps.get(step + fused);
            let Some(BuiltStep { stage: BuiltStage::Global(next), when: None, .. }) = next else { break };
            let last_step = self.built_step(flow, step + fused - 1)?;
            let alone = last.second().is_some() || last_step.annotate.is_some() || next.gathers();
            if !last.drops_by_row() || !last.keeps_text() || alone {
                break;
            }
            fused += 1;
        }
        Ok(fused)
    }

    /// Closes a pass with the global steps `steps` of `flow`.
    fn barrier(&mut self, flow: usize, steps: std::ops::Range<usize>, streams: Vec<Stream>) -> Result<Stream> {
        // A walk that changed nothing leaves nothing worth holding: reading again costs no more than reading held files.
        let hold = streams.iter().any(|s| !s.pending.is_empty());
        let originals: Vec<StreamInput> = streams.iter().flat_map(|s| s.inputs.clone()).collect();
        let (mut tasks, chains) = self.walks(streams)?;
        // What a walk maps depends on the stages it maps for.
        for step in steps.clone() {
            let print = &self.built_step(flow, step)?.print;
            tasks.iter_mut().for_each(|t| t.fingerprint = Fingerprint::of([t.fingerprint.0.as_str(), print]));
        }
        let mut sofar: Vec<String> = tasks.iter().map(|t| t.fingerprint.0.clone()).collect();
        let mut globals = Vec::new();
        for step in steps.clone() {
            let built = self.built_step(flow, step)?;
            let BuiltStage::Global(global) = &built.stage else {
                return Err(Error::bug("a barrier of no global stage"));
            };
            sofar.push(built.print.clone());
            globals.push(GlobalStep {
                label: built.label.clone(),
                global: global.clone(),
                when: built.when.clone(),
                partitions: global.partitions().max(1),
                chosen_by: None,
                fingerprint: Fingerprint::of(sofar.iter().map(String::as_str)),
            });
        }
        let after = globals.last().map(|g| g.fingerprint.clone());
        let pass = self.passes.len();
        let inputs = tasks
            .iter()
            .zip(originals)
            .map(|(task, original)| {
                let upstream = Some((pass, task.ordinal));
                if hold {
                    let from = From::Held { pass, ordinal: task.ordinal };
                    StreamInput { from, print: task.fingerprint.clone(), upstream, first_reading: false, ..original }
                } else {
                    StreamInput { upstream, first_reading: false, ..original }
                }
            })
            .collect();
        let pending = steps.enumerate().map(|(global, step)| Pending::Apply { pass, global, flow, step }).collect();
        let second = globals.last().and_then(|step| Some((step.global.second()?, step.label.clone())));
        self.passes.push(Pass {
            id: format!("p{pass}"),
            tasks,
            chains,
            end: End::Barrier { globals, hold, last: false },
        });
        let stream = Stream { inputs, pending, after };
        match second {
            Some((second, label)) => self.second_look(second, label, stream),
            None => Ok(stream),
        }
    }

    /// Walks the documents of the last pass once more, for the stage that looks twice at those its first look chose.
    /// Nothing is dropped, changed or held, so that rows and findings of the last pass stay good.
    fn second_look(&mut self, second: Arc<dyn Global>, label: String, mut stream: Stream) -> Result<Stream> {
        let Some(Pending::Apply { pass: first, global: by, flow, step }) = stream.pending.pop() else {
            return Err(Error::bug("a second look without a first"));
        };
        let pass = self.passes.len();
        let after = stream.after.iter().map(|f| f.0.clone());
        let again = Stream { pending: Vec::new(), ..stream.clone() };
        let (tasks, chains) = self.walks(vec![again])?;
        let prints = after.chain(tasks.iter().map(|t| t.fingerprint.0.clone())).collect::<Vec<_>>();
        let globals = vec![GlobalStep {
            label,
            partitions: second.partitions().max(1),
            global: second,
            when: None,
            chosen_by: Some((first, by)),
            fingerprint: Fingerprint::of(prints.iter().map(String::as_str)),
        }];
        stream.after = globals.last().map(|g| g.fingerprint.clone());
        stream.pending.push(Pending::Apply { pass, global: 0, flow, step });
        for (input, task) in stream.inputs.iter_mut().zip(&tasks) {
            input.upstream = Some((pass, task.ordinal));
        }
        self.passes.push(Pass {
            id: format!("p{pass}"),
            tasks,
            chains,
            end: End::Barrier { globals, hold: false, last: false },
        });
        Ok(stream)
    }

    /// Ends a flow without writers at its last barrier: nothing is held, for nobody comes to read it.
    fn end(&mut self) -> Result<()> {
        match self.passes.last_mut().map(|pass| &mut pass.end) {
            Some(End::Barrier { hold, last, .. }) => {
                (*hold, *last) = (false, true);
                Ok(())
            }
            _ => Err(Error::bug("a flow goes nowhere")),
        }
    }

    /// Closes a pass whose documents go to other splits: the inputs of the next.
    fn exchange(&mut self, flow: usize, step: usize, streams: Vec<Stream>) -> Result<Stream> {
        let bytes = streams.iter().flat_map(|s| &s.inputs).map(|input| input.bytes).sum();
        let built = self.built_step(flow, step)?;
        let BuiltStage::Exchange(exchange) = &built.stage else { return Err(Error::bug("an exchange of no exchange")) };
        let (exchange, label, print) = (exchange.clone(), built.label.clone(), built.print.clone());
        let splits = exchange.splits(bytes).max(1);
        let (mut tasks, chains) = self.walks(streams)?;
        for task in &mut tasks {
            task.fingerprint = Fingerprint::of([task.fingerprint.0.as_str(), &print, &splits.to_string()]);
        }
        let all = Fingerprint::of(tasks.iter().map(|t| t.fingerprint.0.as_str()));
        let pass = self.passes.len();
        let input = |cell: u32| StreamInput {
            from: From::Moved { pass, cell },
            print: Fingerprint::of([all.0.as_str(), &cell.to_string()]),
            upstream: None,
            first_reading: false,
            bytes: bytes / u64::from(splits),
        };
        let end = End::Exchange { exchange, label, splits };
        self.passes.push(Pass { id: format!("p{pass}"), tasks, chains, end });
        Ok(Stream { inputs: (0..splits).map(input).collect(), pending: Vec::new(), after: None })
    }

    /// Closes the last pass of a flow with its writers.
    fn write(&mut self, declared: &Flow, flow: usize, streams: Vec<Stream>) -> Result<()> {
        let built = self.built;
        let writes = &built.flows.get(flow).ok_or_else(|| Error::bug("a flow was not built"))?.writes;
        let writers: Vec<&str> = writes.iter().map(|w| w.print.as_str()).collect();
        let (mut tasks, chains) = self.walks(streams)?;
        for task in &mut tasks {
            let parts = std::iter::once(task.fingerprint.0.as_str()).chain(writers.iter().copied());
            task.fingerprint = Fingerprint::of(parts);
        }
        let mut sinks = Vec::new();
        for step in writes {
            let BuiltStage::Sink(sink) = &step.stage else {
                return Err(Error::bug("a step under `write` is no writer"));
            };
            let parts = tasks.iter().map(|t| t.fingerprint.0.as_str()).chain([step.print.as_str()]);
            sinks.push(SinkStep { label: step.label.clone(), sink: sink.clone(), fingerprint: Fingerprint::of(parts) });
        }
        let id = format!("p{}", self.passes.len());
        self.passes.push(Pass { id, tasks, chains, end: End::Write { flow: declared.name.clone(), sinks } });
        Ok(())
    }

    fn walks(&self, streams: Vec<Stream>) -> Result<(Vec<Task>, Vec<Chain>)> {
        let pass = self.passes.len();
        let (mut tasks, mut chains) = (Vec::new(), Vec::new());
        for stream in streams {
            let mut print: Vec<String> = stream.after.iter().map(|f| f.0.clone()).collect();
            let mut steps = Vec::new();
            for pending in &stream.pending {
                let (flow, step, action) = match *pending {
                    Pending::Step { flow, step } => (flow, step, None),
                    Pending::Apply { pass, global, flow, step } => (flow, step, Some(Action::Apply { pass, global })),
                };
                let built = self.built_step(flow, step)?;
                let action = match (action, &built.stage) {
                    (Some(apply), _) => apply,
                    (None, BuiltStage::Transform(t)) => Action::Transform(t.clone()),
                    (None, BuiltStage::Expand(e)) => Action::Expand(e.clone()),
                    (None, BuiltStage::Batch(b)) => Action::Batch(b.clone()),
                    _ => return Err(Error::bug("a pending step is not per document")),
                };
                print.push(built.print.clone());
                steps.push(ChainStep {
                    label: built.label.clone(),
                    action,
                    when: built.when.clone(),
                    annotate: built.annotate,
                });
            }
            for input in stream.inputs {
                let ordinal = tasks.len() as u32;
                let parts = std::iter::once(input.print.0.as_str()).chain(print.iter().map(String::as_str));
                let fingerprint = Fingerprint::of(parts);
                let input_now = match input.from {
                    From::Held { pass, ordinal } => Input::Held { pass, ordinal },
                    From::Moved { pass, cell } => Input::Moved { pass, cell },
                    From::Split { flow, read, split } => {
                        let step = self.built_flow(flow)?.reads.get(read);
                        let Some(BuiltStep { stage: BuiltStage::Source(source), label, .. }) = step else {
                            return Err(Error::bug("a stream of no reader"));
                        };
                        Input::Split { source: source.clone(), label: label.clone(), split }
                    }
                };
                tasks.push(Task {
                    id: format!("p{pass}-{ordinal:05}"),
                    ordinal,
                    chain: chains.len(),
                    input: input_now,
                    upstream: input.upstream,
                    first_reading: input.first_reading,
                    fingerprint,
                });
            }
            chains.push(Chain { steps });
        }
        Ok((tasks, chains))
    }
}
