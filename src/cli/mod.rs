//! Talks with people: arguments, tables, progress, exit codes. Data goes to stdout, everything else to stderr.

mod account;
mod documents;
mod forget;
mod inspect;
mod progress;
mod render;
mod run;
mod shards;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{Error, Kind};
use crate::pipeline::{Diagnostics, Pipeline, load};
use crate::plan::{Plan, compile};

/// Done.
pub const DONE: u8 = 0;
/// The world failed: a disk, a file, memory.
pub const WORLD: u8 = 1;
/// The pipeline is invalid; nothing has run.
pub const INVALID: u8 = 2;
/// Done, but more records were lost than `limits.quarantine` allows.
pub const LOSSY: u8 = 10;
/// Interrupted; the same command goes on.
pub const INTERRUPTED: u8 = 130;

/// A pretraining-corpus pipeline: declare it in YAML, get token shards and an account of every document.
///
/// Exit codes: 0 done, 1 the world failed, 2 the pipeline is invalid, 10 done but more records were quarantined than
/// `limits.quarantine` allows, 130 interrupted (run the same command again to go on).
#[derive(Parser)]
#[command(name = "tamis", version, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a pipeline; what an earlier run did is not done again
    Run(run::RunArguments),
    /// Report every mistake in a pipeline, and whether its inputs are there
    Check(PipelineArguments),
    /// Print what a run would do: passes, tasks, what is read, held and already done
    Plan(inspect::PlanArguments),
    /// List the stages, or print the manual page of one
    Stages(inspect::StagesArguments),
    /// Print the JSON Schema of pipeline files, for editors
    Schema,
    /// Walk one document through a pipeline, printing what each stage saw and did
    Try(documents::TryArguments),
    /// Run the pipeline's own `tests:`
    Test(PipelineArguments),
    /// Print the account of a finished run
    Stats(account::RunFolder),
    /// Say what became of a document, by id or file
    Why(account::WhyArguments),
    /// Read the files of a run, or of a folder of token shards, again and compare them with their receipts
    Verify(account::RunFolder),
    /// Write token shards in another format, without encoding again
    Export(shards::ExportArguments),
    /// Show the text around a position of a token shard, and which document it is of
    Peek(shards::PeekArguments),
    /// Take documents out of an index that a dedup step wrote
    Forget(forget::ForgetArguments),
    /// Do exactly one task of a run: what a cluster calls
    Task(run::TaskArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// A pipeline and its variables.
#[derive(clap::Args, Clone)]
struct PipelineArguments {
    /// The pipeline's YAML file
    pipeline: PathBuf,
    /// Set a variable that the pipeline declares under `vars:`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = variable)]
    set: Vec<(String, String)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Let steps run programs and load libraries that the pipeline names (`command`, `onnx`)
    #[arg(long)]
    allow_exec: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    text.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())).ok_or_else(|| "write NAME=VALUE".to_owned())
}

/// Why a command did not succeed.
enum Failure {
    Error(Error),
    Diagnostics(Diagnostics, bool),
    Code(u8),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

type Outcome = Result<(), Failure>;

impl PipelineArguments {
    fn load(&self) -> Result<Pipeline, Failure> {
        let env = |name: &str| std::env::var(name).ok();
        let mut pipeline = load(&self.pipeline, &self.set, &env).map_err(|d| Failure::Diagnostics(d, self.json))?;
        pipeline.allow_exec = self.allow_exec;
        Ok(pipeline)
    }

    /// A plan that is going to be run.
    fn plan_to_run(&self) -> Result<Plan, Failure> {
        let (_, plan) = self.plan()?;
        allowed(plan, self.json)
    }

    fn plan(&self) -> Result<(Pipeline, Plan), Failure> {
        let pipeline = self.load()?;
        let plan = compile(&pipeline).map_err(|d| Failure::Diagnostics(d, self.json))?;
        Ok((pipeline, plan))
    }
}

/// The plan, unless it executes what was not allowed.
fn allowed(plan: Plan, json: bool) -> Result<Plan, Failure> {
    if plan.refused.0.is_empty() { Ok(plan) } else { Err(Failure::Diagnostics(plan.refused, json)) }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => inspect::check(&arguments),
        Command::Plan(arguments) => inspect::plan(&arguments),
        Command::Stages(arguments) => inspect::stages(&arguments),
        Command::Schema => inspect::schema(),
        Command::Try(arguments) => documents::try_document(&arguments),
        Command::Test(arguments) => documents::test(&arguments),
        Command::Stats(arguments) => account::stats(&arguments),
        Command::Why(arguments) => account::why(&arguments),
        Command::Verify(arguments) => account::verify(&arguments),
        Command::Export(arguments) => shards::export(&arguments),
        Command::Peek(arguments) => shards::peek(&arguments),
        Command::Forget(arguments) => forget::forget(&arguments),
        Command::Task(arguments) => run::task(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "tamis", &mut std::io::stdout());
            Ok(())
        }
    };
    ExitCode::from(match result {
        Ok(()) => DONE,
        Err(failure) => report(failure),
    })
}

fn report(failure: Failure) -> u8 {
    match failure {
        Failure::Code(code) => code,
        Failure::Diagnostics(diagnostics, true) => {
            render::json(&serde_json::json!({ "valid": false, "diagnostics": diagnostics }));
            INVALID
        }
        Failure::Diagnostics(diagnostics, false) => {
            eprint!("{}", render::diagnostics(&diagnostics));
            INVALID
        }
        Failure::Error(error) => {
            eprintln!("{}", render::error(&error));
            match error.kind {
                Kind::Pipeline | Kind::Follows => INVALID,
                Kind::Interrupted => INTERRUPTED,
                Kind::World | Kind::Changed | Kind::Bug => WORLD,
            }
        }
    }
}
