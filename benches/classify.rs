//! Classifies texts with a fastText model on one thread: `cargo bench --bench classify -- model FILE.jsonl [OUT]` prints MB/s of a
//! first pass and a second; OUT gets the best label of each text with its probability. `benches/classifiers.py` runs it beside the
//! reference.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[path = "common/clock.rs"]
mod clock;

use std::io::{BufRead, Write};
use std::sync::Arc;

use tamis::io::mapped::Mapped;
use tamis::text::fasttext::{Model, Scratch, best};

#[derive(serde::Deserialize)]
struct Line {
    text: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let [model, file, out @ ..] = arguments.as_slice() else { return };
    let lines = std::io::BufReader::new(std::fs::File::open(file).unwrap()).lines();
    let texts: Vec<String> = lines.map(|l| serde_json::from_str::<Line>(&l.unwrap()).unwrap().text).collect();
    let mb = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
    let began = clock::seconds();
    let model = Model::read(Arc::new(Mapped::open(model.as_ref()).unwrap())).unwrap();
    let loaded = (clock::seconds() - began) * 1e3;
    let mut scratch = Scratch::default();
    let mut found = Vec::with_capacity(texts.len());
    let mut pass = || {
        found.clear();
        let began = clock::seconds();
        found.extend(texts.iter().map(|text| best(model.predict(text, &mut scratch)).unwrap_or_default()));
        mb / (clock::seconds() - began)
    };
    let (first, second) = (pass(), pass());
    println!(
        "{mb:.1} MB, {} texts: loaded in {loaded:.1} ms, first pass {first:.1} MB/s, second {second:.1}",
        texts.len()
    );
    if let Some(out) = out.first() {
        let mut out = std::io::BufWriter::new(std::fs::File::create(out).unwrap());
        for (label, score) in &found {
            writeln!(out, "{} {score}", model.labels()[*label]).unwrap();
        }
    }
}
