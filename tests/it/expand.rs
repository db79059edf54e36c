//! Stages that make several documents of one: accounted for, in order, whatever the workers, and through a barrier.

use tamis::stats::Tally;

use crate::place::Place;

const PIPELINE: &str = "name: parts
read: { jsonl: \"in/*.jsonl\" }
steps:
  - chunk: { max_chars: 40, at: sentence }
  - length: { min_chars: 12 }
  - exact: {}
write:
  jsonl: { dir: out, compression: none }
";

/// Three files of documents, with sentences that several of them share.
fn corpus(place: &Place) {
    for file in 0..3 {
        let line = |doc: usize| {
            let text = format!("This is document {doc} of file {file}. All say the same here. So. It ends with {doc}.");
            format!("{{\"text\":\"{text}\",\"kind\":\"k{doc}\"}}\n")
        };
        place.write(&format!("in/{file}.jsonl"), (0..200).map(line).collect::<String>());
    }
    place.write("p.yaml", PIPELINE);
}

#[test]
fn the_account_closes_with_parts_dropped_and_deduplicated() {
    let place = Place::new();
    corpus(&place);
    let account = place.tamis(&["run", "p.yaml", "--json"]).done().json();
    place.assert_balanced("runs/parts");
    let tally: Tally = serde_json::from_value(account["tally"].clone()).unwrap();
    assert!(tally.balances());
    assert_eq!((tally.read, tally.expanded, tally.parts), (600, 600, 1800));
    let lines = place.lines("out");
    assert_eq!(tally.kept, lines.len() as u64);
    // Of the sentences that all documents share one stays; those that say their own number stay where they are longer.
    let same = lines.iter().filter(|l| l["text"].as_str().unwrap().contains("All say the same here.")).count();
    assert_eq!(same, 1);
    let part = &lines[1];
    assert_eq!((part["chunk.number"].as_i64(), part["kind"].as_str()), (Some(1), Some("k0")));
    let ids: std::collections::BTreeSet<_> = lines.iter().map(|l| l["tamis_id"].to_string()).collect();
    assert_eq!(ids.len(), lines.len());
    // Every loss is in the ledger, by an id of its own.
    let rows = place.ledger("runs/parts");
    assert_eq!(rows.len() as u64, tally.dropped);
    let said = place.tamis(&["why", "runs/parts", rows[0].id.as_deref().unwrap()]).done();
    assert!(said.out.contains("exact"), "{}", said.out);
}

#[test]
fn parts_are_the_same_whatever_the_workers_and_after_an_interruption() {
    let digests = ["-j1", "-j4"].map(|workers| {
        let place = Place::new();
        corpus(&place);
        place.tamis(&["run", "p.yaml", workers]).done();
        let whole = place.digest(&["out", "runs/parts/ledger", "runs/parts/held"]);
        // What was done again after its receipt was lost is what it was.
        for receipt in crate::place::files(&place.path("runs/parts/receipts")).iter().step_by(2) {
            std::fs::remove_file(receipt).unwrap();
        }
        place.tamis(&["run", "p.yaml", workers]).done();
        assert_eq!(place.digest(&["out", "runs/parts/ledger", "runs/parts/held"]), whole);
        whole
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn what_makes_documents_cannot_only_annotate() {
    let place = Place::new();
    corpus(&place);
    place.write("p.yaml", PIPELINE.replace("at: sentence }", "at: sentence }\n    mode: annotate"));
    let ran = place.tamis(&["check", "p.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("judges none to annotate"), "{}", ran.err);
}
