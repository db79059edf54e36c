#![doc = include_str!("README.md")]

pub mod cli;
pub mod doc;
pub mod error;
pub mod io;
pub mod pipeline;
pub mod plan;
pub mod run;
pub mod sketch;
pub mod stage;
pub mod stages;
pub mod stats;
pub mod text;
pub mod tokens;
