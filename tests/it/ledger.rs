//! Every record read is kept, dropped for a named reason, or quarantined; and the ledger can say which.

use std::collections::BTreeMap;

use crate::place::Place;

#[test]
fn the_account_of_the_quickstart_closes_and_the_ledger_has_every_loss() {
    let place = Place::new();
    let account = place.run_quickstart(&["--json"]).done().json();
    place.assert_balanced("runs/quickstart");
    let tally: tamis::stats::Tally = serde_json::from_value(account["tally"].clone()).unwrap();
    assert!(tally.balances());
    assert!(tally.read > 800, "{}", tally.read);
    let rows = place.ledger("runs/quickstart");
    assert_eq!(rows.len() as u64, tally.dropped + tally.quarantined());
    let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in &rows {
        *counted.entry((row.by.to_string(), row.because.to_string())).or_default() += 1;
    }
    let mut told: BTreeMap<(String, String), u64> = BTreeMap::new();
    for (label, step) in &tally.steps {
        told.extend(step.dropped.iter().map(|(reason, n)| ((label.clone(), reason.clone()), *n)));
    }
    assert_eq!(counted, told);
    // Each is found again by its id, and by its place.
    for row in rows.iter().step_by(rows.len() / 5) {
        let why = place.tamis(&["why", "runs/quickstart", row.id.as_deref().unwrap()]).done();
        assert!(why.out.contains(&*row.because) && why.out.contains(&*row.by), "{}", why.out);
        let why = place.tamis(&["why", "runs/quickstart", &format!("{}#{}", row.file, row.at)]).done();
        assert!(why.out.contains(row.id.as_deref().unwrap()), "{}", why.out);
    }
}

#[test]
fn too_many_losses_end_with_a_code_of_their_own() {
    let place = Place::new();
    place.write("a.jsonl", "{\"text\":\"one\"}\n{bad\n{\"text\":\"two\"}\n");
    let pipeline = |limit: &str| {
        format!(
            "read: {{ jsonl: a.jsonl }}\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\nlimits: {{ quarantine: {limit} }}\n"
        )
    };
    place.write("p.yaml", pipeline("10%"));
    let ran = place.tamis(&["run", "p.yaml"]);
    assert_eq!(ran.code, 10, "{}", ran.err);
    assert!(ran.err.contains("1 of 3 records were quarantined"), "{}", ran.err);
    assert_eq!(place.texts("out"), ["one", "two"]);
    place.write("p.yaml", pipeline("50%"));
    assert_eq!(place.tamis(&["run", "p.yaml"]).code, 0);
}

#[test]
fn dropped_texts_are_kept_where_the_pipeline_says_so() {
    let place = Place::new();
    place.write("a.jsonl", "{\"text\":\"short\"}\n{\"text\":\"long enough to stay\"}\n");
    place.write("p.yaml", "read: { jsonl: a.jsonl }\nsteps:\n  - length: { min_chars: 10 }\nwrite: { jsonl: out }\nkeep: { dropped: all }\n");
    place.tamis(&["run", "p.yaml"]).done();
    let rows = place.ledger("runs/p");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].text.as_deref(), Some("short"));
    assert_eq!((rows[0].number, rows[0].limit), (Some(5.0), Some(10.0)));
}
