//! What `tamis plan` says beforehand of barriers is what then happens, within a factor of two, and it writes nothing.

use serde_json::Value;

use crate::place::{Place, files};

/// Words that look like language: frequent ones are short.
fn text(seed: u64, words: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut text = String::new();
    for at in 0..words {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = (state >> 33) % (1 + (state >> 50) % 20_000);
        text.push_str(&format!("w{word}{}", if at % 12 == 11 { "\n" } else { " " }));
    }
    text
}

/// Files of documents: a third are originals, and far from them a third of these are copied and half repeated with a few more
/// words; the rest is like nothing else.
fn corpus(place: &Place, files: u64, documents: u64) {
    let total = files * documents;
    for file in 0..files {
        let mut lines = String::new();
        for row in 0..documents {
            let at = file * documents + row;
            let (originals, number) = (total / 3, at / 3);
            let (seed, more) = match at % 3 {
                0 => (number, String::new()),
                1 if number % 2 == 0 => ((number * 7 + 1) % originals, format!("and so on {at}")),
                2 if number % 3 == 0 => ((number * 11 + 5) % originals, String::new()),
                _ => (total + at, String::new()),
            };
            let text = text(seed, 100 + seed % 300) + &more;
            lines.push_str(&format!(
                "{}\n",
                serde_json::json!({ "text": text, "score": (at * 37 % 1000) as f64 / 1000.0 })
            ));
        }
        place.write(&format!("in/{file:02}.jsonl"), lines);
    }
}

/// Plans and runs; every barrier of the plan beside that of the run.
fn planned_and_done(place: &Place, steps: &str) -> Vec<(Value, Value)> {
    let pipeline = if steps.contains("mix:") {
        format!(
            "flows:\n  one: {{ read: {{ jsonl: 'in/0*.jsonl' }} }}\n  other: {{ read: {{ jsonl: 'in/1*.jsonl' }} }}\n  all:\n    from: [one, other]\n    steps: [{{ {steps} }}]\n    write: {{ jsonl: out }}\n"
        )
    } else {
        format!("read: {{ jsonl: 'in/*' }}\nsteps: [{{ {steps} }}]\nwrite: {{ jsonl: out }}\n")
    };
    place.write("p.yaml", pipeline);
    let plan = place.tamis(&["plan", "p.yaml", "--json"]).done().json();
    assert!(!place.path("runs").exists() && !place.path("out").exists(), "a plan writes nothing");
    let again = place.tamis(&["plan", "p.yaml", "--json"]).done().json();
    assert_eq!(plan, again, "a plan has one estimate");
    let done = place.tamis(&["run", "p.yaml", "--json"]).done().json();
    let stats = place.tamis(&["stats", "runs/p", "--json"]).done().json();
    assert_eq!(stats["barriers"], done["barriers"]);
    let kept = plan["estimate"]["kept_between"].as_array().unwrap().iter().map(|kept| kept[1].as_u64().unwrap());
    let folders = ["runs/p/held", "runs/p/moved"].iter().flat_map(|folder| files(&place.path(folder)));
    let (kept, held) = (kept.sum::<u64>(), folders.map(|path| path.metadata().unwrap().len()).sum::<u64>());
    assert!(kept <= 2 * held && held <= 2 * kept, "{steps}: {kept} planned to be held, {held} held");
    for folder in ["runs", "out"] {
        std::fs::remove_dir_all(place.path(folder)).unwrap();
    }
    let planned = plan["estimate"]["barriers"].as_array().unwrap().clone();
    let done = done["barriers"].as_array().unwrap().clone();
    assert_eq!(planned.len(), done.len());
    planned.into_iter().zip(done).collect()
}

fn within_two(place: &Place, steps: &str) {
    for (planned, done) in planned_and_done(place, steps) {
        assert_eq!((&planned["pass"], &planned["step"]), (&done["pass"], &done["step"]));
        let numbers = [
            (&planned["records"], &done["spilled"]["records"]),
            (&planned["spilled_bytes"], &done["spilled"]["bytes"]),
        ];
        for (planned, done) in numbers.map(|(p, d)| (p.as_u64().unwrap(), d.as_u64().unwrap())) {
            assert!(done > 0 && planned <= 2 * done && done <= 2 * planned, "{steps}: {planned} planned, {done} done");
        }
    }
}

const STEPS: [&str; 6] = [
    "exact: text",
    "minhash: { threshold: 0.8 }",
    "top_fraction: { of: score, keep: 30% }",
    "mix: { weights: { one: 70%, other: 30% } }",
    "lines: { scope: corpus }",
    "exact: text}, {length: { min_chars: 300 }}, {minhash: {}",
];

#[test]
fn a_small_input_is_walked_whole() {
    let place = Place::new();
    corpus(&place, 12, 60);
    STEPS.iter().for_each(|steps| within_two(&place, steps));
}

#[test]
fn a_sample_stands_for_a_large_input() {
    let place = Place::new();
    corpus(&place, 20, 900);
    STEPS.iter().for_each(|steps| within_two(&place, steps));
    place.write("p.yaml", "read: { jsonl: 'in/*' }\nsteps: [{ minhash: {} }]\nwrite: { jsonl: out }\n");
    let plan = place.tamis(&["plan", "p.yaml"]).done().out;
    assert!(plan.contains("estimated from a sample of 8.") && plan.contains("(at most "), "{plan}");
    assert!(plan.contains("14 bands × 8 rows: documents are compared with probability"), "{plan}");
}

/// Compressed input is scaled by what it takes on disk.
#[test]
fn compressed_input_is_scaled_by_bytes_on_disk() {
    let place = Place::new();
    let mut lines = String::new();
    (0..9000).for_each(|at| lines.push_str(&format!("{}\n", serde_json::json!({ "text": text(at, 300) }))));
    place.write("in/0.jsonl.zst", zstd::encode_all(lines.as_bytes(), 3).unwrap());
    within_two(&place, "exact: text");
}
