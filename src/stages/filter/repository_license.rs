//! Gives every file the license that its repository states: that of the nearest license file above it.
//!
//! A source file seldom says under which license it stands; the file `LICENSE` of its repository does. License files are
//! compared with SPDX's texts in the walk before, and their folders become a table; in the walk after, each document looks
//! its folders up from the inside out. Several license files in one folder are a choice (`Apache-2.0 OR MIT`).

use std::io::Read;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, FieldTable, Verdict};
use crate::error::{Error, Result};
use crate::stage::keys::Key;
use crate::stage::repository::Place;
use crate::stage::{
    About, Apply, Build, Corpus, Example, Expect, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted,
    Stage,
};
use crate::text::license::{Licenses, is_license_file};

/// Settings of `repository_license`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RepositoryLicense {
    /// The field the license is written to, as an SPDX expression. What it holds already stays.
    pub into: String,
    /// The field with the file's path in its repository.
    pub path: String,
    /// The field that names the repository. Without it the archive that holds the file is the repository, or the folders
    /// themselves.
    pub repository: Option<String>,
}

impl Default for RepositoryLicense {
    fn default() -> Self {
        Self { into: "license".to_owned(), path: "path".to_owned(), repository: None }
    }
}

impl Settings for RepositoryLicense {
    const ABOUT: About = About {
        fields: &[("license", "the license of the nearest license file above, as an SPDX expression")],
        examples: &[Example { it: "changes no text", settings: "{}", given: "fn main() {}", expect: Expect::Kept }],
        ..About::new("repository_license", Family::Filter, "gives every file the license that its repository states")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let licenses = Licenses::load()?;
        let path = cx.may_read(&self.path)?;
        let repository = self.repository.as_deref().map(|name| Key::resolve(cx, name)).transpose()?;
        let _: Field<String> = cx.may_read(&self.into)?;
        let into = cx.writes(&self.into)?;
        Ok(Stage::Global(Arc::new(Running { licenses, place: Place { path, repository }, into })))
    }
}

/// Bytes of an entry: the folder's key and the license's number.
const ENTRY: usize = 10;

fn key(repository: &str, folder: &str) -> [u8; 8] {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(repository.as_bytes());
    hasher.update(&[0]);
    hasher.update(folder.as_bytes());
    hasher.digest().to_be_bytes()
}

/// The folders of `path`, from the inside out; the root is empty.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    let parent = |path: &str| path.rfind('/').map_or(0, |at| at);
    let mut next = Some(parent(path));
    std::iter::from_fn(move || {
        let end = next?;
        let folder = path.get(..end)?;
        next = (end > 0).then(|| parent(folder));
        Some(folder)
    })
}

struct Running {
    licenses: Licenses,
    place: Place,
    into: Field<String>,
}

impl Global for Running {
    fn record_bytes(&self) -> usize {
        ENTRY
    }

    fn partitions(&self) -> u32 {
        1
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Reading { licenses: self.licenses.clone(), place: self.place }))
    }

    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let mut last = [0; ENTRY];
        while let Some((record, _)) = records.next()? {
            if links.is_empty() || last != *record {
                last.copy_from_slice(record);
                links.extend_from_slice(record);
            }
        }
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut shared = Vec::new();
        links
            .open(0)?
            .read_to_end(&mut shared)
            .map_err(|e| Error::world("cannot read what was found of licenses").because(e))?;
        let notes = vec![format!("licenses stated in {} folders", shared.len() / ENTRY)];
        Ok(Findings { shared, splits: vec![Vec::new(); corpus.rows.len()], notes })
    }

    fn apply(&self, shared: &[u8], _: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        let names = self.licenses.names().map(str::to_owned).collect();
        Ok(Arc::new(Stating { table: shared.into(), names, place: self.place, into: self.into }))
    }
}

struct Reading {
    licenses: Licenses,
    place: Place,
}

