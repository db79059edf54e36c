//! Documents that hold evaluation items are found, in a pipeline, with item, place and score.

use crate::place::{Place, repository};

const RIDDLE: &str = "Little Nancy Etticoat, in a white petticoat, with a red nose: the longer she stands, the shorter she grows. What is she?";

fn place(step: &str) -> Place {
    let place = Place::new();
    let clean = "The committee met on Tuesday and spoke about the bridge, the school and the new road to the harbor.";
    let lines: Vec<String> = (0..40)
        .map(|i| if i % 10 == 7 { format!("{i}. {RIDDLE} A candle.") } else { format!("{i}. {clean}") })
        .map(|text| format!("{}\n", serde_json::json!({ "text": text })))
        .collect();
    place.write("a.jsonl", lines.concat());
    place.write("evals/riddles.jsonl", std::fs::read(repository().join("fixtures/evals/riddles.jsonl")).unwrap());
    place.write(
        "p.yaml",
        format!(
            "read: {{ jsonl: a.jsonl }}\nsteps:\n  - {step}\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\n"
        ),
    );
    place
}

#[test]
fn the_ledger_has_the_score_and_annotating_the_item() {
    let dropping = place("decontaminate: { against: evals, text: [question, answer], ngrams: 5 }");
    dropping.tamis(&["run", "p.yaml"]).done();
    assert_eq!(dropping.texts("out").len(), 36);
    let rows = dropping.ledger("runs/p");
    assert!(
        rows.iter().all(|r| r.because == "contaminated" && r.number == Some(1.0) && r.limit == Some(1.0)),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 4);
    dropping.assert_balanced("runs/p");
    let annotating =
        place("decontaminate: { against: evals/riddles.jsonl, text: [question], ngrams: 5 }\n    mode: annotate");
    annotating.tamis(&["run", "p.yaml", "-j2"]).done();
    let rows = annotating.lines("out");
    assert_eq!(rows.len(), 40);
    assert_eq!((&rows[7]["decontaminate.item"], &rows[7]["decontaminate.score"]), (&"nancy".into(), &1.0.into()));
    assert_eq!(
        (&rows[7]["decontaminate.verdict"], &rows[6]["decontaminate.verdict"]),
        (&"contaminated".into(), &"keep".into())
    );
    assert_eq!(rows[7]["decontaminate.start"], 3);
}

#[test]
fn a_changed_evaluation_set_is_another_run_and_a_missing_one_is_told() {
    let place = place("decontaminate: { against: \"evals/*\", text: [question], ngrams: 5 }");
    place.tamis(&["run", "p.yaml"]).done();
    assert_eq!(place.texts("out").len(), 36);
    place.write("evals/riddles.jsonl", "{\"question\":\"the committee met on tuesday and spoke about the bridge\"}\n");
    place.tamis(&["run", "p.yaml"]).done();
    assert_eq!(place.texts("out").len(), 4);
    for (bytes, says) in
        [("", "is empty"), ("{\"q\":\"a\"}\n", "`question`"), ("{\"question\":\"a b\"}\n", "none of 1 items")]
    {
        place.write("evals/riddles.jsonl", bytes);
        let ran = place.tamis(&["check", "p.yaml"]);
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains(says), "{}", ran.err);
    }
    std::fs::remove_file(place.path("evals/riddles.jsonl")).unwrap();
    let ran = place.tamis(&["check", "p.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("no file matches"), "{}", ran.err);
}
