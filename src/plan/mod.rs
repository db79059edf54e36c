//! What will be done: a pipeline compiled into passes and tasks. Pure: it lists inputs and reads resource files, but
//! starts no thread and writes nothing.
//!
//! Every flow is a chain of steps over *streams* of documents. Per-document steps are pended on the streams; a global
//! step (and those right after it that can share its walk) closes a [`Pass`]: one walk over every stream, then the
//! barrier. What a pass leaves is either *held* (Parquet in the run folder) or, if the pass changed nothing, read again.

mod built;
mod compile;
mod estimate;
mod explain;
mod fingerprint;
mod passes;
pub mod trial;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::doc::{Document, FieldTable};
use crate::pipeline::Diagnostics;
use crate::stage::{
    BatchTransform, CloneBatch, CloneExpand, CloneTransform, Expand, Global, Sink, Source, Split, Transform,
};

pub use compile::compile;
pub use estimate::{BarrierEstimate, Estimate, estimate};
pub use explain::{PassView, PlanView, TaskView, size};
pub use fingerprint::Fingerprint;

/// Everything that will be done.
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// Where receipts, ledger and held documents lie.
    pub run_dir: PathBuf,
    /// Every field of every flow.
    pub fields: Arc<FieldTable>,
    /// What steps tell the user, with their labels.
    pub notes: Vec<(String, String)>,
    /// In the order they run.
    pub passes: Vec<Pass>,
    /// Bytes that the run may use.
    pub memory: u64,
    /// The fraction of records read that may be quarantined before the run counts as lossy.
    pub quarantine: f64,
    /// The fraction of dropped documents whose text the ledger keeps, by hash of id.
    pub keep_dropped: f64,
    /// Names the whole plan: equal for equal work.
    pub fingerprint: Fingerprint,
    /// Steps that run programs or load libraries, in a pipeline that was not allowed to: such a plan is looked at, not run.
    pub refused: Diagnostics,
}

/// One walk over documents, and what follows it.
pub struct Pass {
    /// `p0`, `p1` …
    pub id: String,
    /// The walks, in corpus order.
    pub tasks: Vec<Task>,
    /// The chains that tasks refer to.
    pub chains: Vec<Chain>,
    /// What follows.
    pub end: End,
}

impl Pass {
    /// Whether the documents of this pass go no further.
    pub fn is_last(&self) -> bool {
        matches!(self.end, End::Write { .. } | End::Barrier { last: true, .. })
    }
}

/// What follows a walk.
pub enum End {
    /// Global stages that share the walk, in order.
    Barrier {
        /// The stages.
        globals: Vec<GlobalStep>,
        /// Whether documents are held for the next walk; otherwise its input is this walk's input.
        hold: bool,
        /// Whether the flow ends here: its last stages only look at documents, and nobody writes them.
        last: bool,
    },
    /// A move: its documents go to other splits.
    Exchange {
        /// What moves them.
        exchange: Arc<dyn crate::stage::Exchange>,
        /// Its name in the plan.
        label: String,
        /// To how many splits.
        splits: u32,
    },
    /// The flow's writers.
    Write {
        /// The flow.
        flow: String,
        /// Its writers.
        sinks: Vec<SinkStep>,
    },
}

/// One walk over one split.
pub struct Task {
    /// `p0-00003`
    pub id: String,
    /// Its place in the pass.
    pub ordinal: u32,
    /// Which chain of the pass.
    pub chain: usize,
    /// What it reads.
    pub input: Input,
    /// The task of an earlier pass whose documents these are, for its rows and findings: (index of pass, ordinal).
    pub upstream: Option<(usize, u32)>,
    /// Whether this walk is the one that counts its input as read (a second reading of the same split is not).
    pub first_reading: bool,
    /// Names the work.
    pub fingerprint: Fingerprint,
}

/// What a task reads.
pub enum Input {
    /// A split of a reader.
    Split {
        /// The reader.
        source: Arc<dyn Source>,
        /// Its label.
        label: String,
        /// The split.
        split: Split,
    },
    /// What the task `ordinal` of the pass `pass` held.
    Held {
        /// Index into [`Plan::passes`].
        pass: usize,
        /// The task's ordinal.
        ordinal: u32,
    },
    /// The documents that all tasks of the pass `pass` moved to the split `cell`.
    Moved {
        /// Index into [`Plan::passes`].
        pass: usize,
        /// Which of the new splits.
        cell: u32,
    },
}

