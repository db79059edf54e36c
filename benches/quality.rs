//! Judges the texts of JSONL files (plain or `.zst`) in memory, one thread: `cargo bench --bench quality -- FILE…` prints MB/s (of processor time) of the
//! four filters that FineWeb is made of, alone and in one pass; `--verdicts` prints what every stage decides about every document
//! instead, for `benches/quality.py` to compare.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[path = "common/clock.rs"]
mod clock;

use std::io::{BufRead, BufReader, Read};

use serde_json::{Value, json};
use tamis::doc::{Document, FieldTable, Origin, Text, Verdict, Words};
use tamis::stage::{Build, Scope, Stage, Transform};
use tamis::stages::{Place, find};
use tamis::text::{sentences, simplify};
use xxhash_rust::xxh64::xxh64;

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    text: String,
}

/// Stages by name: what they are called in the comparison, and their settings as datatrove has them.
const STAGES: [(&str, &str, &str); 8] = [
    ("gr", "gopher_repetition", r#"{"compat": "datatrove"}"#),
    ("gq", "gopher_quality", r#"{"compat": "datatrove"}"#),
    ("c4", "c4_quality", r#"{"compat": "datatrove"}"#),
    ("fw", "fineweb_quality", r#"{"compat": "datatrove"}"#),
    ("c4n", "c4_quality", r#"{"compat": "datatrove", "require_terminal_punctuation": false}"#),
    ("c4s", "c4_quality", r#"{"compat": "datatrove", "unit": "sentence"}"#),
    ("par", "c4_paragraphs", "{}"),
    (
        "grn",
        "gopher_repetition",
        r#"{"compat": "datatrove", "max_repeated_paragraph_fraction": null, "max_repeated_paragraph_char_fraction": null,
            "max_repeated_line_fraction": null, "max_repeated_line_char_fraction": null, "max_top_ngram_fraction": {}}"#,
    ),
];

fn build(stage: &str, settings: &str) -> Box<dyn Transform> {
    let settings: Value = serde_json::from_str(settings).unwrap();
    let (mut table, mut scope) = (FieldTable::default(), Scope::default());
    let mut cx = Build::new(stage, "bench", &mut table, &mut scope);
    match (find(stage, Place::Steps).unwrap().build)(settings, &mut cx).unwrap() {
        Stage::Transform(transform) => transform,
        _ => unreachable!("{stage} is no transform"),
    }
}

fn document(text: &str) -> Document {
    Document::new(Origin { source: "bench".into(), file: "bench".into(), at: 0 }, text.to_owned())
}

fn read(files: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    for path in files {
        let file = std::fs::File::open(path).unwrap();
        let plain: Box<dyn Read> =
            if path.ends_with(".zst") { Box::new(zstd::Decoder::new(file).unwrap()) } else { Box::new(file) };
        lines.extend(BufReader::new(plain).lines().map(|line| serde_json::from_str::<Line>(&line.unwrap()).unwrap()));
    }
    lines
}

fn verdicts(lines: &[Line]) {
    let mut stages: Vec<_> = STAGES.iter().map(|(key, name, settings)| (*key, build(name, settings))).collect();
    for Line { id, text } in lines {
        let whole = Text::new(text.clone());
        let words = whole.words_by(Words::Spacy);
        let hash = |text: &str| format!("{:016x}", xxh64(text.as_bytes(), 0));
        let joined: Vec<&str> = words.iter().map(|w| whole.at(*w)).collect();
        let mut spans = Vec::new();
        sentences::spacy(text, words, &mut spans);
        let parts: Vec<&str> = spans.iter().map(|s| whole.at(*s)).collect();
        let mut simple = String::new();
        simplify::simplify(text, &mut simple);
        let mut row = json!({ "id": id, "n": words.len(), "words": hash(&joined.join("\n")), "sent": hash(&parts.join("\0")),
            "simple": hash(&simple) });
        for (key, stage) in &mut stages {
            let mut doc = document(text);
            let said = match stage.apply(&mut doc) {
                Verdict::Keep => "",
                Verdict::Drop(reason) => reason.word,
            };
            row[*key] = said.into();
            row[format!("{key}_text")] = hash(doc.text.as_str()).into();
        }
        println!("{row}");
    }
}

/// Times that texts are judged; the fastest counts.
const ROUNDS: usize = 10;

/// MB/s of these stages over all texts, each text through all of them whatever they decide.
fn speed(lines: &[Line], chain: &[(&str, &str)]) -> f64 {
    let mut stages: Vec<_> = chain.iter().map(|(name, settings)| build(name, settings)).collect();
    let mb = lines.iter().map(|l| l.text.len()).sum::<usize>() as f64 / 1e6;
    let run = |stages: &mut [Box<dyn Transform>]| {
        let mut docs: Vec<Document> = lines.iter().map(|l| document(&l.text)).collect();
        let started = clock::seconds();
        for doc in &mut docs {
            for stage in stages.iter_mut() {
                std::hint::black_box(stage.apply(doc));
            }
            // Its views go, as they do when a document has been written.
            doc.text = Text::default();
        }
        mb / (clock::seconds() - started)
    };
    (0..ROUNDS).map(|_| run(&mut stages)).fold(0.0, f64::max)
}

fn main() {
    let (flags, files): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let lines = read(&files);
    if flags.iter().any(|f| f == "--verdicts") {
        return verdicts(&lines);
    }
    let fineweb = ["gopher_repetition", "gopher_quality", "c4_quality", "fineweb_quality"];
    for (way, settings) in [("unicode", "{}"), ("datatrove", r#"{"compat": "datatrove"}"#)] {
        for stage in fineweb {
            println!("{way} {stage} {:.1}", speed(&lines, &[(stage, settings)]));
        }
        println!("{way} all {:.1}", speed(&lines, &fineweb.map(|stage| (stage, settings))));
    }
}
