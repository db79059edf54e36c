//! Rule sets decide, and menders mend, as the implementations do that they are named after (`fixtures/goldens/rules.py`).

use serde_json::Value;
use tamis::pipeline::load;
use tamis::plan::trial::{Trial, WalkedDocument};

use crate::place::{Place, repository};

fn goldens(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(repository().join("fixtures/goldens").join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Walks every golden's text through `step`, and gives what came of it.
fn each(step: &str, goldens: &[Value], text: &str, mut look: impl FnMut(&Value, WalkedDocument)) {
    let place = Place::new();
    let path = place.write("p.yaml", format!("read: {{ jsonl: x }}\nsteps: [{{ {step} }}]\nwrite: {{ jsonl: out }}\n"));
    let pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{d}"));
    let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{d}"));
    for golden in goldens {
        look(golden, trial.walk(golden[text].as_str().unwrap().to_owned(), &Default::default(), None).unwrap());
    }
}

fn close(name: &str, golden: &Value, ours: &Value, within: f64, of: &Value) {
    let (theirs, ours) = (golden.as_f64().unwrap(), ours.as_f64().unwrap());
    assert!((theirs - ours).abs() <= within, "{name}: {theirs}, and not {ours}, of {of:?}");
}

#[test]
fn mojibake_is_mended_as_ftfy_mends_it() {
    let goldens = goldens("mojibake.jsonl");
    let mut mended = 0;
    each("fix_encoding: {}", &goldens, "given", |golden, walked| {
        assert_eq!(walked.text, golden["fixed"].as_str().unwrap(), "{:?}", golden["given"]);
        mended += usize::from(golden["given"] != golden["fixed"]);
    });
    assert!(goldens.len() > 2000 && mended > 800, "{mended}");
}

#[test]
fn nemotron_cc_measures_and_decides_as_nemo_curator() {
    let mut decided = 0;
    each("nemotron_cc: {}, mode: annotate", &goldens("rules.jsonl"), "text", |golden, walked| {
        // A document on which theirs divides by zero is dropped.
        let Some(theirs) = golden["nemo"].as_object() else {
            assert_ne!(walked.fields["nemotron_cc.verdict"], "keep");
            return;
        };
        for (name, number) in theirs["measures"].as_object().unwrap().iter().filter(|(_, n)| !n.is_null()) {
            close(name, number, &walked.fields[&format!("nemotron_cc.{name}")], 1e-12, &golden["text"]);
        }
        // Of n-grams that occur equally often theirs takes one by chance, and with it the verdict.
        let by_chance = (2..=4).any(|n| theirs["measures"][format!("top_{n}gram_fraction")].is_null());
        if by_chance
            && (theirs["dropped_by"].as_str().is_some_and(|by| by.starts_with("top_"))
                || walked.fields["nemotron_cc.verdict"] == "top_ngram")
        {
            return;
        }
        let reason = match theirs["dropped_by"].as_str().unwrap_or("keep") {
            "keep" => "keep",
            "symbol_fraction" => "too_many_symbols",
            "digit_fraction" => "too_many_digits",
            "url_fraction" => "too_many_urls",
            "space_fraction" => "too_many_spaces",
            "boilerplate_fraction" => "boilerplate",
            "words" => "too_few_words",
            "unpunctuated_fraction" => "unpunctuated",
            "common_words" => "too_few_common_words",
            "ellipsis_line_fraction" => "too_many_ellipsis_lines",
            "duplicate_5gram_fraction" => "duplicate_ngrams",
            "top_2gram_fraction" | "top_3gram_fraction" => "top_ngram",
            other => panic!("{other} has no reason of ours yet"),
        };
        assert_eq!(walked.fields["nemotron_cc.verdict"], reason, "{:?}", golden["text"]);
        decided += 1;
    });
    assert!(decided > 200, "{decided}");
}

#[test]
fn redpajama_signals_are_redpajamas() {
    each("redpajama_signals", &goldens("rules.jsonl"), "text", |golden, walked| {
        for (name, number) in golden["redpajama"].as_object().unwrap().iter().filter(|(_, n)| !n.is_null()) {
            // Theirs are rounded to eight places; where they average over lines, each line was.
            close(name, number, &walked.fields[&format!("rps_{name}")], 1e-8, &golden["text"]);
        }
    });
}

#[test]
fn refinedweb_lines_are_dclms() {
    let mut changed = 0;
    each("refinedweb_lines: {}, mode: annotate", &goldens("rules.jsonl"), "text", |golden, walked| {
        let theirs = &golden["dclm"];
        let Some(text) = theirs["text"].as_str() else {
            assert_eq!(walked.fields["refinedweb_lines.verdict"], "nothing_left", "{:?}", golden["text"]);
            return;
        };
        assert_eq!(walked.text, text, "of {:?}", golden["text"]);
        let removed = &walked.fields["refinedweb_lines.removed_fraction"];
        close("removed", &theirs["removed"], removed, 1e-12, &golden["text"]);
        let kept = theirs["removed"].as_f64().unwrap() <= 0.05;
        assert_eq!(walked.fields["refinedweb_lines.verdict"] == "keep", kept);
        changed += usize::from(text != golden["text"].as_str().unwrap());
    });
    assert!(changed > 100, "{changed}");
}

#[test]
fn lines_of_symbols_are_fineweb_2s() {
    let settings = r#"{ counters: false, javascript: false, policies: false, symbol_lines: false, symbols: "|-=" }"#;
    each(&format!("strip_boilerplate_lines: {settings}"), &goldens("rules.jsonl"), "text", |golden, walked| {
        // Theirs also makes every kind of line end a `\n`, and takes the last one away.
        let Some(theirs) = golden["symbol_lines"].as_str() else { return };
        assert_eq!(walked.text.strip_suffix('\n').unwrap_or(&walked.text), theirs);
    });
}
