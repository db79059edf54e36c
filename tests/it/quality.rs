//! The quality filters decide as datatrove 0.10.1 does, for the same reasons, by the same numbers: recorded, so that it need not be there.

use std::io::Read;

use serde_json::{Map, Value};
use tamis::pipeline::load;
use tamis::plan::trial::Trial;

use crate::place::{Place, repository};

/// Keys of the golden, and the step that must agree.
const STEPS: [(&str, &str); 8] = [
    ("gopher_repetition", "gopher_repetition: { compat: datatrove }"),
    ("gopher_quality", "gopher_quality: { compat: datatrove }"),
    ("c4_quality", "c4_quality: { compat: datatrove }"),
    ("c4_by_sentence", "c4_quality: { compat: datatrove, unit: sentence }"),
    ("c4_fineweb", "c4_quality: { compat: datatrove, require_terminal_punctuation: false }"),
    ("c4_paragraphs", "c4_paragraphs: {}"),
    ("fineweb_quality", "fineweb_quality: { compat: datatrove }"),
    ("c4_bad_words", "c4_bad_words: {}"),
];

fn golden() -> Vec<Map<String, Value>> {
    let path = repository().join("fixtures/goldens/quality.jsonl.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asks `check` about each golden text walked through the one step `step`.
fn walk(step: &str, mut check: impl FnMut(&Map<String, Value>, tamis::plan::trial::WalkedDocument)) {
    let place = Place::new();
    let path = place.write("p.yaml", format!("read: {{ jsonl: x }}\nsteps:\n  - {step}\nwrite: {{ jsonl: out }}\n"));
    let pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{step}: {d}"));
    let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{step}: {d}"));
    for row in golden() {
        let text = row["text"].as_str().unwrap().to_owned();
        check(&row, trial.walk(text, &Map::default(), None).unwrap());
    }
}

#[test]
fn verdicts_reasons_and_texts_are_datatroves() {
    for (key, step) in STEPS {
        let (mut compared, mut dropped) = (0, 0);
        walk(step, |row, walked| {
            // Where datatrove crashed there is nothing to compare.
            let Some(theirs) = row[key].as_str() else { return };
            let ours = walked.stop.map(|stop| stop.because).unwrap_or_default();
            assert_eq!(ours, theirs, "{key}: {:?}", row["text"]);
            let text = row.get(&format!("{key}_text")).unwrap_or(&row["text"]);
            assert_eq!(walked.text, text.as_str().unwrap(), "{key}");
            compared += 1;
            dropped += usize::from(!theirs.is_empty());
        });
        assert!(compared > 200 && dropped > 10, "{key}: {compared}, {dropped}");
    }
}

#[test]
fn numbers_are_datatroves() {
    let mut compared = 0;
    for (name, step) in [STEPS[0], STEPS[1], STEPS[6]] {
        walk(&format!("{step}\n    mode: annotate"), |row, walked| {
            let numbers = row["numbers"].as_object().unwrap();
            for (field, theirs) in numbers.iter().filter(|(field, _)| field.starts_with(&format!("{name}."))) {
                let ours = walked.fields.get(field).and_then(Value::as_f64);
                let theirs = theirs.as_f64().unwrap();
                let ours = ours.unwrap_or_else(|| panic!("no field {field}"));
                assert!((ours - theirs).abs() < 1e-12, "{field}: {ours}, {theirs}: {:?}", row["text"]);
                compared += 1;
            }
        });
    }
    assert!(compared > 4000, "{compared}");
}
