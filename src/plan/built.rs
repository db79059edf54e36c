//! What the steps of a pipeline become when they are built: the ground of passes and trials.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Condition, SharedBatch, SharedExpand, SharedTransform};
use crate::doc::FieldTable;
use crate::error::{Error, Result};
use crate::pipeline::{Diagnostic, Pipeline};
use crate::stage::{Exchange, Global, Sink, Source, Split};

/// A step with its stage built.
pub(super) struct BuiltStep {
    /// Its name in the pipeline; none for the earlier barriers of a step that needs several.
    pub(super) name: Option<String>,
    pub(super) label: String,
    /// Name, version, settings, condition, mode and resources: what the fingerprint is made of.
    pub(super) print: String,
    pub(super) stage: BuiltStage,
    /// For a reader, its input.
    pub(super) splits: Vec<Split>,
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
    pub(super) reads: Vec<BuiltStep>,
    pub(super) steps: Vec<BuiltStep>,
    pub(super) writes: Vec<BuiltStep>,
}

/// What all steps of a pipeline became.
pub(super) struct Built {
    pub(super) flows: Vec<BuiltFlow>,
    pub(super) table: FieldTable,
    /// Fields that readers must load: part of every reader's fingerprint.
    pub(super) loads: BTreeSet<String>,
    pub(super) notes: Vec<(String, String)>,
    pub(super) refused: Vec<Diagnostic>,
}

/// The place of the flow called `name`.
pub(super) fn flow_index(pipeline: &Pipeline, name: &str) -> Result<usize> {
    pipeline
        .flows
        .iter()
        .position(|f| f.name == name)
        .ok_or_else(|| Error::pipeline(format!("no flow is called `{name}`")))
}
