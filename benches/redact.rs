//! Finds private data and secrets in texts in memory, on one thread: `cargo bench --bench redact -- FILE.jsonl.zst…` prints MB/s.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[path = "common/clock.rs"]
mod clock;

use std::io::BufRead;

use tamis::text::pii::{Finder, Kind, Scope};
use tamis::text::secrets;

fn main() {
    let mut texts = Vec::new();
    for file in std::env::args().skip(1).filter(|a| !a.starts_with('-')) {
        let lines = std::io::BufReader::new(tamis::io::codec::open(file.as_ref()).unwrap()).lines();
        for line in lines {
            let value: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            texts.push(value["text"].as_str().unwrap().to_owned());
        }
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    let report = |name: &str, each: &mut dyn FnMut(&str) -> usize| {
        let mut best = f64::MAX;
        let mut found = 0;
        for _ in 0..3 {
            let started = clock::seconds();
            found = texts.iter().map(|t| each(t)).sum();
            best = best.min(clock::seconds() - started);
        }
        println!("{name:<12} {:>8.1} MB/s   {found} found in {:.1} MB", bytes as f64 / 1e6 / best, bytes as f64 / 1e6);
    };
    let pii = |kinds: &[Kind], regions: &[String]| {
        let mut finder = Finder::new(kinds, Scope::Public, regions);
        let mut found = Vec::new();
        move |text: &str| {
            finder.find(text, &mut found);
            found.len()
        }
    };
    let us = ["US".to_owned()];
    report("pii", &mut pii(&Kind::ALL, &us));
    report("email, ipv4", &mut pii(&[Kind::Email, Kind::Ipv4], &us));
    for kind in Kind::ALL {
        report(kind.name(), &mut pii(&[kind], &us));
    }
    let finder = secrets::Finder::new(|_| true, 3.5).unwrap();
    let mut found = Vec::new();
    report("secrets", &mut |text| {
        finder.find(text, &mut found);
        found.len()
    });
}
