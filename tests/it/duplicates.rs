//! What every stage that removes duplicates promises: the same documents stay whatever the cuts of the corpus, the workers and the
//! moments at which the run died; and what becomes of documents at the edge is defined, and takes no more than linear time.

use std::collections::HashSet;
use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64_with_seed as hash;

use crate::place::{Place, files, repository};

/// Every stage of the kind, some in several ways.
const STEPS: [&str; 14] = [
    "exact",
    "exact: { keep: longest }",
    "url",
    "minhash",
    "minhash: { threshold: 0.6, keep: longest }",
    "minhash: { verify: none }",
    "minhash: { compat: datatrove }",
    "lines: { max_removed_fraction: 90% }",
    "paragraphs",
    "sentences",
    "substrings: { min_length: 60 }",
    "bloom",
    "bloom: { of: document, ngrams: 5 }",
    "semantic: { of: embedding, dimensions: 3, min_similarity: 0.9999 }",
];

/// Mail, some of it several times: as it is, with a word changed, with every ninth word changed. Copies stand anywhere.
fn mail() -> Vec<Value> {
    let packed = std::fs::read(repository().join("fixtures/conversation/mail.jsonl.gz")).unwrap();
    let mut lines = String::new();
    flate2::read::MultiGzDecoder::new(&*packed).read_to_string(&mut lines).unwrap();
    let mut all = Vec::new();
    for (base, line) in lines.lines().take(90).enumerate() {
        let whole: Value = serde_json::from_str(line).unwrap();
        let text: String = whole["text"].as_str().unwrap().chars().collect();
        for copy in 0..1 + base % 4 {
            let changed = |at: usize| match copy {
                2 => at == base % 40,
                3 => at % 9 == base % 9,
                _ => false,
            };
            let words = text.split(' ').enumerate();
            let words: Vec<String> =
                words.map(|(at, word)| if changed(at) { format!("x{base}x{at}") } else { word.into() }).collect();
            let angle = base as f64 + copy as f64 / 10_000.0;
            let url = format!("https://mail.example/{base}?utm_source={copy}");
            let document = json!({ "text": words.join(" "), "url": url, "embedding": [angle.sin(), angle.cos(), 0.5] });
            all.push((hash(&(base * 4 + copy).to_le_bytes(), 1), document));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all.into_iter()
        .enumerate()
        .map(|(n, (_, mut document))| {
            document["n"] = n.into();
            document
        })
        .collect()
}

/// A place with the documents in splits of so many, and a pipeline of one step. Small files share a split, flows do not.
fn place(documents: &[Value], split: usize, step: &str) -> Place {
    let place = Place::new();
    let (mut flows, mut names) = (String::new(), Vec::new());
    for (number, documents) in documents.chunks(split).enumerate() {
        let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
        place.write(&format!("in/{number}.jsonl"), lines);
        flows.push_str(&format!("  f{number}: {{ read: {{ jsonl: in/{number}.jsonl }} }}\n"));
        names.push(format!("f{number}"));
    }
    let write = "write: { jsonl: { dir: out, compression: none } }";
    place.write(
        "p.yaml",
        format!("flows:\n{flows}  all:\n    from: [{}]\n    steps:\n      - {step}\n    {write}\n", names.join(", ")),
    );
    place
}

/// Who stayed, and with what text.
fn stayed(place: &Place) -> Vec<(u64, String)> {
    let lines = place.lines("out");
    lines.iter().map(|line| (line["n"].as_u64().unwrap(), line["text"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn cuts_of_the_corpus_and_workers_do_not_change_who_stays() {
    let documents = mail();
    for step in STEPS {
        let run = |file: usize, more: &[&str]| {
            let place = place(&documents, file, step);
            place.tamis(&[&["run", "p.yaml"], more].concat()).done();
            place.assert_balanced("runs/p");
            stayed(&place)
        };
        let whole = run(1000, &["-j1"]);
        let all: Vec<_> =
            documents.iter().map(|d| (d["n"].as_u64().unwrap(), d["text"].as_str().unwrap().to_owned())).collect();
        assert!(!whole.is_empty() && whole != all, "{step} has something to do");
        assert_eq!(run(60, &["-j2", "--visit", "5"]), whole, "{step}");
        assert_eq!(run(9, &["-j3", "--visit", "11"]), whole, "{step}");
    }
}

#[test]
fn a_run_that_dies_twice_removes_what_an_undisturbed_one_removes() {
    let documents = mail();
    for step in STEPS {
        let undisturbed = place(&documents, 20, step);
        undisturbed.tamis(&["run", "p.yaml", "-j2"]).done();
        let receipts = |place: &Place| files(&place.path("runs/p/receipts")).len();
        let all = receipts(&undisturbed);
        assert!(all > 20, "{step}: {all}");
        let place = place(&documents, 20, step);
        for third in 1..3 {
            let mut child = place.command(&["run", "p.yaml", "-j2", "-q"]).spawn().unwrap();
            while receipts(&place) < all * third / 3 && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_micros(200));
            }
            // It may have ended by itself: the run that follows is the same either way.
            let _ = child.kill();
            child.wait().unwrap();
        }
        place.tamis(&["run", "p.yaml", "-j2"]).done();
        place.assert_balanced("runs/p");
        let folders = ["out", "runs/p/ledger"];
        assert_eq!(place.digest(&folders), undisturbed.digest(&folders), "{step}");
    }
}

/// The words of the book in lower case, without anything between them.
fn book() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("fixtures/books/moby-dick.txt")).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect()
}

/// Passages of 120 words and a copy of each with words exchanged, and how alike the two are: by their 5-grams, by brute force.
fn passages() -> Vec<(String, String, f64)> {
    let grams = |words: &[String]| words.windows(5).map(<[String]>::to_vec).collect::<HashSet<_>>();
    let pair = |(number, words): (usize, &[String])| {
        let mut copy = words.to_vec();
        for change in 0..number % 9 {
            let at = hash(&change.to_le_bytes(), number as u64) as usize % copy.len();
            copy[at] = format!("q{}", copy[at]);
        }
        let (one, other) = (grams(words), grams(&copy));
        let alike = one.intersection(&other).count() as f64 / one.union(&other).count() as f64;
        (words.join(" "), copy.join(" "), alike)
    };
    book().chunks_exact(120).enumerate().map(pair).collect()
}

/// Pairs are found as often as the S-curve says, within four standard errors; with verification only those go that are alike.
#[test]
fn pairs_of_real_text_are_found_as_the_curve_says_and_verified_by_their_own_ngrams() {
    let pairs = passages();
    let documents: Vec<Value> = pairs
        .iter()
        .flat_map(|(one, other, _)| [one, other])
        .enumerate()
        .map(|(n, text)| json!({ "text": text, "n": n }))
        .collect();
    let went = |step: &str| {
        let place = place(&documents, 700, step);
        place.tamis(&["run", "p.yaml", "-j2"]).done();
        let stay: HashSet<u64> = stayed(&place).into_iter().map(|(n, _)| n).collect();
        assert!((0..documents.len() as u64).step_by(2).all(|n| stay.contains(&n)), "no two passages are alike");
        (0..pairs.len()).map(|pair| !stay.contains(&(pair as u64 * 2 + 1))).collect::<Vec<_>>()
    };
    let as_due = |went: &[bool], least: f64| {
        let of: Vec<_> = pairs.iter().zip(went).filter(|(pair, _)| pair.2 >= least).collect();
        let p = |s: f64| tamis::sketch::scurve::probability(s, 14, 8);
        let due: f64 = of.iter().map(|(pair, _)| p(pair.2)).sum();
        let error = of.iter().map(|(pair, _)| p(pair.2) * (1.0 - p(pair.2))).sum::<f64>().sqrt();
        let seen = of.iter().filter(|(_, went)| **went).count() as f64;
        assert!(
            of.len() > 60 && error > 1.5 && (seen - due).abs() < 4.0 * error,
            "{seen} of {} found, {due:.1} ± {error:.1} were due",
            of.len()
        );
    };
    as_due(&went("minhash: { verify: none }"), 0.0);
    for least in [0.5, 0.72] {
        let went = went(&format!("minhash: {{ min_similarity: {least} }}"));
        as_due(&went, least);
        for (pair, went) in pairs.iter().zip(&went) {
            assert!(!went || pair.2 >= least, "{} went, {} alike", pair.1, pair.2);
        }
    }
}

/// What stays of these texts, all with one embedding: number and length.
fn left(step: &str, texts: &[&str], file: usize) -> Vec<(usize, usize)> {
    let document = |(n, text): (usize, &&str)| json!({ "text": text, "n": n, "url": "", "embedding": [1, 0, 0] });
    let documents: Vec<Value> = texts.iter().enumerate().map(document).collect();
    let place = place(&documents, file, step);
    place.tamis(&["run", "p.yaml", "-j2"]).done();
    place.assert_balanced("runs/p");
    stayed(&place).into_iter().map(|(n, text)| (n as usize, text.len())).collect()
}

fn numbers(left: &[(usize, usize)]) -> Vec<usize> {
    left.iter().map(|(n, _)| *n).collect()
}

/// Lines of fifteen words that are in no other line.
fn lines(count: u64) -> String {
    let letters = |n: u64| (0..12).map(move |at| char::from(b'a' + (n >> (4 * at)) as u8 % 16));
    let line = |line: u64| {
        let words = (0..15).map(|word| letters(hash(&(line * 15 + word).to_le_bytes(), 7)).collect::<String>());
        words.collect::<Vec<_>>().join(" ")
    };
    (0..count).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_too_short_to_compare_stays_unless_it_is_compared_whole() {
    for step in STEPS {
        let expected: &[usize] = match step.split(':').next().unwrap() {
            "exact" => &[0, 2, 4, 5],
            // Texts without a letter have no line, and no paragraph, that counts.
            "lines" | "paragraphs" | "bloom" => &[0, 1, 2, 4, 5, 6],
            "semantic" => &[0],
            _ => &[0, 1, 2, 3, 4, 5, 6],
        };
        assert_eq!(numbers(&left(step, &["", "", "a b", "a b", " \n", "…", "…"], 2)), expected, "{step}");
    }
}

#[test]
fn a_document_that_differs_in_one_character_goes_only_where_likeness_counts() {
    let one = lines(12);
    let other = one.replacen(|c: char| c.is_ascii_lowercase(), "z", 1);
    for step in STEPS {
        let left = left(step, &[&one, &other, &one], 2);
        assert_eq!(left[0], (0, one.len()), "{step}");
        match step.split(':').next().unwrap() {
            "url" => assert_eq!(numbers(&left), [0, 1, 2], "{step}"),
            "exact" | "paragraphs" => assert_eq!(left[1..], [(1, one.len())], "{step}"),
            // Only the line that differs is left, or what is left is too little.
            "lines" | "sentences" => {
                assert!(left[1..].iter().all(|&(n, bytes)| n == 1 && bytes < 250), "{step}: {left:?}")
            }
            _ => assert_eq!(left.len(), 1, "{step}: {left:?}"),
        }
    }
}

#[test]
fn thousands_of_equal_documents_leave_one() {
    let text = lines(4);
    let texts = vec![text.as_str(); 5000];
    for step in STEPS.iter().filter(|step| **step != "url") {
        assert_eq!(left(step, &texts, 2000), [(0, text.len())], "{step}");
    }
}

#[test]
fn a_huge_document_is_a_document() {
    let (huge, monotone) = (lines(20_000_000 / 195), "over and over again, the same old line of text\n".repeat(50_000));
    assert!(huge.len() > 19_000_000);
    for step in STEPS {
        assert_eq!(left(step, &[&huge], 1), [(0, huge.len())], "{step}");
        let left = left(step, &[&monotone], 1);
        match step.split(':').next().unwrap() {
            "substrings" | "lines" => assert!(left.is_empty(), "{step}: nearly all of it is cut: {left:?}"),
            "sentences" => assert!(left[0].1 < 200, "{step}: {left:?}"),
            _ => assert_eq!(left, [(0, monotone.len())], "{step}"),
        }
    }
}

/// Each document is like the one before and unlike all others: unverified they are one cluster, verified every other one
/// stays, as nothing goes but for what it is like itself.
#[test]
fn a_chain_through_all_documents_is_one_cluster_only_if_nobody_looks() {
    let words: Vec<String> = lines(700).split_whitespace().map(str::to_owned).collect();
    let texts: Vec<String> = (0..1000).map(|n| words[n * 10..n * 10 + 100].join(" ")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let blind = "minhash: { bands: 32, rows: 4, verify: none }";
    assert_eq!(numbers(&left(blind, &texts, 300)), [0]);
    let seen = numbers(&left("minhash: { bands: 32, rows: 4, min_similarity: 0.8 }", &texts, 300));
    assert_eq!(seen, (0..1000).step_by(2).collect::<Vec<_>>());
}

#[test]
fn findings_of_another_number_of_rows_or_with_another_digest_stop_the_work() {
    let texts = ["one two three four five six"; 15].map(|text| json!({ "text": text }));
    let place = place(&texts, 5, "exact");
    let plan = place.tamis(&["plan", "p.yaml", "--save", "--json"]).done().json();
    let tasks = plan["passes"].as_array().unwrap().iter().flat_map(|pass| pass["tasks"].as_array().unwrap());
    let tasks: Vec<&str> = tasks.map(|task| task["id"].as_str().unwrap()).collect();
    let (applied, before): (Vec<&str>, Vec<&str>) = tasks.into_iter().partition(|id| id.starts_with("p1-0"));
    let task = |id: &str| place.tamis(&["task", "runs/p", id]);
    for id in before.into_iter().filter(|id| id.starts_with("p0")) {
        task(id).done();
    }
    let path = place.path("runs/p/found/p0-g0.bin");
    let found = std::fs::read(&path).unwrap();
    let refused = |bytes: Vec<u8>, id: &str, says: &str| {
        std::fs::write(&path, bytes).unwrap();
        let ran = task(id);
        assert!(ran.code != 0 && ran.err.contains(says) && ran.err.contains("p0-g0.bin"), "{}", ran.err);
    };
    let mut other = found.clone();
    let rows = found.windows(8).position(|bytes| bytes == b"\"rows\":5").unwrap();
    other[rows + 7] = b'6';
    refused(other, applied[0], "were made for 6 rows");
    let mut other = found.clone();
    *other.last_mut().unwrap() ^= 1;
    refused(other, applied[2], "are damaged");
    let mut other = found.clone();
    let print = found.windows(8).position(|bytes| bytes == b"\"task\":\"").unwrap() + 8;
    other[print] = if found[print] == b'0' { b'1' } else { b'0' };
    refused(other, applied[0], "the findings for split 0");
    std::fs::write(&path, found).unwrap();
    for id in applied {
        task(id).done();
    }
    task("p1-w0").done();
    assert_eq!(place.texts("out").len(), 1);
}
