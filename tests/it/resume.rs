//! A run may die at any moment; the same command goes on, and the output is that of a run nobody disturbed.

use std::time::{Duration, Instant};

use crate::place::Place;

#[test]
fn fifty_kills_leave_no_trace() {
    let undisturbed = Place::new();
    let begun = Instant::now();
    undisturbed.run_quickstart(&["-j2"]).done();
    let whole = begun.elapsed();
    let expected = undisturbed.digest(&["out", "runs/quickstart/ledger"]);
    // xorshift: moments are spread over the whole run and its commits; results do not depend on them.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut kills, mut finished) = (0, 0);
    while kills < 50 {
        let place = Place::new();
        loop {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let moment = whole.mul_f64((random % 1000) as f64 / 1500.0);
            let mut child = place.quickstart("run", &["-j2", "--quiet"]).spawn().unwrap();
            let begun = Instant::now();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break Some(status);
                }
                if begun.elapsed() >= moment && kills < 50 {
                    break None;
                }
                std::thread::sleep(Duration::from_millis(1));
            };
            if let Some(status) = status {
                assert!(status.success(), "{status}");
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        finished += 1;
        assert_eq!(place.digest(&["out", "runs/quickstart/ledger"]), expected, "after {kills} kills");
        place.assert_balanced("runs/quickstart");
        place.tamis(&["verify", "runs/quickstart"]).done();
    }
    assert!(finished >= 1);
}

#[test]
fn a_finished_run_does_nothing_again() {
    let place = Place::new();
    let first = place.run_quickstart(&["--json"]).done().json();
    assert_eq!(first["tasks_done_before"], 0);
    let written = |place: &Place| -> Vec<_> {
        let files = crate::place::files(&place.path("out"));
        files.iter().map(|p| std::fs::metadata(p).unwrap().modified().unwrap()).collect()
    };
    let before = written(&place);
    let second = place.run_quickstart(&["--json"]).done().json();
    assert_eq!(second["tasks_done"], 0);
    assert_eq!(second["tasks_done_before"], first["tasks_done"]);
    assert_eq!(second["tally"]["read"], first["tally"]["read"]);
    assert_eq!(written(&place), before);
}

#[test]
fn a_change_of_a_late_stage_repeats_only_what_follows() {
    let place = Place::new();
    let first = place.run_quickstart(&["--json"]).done().json();
    let early = |place: &Place| -> Vec<_> {
        let files = crate::place::files(&place.path("runs/quickstart/receipts"));
        let early = files.iter().filter(|p| {
            let name = p.file_name().unwrap().to_string_lossy();
            name.starts_with("p0") || name.starts_with("p1")
        });
        early.map(|p| (p.clone(), std::fs::metadata(p).unwrap().modified().unwrap())).collect()
    };
    let before = early(&place);
    // The seed is a setting of the writer alone.
    let second = place.run_quickstart(&["--json", "--set", "seed=2"]).done().json();
    assert_eq!(early(&place), before);
    let (all, again) = (first["tasks_done"].as_u64().unwrap(), second["tasks_done"].as_u64().unwrap());
    assert!(again > 0 && again < 10, "{again} of {all}");
    assert_ne!(first["outputs"], second["outputs"]);
    let fresh = Place::new();
    fresh.run_quickstart(&["--set", "seed=2"]).done();
    assert_eq!(place.digest(&["out"]), fresh.digest(&["out"]));
}

#[test]
fn an_input_that_changed_is_read_again() {
    let place = Place::new();
    place.write("in/a.jsonl", "{\"text\":\"one\"}\n");
    place.write("in/b.jsonl", "{\"text\":\"two\"}\n");
    place.write("p.yaml", "read: { jsonl: in/*.jsonl }\nwrite: { jsonl: { dir: out, compression: none } }\n");
    place.tamis(&["run", "p.yaml"]).done();
    assert_eq!(place.texts("out"), ["one", "two"]);
    place.write("in/b.jsonl", "{\"text\":\"three\"}\n");
    place.tamis(&["run", "p.yaml"]).done();
    assert_eq!(place.texts("out"), ["one", "three"]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_between_documents_and_the_next_run_goes_on() {
    let place = Place::new();
    let mut child = place.quickstart("run", &["-j2", "--quiet"]).spawn().unwrap();
    // The plan is saved before the first document is read: then there is something to interrupt.
    while !place.path("runs/quickstart/run.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it began");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(50));
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let status = child.wait().unwrap();
    // Done before the signal came, or interrupted: both are fine, a crash is not.
    assert!(matches!(status.code(), Some(0 | 130)), "{status}");
    place.run_quickstart(&[]).done();
    let undisturbed = Place::new();
    undisturbed.run_quickstart(&[]).done();
    assert_eq!(place.digest(&["out"]), undisturbed.digest(&["out"]));
}
