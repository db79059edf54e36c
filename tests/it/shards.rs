//! Token shards: the bytes of every format, and what can be done with them afterwards.

use std::collections::BTreeMap;

use crate::place::{Place, Ran, files, repository};

/// Mail as shards in `out/megatron`, or packed in `packed/megatron`; ids do not depend on where the repository lies.
fn mail(pipeline: &str) -> Place {
    let place = Place::new();
    let root = repository().join("fixtures");
    for name in ["conversation/mail.jsonl.gz", "tokenizers/gpt2.json"] {
        std::fs::copy(root.join(name), place.path(name.split('/').next_back().unwrap())).unwrap();
    }
    run(&place, pipeline, "megatron");
    place
}

fn run(place: &Place, pipeline: &str, format: &str) -> Ran {
    let pipeline = repository().join(format!("fixtures/goldens/{pipeline}.yaml")).display().to_string();
    place.tamis(&["run", &pipeline, "--set", &format!("format={format}")]).done()
}

const FORMATS: [&str; 11] =
    ["megatron", "olmo", "datatrove", "nanogpt", "llmc", "numpy", "mds", "litdata", "webdataset", "parquet", "arrow"];

/// The digests were recorded when `fixtures/goldens/readers.py` had read every one of these files.
#[test]
fn every_format_has_the_bytes_that_its_readers_read() {
    let mut found = BTreeMap::new();
    for (pipeline, out) in [("shards", "out"), ("packed", "packed")] {
        let place = mail(pipeline);
        for format in FORMATS.into_iter().skip(1) {
            let dir = format!("{out}/{format}");
            place.tamis(&["export", &format!("{out}/megatron"), "--to", format, "--dir", &dir]).done();
        }
        for path in files(&place.path(out)) {
            let name = path.strip_prefix(place.path("")).unwrap().display().to_string();
            let digest = xxhash_rust::xxh3::xxh3_64(&std::fs::read(&path).unwrap());
            found.insert(name, format!("{digest:016x}"));
        }
    }
    let path = repository().join("fixtures/goldens/shards.json");
    if std::env::var_os("TAMIS_BLESS").is_some() {
        std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&found).unwrap())).unwrap();
    }
    let golden: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (name, digest) in &golden {
        assert_eq!(found.get(name), Some(digest), "{name}");
    }
    assert_eq!(found.len(), golden.len());
}

#[test]
fn what_is_exported_is_what_would_have_been_written() {
    let place = mail("shards");
    for format in ["olmo", "parquet", "mds", "megatron"] {
        if format != "megatron" {
            run(&place, "shards", format);
        }
        place.tamis(&["export", "out/megatron", "--to", format, "--dir", &format!("again/{format}")]).done();
        let strip = |text: String, dir: &str| text.replace(dir, "");
        let written = strip(place.digest(&[&format!("out/{format}")]), "out/");
        let exported = strip(place.digest(&[&format!("again/{format}")]), "again/");
        let without =
            |text: &str| text.lines().filter(|l| !l.contains("README")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(without(&written), without(&exported));
    }
}

#[test]
fn a_position_is_traced_to_its_document() {
    let place = mail("shards");
    let ran = place.tamis(&["peek", "out/megatron", "--at", "500", "--json"]).done().json();
    assert!(ran["place"].as_str().unwrap().starts_with("mail.jsonl.gz#"), "{ran}");
    assert!(ran["start"].as_u64() <= Some(500) && ran["end"].as_u64() > Some(500));
    assert!(!ran["after"].as_str().unwrap().is_empty());
    let shard = ran["shard"].as_str().unwrap();
    let file = format!("out/megatron/{shard}.bin");
    assert!(place.tamis(&["peek", &file, "--at", "500"]).done().out.contains("»"));
    let beyond = place.tamis(&["peek", &file, "--at", "99999999"]);
    assert_eq!(beyond.code, 1);
    assert!(beyond.err.contains("none at 99999999"), "{}", beyond.err);
    let typo = place.tamis(&["export", "out/megatron", "--to", "parqet", "--dir", "x"]);
    assert!(typo.err.contains("did you mean `parquet`"), "{}", typo.err);
    let full = place.tamis(&["export", "out/megatron", "--to", "olmo", "--dir", "out"]);
    assert!(full.err.contains("is not empty"), "{}", full.err);
}

#[test]
fn verify_reads_shards_back() {
    let place = mail("packed");
    assert!(place.tamis(&["verify", "packed/megatron"]).done().out.contains(": 0 wrong"));
    let bin = files(&place.path("packed/megatron")).into_iter().find(|p| p.extension().is_some_and(|e| e == "bin"));
    let bin = bin.unwrap();
    let mut bytes = std::fs::read(&bin).unwrap();
    // 65,535 is beyond GPT-2's vocabulary.
    bytes[10..12].copy_from_slice(&[0xff, 0xff]);
    std::fs::write(&bin, &bytes).unwrap();
    let ran = place.tamis(&["verify", "packed/megatron"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("has other bytes") && ran.out.contains("the id 65535 in document 0"), "{}", ran.out);
    std::fs::write(&bin, &bytes[..bytes.len() - 100]).unwrap();
    assert!(place.tamis(&["verify", "packed/megatron"]).out.contains("and its index"));
    std::fs::remove_file(place.path("packed/megatron/manifest.json")).unwrap();
    assert_eq!(place.tamis(&["peek", "packed/megatron"]).code, 1);
}

#[test]
fn copies_and_pieces_are_documents_of_their_own_and_validation_is_set_aside() {
    let place = mail("shards");
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("out/megatron/manifest.json")).unwrap()).unwrap();
    let groups: Vec<&str> =
        manifest["shards"].as_array().unwrap().iter().map(|s| s["group"].as_str().unwrap()).collect();
    assert!(groups.contains(&"mail_train") && groups.contains(&"mail_val"));
    let items: u64 = manifest["shards"].as_array().unwrap().iter().map(|s| s["items"].as_u64().unwrap()).sum();
    assert_eq!(manifest["documents"].as_u64(), Some(items));
    // Pieces of documents longer than 2,000 tokens: more documents than were kept.
    let stats = place.tamis(&["stats", "runs/megatron", "--json"]).done().json();
    assert!(items > stats["tally"]["kept"].as_u64().unwrap());
    assert_eq!(manifest["tokens"], stats["tally"]["tokens"]);
    // The plan and the account say how ids are made.
    let notes = stats["notes"].to_string();
    assert!(notes.contains("encoded by hand"), "{notes}");
}

#[test]
fn tokens_of_two_vocabularies_do_not_mix() {
    let place = mail("packed");
    let json = std::fs::read_to_string(place.path("gpt2.json")).unwrap();
    place.write("other.json", json.replace("\"version\"", " \"version\""));
    place.write(
        "p.yaml",
        "flows:\n  a: { read: { jsonl: mail.jsonl.gz }, steps: [encode: gpt2.json] }\n  b: { read: { jsonl: mail.jsonl.gz }, steps: [encode: other.json] }\n  c: { from: [a, b], write: { tokens: o } }\n",
    );
    let ran = place.tamis(&["check", "p.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("two vocabularies"), "{}", ran.err);
}
