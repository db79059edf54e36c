//! Training vocabularies: what the library learns of the same texts, from a pipeline that writes nothing else.

use crate::place::{Place, Ran, repository};

fn train(place: &Place, pattern: &str) -> Ran {
    let pipeline = repository().join("fixtures/goldens/train_bpe.yaml").display().to_string();
    let fixtures = format!("fixtures={}", repository().join("fixtures").display());
    let (pattern, nfc) = (format!("pattern={pattern}"), format!("nfc={}", pattern == "qwen2"));
    let longest = if pattern.ends_with("gpt2") { "longest=9" } else { "longest=null" };
    place.tamis(&["run", &pipeline, "--set", &fixtures, "--set", &pattern, "--set", &nfc, "--set", longest])
}

/// Recorded with `fixtures/goldens/train_bpe.py`, which also has the library load these files.
#[test]
fn vocabularies_are_those_of_the_library() {
    for pattern in ["gpt2", "cl100k", "qwen2"] {
        let place = Place::new();
        train(&place, pattern).done();
        let json = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
        let ours = json(std::fs::read(place.path("vocabulary/tokenizer.json")).unwrap());
        let golden = repository().join(format!("fixtures/goldens/train_bpe/{pattern}.json"));
        assert!(ours == json(std::fs::read(golden).unwrap()), "{pattern}");
    }
}

#[test]
fn training_reads_once_balances_and_is_repeated_when_its_files_are_gone() {
    let place = Place::new();
    let first = train(&place, "cl100k").done();
    place.assert_balanced("runs/train");
    let stats = place.tamis(&["stats", "runs/train", "--json"]).done().json();
    assert!(stats["tally"]["read"].as_u64() > Some(50));
    assert_eq!(stats["tally"]["read"], stats["tally"]["kept"]);
    assert!(stats["notes"].to_string().contains("tokens a word"), "{stats}");
    let written = place.digest(&["vocabulary"]);
    std::fs::remove_file(place.path("vocabulary/tokenizer.json")).unwrap();
    train(&place, "cl100k").done();
    assert_eq!(written, place.digest(&["vocabulary"]));
    // A file of somebody else is not overwritten.
    let other = Place::new();
    other.write("vocabulary/tokenizer.json", "{}");
    let ran = train(&other, "cl100k");
    assert!(ran.code == 1 && ran.err.contains("already holds files"), "{}", ran.err);
    assert!(!first.out.is_empty());
}

#[test]
fn what_dedup_drops_is_not_learnt_from_and_documents_pass_through() {
    let place = Place::new();
    let lines: String = (0..200).map(|i| format!("{{\"text\":\"word{} again\"}}\n", i % 10)).collect();
    place.write("a.jsonl", lines);
    let steps =
        "steps:\n  - exact\n  - train_bpe: { dir: v, vocab_size: 270 }\n  - exact: { of: normalized }\n    as: again\n";
    place.write(
        "p.yaml",
        format!("run: r\nread: {{ jsonl: a.jsonl }}\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\n"),
    );
    place.tamis(&["run", "p.yaml"]).done();
    assert_eq!(place.texts("out").len(), 10);
    let report = std::fs::read(place.path("v/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["all"]["documents"], 10);
    place.assert_balanced("r");
    // Nothing comes after the last step of a flow without a writer, and a flow that only cleans goes nowhere.
    place.write("q.yaml", "read: { jsonl: a.jsonl }\nsteps:\n  - train_bpe: v2\n  - exact\n");
    let ran = place.tamis(&["check", "q.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("goes nowhere"), "{}", ran.err);
}
