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

#[test]
fn a_model_that_cannot_judge_is_a_mistake_with_its_place() {
    let (softmax, lid, arpa, vectors) =
        (model("tiny-softmax.bin"), model("lid.176.ftz"), model("tiny.arpa"), model("tiny-vectors.bin"));
    let wrong = [
        ("fasttext: { model: missing.bin, label: x, min_score: 0.5 }".to_owned(), "needs the file `missing.bin`"),
        ("language: { model: missing.ftz }".to_owned(), "needs the file `missing.ftz`"),
        ("perplexity: { model: missing.arpa, max_perplexity: 9 }".to_owned(), "needs the file `missing.arpa`"),
        (format!("fasttext: {{ model: {arpa}, label: x, min_score: 0.5 }}"), "is no usable fastText model"),
        (format!("fasttext: {{ model: {vectors}, label: x, min_score: 0.5 }}"), "is no usable fastText model"),
        (format!("language: {{ model: {arpa} }}"), "is no usable fastText model"),
        (format!("perplexity: {{ model: {lid}, max_perplexity: 9 }}"), "is no usable language model"),
        (format!("fasttext: {{ model: {softmax}, label: boook, min_score: 0.5 }}"), "has no label `boook`"),
        (format!("language: {{ model: {lid}, keep: [english] }}"), "has no label `english`"),
        (format!("fasttext: {{ model: {softmax}, label: book }}"), "neither judges nor writes its score"),
        (format!("fasttext: {{ model: {softmax}, label: book, min_score: 65 }}"), "`min_score` must be at most 1"),
        (format!("fasttext: {{ model: {softmax}, label: book, max_score: -1 }}"), "`max_score` must be at least 0"),
        (
            format!("fasttext: {{ model: {softmax}, label: book, min_score: 0.7, max_score: 0.2 }}"),
            "no score is at least 0.7",
        ),
        (format!("language: {{ model: {lid}, min_score: 65 }}"), "`min_score` must be at most 1"),
    ];
    let place = Place::new();
    place.write("a.jsonl", LINES);
    for (step, message) in wrong {
        place.write("p.yaml", format!("read: {{ jsonl: a.jsonl }}\nsteps:\n  - {step}\nwrite: {{ jsonl: out }}\n"));
        let ran = place.tamis(&["check", "p.yaml"]);
        assert_eq!(ran.code, 2, "{step}: {}", ran.err);
        assert!(
            ran.err.contains(message)
                && ran.err.contains("p.yaml:3:")
                && (message.contains("must be") || ran.err.contains("hint: ")),
            "{step}: {}",
            ran.err
        );
    }
}

#[test]
fn a_limit_that_never_fires_is_a_warning() {
    for limit in ["min_score: 0", "max_score: 1"] {
        let place = Place::new();
        place.write("a.jsonl", LINES);
        let step = format!("fasttext: {{ model: {}, label: book, {limit} }}", model("tiny-softmax.bin"));
        place.write("p.yaml", format!("read: {{ jsonl: a.jsonl }}\nsteps:\n  - {step}\nwrite: {{ jsonl: out }}\n"));
        for command in ["plan", "run"] {
            let ran = place.tamis(&[command, "p.yaml"]).done();
            assert!(ran.out.contains("drops nothing: every score is between 0 and 1"), "{}", ran.out);
        }
    }
}

