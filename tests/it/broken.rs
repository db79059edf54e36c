//! Broken inputs: each ends with the exact ledger, a message with file and offset, and no neighbour lost.

use std::io::{Read, Write};

use crate::place::{Place, repository};

/// Reads `pattern`, gives back the texts kept and, for each record lost, why and where.
fn read(place: &Place, reader: &str) -> (Vec<String>, Vec<(String, u64)>) {
    place.write(
        "p.yaml",
        format!("read: {{ {reader} }}\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\nlimits: {{ quarantine: 100% }}\n"),
    );
    place.tamis(&["run", "p.yaml"]).done();
    place.assert_balanced("runs/p");
    let rows = place.ledger("runs/p");
    for row in &rows {
        assert!(row.detail.as_deref().is_some_and(|d| !d.is_empty()), "{row:?}");
        assert!(place.path(&row.file).exists(), "{row:?}");
    }
    (place.texts("out"), rows.iter().map(|r| (r.because.to_string(), r.at)).collect())
}

fn lost(rows: &[(String, u64)]) -> Vec<(&str, u64)> {
    rows.iter().map(|(because, at)| (because.as_str(), *at)).collect()
}

/// Numbered lines that do not compress well.
fn lines(n: u64) -> String {
    let noise = |i: u64| xxhash_rust::xxh3::xxh3_128(&i.to_le_bytes());
    (0..n).map(|i| format!("{{\"text\":\"line {i} {:032x}{:032x}\"}}\n", noise(i), noise(i + n))).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_truncated_gzip_or_zstd_keeps_what_came_before() {
    let whole = lines(5000);
    for (name, packed) in
        [("a.jsonl.gz", gzip(whole.as_bytes())), ("a.jsonl.zst", zstd::encode_all(whole.as_bytes(), 3).unwrap())]
    {
        let place = Place::new();
        place.write(&format!("in/{name}"), &packed[..packed.len() * 6 / 10]);
        place.write("in/b.jsonl", "{\"text\":\"neighbour\"}\n");
        let (texts, rows) = read(&place, "jsonl: in/*");
        assert_eq!(rows.len(), 1, "{name}: {rows:?}");
        assert_eq!(rows[0].0, "truncated", "{name}");
        assert_eq!(texts.last().map(String::as_str), Some("neighbour"));
        let n = texts.len() - 1;
        assert!(n > 1500 && n < 4000, "{name}: {n}");
        for (i, text) in texts[..n].iter().enumerate() {
            assert!(text.starts_with(&format!("line {i} ")), "{name}: {text}");
        }
    }
}

/// Offsets of the gzip members of a file, and its length.
fn members(bytes: &[u8]) -> Vec<usize> {
    let mut offsets = vec![0];
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        decoder.read_to_end(&mut Vec::new()).unwrap();
        rest = decoder.into_inner();
        offsets.push(bytes.len() - rest.len());
    }
    offsets
}

#[test]
fn a_zeroed_member_of_a_warc_is_lost_alone() {
    let whole = std::fs::read(repository().join("fixtures/web/pages.warc.gz")).unwrap();
    let offsets = members(&whole);
    let intact = Place::new();
    intact.write("a.warc.gz", &whole);
    let (expected, rows) = read(&intact, "warc: a.warc.gz");
    assert_eq!(rows, []);
    // A response stands at every third member: warcinfo, then request and response, and metadata perhaps.
    for member in [20, 21, offsets.len() - 3] {
        let mut damaged = whole.clone();
        damaged[offsets[member]..offsets[member + 1]].fill(0);
        let place = Place::new();
        place.write("a.warc.gz", &damaged);
        let (texts, rows) = read(&place, "warc: a.warc.gz");
        assert_eq!(lost(&rows), [("corrupt", offsets[member] as u64)]);
        let missing = expected.iter().filter(|t| !texts.contains(t)).count();
        assert!(missing <= 1, "{missing}");
        assert!(texts.len() + 1 >= expected.len());
    }
}

#[test]
fn a_wrong_content_length_costs_that_record_alone() {
    let record = |length: usize, text: &str| {
        let head = format!(
            "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://a/\r\nContent-Length: {length}\r\n\r\n"
        );
        format!("{head}{text}\r\n\r\n").into_bytes()
    };
    for wrong in [3, 500] {
        let place = Place::new();
        let packed: Vec<Vec<u8>> =
            [record(5, "first"), record(wrong, "second"), record(5, "third")].iter().map(|r| gzip(r)).collect();
        let at = packed[0].len() as u64;
        place.write("a.warc.wet.gz", packed.concat());
        let (texts, rows) = read(&place, "wet: a.warc.wet.gz");
        assert_eq!(texts, ["first", "third"], "{wrong}: {rows:?}");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].1, at);
    }
}

#[test]
fn bad_lines_are_lost_alone_and_found_by_their_offset() {
    let bad: [(&[u8], &str); 9] = [
        (b"{\"text\": \"cut", "bad_json"),
        (b"[\"text\"]", "not_an_object"),
        (b"{\"text\": 5}", "text_not_a_string"),
        (b"{\"text\": null}", "text_not_a_string"),
        (b"{\"body\": \"x\"}", "missing_text"),
        (b"{\"text\": \"\xff\xfe\"}", "invalid_utf8"),
        (b"\0\0\0\0\0\0\0\0", "bad_json"),
        (b"{\"text\": \"\\ud800\"}", "bad_json"),
        (b"{\"text\": \"a\"} {\"text\": \"b\"}", "bad_json"),
    ];
    let place = Place::new();
    let (mut file, mut expected) = (Vec::new(), Vec::new());
    for (i, (line, reason)) in bad.iter().enumerate() {
        file.extend(format!("{{\"text\":\"good {i} \\u0000\"}}\n").into_bytes());
        expected.push((*reason, file.len() as u64));
        file.extend_from_slice(line);
        file.push(b'\n');
    }
    place.write("a.jsonl", file);
    let (texts, rows) = read(&place, "jsonl: a.jsonl");
    assert_eq!(lost(&rows), expected);
    assert_eq!(texts, (0..bad.len()).map(|i| format!("good {i} \0")).collect::<Vec<_>>());
}

