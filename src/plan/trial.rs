//! A single document through the per-document steps of a flow and of the flows after it: for trying and testing.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::built::{BuiltStage, BuiltStep};
use super::compile::Builder;
use crate::doc::{AS_READ, Document, FieldTable, Origin, Value, Verdict};
use crate::error::{Error, Result};
use crate::pipeline::{Diagnostic, Diagnostics, Inputs, Pipeline, Span};
use crate::stage::Failed;
use crate::stage::values::{from_json, to_json};

/// Steps ready to be tried.
pub struct Trial<'p> {
    table: FieldTable,
    source: String,
    steps: Vec<(String, BuiltStep)>,
    pipeline: &'p Pipeline,
}

/// What one step saw and did.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// The step.
    pub label: String,
    /// What it decided.
    pub said: String,
    /// How it changed the text.
    pub change: Option<String>,
    /// Fields it wrote.
    pub wrote: Vec<(String, Json)>,
}

/// Where a document stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The step.
    pub by: String,
    /// The reason.
    pub because: String,
}

/// What became of the document.
#[derive(Debug, Clone)]
pub struct WalkedDocument {
    /// Step by step; after a step that makes several documents of one, what the first of them met.
    pub steps: Vec<Tried>,
    /// Where it stopped, if it did.
    pub stop: Option<Stop>,
    /// Its text at the end.
    pub text: String,
    /// The texts of all documents that came of it.
    pub texts: Vec<String>,
    /// Its fields at the end.
    pub fields: Map<String, Json>,
}

impl<'p> Trial<'p> {
    /// Builds the steps that a document of `flow` meets, up to the writers. With several flows one must be named.
    pub fn new(pipeline: &'p Pipeline, flow: Option<&str>) -> Result<Self, Diagnostics> {
        let mistake = |message: String, hint: String| {
            let mut diagnostic = Diagnostic::new(&pipeline.files, Span::default(), message).hint(hint);
            diagnostic.line = 0;
            Diagnostics(vec![diagnostic])
        };
        let names: Vec<&str> = pipeline.flows.iter().map(|f| f.name.as_str()).collect();
        let listed = || format!("the flows are {}", names.join(", "));
        let name = match (flow, names.as_slice()) {
            (Some(name), _) => name,
            (None, [one]) => one,
            (None, _) => {
                return Err(mistake(
                    "the pipeline has several flows".into(),
                    format!("name one with `--flow`; {}", listed()),
                ));
            }
        };
        let mut builder = Builder::without_inputs(pipeline);
        (0..pipeline.flows.len()).for_each(|index| drop(builder.flow(index)));
        builder.found.append(&mut builder.refused);
        if !builder.found.is_empty() {
            return Err(Diagnostics(builder.found));
        }
        let mut steps = Vec::new();
        let mut next = Some(name);
        while let Some(name) = next {
            let Some(index) = names.iter().position(|n| *n == name) else {
                return Err(mistake(format!("no flow is called `{name}`"), listed()));
            };
            let Some((built, _)) = builder.flows.remove(&index) else { break };
            steps.extend(built.steps.into_iter().filter_map(|step| Some((step.name.clone()?, step))));
            let takes = |f: &&crate::pipeline::Flow| matches!(&f.inputs, Inputs::From(from) if from.iter().any(|(n, _)| n == name));
            next = pipeline.flows.iter().find(takes).map(|f| f.name.as_str());
        }
        Ok(Self { table: builder.table, source: name.to_owned(), steps, pipeline })
    }

