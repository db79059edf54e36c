//! Steps that are built → passes: what lies between two barriers is one walk over the documents.

use std::path::PathBuf;
use std::sync::Arc;

use super::built::{Built, BuiltFlow, BuiltStage, BuiltStep, flow_index};
use super::{Action, Chain, ChainStep, End, Fingerprint, GlobalStep, Input, Pass, Plan, SinkStep, Task};
use crate::error::{Error, Result};
use crate::pipeline::{Diagnostics, Flow, Inputs, Pipeline};
use crate::stage::{Global, Split};

/// The plan of what was built.
pub(super) fn passes(pipeline: &Pipeline, built: Built) -> Result<Plan> {
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
