//! The examples on the stages' manual pages are true.

use tamis::pipeline::load;
use tamis::plan::trial::Trial;
use tamis::stage::{Expect, Family};
use tamis::stages::catalog;

use crate::place::{Place, repository};

#[test]
fn every_example_on_a_manual_page_does_what_it_says() {
    let place = Place::new();
    let mut ran = 0;
    for entry in catalog() {
        for example in entry.about.examples {
            let settings = example.settings.replace("fixtures/", &format!("{}/fixtures/", repository().display()));
            let text = format!(
                "read: {{ jsonl: x }}\nsteps:\n  - {}: {settings}\nwrite: {{ jsonl: out }}\n",
                entry.about.name
            );
            let path = place.write("p.yaml", text);
            let mut pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{}: {d}", entry.about.name));
            pipeline.allow_exec = true;
            let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{}: {d}", entry.about.name));
            let walked = trial.walk(example.given.to_owned(), &Default::default(), None).unwrap();
            let name = format!("{}: it {}", entry.about.name, example.it);
            let because = walked.stop.as_ref().map(|s| s.because.as_str());
            match example.expect {
                Expect::Kept => assert_eq!((because, walked.text.as_str()), (None, example.given), "{name}"),
                Expect::Text(text) => assert_eq!((because, walked.text.as_str()), (None, text), "{name}"),
                Expect::Texts(texts) => assert_eq!(
                    (because, walked.texts.iter().map(String::as_str).collect::<Vec<_>>()),
                    (None, texts.to_vec()),
                    "{name}"
                ),
                Expect::Dropped(reason) => assert_eq!(because, Some(reason), "{name}"),
                Expect::Field(field, value) => {
                    let value: serde_json::Value = serde_json::from_str(value).unwrap();
                    assert_eq!((because, walked.fields.get(field)), (None, Some(&value)), "{name}");
                }
            }
            ran += 1;
        }
    }
    assert!(ran >= 12, "{ran}");
}

#[test]
fn every_stage_for_single_documents_has_an_example() {
    let single = [Family::Clean, Family::Filter, Family::Redact, Family::Encode];
    // What needs a library that may not be there is tested where it is (`models.rs`).
    let bare = |e: &&tamis::stage::Entry| e.about.ends || e.about.name == "onnx";
    for entry in catalog().filter(|e| single.contains(&e.about.family) && !bare(e)) {
        assert!(!entry.about.examples.is_empty(), "{} has no example", entry.about.name);
    }
}

#[test]
fn the_quickstarts_own_tests_pass() {
    let place = Place::new();
    let output = place.quickstart("test", &[]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
