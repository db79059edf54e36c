//! Documents that nobody writes: every stage judges them all the same, without a panic and in time that can be waited for.

use std::collections::BTreeSet;

use tamis::pipeline::load;
use tamis::plan::trial::Trial;
use tamis::stage::Family;
use tamis::stages::catalog;

use crate::place::{Place, repository};

const BYTES: usize = 60_000;

fn documents() -> Vec<String> {
    let pieces = [
        "x",
        " ",
        "\n",
        "\u{301}",
        "#",
        "...",
        "日",
        "\u{202e}مرحبا ",
        "🇩🇪",
        "â€œ",
        "Ã ",
        "\u{fffd}",
        "3 likes\n",
        "a. ",
        "http://",
    ];
    let mut documents: Vec<String> = pieces.iter().map(|piece| piece.repeat(BYTES / piece.len())).collect();
    documents.push(String::new());
    documents
}

#[test]
fn no_stage_minds_a_document_that_nobody_writes() {
    let place = Place::new();
    let documents = documents();
    let families = [Family::Clean, Family::Filter, Family::Redact];
    let mut tried = BTreeSet::new();
    for entry in catalog().filter(|e| families.contains(&e.about.family)) {
        for example in entry.about.examples.iter().take(1) {
            let settings = example.settings.replace("fixtures/", &format!("{}/fixtures/", repository().display()));
            tried.insert(entry.about.name);
            let step = format!("steps:\n  - {}: {settings}\n", entry.about.name);
            let path = place.write("p.yaml", format!("read: {{ jsonl: x }}\n{step}write: {{ jsonl: out }}\n"));
            let pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{}: {d}", entry.about.name));
            let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{}: {d}", entry.about.name));
            for document in &documents {
                trial.walk(document.clone(), &Default::default(), None).unwrap();
            }
        }
    }
    assert!(tried.len() > 20, "{}", tried.len());
}
