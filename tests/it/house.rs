//! The house is in order: imports run downward, the catalog is whole, what is generated is fresh.

use std::collections::BTreeSet;

use tamis::stage::Entry;
use tamis::stages::catalog;

use crate::place::{files, repository};

/// From the ground up; a module imports only what stands before it.
const LAYERS: [&str; 13] =
    ["error", "text", "doc", "stats", "sketch", "io", "tokens", "stage", "stages", "pipeline", "plan", "run", "cli"];

#[test]
fn imports_run_downward_only() {
    let src = repository().join("src");
    let layer = |name: &str| LAYERS.iter().position(|l| *l == name);
    let mut imports = 0;
    for path in files(&src).into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let name =
            path.strip_prefix(&src).unwrap().components().next().unwrap().as_os_str().to_string_lossy().into_owned();
        let Some(own) = layer(name.trim_end_matches(".rs")) else { continue };
        let text = std::fs::read_to_string(&path).unwrap();
        for used in text.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            let Some(used_layer) = layer(&used) else { panic!("{}: what is `crate::{used}`?", path.display()) };
            assert!(used_layer <= own, "{} imports `{used}`, which stands above it", path.display());
            imports += 1;
        }
    }
    assert!(imports > 100);
}

#[test]
fn a_stage_is_a_file_and_every_file_is_in_the_catalog() {
    let known: BTreeSet<(&str, &str)> = catalog().map(|e| (e.about.family.name(), e.about.name)).collect();
    let mut found = BTreeSet::new();
    for path in files(&repository().join("src/stages")) {
        let text = std::fs::read_to_string(&path).unwrap();
        if path.extension().is_none_or(|e| e != "rs") || !text.contains("impl Settings for") {
            continue;
        }
        let family = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(known.contains(&(family.as_str(), name.as_str())), "{} is not in the catalog", path.display());
        found.insert((family, name));
    }
    assert_eq!(found.len(), known.len());
}

#[test]
fn names_and_reasons_are_snake_case_and_explained() {
    let snake = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    for Entry { about, schema, .. } in catalog() {
        assert!(snake(about.name), "{}", about.name);
        assert!(!about.summary.ends_with('.') && !about.summary.is_empty(), "{}", about.name);
        for (word, means) in about.reasons.iter().chain(about.fields) {
            assert!(word.trim_end_matches(".*").split('.').all(snake) && !means.is_empty(), "{}: {word}", about.name);
        }
        let schema = schema().to_value();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let described = property["description"].as_str().is_some_and(|d| !d.is_empty());
            assert!(snake(name) && described, "{}: the setting `{name}` is not explained", about.name);
        }
    }
}

#[test]
fn every_reason_a_stage_gives_is_declared() {
    for entry in catalog() {
        let path = repository().join(format!("src/stages/{}/{}.rs", entry.about.family.name(), entry.about.name));
        let text = std::fs::read_to_string(path).unwrap();
        for given in text.split("Verdict::drop(\"").skip(1) {
            let word = given.split('"').next().unwrap();
            assert!(entry.about.reasons.iter().any(|(r, _)| *r == word), "{} drops because {word}", entry.about.name);
        }
    }
}

/// The text equals the committed file; `TAMIS_BLESS=1` writes it.
fn assert_fresh(name: &str, text: &str) {
    let path = repository().join(name);
    if std::env::var_os("TAMIS_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "`{name}` is stale; TAMIS_BLESS=1 cargo test writes it again");
}

#[test]
fn the_schema_is_fresh() {
    let schema = serde_json::to_string_pretty(&tamis::pipeline::schema::schema()).unwrap();
    assert_fresh("pipelines/schema.json", &format!("{schema}\n"));
}

#[test]
fn the_lists_of_stages_are_fresh() {
    let mut table = String::from("| stage | family | what it does |\n|---|---|---|\n");
    let mut manual =
        String::from("# The stages\n\nMade from the stages themselves; `tamis stages NAME` has the settings.\n");
    let mut family = "";
    for Entry { about, .. } in catalog() {
        table.push_str(&format!("| `{}` | {} | {} |\n", about.name, about.family.name(), about.summary));
        if about.family.name() != family {
            family = about.family.name();
            manual.push_str(&format!("\n## {family}\n"));
        }
        manual.push_str(&format!("\n### {}\n\n{}.\n", about.name, upper(about.summary)));
        for (title, pairs) in [("Reasons", about.reasons), ("Fields", about.fields)] {
            if !pairs.is_empty() {
                manual.push_str(&format!("\n{title}:\n\n"));
                pairs.iter().for_each(|(word, means)| manual.push_str(&format!("- `{word}`: {means}\n")));
            }
        }
    }
    assert_fresh("src/stages/README.md", &manual);
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (head, rest) = readme.split_once("<!-- stages -->\n").unwrap();
    let (_, tail) = rest.split_once("<!-- /stages -->\n").unwrap();
    assert_fresh("README.md", &format!("{head}<!-- stages -->\n{table}<!-- /stages -->\n{tail}"));
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[test]
fn ci_runs_the_test_command_that_the_readme_gives() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let ci = std::fs::read_to_string(repository().join(".ci/run")).unwrap();
    let command = "cargo test --release";
    assert!(readme.lines().any(|l| l.trim() == command));
    assert!(ci.lines().any(|l| l.trim() == command));
}
