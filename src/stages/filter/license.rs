//! Keeps files that stand under a license asked for: what a model learns it may repeat.
//!
//! A file's license is, in this order: what a field of the input says (a corpus of repositories knows), its SPDX tag, the
//! license whose text it holds, or the one that a sentence at its beginning names. StarCoder kept the permissive licenses of
//! the Blue Oak list, and what had none; here what has none is kept or dropped as the settings say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform, nearest};
use crate::text::license::{self, Licenses};

/// Settings of `license`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct License {
    /// SPDX identifiers of the licenses to keep. An expression such as `MIT OR GPL-3.0-only` is kept if they meet it.
    pub allow: Vec<String>,
    /// Whether files stay that say nothing of a license.
    pub unknown: Unknown,
    /// The field with what the input knows of the license: an SPDX expression, or several with commas between, of which one
    /// has to be met. Files without it are judged by their text.
    pub field: String,
    /// Whether texts are compared with those of all licenses, beside tags and sentences. It takes a few milliseconds for each
    /// file whose beginning speaks of a license.
    pub compare: bool,
}

/// What becomes of files that say nothing of a license.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// They stay.
    #[default]
    Keep,
    /// They go.
    Drop,
}

impl Default for License {
    fn default() -> Self {
        let allow = [
            "0BSD",
            "AFL-3.0",
            "Apache-1.1",
            "Apache-2.0",
            "Artistic-2.0",
            "BSD-1-Clause",
            "BSD-2-Clause",
            "BSD-2-Clause-Patent",
            "BSD-3-Clause",
            "BSD-3-Clause-Clear",
            "BSL-1.0",
            "BlueOak-1.0.0",
            "CC0-1.0",
            "CC-BY-3.0",
            "CC-BY-4.0",
            "ECL-2.0",
            "FTL",
            "ISC",
            "JSON",
            "MIT",
            "MIT-0",
            "MIT-CMU",
            "MIT-Modern-Variant",
            "MS-PL",
            "NCSA",
            "PHP-3.01",
            "PSF-2.0",
            "PostgreSQL",
            "Python-2.0",
            "Ruby",
            "UPL-1.0",
            "Unicode-3.0",
            "Unicode-DFS-2016",
            "Unlicense",
            "Vim",
            "W3C",
            "WTFPL",
            "X11",
            "Zlib",
            "ZPL-2.1",
            "curl",
            "libpng-2.0",
        ];
        Self {
            allow: allow.map(str::to_owned).to_vec(),
            unknown: Unknown::Keep,
            field: "license".to_owned(),
            compare: true,
        }
    }
}

impl Settings for License {
    const ABOUT: About = About {
        reasons: &[
            ("other_license", "it stands under a license that is not in `allow`"),
            ("no_license", "it says nothing of a license, with `unknown: drop`"),
        ],
        fields: &[
            ("license_found", "the SPDX expression or identifier it was judged by"),
            ("license_found_in", "where that was found: `field`, `tag`, `text` or `sentence`"),
        ],
        examples: &[
            Example {
                it: "keeps what a permissive license covers",
                settings: "{}",
                given: "// SPDX-License-Identifier: MIT OR GPL-3.0-only\nfn main() {}",
                expect: Expect::Field("license_found", "\"MIT OR GPL-3.0-only\""),
            },
            Example {
                it: "drops what another covers",
                settings: "{}",
                given: "# This program is free software under the terms of the GNU General Public\n# License.\nx = 1",
                expect: Expect::Dropped("other_license"),
            },
            Example {
                it: "drops what has none if asked",
                settings: r#"{"unknown": "drop"}"#,
                given: "x = 1",
                expect: Expect::Dropped("no_license"),
            },
        ],
        ..About::new("license", Family::Filter, "keeps files under licenses asked for (SPDX)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if self.allow.is_empty() {
            return Err(
                Error::pipeline("`license`: `allow` names no license").hint("leave it out for the permissive ones")
            );
        }
        let licenses = Licenses::load()?;
        for name in &self.allow {
            if !Licenses::lists(name) {
                let error = Error::pipeline(format!("`license`: SPDX lists no license `{name}`"));
                return Err(match nearest(name, licenses.names()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint("see https://spdx.org/licenses"),
                });
            }
        }
        let given = cx.may_read(&self.field)?;
        let (found, found_in) = (cx.writes("license_found")?, cx.writes("license_found_in")?);
        Ok(Stage::Transform(Box::new(Running { settings: self, licenses, given, found, found_in })))
    }
}

