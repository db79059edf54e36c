//! `tamis check`, `plan`, `stages`, `schema`: look without running.

use std::collections::HashMap;

use super::run::Remembered;
use super::{Outcome, PipelineArguments, render};
use crate::error::Error;
use crate::plan::{PlanView, estimate};
use crate::run::task_list;
use crate::stage::{Entry, Expect};
use crate::stages::{Place, catalog};

/// What `tamis stages` takes.
#[derive(clap::Args)]
pub struct StagesArguments {
    /// The stage whose manual page is wanted
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `tamis plan` takes.
#[derive(clap::Args)]
pub struct PlanArguments {
    #[command(flatten)]
    pipeline: PipelineArguments,
    /// Also make the run folder, so that `tamis task` can do the tasks one by one
    #[arg(long)]
    save: bool,
}

/// Reports every mistake.
pub fn check(arguments: &PipelineArguments) -> Outcome {
    let (pipeline, plan) = arguments.plan()?;
    if arguments.json {
        render::json(&serde_json::json!({ "valid": true, "diagnostics": [] }));
    } else {
        let tasks: usize = plan.passes.iter().map(|p| p.tasks.len()).sum();
        let view = PlanView::new(&plan, &|_| false);
        let read = crate::plan::size(view.input_bytes);
        render::out(&format!(
            "{}: no mistakes; {} passes, {tasks} walks over {read}\n",
            pipeline.path.display(),
            plan.passes.len()
        ));
    }
    Ok(())
}

/// Prints the plan.
pub fn plan(arguments: &PlanArguments) -> Outcome {
    let PlanArguments { pipeline: arguments, save } = arguments;
    let (_, plan) = arguments.plan()?;
    if *save {
        Remembered::save(arguments, &plan)?;
    }
    let done: HashMap<String, bool> = task_list(&plan).into_iter().collect();
    let mut view = PlanView::new(&plan, &|id| done.get(id).copied().unwrap_or(false));
    match estimate(&plan) {
        Ok(estimate) => view.estimate = estimate,
        // A plan is a plan without it; what is wrong with the input is told when it is read.
        Err(error) => eprintln!("no estimate: {error}"),
    }
    if arguments.json {
        let json = serde_json::to_value(&view).map_err(|e| Error::bug("a plan does not serialize").because(e))?;
        render::json(&json);
    } else {
        render::out(&view.to_string());
    }
    Ok(())
}

/// Lists the stages, or prints one's manual page.
pub fn stages(arguments: &StagesArguments) -> Outcome {
    let Some(name) = &arguments.name else {
        if arguments.json {
            render::json(&catalog().map(card).collect());
            return Ok(());
        }
        let mut family = "";
        for entry in catalog() {
            if entry.about.family.name() != family {
                family = entry.about.family.name();
                render::out(&format!("{family}\n"));
            }
            render::out(&format!("  {:<20} {}\n", entry.about.name, entry.about.summary));
        }
        return Ok(());
    };
    let found: Vec<&Entry> = catalog().filter(|e| e.about.name == *name).collect();
    if found.is_empty() {
        let error = Error::pipeline(format!("no stage is called `{name}`"));
        return Err(match crate::stage::nearest(name, catalog().map(|e| e.about.name)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`tamis stages` lists them all"),
        }
        .into());
    }
    for entry in found {
        if arguments.json {
            render::json(&card(entry));
        } else {
            render::out(&page(entry));
        }
    }
    Ok(())
}

fn card(entry: &Entry) -> serde_json::Value {
    let about = &entry.about;
    serde_json::json!({
        "name": about.name, "family": about.family.name(), "version": about.version, "summary": about.summary,
        "reasons": about.reasons.iter().map(|(r, m)| serde_json::json!({ "reason": r, "means": m })).collect::<Vec<_>>(),
        "fields": about.fields.iter().map(|(f, m)| serde_json::json!({ "field": f, "means": m })).collect::<Vec<_>>(),
        "schema": (entry.schema)(),
    })
}

/// A stage's manual page, made from the stage alone.
pub fn page(entry: &Entry) -> String {
    let about = &entry.about;
    let mut text =
        format!("{} ({}, version {})\n  {}\n", about.name, about.family.name(), about.version, about.summary);
    let schema = (entry.schema)().to_value();
    if let Some(long) = schema.get("description").and_then(|d| d.as_str()) {
        text.push_str(&format!("\n  {}\n", long.replace('\n', "\n  ")));
    }
    let required: Vec<&str> =
        schema.get("required").and_then(|r| r.as_array()).into_iter().flatten().filter_map(|r| r.as_str()).collect();
    if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()).filter(|p| !p.is_empty()) {
        text.push_str("\nsettings\n");
        for (name, property) in properties {
            let about = property.get("description").and_then(|d| d.as_str()).unwrap_or_default().replace('\n', " ");
            let default = match property.get("default") {
                Some(default) => format!(" [{default}]"),
                None if required.contains(&name.as_str()) => " (required)".to_owned(),
                None => String::new(),
            };
            text.push_str(&format!("  {name}{default}\n      {about}\n"));
        }
    }
    let mut list = |title: &str, pairs: &[(&str, &str)]| {
        if !pairs.is_empty() {
            text.push_str(&format!("\n{title}\n"));
            pairs.iter().for_each(|(name, means)| text.push_str(&format!("  {name:<24} {means}\n")));
        }
    };
    list("reasons", about.reasons);
    list("fields", about.fields);
    if !about.examples.is_empty() {
        text.push_str("\nexamples\n");
        for example in about.examples {
            let expect = match example.expect {
                Expect::Kept => "kept".to_owned(),
                Expect::Text(text) => format!("{text:?}"),
                Expect::Texts(texts) => format!("{texts:?}"),
                Expect::Dropped(reason) => format!("dropped because {reason}"),
                Expect::Field(name, value) => format!("{name} = {value}"),
            };
            let given: String = example.given.chars().take(60).collect();
            text.push_str(&format!(
                "  it {}\n      - {}: {}\n      {given:?} → {expect}\n",
                example.it, about.name, example.settings
            ));
        }
    }
    let place = Place::of(about.family);
    text.push_str(&format!("\nstands under `{}:`\n\n", place.key()));
    text
}

/// Prints the schema.
pub fn schema() -> Outcome {
    render::json(&crate::pipeline::schema::schema());
    Ok(())
}
