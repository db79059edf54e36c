//! Long substrings that stood before are cut out of a run's documents, whatever the splits and the workers.

use crate::place::{Place, repository};

/// English prose in pieces of about a hundred words, and pages that share some of them.
fn corpus(place: &Place) -> Vec<String> {
    let book = std::fs::read_to_string(repository().join("LICENSE")).unwrap();
    let words: Vec<&str> = book.split_whitespace().collect();
    let piece = |n: usize| words[n * 100..n * 100 + 100].join(" ");
    let texts: Vec<String> = (0..60)
        .map(|n| match n % 4 {
            0 => format!("Page {n}. {}", piece(n / 4 % 12)),
            1 => format!("{} and so on, says page {n}", piece(n / 4 % 12)),
            2 => format!("é{n} {} ◆ {}", piece(n % 12), piece((n + 5) % 12)),
            _ => format!("Nothing on page {n} is on another page; it is number {}.", n * n),
        })
        .collect();
    for (file, texts) in texts.chunks(9).enumerate() {
        let lines: String = texts.iter().map(|t| format!("{}\n", serde_json::json!({ "text": t }))).collect();
        place.write(&format!("in/{file}.jsonl"), lines);
    }
    texts
}

/// No window of `length` bytes twice, and none lost that stood anywhere.
fn assert_cut(before: &[String], after: &[String], length: usize) {
    let windows = |texts: &[String]| -> Vec<Vec<u8>> {
        texts.iter().flat_map(|t| t.as_bytes().windows(length).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
    };
    let mut seen = std::collections::HashSet::new();
    let expected: Vec<String> = before
        .iter()
        .map(|text| {
            let mut repeated = vec![false; text.len()];
            for (start, window) in text.as_bytes().windows(length).enumerate() {
                if !seen.insert(window.to_vec()) {
                    repeated[start..start + length].fill(true);
                }
            }
            let left = text.char_indices().filter(|(at, c)| !(*at..at + c.len_utf8()).all(|b| repeated[b]));
            left.map(|(_, c)| c).collect()
        })
        .collect();
    assert_eq!(after, expected);
    assert!(windows(after).len() * 2 < windows(before).len(), "half of it is repeated");
}

#[test]
fn what_stood_before_is_cut_out_whatever_the_workers() {
    let steps = "  - substrings: { min_length: 120, max_removed_fraction: null }\n";
    let run = |more: &[&str], memory: &str| {
        let place = Place::new();
        let before = corpus(&place);
        let pipeline = format!(
            "read: {{ jsonl: in/*.jsonl }}\nsteps:\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\nlimits: {{ memory: {memory} }}\n"
        );
        place.write("p.yaml", pipeline);
        place.tamis(&[&["run", "p.yaml"], more].concat()).done();
        place.assert_balanced("runs/p");
        assert_cut(&before, &place.texts("out"), 120);
        let lines = place.lines("out");
        assert!(lines.iter().all(|l| l.as_object().unwrap().len() == 2), "{}", lines[0]);
        place.digest(&["out"])
    };
    let one = run(&["-j1"], "1GiB");
    assert_eq!(run(&["-j4", "--visit", "3"], "64MiB"), one);
}

#[test]
fn a_page_that_is_mostly_repeated_is_dropped_with_its_number() {
    let place = Place::new();
    corpus(&place);
    place.write(
        "p.yaml",
        "read: { jsonl: in/*.jsonl }\nsteps:\n  - exact\n  - substrings: { min_length: 20, unit: words, max_removed_fraction: 70% }\nwrite: { jsonl: { dir: out, compression: none } }\n",
    );
    place.tamis(&["run", "p.yaml"]).done();
    place.assert_balanced("runs/p");
    let rows = place.ledger("runs/p");
    assert!(rows.len() > 10 && rows.iter().all(|r| (&*r.by, &*r.because) == ("substrings", "mostly_repeated")));
    assert!(rows.iter().all(|r| r.number.unwrap() > 0.7 && r.limit == Some(0.7)));
    assert_eq!(place.texts("out").len() + rows.len(), 60);
}

#[test]
fn a_typo_is_told() {
    let place = Place::new();
    corpus(&place);
    place.write(
        "p.yaml",
        "read: { jsonl: in/*.jsonl }\nsteps:\n  - substrings: { min_lenght: 20 }\nwrite: { jsonl: out }\n",
    );
    let ran = place.tamis(&["check", "p.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("did you mean `min_length`"), "{}", ran.err);
}
