//! Documents that mean the same go, by embeddings of any table, whatever the splits and the workers.

use crate::place::{Place, repository};

fn run(place: &Place, read: &str, step: &str, more: &[&str]) -> Vec<serde_json::Value> {
    place.write(
        "p.yaml",
        format!("read: {read}\nsteps:\n  - {step}\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\n"),
    );
    place.tamis(&[&["run", "p.yaml"], more].concat()).done();
    place.assert_balanced("runs/p");
    place.lines("out")
}

#[test]
fn embeddings_are_read_from_every_kind_of_list() {
    for (reader, file) in [("parquet", "vectors.parquet"), ("arrow", "vectors.arrow")] {
        let read = format!("{{ {reader}: {} }}", repository().join("fixtures/goldens").join(file).display());
        for column in ["list", "large", "fixed"] {
            let step = format!("semantic: {{ of: {column}, dimensions: 3, clusters: 1, min_similarity: 99% }}");
            let lines = run(&Place::new(), &read, &step, &["-j2"]);
            let texts: Vec<&str> = lines.iter().map(|l| l["text"].as_str().unwrap()).collect();
            assert_eq!(texts, ["row 0", "row 1", "row 2", "row 7"], "{file} {column}");
            assert_eq!(lines[1][column], serde_json::json!([0.0, 1.0, 0.0]));
            assert!(lines.iter().all(|l| l.as_object().unwrap().keys().all(|k| !k.starts_with('#'))));
        }
        let place = Place::new();
        place.write(
            "p.yaml",
            format!("read: {read}\nsteps:\n  - semantic: {{ of: holed, dimensions: 3 }}\nwrite: {{ jsonl: out }}\n"),
        );
        let ran = place.tamis(&["run", "p.yaml"]);
        assert!(ran.code == 1 && ran.err.contains("3 numbers in `holed`"), "{}", ran.err);
    }
}

#[test]
fn workers_do_not_show_and_clusters_are_named() {
    let digest = |more: &[&str], step: &str| {
        let place = Place::new();
        for file in 0..4 {
            let line = |n: u32| {
                let angle = f64::from(n % 40) / 4.0 + f64::from(n / 40) / 1000.0;
                serde_json::json!({"text": format!("n{n}"), "embedding": [angle.sin(), angle.cos(), 0.5]}).to_string()
            };
            let lines: Vec<String> = (file * 50..file * 50 + 50).map(line).collect();
            place.write(&format!("{file}.jsonl"), lines.join("\n"));
        }
        let lines = run(&place, "{ jsonl: \"*.jsonl\" }", step, more);
        (lines, place.digest(&["out"]))
    };
    let step = "semantic: { of: embedding, dimensions: 3, min_similarity: 0.999 }";
    let (lines, one) = digest(&["-j1"], step);
    assert!((20..=60).contains(&lines.len()), "{}", lines.len());
    assert_eq!(digest(&["-j4", "--visit", "5"], step).1, one);
    let annotated =
        digest(&["-j3"], "{ semantic: { of: embedding, dimensions: 3, min_similarity: 0.999 }, mode: annotate }").0;
    assert_eq!(annotated.len(), 200);
    let stay: Vec<_> = annotated.iter().filter(|l| l["semantic_duplicate"] == false).map(|l| &l["text"]).collect();
    assert_eq!(stay, lines.iter().map(|l| &l["text"]).collect::<Vec<_>>());
}
