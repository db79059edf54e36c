//! Programs of users as stages: nothing runs without leave, a bad document goes alone, and a program that does wrong is named.

use tamis::run::Ending;

use crate::place::Place;

/// Judges in JSON lines; crashes on some documents and hangs on others.
const JUDGE: &str = r#"
while IFS= read -r line; do
  id=${line#*\"id\":\"}; id=${id%%\"*}
  case $line in
    *crash*) echo "cannot take this" >&2; exit 7 ;;
    *hang*) sleep 1000 ;;
    *foul*) printf '{"id":"%s","drop":"foul"}\n' "$id" ;;
    *short*) printf '{"id":"%s","text":"replaced"}\n' "$id" ;;
    *) printf '{"id":"%s","length":%d}\n' "$id" ${#line} ;;
  esac
done
"#;

const STEP: &str = "  - command:
      run: [sh, judge.sh]
      files: [judge.sh]
      writes: { length: integer }
      reasons: [foul]
";

fn pipeline(place: &Place, steps: &str) {
    place.write("judge.sh", JUDGE);
    place.write(
        "p.yaml",
        format!("read: {{ jsonl: \"in/*\" }}\nsteps:\n{steps}write: {{ jsonl: {{ dir: out, compression: none }} }}\nlimits: {{ quarantine: 100% }}\n"),
    );
}

#[test]
fn nothing_runs_without_leave() {
    let place = Place::new();
    place.write("in/a.jsonl", "{\"text\":\"some text\"}\n");
    place.write("doc.txt", "some text");
    let tests = "tests:\n  - { it: drops, given: foul words, expect: { dropped_by: command, because: foul } }\n";
    pipeline(&place, &STEP.replace("[sh, judge.sh]", "[sh, -c, \"touch ran; exec sh judge.sh\"]"));
    let text = std::fs::read_to_string(place.path("p.yaml")).unwrap();
    place.write("p.yaml", text + tests);
    for looking in [&["check", "p.yaml"][..], &["plan", "p.yaml", "--save"]] {
        place.tamis(looking).done();
    }
    for running in
        [&["run", "p.yaml"][..], &["test", "p.yaml"], &["try", "p.yaml", "doc.txt"], &["task", "runs/p", "p0-00000"]]
    {
        let ran = place.tamis(running);
        assert_eq!(ran.code, 2, "{running:?}: {}", ran.err);
        let said = "`command` runs the program `sh -c touch ran; exec sh judge.sh`, which was not allowed";
        assert!(ran.err.contains(said) && ran.err.contains("p.yaml:3:"), "{running:?}: {}", ran.err);
        assert!(ran.err.contains("--allow-exec"), "{running:?}: {}", ran.err);
        assert!(!place.path("ran").exists(), "{running:?}");
    }
    for running in
        [&["test", "p.yaml"][..], &["try", "p.yaml", "doc.txt"], &["task", "runs/p", "p0-00000"], &["run", "p.yaml"]]
    {
        if running[0] == "run" {
            // What the task did would not be done again.
            ["runs", "out"].iter().for_each(|folder| std::fs::remove_dir_all(place.path(folder)).unwrap());
        }
        place.tamis(&[running, &["--allow-exec"]].concat()).done();
        assert!(std::fs::remove_file(place.path("ran")).is_ok(), "{running:?}");
    }
    assert_eq!(place.lines("out")[0]["length"], 60);
}

#[test]
fn bad_documents_go_alone_whatever_the_workers() {
    let digests = ["-j1", "-j4"].map(|workers| {
        let place = Place::new();
        for (file, count) in [("a", 400), ("b", 30), ("c", 30)] {
            let line = |n: usize| {
                let word = match n % 40 {
                    7 => "crash",
                    11 | 12 => "foul",
                    13 => "short",
                    _ => "fine",
                };
                // More than a morsel in the first file.
                format!("{{\"text\":\"{word} {n} of {file}. {}\",\"n\":{n}}}\n", "And so on. ".repeat(800 / (n % 7 + 1)))
            };
            place.write(&format!("in/{file}.jsonl"), (0..count).map(line).collect::<String>());
        }
        // Parts come before it and after, and some documents pass by.
        let steps = format!(
            "  - chunk: {{ max_chars: 6000, at: sentence }}\n{STEP}    when: chars > 20\n  - chunk: {{ max_chars: 4000, at: sentence }}\n    as: again\n  - exact\n"
        );
        pipeline(&place, &steps);
        let account = place.tamis(&["run", "p.yaml", "--allow-exec", "--json", workers]).done().json();
        place.assert_balanced("runs/p");
        let ledger = place.ledger("runs/p");
        let by = |because: &str| ledger.iter().filter(|row| row.because == because).count();
        assert_eq!((by("foul"), by("crashed")), (24, 12));
        for row in ledger.iter().filter(|row| row.ending == Ending::Quarantined) {
            let detail = row.detail.as_deref().unwrap();
            assert!(detail.contains("`sh` ended (exit code 7)") && detail.contains("cannot take this"), "{detail}");
            assert!(row.text.as_deref().unwrap().starts_with("crash ") && row.by == "command");
        }
        assert_eq!(account["tally"]["quarantined"]["crashed"], 12);
        let texts = place.texts("out");
        assert!(texts.iter().any(|t| t == "replaced") && !texts.iter().any(|t| t.starts_with("short") || t.starts_with("foul")));
        // Order is kept: the numbers of a file ascend.
        let numbers: Vec<i64> = place.lines("out").iter().map(|l| l["n"].as_i64().unwrap()).collect();
        assert_eq!(numbers.windows(2).filter(|w| w[0] > w[1]).count(), 2);
        place.digest(&["out", "runs/p/ledger"])
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn annotating_changes_no_text_and_keeps_everything() {
    let place = Place::new();
    place.write("in/a.jsonl", "{\"text\":\"foul\"}\n{\"text\":\"short\"}\n{\"text\":\"crash\"}\n{\"text\":\"fine\"}\n");
    pipeline(&place, &format!("{STEP}    mode: annotate\n    as: asked\n"));
    place.tamis(&["run", "p.yaml", "--allow-exec"]).done();
    let lines = place.lines("out");
    let said: Vec<_> =
        lines.iter().map(|l| (l["text"].as_str().unwrap(), l["asked.verdict"].as_str().unwrap())).collect();
    assert_eq!(said, [("foul", "foul"), ("short", "keep"), ("fine", "keep")]);
    assert!(lines[2]["length"].is_i64());
    assert_eq!(place.ledger("runs/p")[0].because, "crashed");
}

#[test]
fn what_it_reads_it_gets_and_a_changed_script_is_run_again() {
    let place = Place::new();
    place.write("in/a.jsonl", "{\"text\":\"t\",\"url\":\"http://a/\\\"b\",\"n\":3}\n{\"text\":\"u\"}\n");
    // Leaves what it was given behind.
    let script = "while IFS= read -r line; do printf '%s\\n' \"$line\" >> asked; id=${line#*:}; echo \"{\\\"id\\\":${id%%,*}}\"; done\n";
    let step = "  - command: { run: [sh, judge.sh], files: [judge.sh], reads: { url: text, n: integer } }\n";
    pipeline(&place, step);
    place.write("judge.sh", script);
    let done =
        |place: &Place| place.tamis(&["run", "p.yaml", "--allow-exec", "--json"]).done().json()["tasks_done"].as_u64();
    assert!(done(&place) > Some(0));
    let asked = std::fs::read_to_string(place.path("asked")).unwrap();
    let asked: Vec<serde_json::Value> = asked.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((&asked[0]["text"], &asked[0]["url"], &asked[0]["n"]), (&"t".into(), &"http://a/\"b".into(), &3.into()));
    assert!(asked[1]["url"].is_null() && asked.len() == 2);
    assert_eq!(done(&place), Some(0));
    place.write("judge.sh", format!("# changed\n{script}"));
    assert!(done(&place) > Some(0));
}

#[test]
fn a_document_on_which_it_hangs_is_told() {
    let place = Place::new();
    place.write("in/a.jsonl", "");
    place.write("doc.txt", "hang");
    pipeline(&place, &format!("{STEP}      timeout: 1\n"));
    let ran = place.tamis(&["try", "p.yaml", "doc.txt", "--allow-exec"]).done();
    assert!(ran.out.contains("quarantined because timed_out: `sh` was silent for 1 s"), "{}", ran.out);
    assert!(ran.out.contains("dropped by command because timed_out"), "{}", ran.out);
}

#[test]
fn a_program_that_does_wrong_is_named_with_what_it_did() {
    let id = "id=${line#*:}; id=${id%%,*};";
    let answer = |rest: &str| format!("while read -r line; do {id} echo \"{{\\\"id\\\":$id{rest}}}\"; done");
    let wrong = [
        (
            "while read -r line; do echo chatter >&2; echo hello; done".to_owned(),
            "answered `hello`, which is no JSON object",
        ),
        ("while read -r line; do echo '{}'; done".to_owned(), "which has no `id`"),
        (
            format!("read -r line; {id} while true; do echo \"{{\\\"id\\\":$id}}\"; read -r line || exit; done"),
            "which is of another document",
        ),
        (answer(",\\\"drop\\\":\\\"dull\\\""), "and `reasons` does not know `dull`"),
        (answer(",\\\"score\\\":1"), "and `writes` does not know the field `score`"),
        (answer(",\\\"length\\\":\\\"x\\\""), "where `length` is not of the type integer"),
        (answer(",\\\"text\\\":1"), "where `text` is no text"),
        (
            format!("read -r line; {id} echo \"{{\\\"id\\\":$id}}\""),
            "`sh` ended (exit code 0) after it had answered 1 of 2 documents",
        ),
        (format!("read -r line; {id} printf '{{}}'"), "`sh` ended (exit code 0) in the middle of the line `{}`"),
    ];
    for (script, message) in wrong {
        let place = Place::new();
        place.write("in/a.jsonl", "{\"text\":\"one\"}\n{\"text\":\"two\"}\n");
        pipeline(&place, STEP);
        place.write("judge.sh", &script);
        let ran = place.tamis(&["run", "p.yaml", "--allow-exec"]);
        assert_eq!(ran.code, 1, "{script}: {}", ran.err);
        assert!(ran.err.contains(message) && ran.err.contains("`sh`"), "{script}: {}", ran.err);
        assert!(!ran.err.contains("please report"), "{}", ran.err);
    }
    let place = Place::new();
    place.write("in/a.jsonl", "{\"text\":\"one\"}\n");
    pipeline(&place, "  - command: [no-such-program-at-all]\n");
    let ran = place.tamis(&["run", "p.yaml", "--allow-exec"]);
    assert!(ran.code == 1 && ran.err.contains("cannot start the program `no-such-program-at-all`"), "{}", ran.err);
    pipeline(&place, "  - command: [./judge]\n");
    let ran = place.tamis(&["check", "p.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("needs the file `./judge`"), "{}", ran.err);
    pipeline(
        &place,
        "  - command: { run: [sh], reasons: [Not a word] }\n  - command: { run: [], writes: { text: text } }\n    as: other\n",
    );
    let ran = place.tamis(&["check", "p.yaml"]);
    assert!(ran.code == 2 && ran.err.contains("2 mistakes"), "{}", ran.err);
}

#[test]
fn a_program_that_takes_nothing_stops_the_run() {
    let place = Place::new();
    place.write("in/a.jsonl", "{\"text\":\"crash\"}\n".repeat(50));
    pipeline(&place, STEP);
    let ran = place.tamis(&["run", "p.yaml", "--allow-exec"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("`command` failed on each of 8 documents") && ran.err.contains("cannot take this"),
        "{}",
        ran.err
    );
}
