//! Joins the files of a repository to one document, those that others depend on first: so that a model learns of code what a
//! file alone does not show.
//!
//! StarCoder2 joins files with their paths (Lozhkov et al. 2024, arXiv 2402.19173, section 5.2: the default template here);
//! DeepSeek-Coder puts them in the order of their imports (Guo et al. 2024, arXiv 2401.14196, section 2.2): files that are
//! connected stay together, what is imported comes first, circles are broken at the file with the fewest imports that are not
//! met, then by path. Which imports are understood says `text/imports/rules.rs`.
//!
//! Documents are moved out of core, each repository to one split; there a repository lies in memory, as long as the documents of
//! its split. Repositories come in the order of a hash of their names. Documents of no repository go on as they came.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field};
use crate::error::{Error, Result};
use crate::stage::keys::Key;
use crate::stage::repository::Place;
use crate::stage::{About, Build, Exchange, Family, Join, Joined, Settings, Stage};
use crate::text::cut::{Edge, Limits, last_edge};
use crate::text::imports::{Files, dependencies_first};

/// Settings of `repository`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Repository {
    /// The field that names the repository. Without it the archive that holds the file is the repository.
    pub repository: Option<String>,
    /// The field with the file's path in its repository.
    pub path: String,
    /// The order of the files.
    pub order: Order,
    /// What stands before the first file. In this and in `header`, `{repository}` is the repository's name and `{path}` the
    /// file's path.
    pub start: String,
    /// What stands before each file.
    pub header: String,
    /// What stands between files.
    pub separator: String,
    /// Most characters of a document, with headers. A longer repository becomes several documents, each with `start`, cut
    /// between files; a longer file is cut after a line, and its header repeated.
    pub max_chars: Option<u64>,
}

/// The order of the files of a repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// What is imported comes before what imports it; else by path.
    #[default]
    Dependencies,
    /// By path, in bytes.
    Path,
}

impl Default for Repository {
    fn default() -> Self {
        Self {
            repository: None,
            path: "path".to_owned(),
            order: Order::Dependencies,
            start: "<repo_name>{repository}".to_owned(),
            header: "<file_sep>{path}\n".to_owned(),
            separator: String::new(),
            max_chars: None,
        }
    }
}

impl Settings for Repository {
    const ABOUT: About = About {
        fields: &[
            ("repository.name", "the repository"),
            ("repository.files", "how many files it has"),
            ("repository.part", "which of the repository's documents it is, from 0"),
        ],
        ..About::new("repository", Family::Mix, "joins the files of each repository, in the order of their imports")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        for (name, template) in [("start", &self.start), ("header", &self.header)] {
            if let Some(unknown) = unknown(template) {
                return Err(Error::pipeline(format!("`{}`: `{name}` uses `{unknown}`", cx.label))
                    .hint("`{repository}` and `{path}` are known"));
            }
        }
        if self.start.contains("{path}") {
            return Err(Error::pipeline(format!("`{}`: `start` is of no file that has a `{{path}}`", cx.label))
                .hint("put it into `header`"));
        }
        if self.max_chars == Some(0) {
            return Err(Error::pipeline(format!("`{}`: nothing fits into `max_chars: 0`", cx.label)));
        }
        if cx.vocabulary().is_ok() {
            return Err(Error::pipeline(format!("`{}` joins texts that are encoded already", cx.label))
                .hint("put it before `encode`"));
        }
        let repository = self.repository.as_deref().map(|name| Key::resolve(cx, name)).transpose()?;
        let place = Place { path: cx.may_read(&self.path)?, repository };
        let fields = Fields {
            name: cx.writes("repository.name")?,
            files: cx.writes("repository.files")?,
            part: cx.writes("repository.part")?,
        };
        let running = Running { settings: self, place, fields };
        Ok(Stage::Exchange { look: None, exchange: Arc::new(running) })
    }
}

/// The first `{…}` of a template that stands for nothing.
fn unknown(template: &str) -> Option<&str> {
    let known = ["{repository}", "{path}"];
    let word = |at: usize| {
        let rest = template.get(at..)?;
        let word = rest.get(..=rest.find('}')?)?;
        word.get(1..word.len() - 1)?.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(word)
    };
    template.match_indices('{').filter_map(|(at, _)| word(at)).find(|word| !known.contains(word))
}

#[derive(Clone, Copy)]
struct Fields {
    name: Field<String>,
    files: Field<i64>,
    part: Field<i64>,
}

