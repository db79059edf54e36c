//! Tables that pyarrow wrote (`fixtures/goldens/tables.py`) are read as it reads them, and ours are read again.

use serde_json::{Value, json};

use crate::place::{Place, repository};

fn read(place: &Place, reader: &str, file: &str) -> Vec<Value> {
    let path = repository().join("fixtures/goldens").join(file);
    // `count` and `score` are read as numbers, `lang` as text, by the `when`; the others are carried.
    place.write(
        "p.yaml",
        format!(
            "read: {{ {reader}: {} }}\nsteps:\n  - length: {{ min_chars: 1 }}\n    when: count > -100 and score >= 0 and lang == en\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\nlimits: {{ quarantine: 1% }}\n",
            path.display()
        ),
    );
    place.tamis(&["run", "p.yaml"]).done();
    place.assert_balanced("runs/p");
    let rows = place.ledger("runs/p");
    assert_eq!(rows.len(), 1);
    assert_eq!((&*rows[0].because, rows[0].at), ("missing_text", 1717));
    place.lines("out")
}

fn assert_golden(lines: &[Value]) {
    let golden = std::fs::read(repository().join("fixtures/goldens/tables.json")).unwrap();
    let golden: Vec<Value> = serde_json::from_slice(&golden).unwrap();
    assert_eq!(lines.len(), 2499);
    for expected in &golden {
        let row = expected["row"].as_u64().unwrap() as usize;
        let line = &lines[if row > 1717 { row - 1 } else { row }];
        for name in ["text", "lang", "good", "when", "tags"] {
            assert_eq!(line.get(name).unwrap_or(&Value::Null), &expected[name], "row {row}, {name}");
        }
        for name in ["score", "count"] {
            assert_eq!(line.get(name).and_then(Value::as_f64), expected[name].as_f64(), "row {row}, {name}");
        }
        assert_eq!(line["meta"]["id"], expected["meta"]["id"]);
        assert_eq!(line["meta"]["of"].get("x").unwrap_or(&Value::Null), &expected["meta"]["of"]["x"]);
    }
}

#[test]
fn parquet_is_read_as_pyarrow_reads_it() {
    assert_golden(&read(&Place::new(), "parquet", "tables.parquet"));
}

#[test]
fn arrow_streams_and_files_are_read_as_pyarrow_reads_them() {
    assert_golden(&read(&Place::new(), "arrow", "tables.arrow"));
    assert_golden(&read(&Place::new(), "arrow", "tables.feather"));
}

#[test]
fn what_is_written_as_parquet_comes_back() {
    let place = Place::new();
    place.write("a.jsonl", "{\"text\":\"one\",\"n\":[1,{\"a\":null}]}\n{\"text\":\"two \\u0000 \\n\",\"x\":0.5}\n{\"text\":\"three\",\"x\":7}\n");
    place.write(
        "to.yaml",
        "read: { jsonl: a.jsonl }\nsteps:\n  - length: { min_chars: 1 }\n    when: x > 0\nwrite: { parquet: table }\n",
    );
    place.tamis(&["run", "to.yaml"]).done();
    place.write("back.yaml", "read: { parquet: table/*.parquet }\nsteps:\n  - length: { min_chars: 1 }\n    when: x > 0\nwrite: { jsonl: { dir: out, compression: none } }\n");
    place.tamis(&["run", "back.yaml"]).done();
    let lines = place.lines("out");
    assert_eq!(place.texts("out"), ["one", "two \0 \n", "three"]);
    assert_eq!(lines[0]["rest"], json!("{\"n\":[1,{\"a\":null}]}"));
    assert_eq!((&lines[1]["x"], &lines[2]["x"]), (&json!(0.5), &json!(7.0)));
}

#[test]
fn plain_text_is_read_by_file_or_by_line() {
    let place = Place::new();
    place.write("in/a.txt", "first\nsecond\r\n\nthird");
    place.write("in/b.txt", "fourth");
    for (unit, texts) in
        [("file", vec!["first\nsecond\r\n\nthird", "fourth"]), ("line", vec!["first", "second", "third", "fourth"])]
    {
        place.write(
            "p.yaml",
            format!("name: {unit}\nread: {{ text: {{ paths: in/*.txt, unit: {unit} }} }}\nwrite: {{ jsonl: {{ dir: {unit}, compression: none }} }}\n"),
        );
        place.tamis(&["run", "p.yaml"]).done();
        assert_eq!(place.texts(unit), texts);
    }
}

#[test]
fn code_is_read_out_of_parquet_by_row() {
    let place = Place::new();
    let lines: String = (0..1500)
        .map(|i| {
            let content = if i == 1200 { String::new() } else { format!(",\"content\":\"print({i})\"") };
            format!("{{\"text\":\"-\"{content},\"path\":\"a/{i}.py\"}}\n")
        })
        .collect();
    place.write("a.jsonl", lines);
    place.write("to.yaml", "read: { jsonl: a.jsonl }\nsteps:\n  - length: { min_chars: 1 }\n    when: content == x or path == x\nwrite: { parquet: table }\n");
    place.tamis(&["run", "to.yaml"]).done();
    place.write("p.yaml", "read: { code: table/*.parquet }\nwrite: { jsonl: { dir: out, compression: none } }\nlimits: { quarantine: 1% }\n");
    place.tamis(&["run", "p.yaml"]).done();
    let lines = place.lines("out");
    assert_eq!(lines.len(), 1499);
    assert_eq!(
        (&lines[0]["text"], &lines[0]["path"], &lines[0]["code_language"]),
        (&json!("print(0)"), &json!("a/0.py"), &json!("Python"))
    );
    assert_eq!(lines[1200]["text"], "print(1201)");
    let rows = place.ledger("runs/p");
    assert_eq!((rows.len(), rows[0].at, &*rows[0].because), (1, 1200, "bad_archive"));
}

#[test]
fn a_number_that_a_step_looks_at_is_written_as_it_was_read() {
    let place = Place::new();
    let lines = "{\"text\":\"a  b\",\"stars\":5}\n{\"text\":\"c\",\"stars\":9007199254740993}\n{\"text\":\"d\",\"stars\":0.5}\n";
    place.write("a.jsonl", lines);
    let steps = "steps:\n  - normalize_unicode\n  - length: { min_chars: 1 }\n    when: stars >= 0.5\n  - exact\n";
    let write = "write: { jsonl: { dir: out, compression: none } }\n";
    place.write("p.yaml", format!("read: {{ jsonl: a.jsonl }}\n{steps}{write}"));
    place.tamis(&["run", "p.yaml"]).done();
    let text = std::fs::read_to_string(&crate::place::files(&place.path("out"))[0]).unwrap();
    for stars in ["\"stars\":5,", "\"stars\":9007199254740993,", "\"stars\":0.5,"] {
        assert!(text.contains(stars), "{text}");
    }
}
