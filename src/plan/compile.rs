//! Pipeline → plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::built::{Built, BuiltFlow, BuiltStage, BuiltStep, flow_index};
use super::passes::passes;
use super::{Condition, Plan, SharedBatch, SharedExpand, SharedTransform};
use crate::doc::FieldTable;
use crate::error::{Error, Kind, Result};
use crate::pipeline::{Diagnostic, Diagnostics, Flow, Inputs, Pipeline, Span, Step};
use crate::stage::{Build, Requests, Scope, Shared, Stage};

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
