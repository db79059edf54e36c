//! Encodes the texts of JSONL.zst files in memory, one thread, and checks every id against the library:
//! `cargo bench --bench encode -- tokenizer.json FILE…` prints MB of a second of processor time (which other work disturbs less
//! than the clock): of the first pass (empty cache), of a second, and of the library (`--no-oracle`: without it). A text that the
//! library refuses is counted and passed over.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::io::BufRead;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use tamis::tokens::{Encoder, Tokenizer};

#[derive(serde::Deserialize)]
struct Line {
    text: String,
}

/// Seconds that this thread has had a processor; where the system does not tell, seconds by the clock.
fn seconds() -> f64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed().as_secs_f64(), |n| n / 1e9)
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
        let (mut tokens, started) = (0, seconds());
        for text in &texts {
            ids.clear();
            encoder.encode_into(text, &mut ids);
            tokens += ids.len();
        }
        (tokens, mb / (seconds() - started))
    };
    let ((tokens, first), (_, second)) = (pass(&mut encoder), pass(&mut encoder));
    print!("{mb:.0} MB, {tokens} tokens: first pass {first:.0} MB/s, second {second:.0}");
    if std::env::args().any(|a| a == "--no-oracle") {
        println!();
        return;
    }
    let mut oracle = Tokenizer::oracle(tokenizer, false).unwrap().encoder();
    let (mut taken, mut refused) = (0.0, 0);
    for (number, text) in texts.iter().enumerate() {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        encoder.encode_into(text, &mut ours);
        let started = seconds();
        // Its regular expressions give up on some, such as a million spaces.
        if !oracle.encode_into(text, &mut theirs) {
            refused += 1;
            continue;
        }
        taken += seconds() - started;
        assert!(ours == theirs, "ids of document {number} differ from the library's");
    }
    let library = mb / taken;
    println!(
        ", library {library:.1} (ratio {:.0}); all ids equal, {refused} texts refused by the library",
        first / library
    );
}