#[derive(Clone)]
struct Running {
    settings: License,
    licenses: Licenses,
    given: Field<String>,
    found: Field<String>,
    found_in: Field<String>,
}

impl Running {
    /// The license of `doc`, and where that was found.
    fn of(&self, doc: &Document) -> Option<(String, &'static str)> {
        if let Some(given) = doc.get(self.given).map(str::trim).filter(|g| !g.is_empty()) {
            return Some((given.to_owned(), "field"));
        }
        let text = doc.text.as_str();
        if let Some(tag) = license::tag(text) {
            return Some((tag.to_owned(), "tag"));
        }
        let beginning = beginning(text);
        if !license::speaks(beginning) {
            return None;
        }
        if self.settings.compare
            && let Some((name, _)) = self.licenses.of(beginning)
        {
            return Some((name.to_owned(), "text"));
        }
        license::named(beginning).map(|name| (name.to_owned(), "sentence"))
    }

    /// Whether an expression, or one of several with commas between, can be met.
    fn allowed(&self, expression: &str) -> bool {
        let listed = |id: &str| self.settings.allow.iter().any(|a| a == id);
        expression.split(',').map(str::trim).any(|one| license::allows(one, listed).unwrap_or(false))
    }
}

/// What of a text may be a license: all of it if it is prose, or the comments it begins with.
fn beginning(text: &str) -> &str {
    let marked = |line: &str| {
        let line = line.trim_start();
        ["//", "/*", "*", "#", "--", ";", "%", "'", "\"\"\"", "<!--"].iter().any(|mark| line.starts_with(mark))
    };
    if !text.lines().find(|l| !l.trim().is_empty()).is_some_and(marked) {
        return text;
    }
    let mut end = 0;
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        inside |= trimmed.starts_with("/*") || trimmed.starts_with("<!--");
        if !(trimmed.is_empty() || inside || marked(trimmed)) {
            break;
        }
        inside &= !(trimmed.ends_with("*/") || trimmed.ends_with("-->"));
        end += line.len();
    }
    text.get(..end).unwrap_or(text)
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let Some((expression, place)) = self.of(doc) else {
            return if self.settings.unknown == Unknown::Drop { Verdict::drop("no_license") } else { Verdict::Keep };
        };
        let allowed = self.allowed(&expression);
        doc.set(self.found, expression);
        doc.set(self.found_in, place.to_owned());
        if allowed { Verdict::Keep } else { Verdict::drop("other_license") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{Scope, testing};

    fn build(settings: &str) -> Result<(Box<dyn Transform>, FieldTable)> {
        let (mut table, mut scope) = (FieldTable::default(), Scope { open: true, ..Scope::default() });
        let settings: License = serde_json::from_str(settings).map_err(|e| Error::pipeline(e.to_string()))?;
        let mut cx = Build::new("license", "code", &mut table, &mut scope);
        let Stage::Transform(stage) = settings.build(&mut cx)? else { panic!("not a transform") };
        Ok((stage, table))
    }

    #[test]
    fn licenses_are_found_in_fields_and_texts() {
        let (mut stage, table) = build("{}").unwrap();
        let mut judge = |given: Option<&str>, text: &str| {
            let mut doc = testing::doc("code", 0, text);
            if let Some(given) = given {
                doc.set(table.find::<String>("license").unwrap(), given.to_owned());
            }
            let keeps = stage.apply(&mut doc).keeps();
            (keeps, doc.get(table.find::<String>("license_found_in").unwrap()).map(str::to_owned))
        };
        assert_eq!(judge(Some("GPL-3.0-only, MIT"), "x"), (true, Some("field".into())));
        assert_eq!(judge(Some("GPL-3.0-only"), "// SPDX-License-Identifier: MIT"), (false, Some("field".into())));
        assert_eq!(judge(None, &std::fs::read_to_string("LICENSE").unwrap()), (true, Some("text".into())));
        assert_eq!(judge(None, "/* Under the MIT License. */\nint x;"), (true, Some("sentence".into())));
        assert_eq!(judge(None, "int x;"), (true, None));
    }

    #[test]
    fn unknown_licenses_are_refused() {
        let hint = |settings: &str| build(settings).err().and_then(|e| e.hint).unwrap_or_default();
        assert_eq!(hint(r#"{"allow": ["Apache-2"]}"#), "did you mean `Apache-2.0`?");
        assert!(hint(r#"{"allow": []}"#).contains("permissive"));
    }
}
