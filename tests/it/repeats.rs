//! Pieces of documents that repeat are cut, in a pipeline as in memory, whatever the workers.

use crate::place::Place;

fn corpus(place: &Place) {
    let mut files = [String::new(), String::new(), String::new()];
    for i in 0..900u64 {
        let noise = xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes());
        let text = format!("Home | About\nstory {noise:x} number {i}\n\nsaying {:x}\n(c) nobody", noise % 97);
        let json = serde_json::json!({ "text": text, "n": i });
        files[(i / 300) as usize].push_str(&format!("{json}\n"));
    }
    for (i, file) in files.iter().enumerate() {
        place.write(&format!("in/{i}.jsonl"), file);
    }
}

#[test]
fn one_line_of_yaml_cuts_what_repeats_and_the_ledger_balances() {
    let mut digests = Vec::new();
    for workers in ["-j1", "-j4"] {
        let place = Place::new();
        corpus(&place);
        place.write(
            "p.yaml",
            "read: { jsonl: in/* }\nsteps:\n  - lines: { normalize: as_is, max_removed_fraction: 90% }\nwrite: { jsonl: { dir: out, compression: none } }\n",
        );
        let account = place.tamis(&["run", "p.yaml", workers, "--json"]).done().json();
        assert_eq!(account["tally"]["kept"], 900);
        let texts = place.texts("out");
        assert_eq!(texts.iter().filter(|t| t.contains("Home")).count(), 1);
        assert_eq!(texts.iter().filter(|t| t.contains("saying")).count(), 97);
        assert!(texts[0].starts_with("Home | About\nstory") && texts[899].starts_with("story"), "{}", texts[899]);
        place.assert_balanced("runs/p");
        digests.push(place.digest(&["out"]));
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_global_step_after_the_cut_sees_what_is_left() {
    let place = Place::new();
    let line = |i| format!("{{\"text\":\"header {}\\nstory {}\"}}\n", i % 3, i % 100);
    place.write("a.jsonl", (0..900).map(line).collect::<String>());
    place.write(
        "p.yaml",
        "read: { jsonl: a.jsonl }\nsteps:\n  - lines: { keep: none, normalize: as_is, min_repeats: 50 }\n  - exact\nwrite: { jsonl: { dir: out, compression: none } }\n",
    );
    place.tamis(&["run", "p.yaml"]).done();
    // With the headers there would be 300 different documents.
    assert_eq!(place.texts("out"), (0..100).map(|i| format!("story {i}")).collect::<Vec<_>>());
    place.assert_balanced("runs/p");
}

#[test]
fn within_documents_there_is_no_barrier_and_annotating_keeps_all() {
    let place = Place::new();
    place.write("a.jsonl", "{\"text\":\"la\\nla\\nla\"}\n{\"text\":\"one\\ntwo\"}\n");
    place.write(
        "p.yaml",
        "read: { jsonl: a.jsonl }\nsteps:\n  - paragraphs: { scope: document }\n  - lines: document\n    mode: annotate\n  - lines: corpus\n    as: every\n    mode: annotate\nwrite: { jsonl: { dir: out, compression: none } }\n",
    );
    let plan = place.tamis(&["plan", "p.yaml"]).done().out;
    assert_eq!(plan.matches("barrier").count(), 1, "{plan}");
    place.tamis(&["run", "p.yaml"]).done();
    let rows = place.lines("out");
    assert_eq!(rows[0]["text"], "la\nla\nla");
    assert_eq!((&rows[0]["lines.repeats"], &rows[0]["every.repeats"]), (&2.into(), &2.into()));
    assert_eq!((&rows[1]["lines.repeats"], &rows[1]["every.removed_fraction"]), (&0.into(), &0.0.into()));
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let place = Place::new();
    place.write("a.jsonl", "{\"text\":\"x\"}\n");
    for (step, says) in [
        ("lines: { action: drop }", "max_removed_fraction: 50%"),
        ("lines: { span: 0 }", "0"),
        ("lines: { scope: corpse }", "corpus"),
        ("paragraphs: { min_lines: 2 }", "min_paragraphs"),
    ] {
        place.write("p.yaml", format!("read: {{ jsonl: a.jsonl }}\nsteps:\n  - {step}\nwrite: {{ jsonl: out }}\n"));
        let ran = place.tamis(&["check", "p.yaml"]);
        assert_eq!(ran.code, 2, "{step}");
        assert!(ran.err.contains(says), "{step}: {}", ran.err);
    }
}

#[test]
fn a_bloom_filter_gives_one_answer_whatever_the_workers_and_says_what_it_cost() {
    let mut digests = Vec::new();
    for workers in ["-j1", "-j4"] {
        let place = Place::new();
        corpus(&place);
        place.write(
            "p.yaml",
            "read: { jsonl: in/* }\nsteps:\n  - bloom: { of: line, ngrams: null, false_positives: 0.01 }\nwrite: { jsonl: { dir: out, compression: none } }\n",
        );
        let ran = place.tamis(&["run", "p.yaml", workers]).done();
        assert!(ran.out.contains("were seen before") || ran.err.contains("were seen before"), "{}", ran.out);
        let texts = place.texts("out");
        assert_eq!(texts.iter().filter(|t| t.contains("Home")).count(), 1);
        let sayings = texts.iter().filter(|t| t.contains("saying")).count();
        assert!((90..=97).contains(&sayings), "{sayings}");
        place.assert_balanced("runs/p");
        digests.push(place.digest(&["out"]));
    }
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn one_document_of_an_address_stays_and_runs_of_sentences_go() {
    let place = Place::new();
    let page = |url: &str, date: &str, text: &str| {
        format!("{}\n", serde_json::json!({ "url": url, "date": date, "text": text }))
    };
    let story = "One day it rained. We stayed in. We read a book.";
    place.write(
        "a.jsonl",
        [
            page("http://a.org/x", "2024-01-02", "An old page."),
            page("https://www.a.org/x/?utm_source=b#c", "2024-03-04T05:06:07Z", &format!("New. {story}")),
            page("https://a.org/y", "2023-01-01", &format!("Other. {story} The end.")),
        ]
        .concat(),
    );
    place.write(
        "p.yaml",
        "read: { jsonl: a.jsonl }\nsteps:\n  - url: { keep: { newest: date } }\n  - sentences\nwrite: { jsonl: { dir: out, compression: none } }\n",
    );
    place.tamis(&["run", "p.yaml", "-j2"]).done();
    assert_eq!(place.texts("out"), [format!("New. {story}"), "Other. The end.".to_owned()]);
    assert!(place.tamis(&["why", "runs/p", "a.jsonl"]).done().out.contains("dropped by url because same_url"));
    place.assert_balanced("runs/p");
    place.write("p.yaml", "read: { text: a.jsonl }\nsteps:\n  - url\nwrite: { jsonl: out }\n");
    let ran = place.tamis(&["check", "p.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("reads the field `url`"), "{}", ran.err);
}
