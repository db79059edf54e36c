//! Encodes the texts of JSONL.zst files in memory, one thread, and checks every id against the library:
//! `cargo bench --bench encode -- tokenizer.json FILE…` prints MB/s of the first pass (empty cache), a second, and the library's
//! (`--no-oracle`: without it). A text that the library refuses is counted and passed over.
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
    let mut ids = Vec::new();
    // A document's ids are used before the next document is encoded, as a pipeline does.
    let mut pass = |encoder: &mut Encoder| {
        let (mut tokens, started) = (0, Instant::now());
        for text in &texts {
            ids.clear();
            encoder.encode_into(text, &mut ids);
            tokens += ids.len();
        }
        (tokens, mb / started.elapsed().as_secs_f64())
    };
    let ((tokens, first), (_, second)) = (pass(&mut encoder), pass(&mut encoder));
    print!("{mb:.0} MB, {tokens} tokens: first pass {first:.0} MB/s, second {second:.0}");
    if std::env::args().any(|a| a == "--no-oracle") {
        println!();
        return;
    }
    let mut oracle = Tokenizer::oracle(tokenizer, false).unwrap().encoder();
    let (mut seconds, mut refused) = (0.0, 0);
    for (number, text) in texts.iter().enumerate() {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        encoder.encode_into(text, &mut ours);
        let started = Instant::now();
        // Its regular expressions give up on some, such as a million spaces.
        if !oracle.encode_into(text, &mut theirs) {
            refused += 1;
            continue;
        }
        seconds += started.elapsed().as_secs_f64();
        assert!(ours == theirs, "ids of document {number} differ from the library's");
    }
    let library = mb / seconds;
    println!(
        ", library {library:.1} (ratio {:.0}); all ids equal, {refused} texts refused by the library",
        first / library
    );
}
