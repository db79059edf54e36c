//! Stages that choose among documents do so alike whatever the workers, and keep what belongs together together.

use std::collections::{BTreeMap, BTreeSet};

use crate::place::Place;

/// Twenty sets of near-duplicates, of one to five documents, each over a hundred words.
fn corpus(place: &Place) {
    let mut lines = String::new();
    for set in 0..20u64 {
        for copy in 0..1 + set % 5 {
            let words: Vec<String> = (0..120).map(|w| format!("w{}", (set * 7919 + w * w * 31) % 9973)).collect();
            let score = (set * 37 % 20) as f64 + copy as f64 / 10.0;
            lines.push_str(&format!(
                "{{\"text\":\"{} copy{copy}\",\"set\":{set},\"score\":{score}}}\n",
                words.join(" ")
            ));
        }
    }
    place.write("a.jsonl", lines);
}

fn run(steps: &str) -> Vec<serde_json::Value> {
    let place = Place::new();
    corpus(&place);
    place.write(
        "p.yaml",
        format!("read: {{ jsonl: a.jsonl }}\nsteps:\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\n"),
    );
    place.tamis(&["run", "p.yaml", "-j3"]).done();
    place.assert_balanced("runs/p");
    place.lines("out")
}

#[test]
fn a_split_by_cluster_leaks_nothing() {
    let lines = run(
        "  - { minhash: {}, mode: annotate }\n  - split: { parts: { train: 60%, validation: 40% }, by: minhash_cluster }\n",
    );
    assert_eq!(lines.len(), 60);
    let mut parts: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for line in &lines {
        parts.entry(line["set"].as_u64().unwrap()).or_default().insert(line["split"].as_str().unwrap());
    }
    assert!(parts.values().all(|p| p.len() == 1), "{parts:?}");
    assert_eq!(parts.values().flatten().collect::<BTreeSet<_>>().len(), 2);
}

/// A number of the input is a key as a name is: nothing is torn apart because of how it was written down.
#[test]
fn a_number_of_the_input_is_a_key() {
    let split = "split: { parts: { train: 50%, validation: 50% }, by: set }";
    for steps in [
        format!("  - {split}\n"),
        format!("  - length: {{ min_chars: 1 }}\n  - exact: text\n  - shuffle: {{}}\n  - {split}\n"),
        // A condition that reads the same field as a number takes nothing away.
        format!("  - {{ length: {{ min_chars: 1 }}, when: set >= 0 }}\n  - {split}\n"),
    ] {
        let lines = run(&steps);
        let mut parts: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
        for line in &lines {
            parts.entry(line["set"].as_u64().unwrap()).or_default().insert(line["split"].as_str().unwrap());
        }
        assert_eq!((lines.len(), parts.len()), (60, 20));
        assert!(parts.values().all(|p| p.len() == 1), "{steps} {parts:?}");
        assert_eq!(parts.values().flatten().collect::<BTreeSet<_>>().len(), 2);
    }
    let score = |line: &serde_json::Value| (line["set"].as_u64().unwrap(), line["score"].as_f64().unwrap());
    let kept = run("  - exact: { of: [set], keep: { newest: score } }\n");
    let best: Vec<(u64, f64)> = (0..20).map(|set| (set, (set * 37 % 20) as f64 + (set % 5) as f64 / 10.0)).collect();
    assert_eq!(kept.iter().map(score).collect::<Vec<_>>(), best);
}

#[test]
fn rehydrating_takes_one_of_a_cluster_as_often_as_the_table_says() {
    let lines = run("  - { minhash: {}, mode: annotate }\n  - rehydrate: { repeats: { 2: 2, 4: 3, 5: 0 } }\n");
    let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
    for line in &lines {
        *taken.entry(line["set"].as_u64().unwrap()).or_default() += 1;
    }
    for set in 0..20 {
        let expected = [1, 2, 2, 3, 0][set as usize % 5];
        assert_eq!(taken.get(&set).copied().unwrap_or(0), expected, "set {set}");
    }
}

#[test]
fn buckets_and_samples_are_exact() {
    let lines =
        run("  - quantile_buckets: { of: score, buckets: [low, high], at: [25%] }\n  - sample: { documents: 31 }\n");
    assert_eq!(lines.len(), 31);
    let highest_low = lines.iter().filter(|l| l["bucket"] == "low").map(|l| l["score"].as_f64().unwrap());
    let lowest_high = lines.iter().filter(|l| l["bucket"] == "high").map(|l| l["score"].as_f64().unwrap());
    assert!(highest_low.fold(f64::MIN, f64::max) < lowest_high.fold(f64::MAX, f64::min));
    let kept = run("  - quantile_buckets: { of: score, buckets: [low, high], at: [25%], keep: [low] }\n");
    assert_eq!(kept.len(), 15);
}

#[test]
fn what_is_not_there_is_told_before_anything_runs() {
    let place = Place::new();
    corpus(&place);
    let check = |step: &str| {
        place.write("p.yaml", format!("read: {{ text: a.jsonl }}\nsteps:\n  - {step}\nwrite: {{ jsonl: out }}\n"));
        let ran = place.tamis(&["check", "p.yaml"]);
        assert_eq!(ran.code, 2, "{step}\n{}", ran.err);
        ran.err
    };
    assert!(check("quantile_buckets: { of: perplexity }").contains("reads the field `perplexity`"));
    assert!(check("sample: 150%").contains("is no share"));
    assert!(check("sample: { documents: 3, fraction: 1% }").contains("give one of"));
    assert!(check("split: { parts: { train: 90% } }").contains("90%, not 100%"));
    assert!(check("rehydrate: { repeats: { 2: 2 } }").contains("minhash_cluster_size"));
}