    /// Walks a document; with `only`, through the step of that label alone.
    pub fn walk(&mut self, text: String, fields: &Map<String, Json>, only: Option<&str>) -> Result<WalkedDocument> {
        let file = self.pipeline.path.to_string_lossy();
        let origin = Origin { source: self.source.as_str().into(), file: file.as_ref().into(), at: 0 };
        let mut doc = Document::new(origin, text);
        for (name, value) in fields {
            if let Some((slot, _)) = self.table.lookup(&format!("{AS_READ}{name}")) {
                doc.fields.put(slot, Value::Str(value.to_string()));
            }
            let Some((slot, kind)) = self.table.lookup(name) else { continue };
            doc.fields.put(
                slot,
                from_json(value, kind).ok_or_else(|| {
                    Error::pipeline(format!("the field `{name}` holds {}, and {value} is not", kind.name()))
                })?,
            );
        }
        let mut walked = WalkedDocument {
            steps: Vec::new(),
            stop: None,
            text: String::new(),
            texts: Vec::new(),
            fields: Map::new(),
        };
        let mut docs = vec![doc];
        for (label, step) in self.steps.iter_mut().filter(|(label, _)| only.is_none_or(|only| only == label)) {
            let mut dropped = None;
            let mut going = Vec::new();
            for (number, mut doc) in docs.into_iter().enumerate() {
                let (tried, ended) = try_step(label, step, &mut doc, &self.table)?;
                if number == 0 {
                    walked.steps.push(tried);
                }
                match ended {
                    Ended::Kept => going.push(doc),
                    Ended::Stopped(because) => dropped = Some((doc, because)),
                    Ended::Expanded(parts) => going.extend(parts),
                }
            }
            docs = going;
            if let Some((doc, because)) = dropped.filter(|_| docs.is_empty()) {
                walked.stop = Some(Stop { by: label.clone(), because: because.to_owned() });
                docs = vec![doc];
                break;
            }
        }
        if walked.stop.is_none() {
            walked.texts = docs.iter().map(|doc| doc.text.as_str().to_owned()).collect();
        }
        let Some(doc) = docs.into_iter().next() else { return Err(Error::bug("a document came to nothing")) };
        for (slot, name, _) in self.table.iter() {
            if let Some(value) = to_json(doc.fields.slot(slot)) {
                walked.fields.insert(name.to_owned(), value);
            }
        }
        walked.text = doc.text.into_string();
        Ok(walked)
    }
}

/// How a document left a step.
enum Ended {
    Kept,
    /// Dropped or quarantined, for this reason.
    Stopped(&'static str),
    Expanded(Vec<Document>),
}

fn try_step(label: &str, step: &mut BuiltStep, doc: &mut Document, table: &FieldTable) -> Result<(Tried, Ended)> {
    let mut tried = Tried { label: label.to_owned(), said: String::new(), change: None, wrote: Vec::new() };
    if step.when.as_ref().is_some_and(|holds| !holds(doc)) {
        tried.said = "passed by: `when` does not hold".into();
        return Ok((tried, Ended::Kept));
    }
    let (text, fields) = (doc.text.as_str().to_owned(), doc.fields.clone());
    let mut parts = Vec::new();
    let mut verdict = match &step.stage {
        BuiltStage::Transform(stage) => stage.fresh().apply(doc),
        BuiltStage::Expand(stage) => stage.fresh().expand(doc, &mut parts),
        BuiltStage::Batch(stage) => match stage.fresh().apply(std::slice::from_mut(doc)) {
            Ok(verdicts) => verdicts.first().copied().unwrap_or(Verdict::Keep),
            Err(Failed::Stage(error)) => return Err(error.with("step", label)),
            Err(Failed::Document { because, detail, .. }) => {
                tried.said = format!("quarantined because {because}: {detail}");
                return Ok((tried, Ended::Stopped(because)));
            }
        },
        _ => {
            tried.said = "passed by: it needs the whole corpus".into();
            return Ok((tried, Ended::Kept));
        }
    };
    tried.said = words(verdict);
    if let Some(field) = step.annotate {
        let word = if let Verdict::Drop(reason) = verdict { reason.word } else { "keep" };
        doc.set(field, word.to_owned());
        verdict = Verdict::Keep;
        tried.said.push_str(" (only annotated)");
    }
    if !parts.is_empty() {
        tried.said = format!("cut into {} parts", parts.len());
    }
    if doc.text.as_str() != text {
        tried.change = Some(format!("the text: {} → {} characters", text.chars().count(), doc.text.chars()));
    }
    let now = parts.first().unwrap_or(doc);
    for (slot, name, _) in table.iter() {
        if now.fields.slot(slot) != fields.slot(slot)
            && let Some(value) = to_json(now.fields.slot(slot))
        {
            tried.wrote.push((name.to_owned(), value));
        }
    }
    Ok(match verdict {
        Verdict::Drop(reason) => (tried, Ended::Stopped(reason.word)),
        Verdict::Keep if parts.is_empty() => (tried, Ended::Kept),
        Verdict::Keep => (tried, Ended::Expanded(parts)),
    })
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Keep => "kept".to_owned(),
        Verdict::Drop(reason) => match (reason.number, reason.limit) {
            (Some(number), Some(limit)) => format!("dropped because {} ({number} against {limit})", reason.word),
            _ => format!("dropped because {}", reason.word),
        },
    }
}
