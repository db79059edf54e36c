//! Documents that nobody writes: every stage judges them all the same, without a panic and in an end that can be waited for, and what
//! it says of them is defined. Quadratic work on a megabyte would not end; `benches/linear.rs` measures.

use std::collections::BTreeSet;

use tamis::pipeline::load;
use tamis::plan::trial::Trial;
use tamis::stages::catalog;

use crate::place::{Place, repository};

const BYTES: usize = 1 << 20;

fn documents() -> Vec<String> {
    let pieces = [
        "x",
        " ",
        "\n",
        "\u{301}",
        "#",
        "...",
        "日",
        "\u{202e}مرحبا ",
        "🇩🇪",
        "â€œ",
        "Ã ",
        "\u{fffd}",
        "3 likes\n",
        "a. ",
        "http://",
        "1,234.5-",
        "e\u{301}\u{300}",
        "ภาษาไทย日本語の文章",
        "שלום hello \u{202b}مرحبا\u{202c} 世界 ",
    ];
    let mut documents: Vec<String> = pieces.iter().map(|piece| piece.repeat(BYTES / piece.len())).collect();
    documents.push(String::new());
    documents
}

#[test]
fn no_stage_minds_a_document_that_nobody_writes() {
    let place = Place::new();
    let documents = documents();
    let mut tried = BTreeSet::new();
    for entry in catalog() {
        for example in entry.about.examples.iter().take(1) {
            let settings = example.settings.replace("fixtures/", &format!("{}/fixtures/", repository().display()));
            tried.insert(entry.about.name);
            let step = format!("steps:\n  - {}: {settings}\n", entry.about.name);
            let path = place.write("p.yaml", format!("read: {{ jsonl: x }}\n{step}write: {{ jsonl: out }}\n"));
            let mut pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{}: {d}", entry.about.name));
            pipeline.allow_exec = true;
            let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{}: {d}", entry.about.name));
            for document in &documents {
                trial.walk(document.clone(), &Default::default(), None).unwrap();
            }
        }
    }
    assert!(tried.len() > 40, "{}", tried.len());
}

/// What stages say of only spaces, only combining marks, one word of 10 MB, and text from right to left among other scripts; `keep` if
/// they have nothing against it.
const SAYS: [(&str, &str, [&str; 4]); 17] = [
    ("gopher_quality", "{}", ["too_few_words", "too_few_words", "too_few_words", "too_few_stop_words"]),
    (
        "gopher_quality",
        "{ words: spacy }",
        ["too_few_words", "too_few_words", "too_few_words", "too_few_alphabetic_words"],
    ),
    (
        "gopher_quality",
        "{ words: dictionary }",
        ["too_few_words", "too_few_words", "too_few_words", "too_few_stop_words"],
    ),
    ("gopher_repetition", "{}", ["keep", "keep", "keep", "top_2_gram"]),
    ("c4_quality", "{}", ["too_few_sentences", "too_few_sentences", "too_few_sentences", "keep"]),
    ("c4_paragraphs", "{}", ["too_few_paragraphs"; 4]),
    (
        "fineweb_quality",
        "{}",
        ["empty", "too_few_punctuated_lines", "too_few_punctuated_lines", "too_few_punctuated_lines"],
    ),
    ("refinedweb_lines", "{}", ["nothing_left", "nothing_left", "nothing_left", "keep"]),
    ("madlad400", "{}", ["too_few_sentences", "too_few_sentences", "too_few_sentences", "questionable_sentences"]),
    ("nemotron_cc", "{}", ["too_many_symbols", "too_many_symbols", "too_few_words", "too_many_symbols"]),
    ("length", "{ min_words: 2 }", ["too_few_words", "too_few_words", "too_few_words", "keep"]),
    ("word_length", "{}", ["words_too_short", "words_too_short", "words_too_long", "keep"]),
    ("entropy", "{}", ["too_uniform"; 4]),
    ("stop_words", "{}", ["too_few_stop_words"; 4]),
    ("symbol_fraction", "{}", ["too_many_spaces", "keep", "keep", "keep"]),
    ("compression_ratio", "{}", ["too_repetitive"; 4]),
    ("code_quality", "{}", ["line_too_long"; 4]),
];

#[test]
fn stages_say_what_they_have_against_such_documents() {
    let place = Place::new();
    let documents = [
        " ".repeat(BYTES),
        "\u{301}".repeat(BYTES / 2),
        "abcdefghij".repeat(1 << 20),
        "שלום עולם ומלואו. \u{202b}مرحبا بالعالم\u{202c} hello 世界! ".repeat(2000),
    ];
    for (stage, settings, says) in SAYS {
        let step = format!("read: {{ jsonl: x }}\nsteps:\n  - {stage}: {settings}\nwrite: {{ jsonl: out }}\n");
        let path = place.write("p.yaml", step);
        let pipeline = load(&path, &[], &|_| None).unwrap_or_else(|d| panic!("{stage}: {d}"));
        let mut trial = Trial::new(&pipeline, None).unwrap_or_else(|d| panic!("{stage}: {d}"));
        let said = documents.each_ref().map(|document| {
            let walked = trial.walk(document.clone(), &Default::default(), None).unwrap();
            walked.stop.map_or("keep".to_owned(), |stop| stop.because)
        });
        assert_eq!(said, says, "{stage}: {settings}");
    }
}

#[test]
fn a_lone_surrogate_is_no_text_and_costs_no_neighbor() {
    let place = Place::new();
    let lines =
        [r#"{"text":"one"}"#, r#"{"text":"\ud800 two"}"#, r#"{"text":"\udc00\ud83d"}"#, r#"{"text":"\ud83d\ude00"}"#];
    place.write("in.jsonl", lines.join("\n"));
    place.write(
        "p.yaml",
        "read: { jsonl: in.jsonl }\nwrite: { jsonl: { dir: out, compression: none } }\nlimits: { quarantine: 100% }\n",
    );
    place.tamis(&["run", "p.yaml"]).done();
    place.assert_balanced("runs/p");
    let lost: Vec<_> = place.ledger("runs/p").iter().map(|row| (row.because.to_string(), row.at)).collect();
    assert_eq!(lost, [("bad_json".to_owned(), 15), ("bad_json".to_owned(), 37)]);
    assert_eq!(place.texts("out"), ["one", "😀"]);
}
