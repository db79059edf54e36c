//! Stages that judge with a model: what they keep, what they write, and what they say of a model that is none.

use crate::place::{Place, repository};

const LINES: &str = "{\"text\":\"The way was long, and they came back late in the evening.\\nDer Weg war lang, und sie kamen spät am Abend zurück.\"}\n\
    {\"text\":\"Please reply to this mail with your address to get the list of free software.\"}\n\
    {\"text\":\"Der Weg war lang, und am Abend kamen sie müde in die Stadt zurück.\"}\n\
    {\"text\":\"The old whale swam beneath the ship, and the captain stood upon the deck.\"}\n\
    {\"text\":\" \\n \"}\n";

fn model(name: &str) -> String {
    repository().join("fixtures/models").join(name).display().to_string()
}

fn run(place: &Place, steps: &str) {
    place.write("a.jsonl", LINES);
    place.write(
        "p.yaml",
        format!("read: {{ jsonl: a.jsonl }}\nsteps:\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\n"),
    );
    place.tamis(&["run", "p.yaml"]).done();
    place.assert_balanced("runs/p");
}

#[test]
fn lines_in_other_languages_go_and_what_is_left_can_be_scored() {
    let place = Place::new();
    run(
        &place,
        &format!(
            "  - language: {{ model: {}, keep: [en], level: line, min_score: 0.5 }}\n  - fasttext: {{ model: {}, label: book, into: book.score }}\n  - top_fraction: {{ of: book.score, keep: 34% }}\n",
            model("lid.176.ftz"),
            model("tiny-softmax.bin")
        ),
    );
    let texts = place.texts("out");
    assert_eq!(texts, ["The old whale swam beneath the ship, and the captain stood upon the deck."]);
    let line = &place.lines("out")[0];
    assert!(line["book.score"].as_f64().unwrap() > 0.5, "{line}");
    assert_eq!(place.ledger("runs/p").iter().filter(|r| r.because == "no_part_left").count(), 2);
}

#[test]
fn annotating_keeps_every_text_and_writes_the_numbers() {
    let place = Place::new();
    run(
        &place,
        &format!(
            "  - language: {{ model: {}, keep: [en], level: line }}\n    mode: annotate\n  - fasttext: {{ model: {}, label: book, min_score: 0.5 }}\n    mode: annotate\n",
            model("lid.176.ftz"),
            model("tiny-softmax.bin")
        ),
    );
    let lines = place.lines("out");
    assert_eq!(lines.len(), 5);
    let first = &lines[0];
    assert!(first["text"].as_str().unwrap().contains("Weg"));
    let kept = first["language.kept_fraction"].as_f64().unwrap();
    assert!((0.4..0.6).contains(&kept), "{first}");
    assert_eq!((&first["language"], &first["language.verdict"]), (&"en".into(), &"keep".into()));
    assert_eq!(lines[2]["language.verdict"], "no_part_left");
    assert!(lines.iter().all(|l| l["fasttext.score"].is_number()), "{lines:?}");
}

#[test]
fn a_model_cut_short_is_named_with_what_is_wrong() {
    let place = Place::new();
    let whole = std::fs::read(repository().join("fixtures/models/lid.176.ftz")).unwrap();
    place.write("cut.ftz", &whole[..whole.len() / 2]);
    place.write("a.jsonl", LINES);
    place
        .write("p.yaml", "read: { jsonl: a.jsonl }\nsteps:\n  - language: { model: cut.ftz }\nwrite: { jsonl: out }\n");
    let ran = place.tamis(&["run", "p.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("`cut.ftz` is no usable fastText model: it ends too early"), "{}", ran.err);
}

#[test]
fn perplexity_is_a_field_that_buckets_can_be_made_of() {
    let place = Place::new();
    run(
        &place,
        &format!(
            "  - perplexity: {{ model: {}, normalize: ccnet, into: perplexity }}\n  - perplexity: {{ model: {}, normalize: ccnet }}\n    as: again\n    mode: annotate\n",
            model("tiny.probing"),
            model("tiny.trie")
        ),
    );
    let lines = place.lines("out");
    assert_eq!(lines.len(), 5);
    for line in &lines {
        let (one, two) = (line["perplexity"].as_f64().unwrap(), line["again.perplexity"].as_f64().unwrap());
        assert!(one > 1.0 && (one - two).abs() < 1e-3 * one, "{line}");
    }
    assert_eq!(lines[4]["again.tokens"], 1.0, "a blank text is the end of one line");
}

#[test]
fn pages_are_kept_and_dropped_by_their_addresses() {
    let place = Place::new();
    let page = |url: &str| format!("{{\"text\":\"a page\",\"url\":\"{url}\"}}\n");
    let urls =
        ["http://www.a.org/x/", "http://b.org/", "https://c.org/low", "http://sub.bad.org/", "http://d.org/only"];
    place.write("a.jsonl", urls.map(page).concat());
    place.write("posts.jsonl", "{\"url\":\"https://a.org/x\",\"score\":3,\"title\":\"t\"}\n{\"url\":\"https://c.org/low\",\"score\":2}\n{\"url\":\"http://sub.bad.org/\",\"score\":9}\n{\"title\":\"no link\"}\n");
    place.write("keep.txt", "b.org\n");
    place.write("block.txt", "0.0.0.0 bad.org\n");
    place.write(
        "p.yaml",
        "read: { jsonl: a.jsonl }\nsteps:\n  - url_blocklist: { lists: block.txt }\n  - url_allowlist: { posts: posts.jsonl, lists: keep.txt }\nwrite: { jsonl: { dir: out, compression: none } }\n",
    );
    let ran = place.tamis(&["run", "p.yaml"]).done();
    assert!(ran.out.contains("3 domains and pages are listed"), "{}", ran.out);
    let kept: Vec<_> = place.lines("out").iter().map(|l| l["url"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kept, urls[..2]);
    let dropped: Vec<_> = place.ledger("runs/p").iter().map(|r| r.because.to_string()).collect();
    assert_eq!(dropped, ["not_listed", "domain_listed", "not_listed"]);
}
