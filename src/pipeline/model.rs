//! The typed pipeline: what the plan is made from.

use std::path::PathBuf;

use super::diagnose::Files;
use crate::stage::Entry;
use crate::stage::expr::Expr;

/// Where something stands: byte offsets into one of [`Pipeline::files`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Which file: 0 is the pipeline's own.
    pub file: u16,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// A pipeline without mistakes that its file alone shows.
#[derive(Clone)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its file and the presets it uses, for pointing into.
    pub files: Files,
    /// Its flows, in file order. At least one.
    pub flows: Vec<Flow>,
    /// Ceilings.
    pub limits: Limits,
    /// What is kept of dropped documents.
    pub keep: Keep,
    /// `run:`, the run folder.
    pub run_dir: Option<PathBuf>,
    /// `tests:`
    pub tests: Vec<Test>,
    /// Whether its steps may run programs and load libraries. No file can say so: it is for whoever runs the pipeline to set.
    pub allow_exec: bool,
}

impl Pipeline {
    /// Whether another flow takes the flow called `name`.
    pub fn is_taken(&self, name: &str) -> bool {
        self.flows.iter().any(|f| matches!(&f.inputs, Inputs::From(names) if names.iter().any(|(n, _)| n == name)))
    }
}

/// One branch.
#[derive(Clone)]
pub struct Flow {
    /// Its name; the pipeline's own if it has only one flow without a name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// What comes in.
    pub inputs: Inputs,
    /// What is done.
    pub steps: Vec<Step>,
    /// Where the result goes; empty if another flow takes it.
    pub writes: Vec<Step>,
}

/// What comes into a flow.
#[derive(Clone)]
pub enum Inputs {
    /// Readers.
    Read(Vec<Step>),
    /// Other flows, by name.
    From(Vec<(String, Span)>),
}

/// A stage with its settings.
#[derive(Clone)]
pub struct Step {
    /// Its `as`, or the stage's name; unique in its flow.
    pub label: String,
    /// The stage.
    pub entry: &'static Entry,
    /// The settings with defaults written out.
    pub settings: serde_json::Value,
    /// `when:`
    pub when: Option<Expr>,
    /// `mode: annotate`
    pub annotate: bool,
    /// Where it stands.
    pub span: Span,
    /// What documents of this reader carry as source.
    pub source: String,
}

/// Ceilings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Fraction of records that may be quarantined.
    pub quarantine: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 4 << 30, quarantine: 0.01 }
    }
}

/// What is kept of dropped documents beside their ledger row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Keep {
    /// Whether the ledger keeps the text of dropped documents.
    pub dropped: bool,
    /// Of what fraction of them.
    pub sample: Option<f64>,
}

impl Keep {
    /// The fraction of dropped documents whose text is kept.
    pub fn dropped_sample(&self) -> f64 {
        if self.dropped { self.sample.unwrap_or(1.0) } else { 0.0 }
    }
}

/// One of the pipeline's own tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Reads after "it".
    pub it: String,
    /// The flow it runs in; the only one if not given.
    pub flow: Option<String>,
    /// Only this step; all per-document steps of the flow if not given.
    pub at: Option<String>,
    /// The document's text.
    pub given: String,
    /// The document's fields.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// What must come of it.
    pub expect: Expected,
    /// Where it stands.
    pub span: Span,
}

/// What must come of a test's document. Everything given must hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// It reaches the end (`true`), or it does not.
    pub kept: Option<bool>,
    /// The step that drops it.
    pub dropped_by: Option<String>,
    /// The reason.
    pub because: Option<String>,
    /// Its text at the end.
    pub text: Option<String>,
    /// Fields at the end.
    pub fields: serde_json::Map<String, serde_json::Value>,
}
