#![doc = include_str!("README.md")]

pub mod error;
pub mod doc;
pub mod io;
pub mod stage;
pub mod stages;
pub mod stats;
pub mod text;
