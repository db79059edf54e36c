//! `tamis try` and `tamis test`: single documents through the per-document steps of a pipeline.

use std::io::Read;
use std::path::PathBuf;

use super::{Failure, INVALID, Outcome, PipelineArguments, WORLD, render};
use crate::error::Error;
use crate::pipeline::{Pipeline, Test};
use crate::plan::trial::{Stop, Trial};

/// What `tamis try` takes.
#[derive(clap::Args)]
pub struct TryArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// The document's text; stdin if not given
    document: Option<PathBuf>,
    /// The flow, if the pipeline has several
    #[arg(long)]
    flow: Option<String>,
    /// A field of the document
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = super::variable)]
    fields: Vec<(String, String)>,
}

/// Walks one document.
pub fn try_document(arguments: &TryArguments) -> Outcome {
    let pipeline = arguments.pipeline.load()?;
    let mut text = Vec::new();
    match &arguments.document {
        Some(path) => text = std::fs::read(path).map_err(|e| Error::io("read", path, e))?,
        None => {
            std::io::stdin().read_to_end(&mut text).map_err(|e| Error::world(format!("cannot read stdin: {e}")))?;
        }
    }
    let text = String::from_utf8(text).map_err(|e| {
        Error::world(format!("the document is not UTF-8: {e}")).hint("convert it first, for example with iconv")
    })?;
    let fields = arguments
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into())))
        .collect();
    let mut trial = trial(&pipeline, arguments.flow.as_deref(), arguments.pipeline.json)?;
    let walked = trial.walk(text, &fields, None)?;
    if arguments.pipeline.json {
        render::json(&serde_json::json!({
            "steps": walked.steps, "kept": walked.stop.is_none(), "text": walked.text, "texts": walked.texts, "fields": walked.fields,
        }));
        return Ok(());
    }
    for step in &walked.steps {
        render::out(&format!("{:<24} {}\n", step.label, step.said));
        if let Some(change) = &step.change {
            render::out(&format!("{:<24}   {change}\n", ""));
        }
        for (name, value) in &step.wrote {
            render::out(&format!("{:<24}   {name} = {value}\n", ""));
        }
    }
    match &walked.stop {
        Some(stop) => render::out(&format!("dropped by {} because {}\n", stop.by, stop.because)),
        None if walked.texts.len() > 1 => {
            render::out(&format!("kept {} parts\n{}\n", walked.texts.len(), walked.texts.join("\n---\n")));
        }
        None => render::out(&format!("kept\n{}\n", walked.text)),
    }
    Ok(())
}

fn trial<'p>(pipeline: &'p Pipeline, flow: Option<&str>, json: bool) -> Result<Trial<'p>, Failure> {
    Trial::new(pipeline, flow).map_err(|d| Failure::Diagnostics(d, json))
}

/// Runs the pipeline's own tests.
pub fn test(arguments: &PipelineArguments) -> Outcome {
    let pipeline = arguments.load()?;
    if pipeline.tests.is_empty() {
        eprintln!("`{}` has no `tests:`", pipeline.path.display());
        return Err(Failure::Code(INVALID));
    }
    let mut failed = 0;
    let mut results = Vec::new();
    for test in &pipeline.tests {
        let wrong = run_test(&pipeline, test, arguments.json)?;
        failed += usize::from(wrong.is_some());
        if arguments.json {
            results.push(serde_json::json!({ "it": test.it, "passed": wrong.is_none(), "wrong": wrong }));
        } else {
            match wrong {
                None => render::out(&format!("ok    it {}\n", test.it)),
                Some(wrong) => {
                    let (file, line, column) = pipeline.files.place(test.span);
                    render::out(&format!("FAIL  it {}\n      {wrong}\n      {file}:{line}:{column}\n", test.it));
                }
            }
        }
    }
    if arguments.json {
        render::json(&results.into());
    } else {
        render::out(&format!("{} passed, {failed} failed\n", pipeline.tests.len() - failed));
    }
    if failed == 0 { Ok(()) } else { Err(Failure::Code(WORLD)) }
}

/// What is wrong, if anything.
fn run_test(pipeline: &Pipeline, test: &Test, json: bool) -> Result<Option<String>, Failure> {
    let flow = test.flow.as_deref().or_else(|| {
        let at = test.at.as_ref()?;
        pipeline.flows.iter().find(|f| f.steps.iter().any(|s| s.label == *at)).map(|f| f.name.as_str())
    });
    let mut trial = trial(pipeline, flow, json)?;
    let walked = trial.walk(test.given.clone(), &test.fields, test.at.as_deref())?;
    let expect = &test.expect;
    let stop = walked.stop.as_ref();
    let ending = stop.map_or("kept".to_owned(), |s| format!("dropped by {} because {}", s.by, s.because));
    let differs = |want: &Option<String>, is: Option<&String>| want.as_ref().is_some_and(|w| Some(w) != is);
    if expect.kept.is_some_and(|kept| kept != stop.is_none())
        || differs(&expect.dropped_by, stop.map(|s: &Stop| &s.by))
        || differs(&expect.because, stop.map(|s| &s.because))
    {
        return Ok(Some(format!("it was {ending}")));
    }
    if differs(&expect.text, Some(&walked.text)) {
        return Ok(Some(format!("its text was {:?}", walked.text)));
    }
    for (name, want) in &expect.fields {
        let is = walked.fields.get(name).cloned().unwrap_or(serde_json::Value::Null);
        if is != *want {
            return Ok(Some(format!("its field `{name}` was {is}")));
        }
    }
    Ok(None)
}