#[cfg(not(feature = "onnx"))]
#[test]
fn without_its_feature_onnx_is_known_and_says_how_to_have_it() {
    let place = Place::new();
    place.write("a.jsonl", LINES);
    place.write(
        "p.yaml",
        "read: { jsonl: a.jsonl }\nsteps:\n  - onnx: { model: m.onnx, tokenizer: t.json, runtime: r.so, min_score: 3 }\nwrite: { jsonl: out }\n",
    );
    let ran = place.tamis(&["check", "p.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("which this tamis was built without") && ran.err.contains("--features onnx"),
        "{}",
        ran.err
    );
}

#[cfg(feature = "onnx")]
mod onnx {
    use super::*;

    /// The runtime library, if whoever runs the tests says where it is.
    fn runtime() -> Option<String> {
        let path = std::env::var("ORT_DYLIB_PATH").ok();
        if path.is_none() {
            eprintln!("skipped: ORT_DYLIB_PATH names no ONNX Runtime library (PyPI onnxruntime has one in `capi/`)");
        }
        path
    }

    fn step(runtime: &str, settings: &str) -> String {
        let tokenizer = repository().join("fixtures/goldens/tiny_tokenizers/bert.json");
        format!(
            "onnx: {{ model: {}, tokenizer: {}, runtime: \"{runtime}\", max_tokens: 24{settings} }}",
            model("tiny-neural.onnx"),
            tokenizer.display()
        )
    }

    fn goldens() -> Vec<(String, Vec<f64>)> {
        let text = std::fs::read_to_string(repository().join("fixtures/goldens/tiny-neural.jsonl")).unwrap();
        let row = |line: &str| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let logits = row["logits"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
            (row["text"].as_str().unwrap().to_owned(), logits)
        };
        text.lines().map(row).collect()
    }

    #[test]
    fn scores_are_those_of_the_runtime_itself() {
        let Some(runtime) = runtime() else { return };
        let goldens = goldens();
        assert!(goldens.len() >= 60);
        let lines: String =
            goldens.iter().map(|(text, _)| format!("{}\n", serde_json::json!({ "text": text }))).collect();
        let mut steps = String::new();
        for (name, settings) in [
            ("raw", ", into: raw, label: 1"),
            ("alone", ", into: alone, label: 1, batch_size: 1"),
            ("soft", ", into: soft, label: 2, score: softmax"),
            ("sigmoid", ", into: sigmoid, score: sigmoid"),
        ] {
            steps.push_str(&format!("  - {}\n    as: {name}\n", step(&runtime, settings)));
        }
        let digests = ["-j1", "-j3"].map(|workers| {
            let place = Place::new();
            place.write("in/a.jsonl", &lines);
            place.write("in/b.jsonl", lines.repeat(3));
            place.write(
                "p.yaml",
                format!(
                    "read: {{ jsonl: in/* }}\nsteps:\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\n"
                ),
            );
            place.tamis(&["run", "p.yaml", "--allow-exec", workers]).done();
            for (line, (text, logits)) in place.lines("out").iter().zip(goldens.iter().cycle()) {
                let close = |name: &str, expected: f64| {
                    let is = line[name].as_f64().unwrap();
                    assert!((is - expected).abs() < 2e-5, "{name}: {is} for {expected}: {text}");
                };
                close("raw", logits[1]);
                close("alone", logits[1]);
                close("soft", logits[2].exp() / logits.iter().map(|l| l.exp()).sum::<f64>());
                close("sigmoid", 1.0 / (1.0 + (-logits[0]).exp()));
            }
            assert_eq!(place.lines("out").len(), 4 * goldens.len());
            place.digest(&["out"])
        });
        assert_eq!(digests[0], digests[1]);
    }

    #[test]
    fn it_judges_by_limits_and_annotates() {
        let Some(runtime) = runtime() else { return };
        let goldens = goldens();
        let lines: String =
            goldens.iter().map(|(text, _)| format!("{}\n", serde_json::json!({ "text": text }))).collect();
        let place = Place::new();
        place.write("a.jsonl", lines);
        let steps = [step(&runtime, ", min_score: 2\n"), step(&runtime, ", min_score: 3, max_score: 4")];
        place.write("p.yaml", format!("read: {{ jsonl: a.jsonl }}\nsteps:\n  - {}\n    mode: annotate\n  - {}\n    as: strict\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\n", steps[0].replace('\n', ""), steps[1]));
        place.tamis(&["run", "p.yaml", "--allow-exec"]).done();
        place.assert_balanced("runs/p");
        let kept = |(_, logits): &&(String, Vec<f64>)| (3.0..=4.0).contains(&logits[0]);
        let expected: Vec<String> = goldens.iter().filter(kept).map(|(text, _)| text.clone()).collect();
        assert!(!expected.is_empty() && expected.len() < goldens.len() / 2);
        assert_eq!(place.texts("out"), expected);
        assert!(
            place.lines("out").iter().all(|l| l["onnx.verdict"] == "keep" && l["onnx.score"].as_f64() >= Some(3.0))
        );
        for row in place.ledger("runs/p") {
            let low = row.number.unwrap() < 3.0;
            assert_eq!((&*row.by, &*row.because), ("strict", if low { "score_too_low" } else { "score_too_high" }));
        }
    }

    #[test]
    fn what_is_wrong_is_told_before_anything_runs() {
        let Some(runtime) = runtime() else { return };
        let place = Place::new();
        place.write("a.jsonl", LINES);
        place.write("no.so", "no library");
        let good = step(&runtime, ", min_score: 3");
        let bad = |from: &str, to: &str| {
            assert!(good.contains(from), "{good}");
            good.replace(from, to)
        };
        let wrong = [
            (bad("tiny-neural.onnx", "tiny-softmax.bin"), "is no usable ONNX model"),
            (bad("tiny-neural.onnx", "tiny-pixels.onnx"), "its input `pixels` is"),
            (bad("tiny-neural.onnx", "missing.onnx"), "missing.onnx`: No such file"),
            (bad("bert.json", "ids.json"), "is no usable tokenizer"),
            (bad(&runtime, "no.so"), "no.so` is no usable ONNX Runtime library"),
            (bad("min_score: 3", "min_score: 3, output: scores"), "has no output `scores`"),
            (bad("min_score: 3", "min_score: 3, score: softmax"), "`min_score: 3` drops everything"),
            (bad(", min_score: 3", ""), "neither judges nor writes"),
            (bad("max_tokens: 24", "max_tokens: 2"), "leaves no room for text"),
        ];
        for (step, message) in wrong {
            place.write("p.yaml", format!("read: {{ jsonl: a.jsonl }}\nsteps:\n  - {step}\nwrite: {{ jsonl: out }}\n"));
            let ran = place.tamis(&["check", "p.yaml", "--allow-exec"]);
            assert_eq!(ran.code, 2, "{step}: {}", ran.err);
            assert!(ran.err.contains(message) && ran.err.contains("hint: "), "{message}: {}", ran.err);
        }
        place.write("p.yaml", format!("read: {{ jsonl: a.jsonl }}\nsteps:\n  - {good}\nwrite: {{ jsonl: out }}\n"));
        place.tamis(&["check", "p.yaml"]).done();
        let ran = place.tamis(&["run", "p.yaml"]);
        assert!(
            ran.code == 2 && ran.err.contains("loads the library") && ran.err.contains("--allow-exec"),
            "{}",
            ran.err
        );
        // What only the model's answer shows stops the run.
        place.write(
            "p.yaml",
            format!(
                "read: {{ jsonl: a.jsonl }}\nsteps:\n  - {}\nwrite: {{ jsonl: out }}\n",
                bad("min_score: 3", "min_score: 3, label: 3")
            ),
        );
        let ran = place.tamis(&["run", "p.yaml", "--allow-exec"]);
        assert!(
            ran.code == 2 && ran.err.contains("has no label 3") && ran.err.contains("labels are 0 to 2"),
            "{}",
            ran.err
        );
    }
}
