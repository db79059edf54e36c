//! Every profile decides as its implementation does, for the same first reason, by the same numbers: Dolma 1.2.1, DCLM and datamap-rs,
//! recorded (`fixtures/goldens/profiles.py`) of the texts of the golden of datatrove.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Map, Value};
use tamis::pipeline::load;
use tamis::plan::trial::{Trial, WalkedDocument};

use crate::place::{Place, repository};

fn golden(name: &str) -> Vec<Map<String, Value>> {
    let path = repository().join("fixtures/goldens").join(name);
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The step that must agree with what is recorded under `key`, `STAGE/PROFILE`.
fn step(key: &str) -> String {
    let (stage, profile) = key.split_once('/').unwrap();
    let more = if stage == "pii" { ", max_finds: 5" } else { "" };
    if stage == "code_quality" { format!("{stage}: {{}}") } else { format!("{stage}: {{ compat: {profile}{more} }}") }
}

/// Each text, what is recorded of it under `key`, and what becomes of it in `step`.
fn each(key: &str, step: &str, mut look: impl FnMut(&str, &Value, WalkedDocument)) {
    let place = Place::new();
    let path = place.write("p.yaml", format!("read: {{ jsonl: x }}\nsteps:\n  - {step}\nwrite: {{ jsonl: out }}\n"));
    let pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{step}: {d}"));
    let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{step}: {d}"));
    for (row, said) in golden("quality.jsonl.gz").iter().zip(golden("profiles.jsonl.gz")) {
        let text = row["text"].as_str().unwrap();
        look(text, &said[key], trial.walk(text.to_owned(), &Map::default(), None).unwrap());
    }
}

fn keys() -> Vec<String> {
    golden("profiles.jsonl.gz")[0].keys().cloned().collect()
}

/// Whether the implementation leaves a number of `said` to the order of a hash table.
fn by_chance(said: &Value) -> bool {
    said["numbers"].as_object().is_some_and(|n| n.values().any(Value::is_null))
}

#[test]
fn every_profile_gives_the_verdict_reason_and_text_of_its_implementation() {
    assert_eq!(keys().len(), 12);
    for key in keys().iter().filter(|key| *key != "code_quality/dolma") {
        let mut reasons = BTreeMap::new();
        let mut rewritten = 0;
        each(key, &step(key), |text, said, walked| {
            let theirs = said["reason"].as_str().unwrap();
            let ours = walked.stop.map(|stop| stop.because).unwrap_or_default();
            if by_chance(said) && (theirs.starts_with("top_") || ours.starts_with("top_")) {
                return;
            }
            assert_eq!(ours, theirs, "{key}: {text:?}");
            *reasons.entry(ours).or_insert(0) += 1;
            if let Some(left) = said["text"].as_str() {
                assert_eq!(walked.text, left, "{key}");
                rewritten += 1;
            }
            assert!(said["text"] != true || walked.text == text, "{key}: {text:?}");
        });
        let dropped: usize = reasons.iter().filter(|(reason, _)| !reason.is_empty()).map(|(_, count)| count).sum();
        assert!(dropped > 0 && reasons.values().sum::<usize>() > 230, "{key}: {reasons:?}");
        assert!(key != "c4_quality/dolma" || rewritten > 100, "{rewritten}");
    }
}

#[test]
fn every_profile_measures_the_numbers_of_its_implementation() {
    let mut compared = 0;
    for key in keys() {
        // Dolma's are rounded to five places.
        let within = if key.contains("dolma") { 0.6e-5 } else { 1e-11 };
        let stage = key.split('/').next().unwrap();
        each(&key, &format!("{}\n    mode: annotate", step(&key)), |text, said, walked| {
            let Some(numbers) = said["numbers"].as_object() else { return };
            for (name, theirs) in numbers.iter().filter(|(_, theirs)| !theirs.is_null()) {
                let theirs = theirs.as_f64().unwrap();
                let ours = walked.fields[&format!("{stage}.{name}")].as_f64();
                let ours = ours.unwrap_or_else(|| panic!("{key} has no number {name}: {text:?}"));
                assert!(
                    (ours - theirs).abs() <= within * theirs.abs().max(1.0),
                    "{key} {name}: {ours}, {theirs}: {text:?}"
                );
                compared += 1;
            }
        });
    }
    assert!(compared > 15_000, "{compared}");
}
