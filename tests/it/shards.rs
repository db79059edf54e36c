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
    let whole = place.tamis(&["verify", "packed/megatron", "--json"]).done().json();
    assert!(whole["compared"].as_u64() > Some(5) && whole["wrong"].as_array().unwrap().is_empty(), "{whole}");
    assert!(place.tamis(&["verify", "packed/megatron"]).done().out.contains("held against their text: 0 wrong"));
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

/// Every document that was sampled decodes to the text it was read with: what is not so is told.
#[test]
fn verify_holds_documents_against_their_text() {
    let place = mail("shards");
    let before = place.tamis(&["verify", "out/megatron", "--json"]).done().json();
    assert!(before["compared"].as_u64() > Some(5), "{before}");
    // Swap two ids of every document: they are still ids, and no longer the text.
    for bin in files(&place.path("out/megatron")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "bin")) {
        let mut bytes = std::fs::read(&bin).unwrap();
        for pair in bytes.chunks_exact_mut(4).step_by(5) {
            pair.rotate_left(2);
        }
        std::fs::write(&bin, bytes).unwrap();
    }
    let ran = place.tamis(&["verify", "out/megatron"]);
    assert!(ran.code == 1 && ran.out.contains("decodes to another text than its own"), "{}", ran.out);
}

#[test]
fn awkward_documents_and_folders_have_a_defined_result() {
    let place = mail("packed");
    let long = "word ".repeat(30_000);
    let lines = [long.trim(), "", "short one", "\\ud800 alone", "last"]
        .map(|t| format!("{{\"text\":\"{t}\",\"url\":\"https://a.example/{}\"}}\n", t.len()));
    place.write("a.jsonl", lines.concat());
    let pipeline = |name: &str, steps: &str, write: &str| {
        let text = format!(
            "run: r/{name}\nread: {{ jsonl: a.jsonl }}\nsteps:\n  - length: {{ min_chars: 0 }}\n    when: url != x\n{steps}  - encode: {{ tokenizer: gpt2.json, eos: prefix }}\nwrite: {{ tokens: {{ dir: o/{name}, {write} }} }}\nlimits: {{ quarantine: 100% }}\n"
        );
        place.write(&format!("{name}.yaml"), text);
        place.tamis(&["run", &format!("{name}.yaml")])
    };
    let manifest = |name: &str| {
        let bytes = std::fs::read(place.path(&format!("o/{name}/manifest.json"))).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    };
    // A document longer than a shard is a shard of its own; an empty one is dropped; a lone surrogate is no text.
    pipeline("long", "", "format: llmc, shard_size: 10kB").done();
    place.assert_balanced("r/long");
    let because: Vec<String> = place.ledger("r/long").iter().map(|row| row.because.to_string()).collect();
    assert_eq!((because.len(), because.contains(&"no_tokens".to_owned())), (2, true), "{because:?}");
    let made = manifest("long");
    assert_eq!((&made["documents"], made["shards"].as_array().unwrap().len()), (&serde_json::json!(3), 2));
    assert!(place.tamis(&["verify", "o/long"]).done().out.contains("0 wrong"));
    // The manifest says where the end-of-document token stands, and llm.c wants it first.
    assert_eq!((&made["tokenizer"]["before"], &made["tokenizer"]["after"]), (&50_256.into(), &serde_json::Value::Null));
    let shard = std::fs::read(place.path("o/long/tokens_train_000000.bin")).unwrap();
    assert_eq!(u16::from_le_bytes([shard[1024], shard[1025]]), 50_256);
    // A position is traced to the URL.
    let peeked = place.tamis(&["peek", "o/long", "--at", "5"]).done().out;
    assert!(peeked.contains("https://a.example/"), "{peeked}");
    // Without a document there is no shard: readers fail on empty files.
    pipeline("none", "  - length: { min_chars: 1000000 }\n    as: all\n", "format: megatron").done();
    assert!(manifest("none")["shards"].as_array().unwrap().is_empty());
    assert!(files(&place.path("o/none")).iter().all(|p| p.extension().is_none_or(|e| e != "bin" && e != "idx")));
    // Somebody else's files stay.
    place.write("o/full/mine.txt", "x");
    let ran = pipeline("full", "", "format: megatron");
    assert!(ran.code == 1 && ran.err.contains("already holds files"), "{}", ran.err);
    // Padding needs no token where a mask says what is learnt.
    let json = std::fs::read_to_string(place.path("gpt2.json")).unwrap();
    place.write("gpt2.json", json.replace("<|endoftext|>", "<|no_usual_name|>"));
    let packed = |format: &str| {
        let text = format!(
            "run: r/{format}\nread: {{ jsonl: a.jsonl }}\nsteps:\n  - encode: {{ tokenizer: gpt2.json, eos: none }}\nwrite: {{ tokens: {{ dir: o/{format}, format: {format}, pack: {{ length: 64 }} }} }}\nlimits: {{ quarantine: 100% }}\n"
        );
        place.write("pack.yaml", text);
        place.tamis(&["run", "pack.yaml"])
    };
    packed("olmo").done();
    let (ids, mask) = (place.path("o/olmo/tokens_00000.npy"), place.path("o/olmo/tokens_00000.label_mask"));
    let (ids, mask) = (std::fs::read(ids).unwrap(), std::fs::read(mask).unwrap());
    assert_eq!(ids.len(), 2 * mask.len());
    let padding = mask.iter().filter(|m| **m == 0).count();
    assert_eq!(manifest("olmo")["packing"]["padding"], padding);
    assert!(ids.chunks(2).zip(&mask).all(|(id, learnt)| *learnt == 1 || id == [0, 0]) && padding > 0);
    let refused = packed("megatron");
    assert!(refused.code == 2 && refused.err.contains("no token to fill rows up with"), "{}", refused.err);
}

