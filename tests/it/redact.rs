//! What must not be learned is taken out: the same whatever the order, and accounted for in the ledger.

use std::io::Read;

use tamis::text::pii::{Finder, Kind, Scope};

use crate::place::{Place, repository};

/// The texts of the mail fixture.
fn mail() -> Vec<String> {
    let file = std::fs::File::open(repository().join("fixtures/conversation/mail.jsonl.gz")).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["text"].as_str().unwrap().to_owned())
        .collect()
}

/// datatrove's two expressions against our rules on real mail. Where they differ we know why.
#[test]
fn addresses_are_those_of_datatrove_but_for_known_reasons() {
    let golden = std::fs::read_to_string(repository().join("fixtures/goldens/pii.jsonl")).unwrap();
    let mut theirs: Vec<(usize, String, usize, usize)> = Vec::new();
    for line in golden.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        for span in row["spans"].as_array().unwrap() {
            let at = |i: usize| span[i].as_u64().unwrap() as usize;
            theirs.push((row["row"].as_u64().unwrap() as usize, span[0].as_str().unwrap().to_owned(), at(1), at(2)));
        }
    }
    let mut finder = Finder::new(&[Kind::Email, Kind::Ipv4], Scope::Public, &[]);
    let (mut ours, mut found) = (Vec::new(), Vec::new());
    let mail = mail();
    for (row, text) in mail.iter().enumerate() {
        finder.find(text, &mut found);
        ours.extend(found.iter().map(|f| (row, f.kind.name().to_owned(), f.start, f.end)));
    }
    let equal = theirs.iter().filter(|t| ours.contains(t)).count();
    assert!(equal >= 680 && theirs.len() == 693, "{equal} of {}", theirs.len());
    for (row, kind, start, end) in theirs.iter().filter(|t| !ours.contains(t)) {
        let was = &mail[*row][*start..*end];
        // What a URL's path or query says before the address stays; the address itself goes.
        let inside = ours.iter().any(|o| o.0 == *row && o.1 == *kind && o.2 >= *start && o.3 <= *end);
        let url = inside && was.contains(['/', '=', '&', '?', '!', '#', '*', '|']);
        let top = was.rsplit('.').next().unwrap();
        let reserved =
            was.contains("@example.") || ["local", "localdomain", "invalid"].contains(&top) || top.len() > 12;
        assert!(url || reserved, "only datatrove: {kind} {was:?}");
    }
    for (row, kind, start, end) in ours.iter().filter(|o| !theirs.contains(o)) {
        let within = theirs.iter().any(|t| t.0 == *row && t.2 <= *start && t.3 >= *end);
        assert!(within, "only here: {kind} {:?}", &mail[*row][*start..*end]);
    }
}

const TEXTS: [&str; 4] = [
    "Write to jo.doe@corp.org or call (212) 736-5000 today.",
    "Version 1.2.3.4 needs nothing.",
    "From 84.17.50.173 and 84.17.50.173, by jo.doe@corp.org.",
    "a@corp.org b@corp.org c@corp.org d@corp.org",
];

fn run(place: &Place, order: &[usize], steps: &str) {
    let lines: String =
        order.iter().map(|i| format!("{}\n", serde_json::json!({ "text": TEXTS[*i], "n": i }))).collect();
    place.write("in.jsonl", lines);
    place.write(
        "p.yaml",
        format!(
            "read: {{ jsonl: in.jsonl }}\nsteps:\n{steps}\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\n"
        ),
    );
    place.tamis(&["run", "p.yaml"]).done();
}

fn texts_by_number(place: &Place) -> Vec<(u64, String)> {
    let lines = place.lines("out");
    let mut all: Vec<_> =
        lines.iter().map(|l| (l["n"].as_u64().unwrap(), l["text"].as_str().unwrap().to_owned())).collect();
    all.sort();
    all
}

#[test]
fn redactions_are_in_the_ledger_and_do_not_depend_on_the_order() {
    let (one, other) = (Place::new(), Place::new());
    run(&one, &[0, 1, 2, 3], "  - pii: { max_finds: 3 }");
    run(&other, &[3, 2, 1, 0], "  - pii: { max_finds: 3 }");
    assert_eq!(texts_by_number(&one), texts_by_number(&other));
    let texts = one.texts("out");
    assert_eq!(texts[1], TEXTS[1]);
    assert!(
        texts[0].starts_with("Write to ") && texts[0].ends_with("call <PHONE> today.") && !texts[0].contains("corp"),
        "{}",
        texts[0]
    );
    let rows = one.ledger("runs/p");
    let endings: Vec<String> =
        rows.iter().map(|r| format!("{} {}", serde_json::to_string(&r.ending).unwrap(), r.because)).collect();
    assert_eq!(endings, ["\"redacted\" redacted", "\"redacted\" redacted", "\"dropped\" too_much_private_data"]);
    let spans: Vec<(&str, &str)> =
        rows[0].spans.iter().map(|(what, start, end)| (&**what, &TEXTS[0][*start as usize..*end as usize])).collect();
    assert_eq!(spans, [("email", "jo.doe@corp.org"), ("phone", "(212) 736-5000")]);
    one.assert_balanced("runs/p");
    let redacted = &one.receipts("runs/p").iter().find_map(|r| r.tally.steps.get("pii").cloned()).unwrap().redacted;
    assert_eq!(
        redacted.iter().map(|(k, n)| (k.as_str(), *n)).collect::<Vec<_>>(),
        [("email", 2), ("ipv4", 2), ("phone", 1)]
    );
    let why = one.tamis(&["why", "runs/p", rows[0].id.as_deref().unwrap()]).done();
    assert!(why.out.contains("went on, redacted by pii: email 9..24, phone 33..47"), "{}", why.out);
    let stats = one.tamis(&["stats", "runs/p"]).done();
    assert!(stats.out.contains("redacted email 2, ipv4 2, phone 1"), "{}", stats.out);
}

#[test]
fn counts_are_fields_that_later_steps_can_read() {
    let place = Place::new();
    run(&place, &[0, 1, 2, 3], "  - pii: { replace: [email, ip] }\n    mode: annotate\n  - secrets");
    let lines = place.lines("out");
    assert_eq!(lines.iter().map(|l| l["pii.email"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 0, 1, 4]);
    assert_eq!(lines[2]["pii.spans"], r#"[["ipv4",5,17],["ipv4",22,34],["email",39,54]]"#);
    assert_eq!(place.texts("out"), TEXTS);
}
