//! Rule sets decide, and menders mend, as the implementations do that they are named after (`fixtures/goldens/rules.py`).

use serde_json::Value;
use tamis::pipeline::load;
use tamis::plan::trial::{Trial, WalkedDocument};

use crate::place::{Place, repository};

fn goldens(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(repository().join("fixtures/goldens").join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Walks every golden's text through `step`, and gives what came of it.
fn each(step: &str, goldens: &[Value], text: &str, look: impl FnMut(&Value, WalkedDocument)) {
    each_at(&Place::new(), step, goldens, text, look);
}

/// The same, with files that lie in `place`, and with the golden's `code_language`.
fn each_at(place: &Place, step: &str, goldens: &[Value], text: &str, mut look: impl FnMut(&Value, WalkedDocument)) {
    let path = place.write("p.yaml", format!("read: {{ jsonl: x }}\nsteps: [{{ {step} }}]\nwrite: {{ jsonl: out }}\n"));
    let pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{d}"));
    let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{d}"));
    for golden in goldens {
        let language = golden.get("code_language").map(|language| ("code_language".to_owned(), language.clone()));
        let fields = language.into_iter().collect();
        look(golden, trial.walk(golden[text].as_str().unwrap().to_owned(), &fields, None).unwrap());
    }
}

fn close(name: &str, golden: &Value, ours: &Value, within: f64, of: &Value) {
    let (theirs, ours) = (golden.as_f64().unwrap(), ours.as_f64().unwrap());
    assert!((theirs - ours).abs() <= within, "{name}: {theirs}, and not {ours}, of {of:?}");
}

#[test]
fn mojibake_is_mended_as_ftfy_mends_it() {
    let goldens = goldens("mojibake.jsonl");
    let mut mended = 0;
    each("fix_encoding: {}", &goldens, "given", |golden, walked| {
        assert_eq!(walked.text, golden["fixed"].as_str().unwrap(), "{:?}", golden["given"]);
        mended += usize::from(golden["given"] != golden["fixed"]);
    });
    assert!(goldens.len() > 2000 && mended > 800, "{mended}");
}

#[test]
fn nemotron_cc_measures_and_decides_as_nemo_curator() {
    let mut decided = 0;
    each("nemotron_cc: {}, mode: annotate", &goldens("rules.jsonl"), "text", |golden, walked| {
        // A document on which theirs divides by zero is dropped.
        let Some(theirs) = golden["nemo"].as_object() else {
            assert_ne!(walked.fields["nemotron_cc.verdict"], "keep");
            return;
        };
        for (name, number) in theirs["measures"].as_object().unwrap().iter().filter(|(_, n)| !n.is_null()) {
            close(name, number, &walked.fields[&format!("nemotron_cc.{name}")], 1e-12, &golden["text"]);
        }
        // Of n-grams that occur equally often theirs takes one by chance, and with it the verdict.
        let by_chance = (2..=4).any(|n| theirs["measures"][format!("top_{n}gram_fraction")].is_null());
        if by_chance
            && (theirs["dropped_by"].as_str().is_some_and(|by| by.starts_with("top_"))
                || walked.fields["nemotron_cc.verdict"] == "top_ngram")
        {
            return;
        }
        let reason = match theirs["dropped_by"].as_str().unwrap_or("keep") {
            "keep" => "keep",
            "symbol_fraction" => "too_many_symbols",
            "digit_fraction" => "too_many_digits",
            "url_fraction" => "too_many_urls",
            "space_fraction" => "too_many_spaces",
            "boilerplate_fraction" => "boilerplate",
            "words" => "too_few_words",
            "unpunctuated_fraction" => "unpunctuated",
            "common_words" => "too_few_common_words",
            "ellipsis_line_fraction" => "too_many_ellipsis_lines",
            "duplicate_5gram_fraction" => "duplicate_ngrams",
            "top_2gram_fraction" | "top_3gram_fraction" => "top_ngram",
            other => panic!("{other} has no reason of ours yet"),
        };
        assert_eq!(walked.fields["nemotron_cc.verdict"], reason, "{:?}", golden["text"]);
        decided += 1;
    });
    assert!(decided > 200, "{decided}");
}

#[test]
fn redpajama_signals_are_redpajamas() {
    each("redpajama_signals", &goldens("rules.jsonl"), "text", |golden, walked| {
        for (name, number) in golden["redpajama"].as_object().unwrap().iter().filter(|(_, n)| !n.is_null()) {
            // Theirs are rounded to eight places; where they average over lines, each line was.
            close(name, number, &walked.fields[&format!("rps_{name}")], 1e-8, &golden["text"]);
        }
    });
}

#[test]
fn refinedweb_lines_are_dclms() {
    let mut changed = 0;
    each("refinedweb_lines: {}, mode: annotate", &goldens("rules.jsonl"), "text", |golden, walked| {
        let theirs = &golden["dclm"];
        let Some(text) = theirs["text"].as_str() else {
            assert_eq!(walked.fields["refinedweb_lines.verdict"], "nothing_left", "{:?}", golden["text"]);
            return;
        };
        assert_eq!(walked.text, text, "of {:?}", golden["text"]);
        let removed = &walked.fields["refinedweb_lines.removed_fraction"];
        close("removed", &theirs["removed"], removed, 1e-12, &golden["text"]);
        let kept = theirs["removed"].as_f64().unwrap() <= 0.05;
        assert_eq!(walked.fields["refinedweb_lines.verdict"] == "keep", kept);
        changed += usize::from(text != golden["text"].as_str().unwrap());
    });
    assert!(changed > 100, "{changed}");
}

#[test]
fn lines_of_symbols_are_fineweb_2s() {
    let settings = r#"{ counters: false, javascript: false, policies: false, symbol_lines: false, symbols: "|-=" }"#;
    each(&format!("strip_boilerplate_lines: {settings}"), &goldens("rules.jsonl"), "text", |golden, walked| {
        // Theirs also makes every kind of line end a `\n`, and takes the last one away.
        let Some(theirs) = golden["symbol_lines"].as_str() else { return };
        assert_eq!(walked.text.strip_suffix('\n').unwrap_or(&walked.text), theirs);
    });
}

/// The rows of `filters.jsonl` for `rule`, each with its text.
fn filters(rule: &str) -> Vec<Value> {
    let texts = goldens("rules.jsonl");
    let mut rows = goldens("filters.jsonl");
    rows.retain(|row| row["rule"] == rule);
    for row in &mut rows {
        if let Some(of) = row["of"].as_u64() {
            row["text"] = texts[of as usize]["text"].clone();
        }
    }
    assert!(rows.len() > 80, "{rule}: {}", rows.len());
    rows
}

#[test]
fn madlad_400_counts_and_decides_as_datamap() {
    let place = Place::new();
    let cursed = place.write("cursed.txt", "orem ipsum\njavascript\n\\|\\s*$\n");
    let step = format!("madlad400: {{ bytes: true, cursed: {} }}, mode: annotate", cursed.display());
    each_at(&place, &step, &filters("madlad400"), "text", |golden, walked| {
        let reason = walked.fields["madlad400.verdict"].as_str().unwrap().replace("keep", "");
        assert_eq!(reason, golden["because"].as_str().unwrap(), "{:?}", golden["text"]);
        let sentences = golden["counts"]["sentences"].as_f64().unwrap();
        for (name, count) in golden["counts"].as_object().unwrap() {
            let ours = walked.fields[&format!("madlad400.{name}")].as_f64().unwrap();
            let ours = if name == "sentences" { ours } else { (ours * sentences).round() };
            assert_eq!(Some(ours), count.as_f64(), "{name} of {:?}", golden["text"]);
        }
    });
}

#[test]
fn fineweb_2_decides_as_datatrove_with_thresholds_of_a_language() {
    for language in ["eng_Latn", "deu_Latn"] {
        let lists = repository().join("fixtures/lists/fineweb2_sample.yaml");
        let step = format!("fineweb2: {{ thresholds: {}, language: {language}, compat: datatrove }}", lists.display());
        each(&step, &filters(&format!("fineweb2: {language}")), "text", |golden, walked| {
            let because = walked.stop.map(|stop| stop.because).unwrap_or_default();
            assert_eq!(because, golden["because"].as_str().unwrap(), "{language}: {:?}", golden["text"]);
        });
    }
}

#[test]
fn code_quality_decides_as_starcoders_filters() {
    let step = "code_quality: { extensions: false, generated: false, minified: false, max_encoded_fraction: null, \
                max_encoded_length: null, max_number_line_fraction: null, min_data_chars: null, max_data_chars: null }";
    each(step, &filters("code_quality"), "text", |golden, walked| {
        let because = walked.stop.map(|stop| stop.because).unwrap_or_default();
        assert_eq!(because, golden["because"].as_str().unwrap(), "{:?}", golden["text"]);
    });
}

#[test]
fn comments_are_counted_as_starcoder_counts_them() {
    let goldens = goldens("comments.jsonl");
    each("code_quality: { compat: starcoder }, mode: annotate", &goldens, "text", |golden, walked| {
        let chars = golden["text"].as_str().unwrap().chars().count() as f64;
        let share = Value::from(golden["characters"].as_f64().unwrap() / chars);
        close("comments", &share, &walked.fields["code_quality.comment_fraction"], 1e-12, &golden["text"]);
    });
    assert!(goldens.len() > 100);
}