/// A curriculum: one corpus, a mixture for each phase, shards of their own for each.
#[test]
fn phases_of_a_curriculum_have_shards_of_their_own() {
    let place = mail("packed");
    for flow in ["web", "wiki"] {
        let lines: String = (0..400).map(|i| format!("{{\"text\":\"{flow} says {i}\"}}\n")).collect();
        place.write(&format!("{flow}.jsonl"), lines);
    }
    let phases = "[{ name: main, share: 80%, weights: { web: 90%, wiki: 10% } }, { name: anneal, share: 20%, weights: { wiki: 100% } }]";
    place.write("p.yaml", format!("run: r\nflows:\n  web: {{ read: {{ jsonl: web.jsonl }} }}\n  wiki: {{ read: {{ jsonl: wiki.jsonl }} }}\n  all:\n    from: [web, wiki]\n    steps:\n      - encode: gpt2.json\n      - mix: {{ phases: {phases} }}\n    write: {{ tokens: {{ dir: o, by: phase }} }}\n"));
    let plan = place.tamis(&["plan", "p.yaml"]).done().out;
    assert!(plan.contains("main (80%: web 90%, wiki 10%), anneal (20%: wiki 100%)"), "{plan}");
    let ran = place.tamis(&["run", "p.yaml"]).done();
    assert!(format!("{}{}", ran.out, ran.err).contains("is the smallest for its shares"), "{}\n{}", ran.out, ran.err);
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("o/manifest.json")).unwrap()).unwrap();
    let shards = manifest["shards"].as_array().unwrap();
    let tokens = |group: &str| shards.iter().find(|s| s["group"] == group).unwrap()["tokens"].as_f64().unwrap();
    let (main, anneal) = (tokens("tokens_main"), tokens("tokens_anneal"));
    assert!((main / (main + anneal) - 0.8).abs() < 0.03, "{main} {anneal}");
    assert_eq!(shards.len(), 2);
    assert!(std::fs::read_to_string(place.path("o/blend.txt")).unwrap().contains("tokens_anneal_00000_text_document"));
}
