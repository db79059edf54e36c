//! What tamis promises, a module for each promise. `TAMIS_BLESS=1` rewrites the files that are compared with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod adverse;
mod broken;
mod choosing;
mod cli;
mod contamination;
mod determinism;
mod diagnostics;
mod duplicates;
mod estimates;
mod examples;
mod expand;
mod forget;
mod house;
mod ledger;
mod models;
mod moving;
mod place;
mod presets;
mod profiles;
mod programs;
mod quality;
mod redact;
mod repeats;
mod repositories;
mod resume;
mod rules;
mod semantic;
mod shards;
mod substrings;
mod tables;
mod training;
