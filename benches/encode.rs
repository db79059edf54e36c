//! Encodes the texts of JSONL.zst files in memory, one thread, and checks every id against the library:
//! `cargo bench --bench encode -- tokenizer.json FILE…` prints MB/s of the first pass (empty cache), a second, and the library's
//! (`--no-oracle`: without it).
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::io::BufRead;
use std::path::Path;
use std::time::Instant;

use tamis::tokens::{Encoder, Tokenizer};

#[derive(serde::Deserialize)]
struct Line {
    text: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let Some((tokenizer, files)) = arguments.split_first() else { return };
    let mut texts = Vec::new();
    for file in files {
        let lines = std::io::BufReader::new(zstd::Decoder::new(std::fs::File::open(file).unwrap()).unwrap()).lines();
        texts.extend(lines.map(|line| serde_json::from_str::<Line>(&line.unwrap()).unwrap().text));
    }
    let mb = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
    let tokenizer = Path::new(tokenizer);
    let own = Tokenizer::load(tokenizer, false).unwrap();
    println!("{}", own.describe());
    let mut encoder = own.encoder();
    let mut ids = Vec::with_capacity(mb as usize * 500_000);
    let pass = |encoder: &mut Encoder, ids: &mut Vec<u32>| {
        ids.clear();
        let started = Instant::now();
        for text in &texts {
            encoder.encode_into(text, ids);
        }
        mb / started.elapsed().as_secs_f64()
    };
    let (first, second) = (pass(&mut encoder, &mut ids), pass(&mut encoder, &mut ids));
    let mut theirs = Vec::with_capacity(ids.len());
    if std::env::args().any(|a| a == "--no-oracle") {
        println!("{mb:.0} MB, {} tokens: first pass {first:.0} MB/s, second {second:.0}", ids.len());
        return;
    }
    let library = pass(&mut Tokenizer::oracle(tokenizer, false).unwrap().encoder(), &mut theirs);
    assert!(ids == theirs, "ids differ from the library's");
    println!(
        "{mb:.0} MB, {} tokens: first pass {first:.0} MB/s, second {second:.0}, library {library:.1} (ratio {:.0}); all ids equal",
        ids.len(),
        first / library
    );
}
