//! The command line: exit codes, streams, JSON.

use crate::place::Place;

fn simple(place: &Place) {
    place.write("a.jsonl", "{\"text\":\"one\"}\n{\"text\":\"one\"}\n{\"text\":\"two two two\"}\n");
    place.write("p.yaml", "read: { jsonl: a.jsonl }\nsteps:\n  - exact\n  - length: { min_chars: 4 }\nwrite: { jsonl: { dir: out, compression: none } }\ntests:\n  - { it: drops the short, at: length, given: a, expect: { dropped_by: length, because: too_few_chars } }\n");
}

#[test]
fn the_way_of_a_user_from_check_to_why() {
    let place = Place::new();
    simple(&place);
    assert!(place.tamis(&["check", "p.yaml"]).done().out.contains("no mistakes"));
    assert!(place.tamis(&["plan", "p.yaml"]).done().out.contains("barrier exact"));
    assert!(place.tamis(&["test", "p.yaml"]).done().out.contains("1 passed, 0 failed"));
    let ran = place.tamis(&["run", "p.yaml"]).done();
    assert!(ran.out.contains("3 read = 1 kept + 2 dropped + 0 quarantined"), "{}", ran.out);
    assert_eq!(place.texts("out"), ["two two two"]);
    assert!(place.tamis(&["stats", "runs/p"]).done().out.contains("3 read"));
    assert_eq!(place.tamis(&["stats", "runs/p", "--json"]).done().json()["tally"]["kept"], 1);
    assert!(place.tamis(&["why", "runs/p", "a.jsonl"]).done().out.contains("dropped by exact because duplicate"));
    assert!(place.tamis(&["verify", "runs/p"]).done().out.contains("0 differ"));
}

#[test]
fn exit_codes_say_who_failed() {
    let place = Place::new();
    simple(&place);
    assert_eq!(place.tamis(&["run", "nothing.yaml"]).code, 2);
    assert_eq!(place.tamis(&["stats", "runs/none"]).code, 1);
    assert_eq!(place.tamis(&["nonsense"]).code, 2);
    place.write("bad.yaml", "raed: {}\n");
    let ran = place.tamis(&["check", "bad.yaml", "--json"]);
    assert_eq!(ran.code, 2);
    assert_eq!(ran.json()["valid"], false);
    assert!(!ran.json()["diagnostics"].as_array().unwrap().is_empty());
    place.write("out/foreign.txt", "not ours");
    let ran = place.tamis(&["run", "p.yaml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("foreign.txt"), "{}", ran.err);
}

#[test]
fn verify_notices_a_flipped_byte_and_a_missing_file() {
    let place = Place::new();
    simple(&place);
    place.tamis(&["run", "p.yaml"]).done();
    let path = crate::place::files(&place.path("out")).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let ran = place.tamis(&["verify", "runs/p"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("has other bytes"), "{}", ran.out);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(place.tamis(&["verify", "runs/p"]).code, 1);
    // And the next run writes it again.
    place.tamis(&["run", "p.yaml"]).done();
    place.tamis(&["verify", "runs/p"]).done();
}

#[test]
fn try_walks_one_document_and_says_what_each_step_did() {
    let place = Place::new();
    simple(&place);
    place.write("doc.txt", "abc");
    let ran = place.tamis(&["try", "p.yaml", "doc.txt"]).done();
    assert!(
        ran.out.contains("it needs the whole corpus") && ran.out.contains("dropped by length because too_few_chars"),
        "{}",
        ran.out
    );
    assert_eq!(place.tamis(&["try", "p.yaml", "doc.txt", "--json"]).done().json()["kept"], false);
}

#[test]
fn stages_have_manual_pages_and_typos_are_understood() {
    let place = Place::new();
    let list = place.tamis(&["stages"]).done().out;
    assert!(list.contains("minhash") && list.contains("megatron") && list.contains("tokens"));
    let page = place.tamis(&["stages", "minhash"]).done().out;
    assert!(page.contains("near_duplicate") && page.contains("bands"), "{page}");
    let typo = place.tamis(&["stages", "minhsah"]);
    assert_eq!(typo.code, 2);
    assert!(typo.err.contains("did you mean `minhash`"), "{}", typo.err);
    assert!(place.tamis(&["stages", "--json"]).done().json().as_array().unwrap().len() > 10);
    assert!(place.tamis(&["schema"]).done().json()["$defs"].is_object());
    assert!(place.tamis(&["completions", "bash"]).done().out.contains("tamis"));
}

#[test]
fn data_goes_to_stdout_and_talk_to_stderr_without_colours() {
    let place = Place::new();
    simple(&place);
    let ran = place.tamis(&["run", "p.yaml", "--json"]).done();
    ran.json();
    let ran = place.tamis(&["run", "p.yaml"]).done();
    assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'));
}
