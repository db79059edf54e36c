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

/// What `compat` may be in `preset`, as the comment above it says; one run without it if it is no variable.
fn profiles(preset: &str) -> Vec<Option<String>> {
    let Some((before, _)) = preset.split_once("\n  compat: ") else { return vec![None] };
    let comment = before.rsplit('\n').next().unwrap_or_default();
    comment.split('`').skip(1).step_by(2).map(|name| Some(name.to_owned())).collect()
}

/// The preset's account on the fixtures.
fn run(name: &str, path: &std::path::Path, with: &str) -> Tally {
    let place = Place::new();
    // What a preset's documents are: source files, or pages.
    let (reader, file) =
        if CODE.contains(&name) { ("code", "code/lodash.tar.gz") } else { ("wet", "web/pages.warc.wet.gz") };
    let pipeline = format!(
        "name: p\nread: {{ {reader}: {} }}\nsteps: [{{ use: {}, with: {{ {with} }} }}]\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\n",
        repository().join("fixtures").join(file).display(),
        path.display()
    );
    place.write("p.yaml", pipeline);
    let account = place.tamis(&["run", "p.yaml", "--json"]).done().json();
    place.assert_balanced("runs/p");
    serde_json::from_value(account["tally"].clone()).unwrap()
}

#[test]
fn every_preset_runs_on_the_fixtures_and_accounts_for_them() {
    let root = repository();
    let presets = files(&root.join("pipelines/presets"));
    assert!(presets.len() >= 5);
    let mut said = std::collections::BTreeMap::new();
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
        let profiles = profiles(&preset);
        assert!(!profiles.is_empty(), "{name} does not say what `compat` may be");
        for profile in profiles {
            let compat = profile.as_ref().map(|p| format!("compat: {p}, ")).unwrap_or_default();
            let tally = run(name, &path, &format!("{with}{compat}"));
            let which = format!("{name} {}", profile.unwrap_or_default());
            assert!(tally.kept > 0 && tally.dropped > 0, "{which} keeps {} and drops {}", tally.kept, tally.dropped);
            said.insert(which, format!("{:?}", tally.steps));
        }
    }
    // A profile that changes nothing was not passed on.
    for (one, other) in [("gopher paper", "gopher dolma"), ("c4 paper", "c4 dolma"), ("dclm dclm", "dclm datamap")] {
        assert_ne!(said[one], said[other], "{other}");
    }
}
