//! Every preset names its source and does something to the fixtures.

use tamis::stats::Tally;

use crate::place::{Place, files, repository};

/// What the variables that a preset needs are in the fixtures.
const GIVEN: [(&str, &str); 3] = [
    ("language_model", "models/lid.176.ftz"),
    ("thresholds", "lists/fineweb2_sample.yaml"),
    ("word_model", "models/tiny.probing"),
];

/// Presets for source code.
const CODE: [&str; 1] = ["starcoder"];

/// The variables without a value in `preset`, which the file that uses it must give.
fn needed(preset: &str) -> Vec<String> {
    let vars = preset.split_once("\nvars:\n").map_or("", |(_, rest)| rest);
    let own = vars.lines().take_while(|line| line.starts_with("  "));
    own.filter_map(|line| line.trim().strip_suffix(':'))
        .filter(|name| !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_preset_runs_on_the_fixtures_and_accounts_for_them() {
    let root = repository();
    let presets = files(&root.join("pipelines/presets"));
    assert!(presets.len() >= 5);
    for path in presets {
        let preset = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(preset.starts_with("# ") && preset.contains("arXiv"), "{name} does not name its source");
        assert!(preset.contains(&format!("\nname: {name}\n")), "{name} has another name");
        let with: String = needed(&preset)
            .iter()
            .map(|var| {
                let given = GIVEN.iter().find(|(known, _)| known == var);
                let (_, file) = given.unwrap_or_else(|| panic!("{name} needs `{var}`: say above what it is"));
                format!("{var}: {}, ", root.join("fixtures").join(file).display())
            })
            .collect();
        let place = Place::new();
        // What a preset's documents are: source files, or pages.
        let (reader, file) =
            if CODE.contains(&name) { ("code", "code/lodash.tar.gz") } else { ("wet", "web/pages.warc.wet.gz") };
        let pipeline = format!(
            "name: p\nread: {{ {reader}: {} }}\nsteps: [{{ use: {}, with: {{ {with} }} }}]\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\n",
            root.join("fixtures").join(file).display(),
            path.display()
        );
        place.write("p.yaml", pipeline);
        let account = place.tamis(&["run", "p.yaml", "--json"]).done().json();
        place.assert_balanced("runs/p");
        let tally: Tally = serde_json::from_value(account["tally"].clone()).unwrap();
        assert!(tally.kept > 0 && tally.dropped > 0, "{name} keeps {} and drops {}", tally.kept, tally.dropped);
    }
}
