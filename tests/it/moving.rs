//! Documents move to other splits in an order that neither the files, nor the workers, nor an earlier run decide.

use crate::place::{Place, files};

const COUNT: u64 = 500;

/// The same documents in as many files as asked for.
fn corpus(place: &Place, per_file: usize) {
    let lines: Vec<String> = (0..COUNT)
        .map(|n| {
            format!(
                "{{\"text\":\"document {n} {}\",\"score\":{},\"n\":{n}}}",
                "x".repeat(n as usize % 50),
                n * 7919 % 101
            )
        })
        .collect();
    for (file, lines) in lines.chunks(per_file).enumerate() {
        place.write(&format!("in/{file:03}.jsonl"), lines.join("\n"));
    }
}

fn pipeline(place: &Place, steps: &str) {
    place.write(
        "p.yaml",
        format!(
            "read: {{ jsonl: in/*.jsonl }}\nsteps:\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\n"
        ),
    );
}

fn run(steps: &str, more: &[&str]) -> (Place, Vec<u64>) {
    let place = Place::new();
    corpus(&place, 60);
    pipeline(&place, steps);
    place.tamis(&[&["run", "p.yaml"], more].concat()).done();
    place.assert_balanced("runs/p");
    let numbers = numbers(&place);
    (place, numbers)
}

fn numbers(place: &Place) -> Vec<u64> {
    place.lines("out").iter().map(|l| l["n"].as_f64().unwrap() as u64).collect()
}

#[test]
fn a_shuffle_is_a_permutation_that_workers_do_not_show_in() {
    let (one, order) = run("  - shuffle: 7\n", &["-j1"]);
    let (four, _) = run("  - shuffle: 7\n", &["-j4", "--visit", "3"]);
    assert_eq!(one.digest(&["out", "runs/p/moved"]), four.digest(&["out", "runs/p/moved"]));
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..COUNT).collect::<Vec<_>>());
    let moved = order.iter().zip(0..).filter(|(a, b)| *a != b).count();
    assert!(moved > 450, "{moved} moved");
    assert_ne!(run("  - shuffle: 8\n", &[]).1, order);
}

#[test]
fn a_sort_is_in_order_and_stable_and_steps_after_it_see_it() {
    let expected = |key: fn(u64) -> i64| {
        let mut all: Vec<u64> = (0..COUNT).collect();
        all.sort_by_key(|n| key(*n));
        all
    };
    let (place, order) = run("  - { length: { min_chars: 14 } }\n  - sort: score\n  - reshard: 4\n", &["-j3"]);
    let long = |n: &u64| format!("document {n} ").len() + (*n as usize % 50) >= 14;
    let ascending: Vec<u64> = expected(|n| (n * 7919 % 101) as i64).into_iter().filter(long).collect();
    assert_eq!(order, ascending);
    let parts = files(&place.path("out"));
    assert_eq!(parts.len(), 4);
    let sizes: Vec<usize> = parts.iter().map(|p| std::fs::read_to_string(p).unwrap().lines().count()).collect();
    assert!(sizes.iter().all(|s| s.abs_diff(ascending.len() / 4) <= 1), "{sizes:?}");
    assert!(place.lines("out").iter().all(|l| l.as_object().unwrap().keys().all(|k| !k.starts_with('#'))));
    let (_, order) = run("  - sort: { by: score, order: descending }\n  - exact\n", &[]);
    assert_eq!(order, expected(|n| -((n * 7919 % 101) as i64)));
}

#[test]
fn what_moves_first_stays_first() {
    // Of equal documents the first stays: after a sort that is the one with the best score.
    let place = Place::new();
    let line = |n: u64| format!("{{\"text\":\"the same\",\"n\":{n},\"score\":{}}}", n * 7919 % 101);
    place.write("in/a.jsonl", (0..100).map(line).collect::<Vec<_>>().join("\n"));
    pipeline(&place, "  - sort: { by: score, order: descending }\n  - exact\n");
    place.tamis(&["run", "p.yaml"]).done();
    let best = (0..100).max_by_key(|n| n * 7919 % 101).unwrap();
    assert_eq!(numbers(&place), [best]);
}

#[test]
fn another_seed_moves_again_and_the_same_does_nothing() {
    let (place, first) = run("  - shuffle: 1\n", &[]);
    let again = place.tamis(&["run", "p.yaml", "--json"]).done();
    assert_eq!(numbers(&place), first, "{}", again.out);
    pipeline(&place, "  - shuffle: 2\n");
    place.tamis(&["run", "p.yaml"]).done();
    assert_ne!(numbers(&place), first);
    let moved = files(&place.path("runs/p/moved")).remove(0);
    let bytes = std::fs::read(&moved).unwrap();
    std::fs::write(&moved, &bytes[..bytes.len() / 2]).unwrap();
    let second = numbers(&place);
    pipeline(&place, "  - shuffle: 2\n  - { length: { min_chars: 1 } }\n");
    place.tamis(&["run", "p.yaml"]).done();
    assert_eq!(numbers(&place), second, "a damaged file is made again");
}

#[test]
fn another_setting_of_a_global_stage_maps_again() {
    let place = Place::new();
    place.write("in/a.jsonl", "{\"text\":\"One\",\"n\":1}\n{\"text\":\"one\",\"n\":2}\n{\"text\":\" one \",\"n\":3}\n");
    let left = |of: &str| {
        pipeline(&place, &format!("  - exact: {of}\n"));
        place.tamis(&["run", "p.yaml"]).done();
        numbers(&place).len()
    };
    assert_eq!((left("text"), left("normalized"), left("text")), (3, 1, 3));
}

#[test]
fn what_moves_everything_takes_no_condition() {
    let place = Place::new();
    corpus(&place, 500);
    for (step, said) in [
        ("  - { shuffle: 1, when: n > 3 }\n", "takes no `when`"),
        ("  - { sort: n, mode: annotate }\n", "no `mode`"),
        ("  - reshard: 0\n", "reshard"),
    ] {
        pipeline(&place, step);
        let ran = place.tamis(&["check", "p.yaml"]);
        assert!(ran.code == 2 && ran.err.contains(said), "{step}{}", ran.err);
    }
}
