//! Puts documents of 10 and of 100 MB through every stage that takes them one by one, and prints the seconds of each, how they
//! grow, and where they grow faster than the documents: `cargo bench --bench linear -- [STAGE…] [-STAGE…] [@SHAPE…] [--mb SMALL LARGE]`,
//! `-STAGE` for all but that. Seconds are the processor's; what seems to grow faster is measured twice again, and the best counts:
//! memory that the system has to find first makes the larger document slower the first time.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[path = "common/clock.rs"]
mod clock;

use std::path::Path;

use serde_json::{Map, Value};
use tamis::doc::{Document, FieldTable, Origin};
use tamis::stage::{Build, Entry, Scope, Stage};
use tamis::stages::catalog;

const PROSE: &str = include_str!("../fixtures/books/moby-dick.txt");
const MIXED: &str = "שלום עולם, hello \u{202b}مرحبا\u{202c} 世界 ภาษาไทย привет! ";

/// What documents are made of, by name: pieces that are repeated.
const SHAPES: [(&str, &str); 14] = [
    ("prose", PROSE),
    ("prose on one line", ""),
    ("one word", "abcdefghij"),
    ("a", "a"),
    ("spaces", " "),
    ("newlines", "\n"),
    ("marks", "\u{301}"),
    ("letters with marks", "e\u{301}\u{300}"),
    ("full stops", "."),
    ("words of one letter", "a "),
    ("right to left, mixed", MIXED),
    ("without spaces", "日本語の文章はかなと漢字で書かれる。ภาษาไทย"),
    ("numbers", "1,234.5-"),
    ("flags", "🇩🇪"),
];

fn text(piece: &str, bytes: usize) -> String {
    let one_line = PROSE.replace('\n', " ");
    let piece = if piece.is_empty() { &one_line } else { piece };
    piece.repeat(bytes / piece.len() + 1)
}

/// Settings to try besides those of a stage's first example; those of `chunk` and `truncate` are for documents of this length.
const SETTINGS: [(&str, &str); 6] = [
    ("chunk", r#"{"max_chars": 4000, "max_words": 500, "max_bytes": 6000}"#),
    ("truncate", r#"{"max_words": 5000000}"#),
    ("gopher_quality", r#"{"words": "spacy"}"#),
    ("gopher_repetition", r#"{"words": "dictionary"}"#),
    ("c4_quality", r#"{"compat": "datatrove"}"#),
    ("language", r#"{"model": "fixtures/models/lid.176.ftz", "level": "line"}"#),
];

/// The settings to try a stage with.
fn settings(entry: &Entry) -> Vec<&'static str> {
    let name = entry.about.name;
    let first = entry.about.examples.first().filter(|_| name != "chunk").map(|e| e.settings);
    first.into_iter().chain(SETTINGS.iter().filter(|s| s.0 == name).map(|s| s.1)).collect()
}

fn build(entry: &Entry, settings: &str) -> Option<Stage> {
    let settings = serde_json::from_str(settings).unwrap();
    let (mut table, mut scope) = (FieldTable::default(), Scope { open: true, ..Scope::default() });
    (entry.build)(settings, &mut Build::new(entry.about.name, "bench", &mut table, &mut scope)).ok()
}

fn document(text: &str) -> Document {
    Document::new(Origin { source: "bench".into(), file: "bench.txt".into(), at: 0 }, text.to_owned())
}

/// Seconds that the stage takes for `text`.
fn seconds(stage: &mut Stage, text: &str) -> Option<f64> {
    let mut doc = document(text);
    let began = clock::seconds();
    match stage {
        Stage::Transform(stage) => drop(std::hint::black_box(stage.apply(&mut doc))),
        Stage::Expand(stage) => {
            let mut parts = Vec::new();
            stage.expand(&doc, &mut parts);
            std::hint::black_box(parts);
        }
        _ => return None,
    }
    Some(clock::seconds() - began)
}

fn main() {
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut wanted: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let mut sizes = [10e6, 100e6];
    if let Some(at) = wanted.iter().position(|a| a == "--mb") {
        sizes = [1, 2].map(|n| wanted[at + n].parse::<f64>().unwrap() * 1e6);
        wanted.truncate(at);
    }
    let (shapes, wanted): (Vec<String>, Vec<String>) = wanted.into_iter().partition(|a| a.starts_with('@'));
    let growth = sizes[1] / sizes[0];
    // Below a quarter of a second caches tell more than the work, and the kernel's clock goes in steps.
    let superlinear = |small: f64, large: f64| large > 0.25 && large > growth * 1.6 * small;
    let mut worst = Map::new();
    let asked = |shape: &str| shapes.is_empty() || shapes.iter().any(|s| s.strip_prefix('@') == Some(shape));
    for (shape, piece) in SHAPES.into_iter().filter(|(shape, _)| asked(shape)) {
        let texts = sizes.map(|bytes| text(piece, bytes as usize));
        let named = |mark: &str, entry: &Entry| wanted.iter().any(|w| w.strip_prefix(mark) == Some(entry.about.name));
        let some = wanted.iter().any(|w| !w.starts_with('-'));
        let chosen = |entry: &&Entry| (!some || named("", entry)) && !named("-", entry);
        let tries = catalog().filter(chosen).flat_map(|entry| settings(entry).into_iter().map(move |s| (entry, s)));
        for (entry, settings) in tries {
            let Some(mut stage) = build(entry, settings) else { continue };
            let Some(mut small) = seconds(&mut stage, &texts[0]) else { continue };
            let Some(mut large) = seconds(&mut stage, &texts[1]) else { continue };
            for _ in 0..2 {
                if superlinear(small, large) {
                    small = seconds(&mut stage, &texts[0]).map_or(small, |s| s.min(small));
                    large = seconds(&mut stage, &texts[1]).map_or(large, |s| s.min(large));
                }
            }
            let ratio = large / small.max(1e-9);
            let name = format!("{} {settings}", entry.about.name);
            println!(
                "{name:<60.60} {shape:<22} {small:8.3} s {large:8.3} s  ×{ratio:.1}{}",
                if superlinear(small, large) { "  SUPERLINEAR" } else { "" }
            );
            let slowest = worst.entry(entry.about.name).or_insert(Value::from(0.0));
            *slowest = slowest.as_f64().unwrap_or(0.0).max(large).into();
        }
    }
    println!("\nslowest of all shapes, seconds for {} MB:", sizes[1] / 1e6);
    for (stage, slowest) in worst {
        println!("{stage:<24} {:8.2}", slowest.as_f64().unwrap_or(0.0));
    }
}
