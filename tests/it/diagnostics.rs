//! A folder of invalid pipelines, and the exact message each must give.

use crate::place::{files, repository};

#[test]
fn every_mistake_is_told_in_its_place_with_what_would_mend_it() {
    let root = repository();
    let mut checked = 0;
    for pipeline in files(&root.join("fixtures/pipelines/invalid")) {
        if pipeline.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let name = pipeline.strip_prefix(&root).unwrap().display().to_string();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tamis"))
            .args(["check", &name])
            .current_dir(&root)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{name} is not refused");
        assert!(output.stdout.is_empty(), "{name}");
        let message = String::from_utf8(output.stderr).unwrap();
        let expected = pipeline.with_extension("txt");
        if std::env::var_os("TAMIS_BLESS").is_some() {
            std::fs::write(&expected, &message).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&expected).unwrap_or_default(), message, "{name}");
        checked += 1;
    }
    assert!(checked >= 30, "{checked}");
}

#[test]
fn a_bomb_is_refused_in_bounded_time_and_memory() {
    // A billion laughs, deep nesting, and very long keys, as text: none is expanded.
    let nested = "[".repeat(100_000);
    let long = format!("{}: 1\n", "k".repeat(1 << 20));
    for text in [nested, long] {
        let found = tamis::pipeline::load_text(std::path::Path::new("p.yaml"), &text, &[], &|_| None);
        assert!(found.is_err());
    }
}
