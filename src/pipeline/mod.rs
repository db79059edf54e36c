//! What was written: a YAML file as a typed [`Pipeline`], with the place of everything in it.

mod diagnose;
mod model;
mod parse;
pub mod schema;
mod settings;
mod tree;
mod vars;

pub use diagnose::{Diagnostic, Diagnostics, Files};
pub use model::{Expected, Flow, Inputs, Keep, Limits, Pipeline, Span, Step, Test};
pub use parse::{load, load_text};
pub use vars::Env;