#[derive(Clone)]
struct Running {
    settings: Repository,
    place: Place,
    fields: Fields,
}

impl Exchange for Running {
    fn place(&self, doc: &Document) -> (u64, u64) {
        // What is of no repository is spread by its own name, and shares its place with nobody.
        let name = self.place.repository(doc).map_or(doc.id.0, |name| xxhash_rust::xxh3::xxh3_128(name.as_bytes()));
        ((name >> 64) as u64, name as u64)
    }

    fn join(&self) -> Option<Arc<dyn Join>> {
        Some(Arc::new(self.clone()))
    }
}

impl Join for Running {
    fn join(&self, mut docs: Vec<Document>, out: &mut dyn FnMut(Joined)) {
        let key = |doc: &Document| {
            (self.place.repository(doc).map(|name| name.into_owned()), self.place.path(doc).to_owned())
        };
        docs.sort_by_cached_key(key);
        for group in docs.chunk_by(|a, b| self.place.repository(a) == self.place.repository(b)) {
            match group.first().and_then(|doc| self.place.repository(doc)) {
                None => group.iter().for_each(|doc| out(Joined::Alone(doc.clone()))),
                Some(name) => self.repository(&name, group, out),
            }
        }
    }
}

impl Running {
    /// Joins `docs`, which are sorted by path.
    fn repository(&self, name: &str, docs: &[Document], out: &mut dyn FnMut(Joined)) {
        let paths: Vec<&str> = docs.iter().map(|doc| self.place.path(doc)).collect();
        let text = |number: usize| docs.get(number).map_or("", |doc| doc.text.as_str());
        let order = match self.settings.order {
            Order::Path => (0..docs.len() as u32).collect(),
            Order::Dependencies => {
                let files = Files::new(&paths, &text);
                let references: Vec<Vec<u32>> = (0..docs.len()).map(|n| files.references(n, text(n))).collect();
                dependencies_first(&references)
            }
        };
        let files = order.iter().map(|&n| {
            let path = paths.get(n as usize).copied().unwrap_or_default();
            (fill(&self.settings.header, name, path), text(n as usize))
        });
        for (part, text) in self.texts(&fill(&self.settings.start, name, ""), files).into_iter().enumerate() {
            let Some(mut doc) = Document::joined(docs, part as u32, text) else { continue };
            doc.set(self.fields.name, name.to_owned());
            doc.set(self.fields.files, docs.len() as i64);
            doc.set(self.fields.part, part as i64);
            out(Joined::Made(doc, if part == 0 { docs.len() as u64 } else { 0 }));
        }
    }

    /// The texts of a repository's documents: of files in order, each with its header.
    fn texts<'t>(&self, start: &str, files: impl Iterator<Item = (String, &'t str)>) -> Vec<String> {
        let max = self.settings.max_chars.map_or(usize::MAX, |max| max as usize);
        let count = |text: &str| if max == usize::MAX { 0 } else { text.chars().count() };
        let (begun, separator) = (count(start), self.settings.separator.as_str());
        let mut texts = Vec::new();
        let (mut now, mut chars, mut empty) = (start.to_owned(), begun, true);
        for (header, text) in files {
            let (head, mut rest, mut left) = (count(&header), text, count(text));
            loop {
                let before = if empty { "" } else { separator };
                let whole = chars + count(before) + head + left;
                if whole <= max {
                    [before, &header, rest].iter().for_each(|piece| now.push_str(piece));
                    chars = whole;
                    empty = false;
                    break;
                }
                if empty {
                    // Not even alone does it fit: what fits of it, and at least a letter, is a document.
                    let room = max.saturating_sub(chars + head).max(1);
                    let limit = Limits { chars: Some(room as u64), ..Limits::default() }.end(rest, &[], 0);
                    let least = rest.chars().next().map_or(0, char::len_utf8);
                    let (part, others) = rest.split_at(last_edge(rest, limit, Edge::Line).max(least));
                    [&header, part].iter().for_each(|piece| now.push_str(piece));
                    (rest, left) = (others, left - count(part));
                }
                texts.push(std::mem::replace(&mut now, start.to_owned()));
                (chars, empty) = (begun, true);
                if rest.is_empty() {
                    break;
                }
            }
        }
        if !empty || texts.is_empty() {
            texts.push(now);
        }
        texts
    }
}