/// The steps a task's documents go through.
#[derive(Default)]
pub struct Chain {
    /// In order.
    pub steps: Vec<ChainStep>,
}

/// A condition on documents.
pub type Condition = Arc<dyn Fn(&Document) -> bool + Send + Sync>;

/// One step of a chain.
pub struct ChainStep {
    /// The step's name in the ledger: its label, with the flow before it where the label alone is not unique.
    pub label: String,
    /// What is done.
    pub action: Action,
    /// Only to documents for which this holds.
    pub when: Option<Condition>,
    /// Where the verdict goes instead of being acted on, in `mode: annotate`.
    pub annotate: Option<crate::doc::Field<String>>,
}

/// What a step does.
pub enum Action {
    /// A per-document stage; cloned for each worker.
    Transform(Arc<SharedTransform>),
    /// A stage that makes several documents of one; cloned for each worker.
    Expand(Arc<SharedExpand>),
    /// A stage that takes the documents of a morsel together; cloned for each worker.
    Batch(Arc<SharedBatch>),
    /// The findings of a barrier.
    Apply {
        /// Index into [`Plan::passes`].
        pass: usize,
        /// Index into the barrier's globals.
        global: usize,
    },
}

/// A prototype that any thread may clone.
pub struct Shared<S: ?Sized>(std::sync::Mutex<Box<S>>);

/// A prototype of a [`Transform`].
pub type SharedTransform = Shared<dyn Transform>;
/// A prototype of an [`Expand`].
pub type SharedExpand = Shared<dyn Expand>;
/// A prototype of a [`BatchTransform`].
pub type SharedBatch = Shared<dyn BatchTransform>;

impl<S: ?Sized> Shared<S> {
    /// Wraps a built stage.
    pub fn new(stage: Box<S>) -> Self {
        Self(std::sync::Mutex::new(stage))
    }

    fn prototype(&self) -> std::sync::MutexGuard<'_, Box<S>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl SharedTransform {
    /// A clone for one worker.
    pub fn fresh(&self) -> Box<dyn Transform> {
        CloneTransform::clone_box(&**self.prototype())
    }
}

impl SharedExpand {
    /// A clone for one worker.
    pub fn fresh(&self) -> Box<dyn Expand> {
        CloneExpand::clone_box(&**self.prototype())
    }
}

impl SharedBatch {
    /// A clone for one worker.
    pub fn fresh(&self) -> Box<dyn BatchTransform> {
        CloneBatch::clone_box(&**self.prototype())
    }
}

/// A global stage in a barrier.
pub struct GlobalStep {
    /// Its name in the ledger.
    pub label: String,
    /// The stage.
    pub global: Arc<dyn Global>,
    /// Only documents for which this holds take part.
    pub when: Option<Condition>,
    /// Partitions, from [`Global::partitions`].
    pub partitions: u32,
    /// For a second look, the first: index into [`Plan::passes`] and into that barrier's globals. Its findings choose the
    /// documents that take part.
    pub chosen_by: Option<(usize, usize)>,
    /// Names the work up to its findings.
    pub fingerprint: Fingerprint,
}

/// A writer at the end.
pub struct SinkStep {
    /// Its name in the ledger.
    pub label: String,
    /// The writer.
    pub sink: Arc<dyn Sink>,
    /// Names the work up to the final files.
    pub fingerprint: Fingerprint,
}

impl Plan {
    /// The id of the task that reduces `part` of a global stage.
    pub fn reduce_id(&self, pass: usize, global: usize, part: u32) -> String {
        format!("{}-r{part:05}", self.finish_id(pass, global))
    }

    /// The id of the task that finishes a global stage.
    pub fn finish_id(&self, pass: usize, global: usize) -> String {
        format!("p{pass}-g{global}")
    }

    /// The id of the task that assembles a writer's files.
    pub fn assemble_id(&self, pass: usize, sink: usize) -> String {
        format!("p{pass}-w{sink}")
    }

    /// The final folders of every writer, and of global stages that write files.
    pub fn output_dirs(&self) -> BTreeSet<PathBuf> {
        let mut dirs = BTreeSet::new();
        for pass in &self.passes {
            match &pass.end {
                End::Write { sinks, .. } => dirs.extend(sinks.iter().map(|s| s.sink.dir().to_owned())),
                End::Barrier { globals, .. } => {
                    let files = globals.iter().flat_map(|g| g.global.files());
                    dirs.extend(files.filter_map(|f| f.parent().map(Path::to_owned)));
                }
                End::Exchange { .. } => {}
            }
        }
        dirs
    }
}
