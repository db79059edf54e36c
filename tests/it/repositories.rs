//! Files joined to repositories: accounted for, in the order of their imports, whatever the files they are read from and the workers.

use tamis::stats::Tally;
use tamis::text::imports::Files;

use crate::place::{Place, repository};

/// Twenty repositories of five Python files that import one another, each file in another input; and files of no repository.
fn corpus(place: &Place) {
    for file in 0..5 {
        let mut lines = String::new();
        for repository in 0..20 {
            let text = match file {
                0 => "import pkg.b\\n",
                1 => "from . import c\\nfrom .d import x\\n",
                2 => "from .d import x\\n",
                _ => "x = 1\\n",
            };
            let name = ["main.py", "pkg/b.py", "pkg/c.py", "pkg/d.py", "pkg/__init__.py"][file];
            lines.push_str(&format!(
                "{{\"text\":\"# {repository}\\n{text}\",\"repo\":\"me/r{repository}\",\"path\":\"{name}\",\"license\":\"MIT\",\"sha\":\"{file}\"}}\n"
            ));
        }
        lines.push_str(&format!("{{\"text\":\"alone {file}\",\"path\":\"x.py\"}}\n"));
        place.write(&format!("in/{file}.jsonl"), lines);
    }
}

fn pipeline(place: &Place, settings: &str, after: &str) {
    place.write(
        "p.yaml",
        format!("read: {{ jsonl: \"in/*\" }}\nsteps:\n  - length: {{ min_chars: 1 }}\n  - repository: {{ repository: repo{settings} }}\n{after}  - keep_if: not (license == x)\nwrite: {{ jsonl: {{ dir: out, compression: none }} }}\n"),
    );
}

#[test]
fn the_account_closes_and_imports_come_first() {
    let place = Place::new();
    corpus(&place);
    pipeline(&place, "", "");
    let account = place.tamis(&["run", "p.yaml", "--json"]).done().json();
    place.assert_balanced("runs/p");
    let tally: Tally = serde_json::from_value(account["tally"].clone()).unwrap();
    assert!(tally.balances());
    assert_eq!((tally.read, tally.parts, tally.expanded, tally.kept), (105, 20, 100, 25));
    let lines = place.lines("out");
    let joined: Vec<_> = lines.iter().filter(|l| !l["repository.name"].is_null()).collect();
    assert_eq!((lines.len(), joined.len()), (25, 20));
    for line in joined {
        let text = line["text"].as_str().unwrap();
        let paths: Vec<&str> = text.split("<file_sep>").skip(1).map(|file| file.lines().next().unwrap()).collect();
        assert_eq!(paths, ["pkg/d.py", "pkg/c.py", "pkg/b.py", "main.py", "pkg/__init__.py"]);
        let name = line["repository.name"].as_str().unwrap();
        assert!(text.starts_with(&format!("<repo_name>{name}<file_sep>pkg/d.py\n")));
        assert_eq!((&line["repository.files"], &line["repository.part"]), (&5.into(), &0.into()));
        assert_eq!((&line["license"], line.get("path"), line.get("sha")), (&"MIT".into(), None, None));
    }
}

#[test]
fn repositories_are_the_same_whatever_the_workers_and_when_they_are_read_again() {
    // A global stage right behind reads the moved documents twice.
    let digests = ["-j1", "-j4"].map(|workers| {
        let place = Place::new();
        corpus(&place);
        pipeline(&place, ", max_chars: 120, order: path", "  - exact\n  - minhash\n");
        let account = place.tamis(&["run", "p.yaml", "--json", workers]).done().json();
        place.assert_balanced("runs/p");
        let tally: Tally = serde_json::from_value(account["tally"].clone()).unwrap();
        assert!(tally.balances() && tally.expanded == 100 && tally.parts > 20, "{tally:?}");
        place.digest(&["out", "runs/p/ledger"])
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn archives_are_repositories() {
    let place = Place::new();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, text) in [
        ("tool/a.go", "import \"example.org/tool/z\"\n"),
        ("tool/z/z.go", "package z\n"),
        ("tool/go.mod", "module example.org/tool\n"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    place.write("in/tool.tar", tar.into_inner().unwrap());
    place.write(
        "p.yaml",
        "read: { code: in }\nsteps:\n  - repository: { start: \"\", header: \"// {path}\\n\" }\nwrite: { jsonl: { dir: out, compression: none } }\n",
    );
    place.tamis(&["run", "p.yaml"]).done();
    let texts = place.texts("out");
    assert_eq!(texts.len(), 1);
    let at = |path: &str| texts[0].find(path).unwrap();
    assert!(at("// tool/z/z.go") < at("// tool/a.go"), "{}", texts[0]);
    assert!(place.lines("out")[0]["code_language"].is_null());
}

#[test]
fn imports_are_those_that_parsers_of_the_languages_see() {
    let goldens: serde_json::Value =
        serde_json::from_slice(&std::fs::read(repository().join("fixtures/goldens/imports.json")).unwrap()).unwrap();
    let strings = |list: &serde_json::Value| -> Vec<String> { serde_json::from_value(list.clone()).unwrap() };
    let mut languages = Vec::new();
    let python = goldens["python"].as_object().unwrap();
    let python = python
        .iter()
        .map(|(path, file)| (path.clone(), file["text"].as_str().unwrap().to_owned(), strings(&file["imports"])));
    languages.push(python.collect::<Vec<_>>());
    let packed = std::fs::File::open(repository().join("fixtures/code/lodash.tar.gz")).unwrap();
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packed));
    let mut javascript = Vec::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (path, mut text) = (entry.path().unwrap().display().to_string(), String::new());
        let Some(imports) = goldens["javascript"].get(&path) else { continue };
        std::io::Read::read_to_string(&mut entry, &mut text).unwrap();
        javascript.push((path, text, strings(imports)));
    }
    languages.push(javascript);
    let mut edges = 0;
    for files in languages {
        let paths: Vec<&str> = files.iter().map(|(path, ..)| path.as_str()).collect();
        let index = Files::new(&paths, &|n| files[n].1.as_str());
        for (number, (path, text, imports)) in files.iter().enumerate() {
            let mut found: Vec<&str> = index.references(number, text).into_iter().map(|n| paths[n as usize]).collect();
            found.sort_unstable();
            assert_eq!(found, imports.iter().map(String::as_str).collect::<Vec<_>>(), "{path}");
            edges += found.len();
        }
    }
    assert!(edges > 150, "{edges}");
}
