//! What was written: a YAML file as a typed [`Pipeline`], with the place of everything in it.

pub mod expr;
mod model;

pub use model::{Expected, Flow, Inputs, Keep, Limits, Pipeline, Span, Step, Test};