impl Mapper for Reading {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let (repository, path) = (self.place.repository(doc).unwrap_or_default(), self.place.path(doc));
        if !is_license_file(path) {
            return;
        }
        let Some((name, _)) = self.licenses.of(doc.text.as_str()) else { return };
        let (Some(number), Some(folder)) = (self.licenses.names().position(|n| n == name), folders(path).next()) else {
            return;
        };
        let mut record = [0; ENTRY];
        let (head, tail) = record.split_at_mut(8);
        head.copy_from_slice(&key(&repository, folder));
        tail.copy_from_slice(&(number as u16).to_be_bytes());
        out.emit(0, &record);
    }
}

struct Stating {
    table: Box<[u8]>,
    names: Vec<String>,
    place: Place,
    into: Field<String>,
}

impl Stating {
    /// The licenses stated in the folder of this key, as an SPDX expression.
    fn stated(&self, key: [u8; 8]) -> Option<String> {
        let (entries, _) = self.table.as_chunks::<ENTRY>();
        let from = entries.partition_point(|e| e.get(..8) < Some(&key[..]));
        let here = entries.get(from..)?.iter().take_while(|e| e.starts_with(&key));
        let names: Vec<&str> = here
            .filter_map(|e| self.names.get(usize::from(u16::from_be_bytes([*e.get(8)?, *e.get(9)?]))))
            .map(String::as_str)
            .collect();
        (!names.is_empty()).then(|| names.join(" OR "))
    }
}

impl Apply for Stating {
    fn apply(&self, _: u32, doc: &mut Document) -> Verdict {
        if doc.get(self.into).is_none_or(str::is_empty) {
            let (repository, path) = (self.place.repository(doc).unwrap_or_default(), self.place.path(doc));
            let stated = folders(path).find_map(|folder| self.stated(key(&repository, folder)));
            if let Some(stated) = stated {
                doc.set(self.into, stated);
            }
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Origin;
    use crate::stage::testing;

    fn file(path: &str, text: &str) -> Document {
        Document::new(Origin { source: "code".into(), file: format!("a.tar!/{path}").into(), at: 0 }, text.to_owned())
    }

    #[test]
    fn files_stand_under_the_nearest_license_above() {
        let apache = std::fs::read_to_string("LICENSE").unwrap();
        let mit = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated \
                   documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation \
                   the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to \
                   permit persons to whom the Software is furnished to do so, subject to the following conditions:\n\nThe above \
                   copyright notice and this permission notice shall be included in all copies or substantial portions of the \
                   Software.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT \
                   LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT \
                   SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF \
                   CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN \
                   THE SOFTWARE.";
        let docs = vec![
            file("x/src/main.rs", "fn main() {}"),
            file("x/LICENSE", &apache),
            file("x/vendor/LICENSE-APACHE", &apache),
            file("x/vendor/LICENSE-MIT", mit),
            file("x/vendor/deep/er/lib.rs", "fn lib() {}"),
            file("y/main.rs", "fn main() {}"),
        ];
        let built = testing::build::<RepositoryLicense>("{}", false, |cx| {
            cx.opens();
        })
        .unwrap();
        let field = built.fields.find::<String>("license").unwrap();
        for cuts in [&[][..], &[2], &[1, 1, 1, 1]] {
            let outcome = built.run(docs.clone(), cuts).unwrap();
            let stated: Vec<_> = outcome.docs.iter().map(|d| d.get(field).unwrap_or("-")).collect();
            let both = "Apache-2.0 OR MIT";
            assert_eq!(stated, ["Apache-2.0", "Apache-2.0", both, both, both, "-"], "{cuts:?}");
        }
    }

    #[test]
    fn folders_go_from_the_inside_out() {
        assert_eq!(folders("a/b/c.rs").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(folders("c.rs").collect::<Vec<_>>(), [""]);
        assert_eq!(folders("/c.rs").collect::<Vec<_>>(), [""]);
    }
}