fn fill(template: &str, repository: &str, path: &str) -> String {
    // The name may hold braces of its own: what was filled in is not looked at again.
    let pieces: Vec<String> = template.split("{repository}").map(|piece| piece.replace("{path}", path)).collect();
    pieces.join(repository)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{FieldTable, Origin};
    use proptest::prelude::*;

    fn running(settings: Repository) -> (Running, Field<String>) {
        let mut table = FieldTable::default();
        let named: Field<String> = table.field("repo").unwrap();
        let place = Place { path: table.field("path").unwrap(), repository: Some(Key::Written(named.slot())) };
        let fields = Fields {
            name: table.field("repository.name").unwrap(),
            files: table.field("repository.files").unwrap(),
            part: table.field("repository.part").unwrap(),
        };
        (Running { settings, place, fields }, named)
    }

    fn file(running: &Running, repository: &str, path: &str, text: &str) -> Document {
        let origin = Origin { source: "code".into(), file: "a.jsonl".into(), at: path.len() as u64 };
        let mut doc = Document::new(origin, text.to_owned());
        doc.set(running.place.path, path.to_owned());
        let Some(Key::Written(slot)) = running.place.repository else { panic!("no repository") };
        doc.fields.put(slot, crate::doc::Value::Str(repository.to_owned()));
        doc
    }

    fn joined(running: &Running, docs: Vec<Document>) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        Join::join(running, docs, &mut |joined| match joined {
            Joined::Made(doc, of) => all.push((doc.text.into_string(), of)),
            Joined::Alone(doc) => all.push((doc.text.into_string(), 1)),
        });
        all
    }

    #[test]
    fn files_come_in_the_order_of_their_imports_or_paths() {
        let (by_imports, _) = running(Repository::default());
        let docs = |running: &Running| {
            vec![
                file(running, "me/tool", "z.py", "x = 1\n"),
                file(running, "me/tool", "a.py", "import z\n"),
                file(running, "me/{path}", "b.py", "alone"),
            ]
        };
        assert_eq!(
            joined(&by_imports, docs(&by_imports)),
            [
                ("<repo_name>me/tool<file_sep>z.py\nx = 1\n<file_sep>a.py\nimport z\n".to_owned(), 2),
                ("<repo_name>me/{path}<file_sep>b.py\nalone".to_owned(), 1)
            ]
        );
        let settings = Repository {
            order: Order::Path,
            start: String::new(),
            header: "# {path} of {repository}\n".into(),
            separator: "\n---\n".into(),
            ..Repository::default()
        };
        let (by_path, _) = running(settings);
        let (text, _) = joined(&by_path, docs(&by_path)).swap_remove(0);
        assert_eq!(text, "# a.py of me/tool\nimport z\n\n---\n# z.py of me/tool\nx = 1\n");
    }

    proptest! {
        #[test]
        fn documents_keep_the_limit_and_lose_nothing(
            texts in prop::collection::vec("([a-d]{1,6}\n|é日){0,8}", 1..8), max in 12u64..60
        ) {
            let settings = Repository {
                order: Order::Path, start: "S".into(), header: "<{path}>".into(), separator: "|".into(),
                max_chars: Some(max), ..Repository::default()
            };
            let (running, _) = running(settings);
            let docs = texts.iter().enumerate().map(|(n, text)| file(&running, "r", &format!("{n}"), text)).collect();
            let all = joined(&running, docs);
            prop_assert_eq!(all.iter().map(|(_, of)| of).sum::<u64>(), texts.len() as u64);
            let mut letters = String::new();
            for (text, _) in &all {
                prop_assert!(text.chars().count() as u64 <= max && text.starts_with('S'), "{}", text);
                let mut bare = text[1..].replace('|', "");
                (0..texts.len()).for_each(|n| bare = bare.replace(&format!("<{n}>"), ""));
                letters.push_str(&bare);
            }
            prop_assert_eq!(letters, texts.concat());
        }
    }

    #[test]
    fn templates_are_checked() {
        let error = |settings: &str| {
            crate::stage::testing::build::<Repository>(settings, false, |_| ()).map(drop).unwrap_err().message
        };
        assert!(error(r#"{"header": "{file}"}"#).contains("`header` uses `{file}`"));
        assert!(error(r#"{"start": "{path}"}"#).contains("`start` is of no file"));
        assert!(error(r#"{"max_chars": 0}"#).contains("nothing fits"));
        assert_eq!(unknown("{ a } {x{path}"), None);
    }
}