#[test]
fn an_empty_file_is_read_and_holds_nothing() {
    for (reader, name) in [("jsonl", "a.jsonl"), ("jsonl", "a.jsonl.gz"), ("warc", "a.warc.gz"), ("text", "a.txt")] {
        let place = Place::new();
        place.write(&format!("in/{name}"), b"");
        place.write("p.yaml", format!("read: {{ {reader}: in/* }}\nwrite: {{ jsonl: out }}\n"));
        let account = place.tamis(&["run", "p.yaml", "--json"]).done().json();
        let read = account["tally"]["read"].as_u64().unwrap();
        assert_eq!(account["tally"]["quarantined"], serde_json::Value::Null, "{name}");
        // An empty text is a document; of the other formats nothing is there.
        assert_eq!(read, u64::from(reader == "text"), "{name}");
    }
}

#[test]
fn a_line_of_200_mb_is_lost_alone_and_never_held() {
    let place = Place::new();
    let path = place.write("a.jsonl", "{\"text\":\"before\"}\n{\"text\":\"");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        file.write_all(&block).unwrap();
    }
    file.write_all(b"\"}\n{\"text\":\"after\"}\n").unwrap();
    drop(file);
    let (texts, rows) = read(&place, "jsonl: { paths: a.jsonl, max_record: 1MiB }");
    assert_eq!(texts, ["before", "after"]);
    assert_eq!(lost(&rows), [("line_too_long", 18)]);
}

#[test]
fn a_decompression_bomb_is_read_in_bounded_memory() {
    // 512 MB of zeros in half a megabyte, in front of a good line.
    let place = Place::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    let block = vec![0; 1 << 20];
    for _ in 0..512 {
        encoder.write_all(&block).unwrap();
    }
    encoder.write_all(b"\n{\"text\":\"after\"}\n").unwrap();
    place.write("a.jsonl.gz", encoder.finish().unwrap());
    let (texts, rows) = read(&place, "jsonl: { paths: a.jsonl.gz, max_record: 1MiB }");
    assert_eq!(texts, ["after"]);
    assert_eq!(lost(&rows), [("line_too_long", 0)]);
}

#[test]
fn a_parquet_file_cut_short_is_told_and_its_neighbour_read() {
    let place = Place::new();
    place.write("a.jsonl", lines(50));
    place.write("to.yaml", "read: { jsonl: a.jsonl }\nwrite: { parquet: table }\n");
    place.tamis(&["run", "to.yaml"]).done();
    let whole = std::fs::read(place.path("table/part-00000.parquet")).unwrap();
    place.write("in/a.parquet", &whole[..whole.len() - 100]);
    place.write("in/b.parquet", &whole);
    let (texts, rows) = read(&place, "parquet: in/*");
    assert_eq!(texts.len(), 50);
    assert_eq!(lost(&rows), [("truncated", 0)]);
    // Damage in the middle: the footer is whole, so the rows before and after are read.
    let mut damaged = whole.clone();
    damaged[200..260].fill(0xff);
    place.write("in/a.parquet", &damaged);
    let (texts, rows) = read(&place, "parquet: in/*");
    assert_eq!(texts.len(), 50);
    assert_eq!(lost(&rows), [("corrupt", 0)]);
}

#[test]
fn an_arrow_file_cut_short_keeps_what_came_before() {
    let place = Place::new();
    let whole = std::fs::read(repository().join("fixtures/goldens/tables.arrow")).unwrap();
    place.write("a.arrow", &whole[..whole.len() / 2]);
    let (texts, rows) = read(&place, "arrow: a.arrow");
    assert!(texts.len() >= 700 && texts.len() < 2499 && texts.len() % 700 == 0, "{}", texts.len());
    assert_eq!(lost(&rows), [("corrupt", texts.len() as u64)]);
}

#[test]
fn a_zip_whose_names_climb_writes_nothing_anywhere() {
    let place = Place::new();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["../../evil.py", "/tmp/evil.py", "good.py"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(format!("print({name:?})\n").as_bytes()).unwrap();
    }
    place.write("in/deep/a.zip", zip.finish().unwrap().into_inner());
    let before = crate::place::files(&place.path("in")).len();
    let (texts, rows) = read(&place, "code: in/deep/a.zip");
    assert_eq!((texts.len(), rows.len()), (3, 0), "{rows:?}");
    assert_eq!(crate::place::files(&place.path("in")).len(), before);
    assert!(!place.path("evil.py").exists());
}

#[test]
fn a_dump_cut_short_keeps_its_first_pages_and_says_where_it_ends() {
    let place = Place::new();
    let whole =
        std::fs::read(repository().join("fixtures/wikipedia/enwiki-pages-articles-multistream.xml.bz2")).unwrap();
    place.write("a.xml.bz2", &whole);
    let (all, rows) = read(&place, "wikipedia: a.xml.bz2");
    assert!(rows.is_empty() && all.len() > 40);
    place.write("a.xml.bz2", &whole[..whole.len() * 7 / 10]);
    let (texts, rows) = read(&place, "wikipedia: a.xml.bz2");
    assert!(texts.len() > 10 && texts.len() < all.len(), "{}", texts.len());
    assert_eq!(texts[..], all[..texts.len()]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0, "truncated");
    assert!(rows[0].1 > 100_000, "{rows:?}");
}
