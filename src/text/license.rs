//! Under which license a file stands, by what it says: an SPDX tag, a license's text, or a sentence that names one.
//!
//! Texts are compared by the `spdx` crate's detection (askalono's algorithm over SPDX's license list: Sørensen–Dice over word
//! pairs). The crate's own search walks a hash map, and breaks ties as that happens to be ordered; here licenses are compared
//! in the order of their names, and the first of the best wins.

use std::sync::Arc;

use spdx::detection::{Store, TextData};

use crate::error::{Error, Result};

/// Every license that SPDX lists, with the texts it is known by.
#[derive(Clone)]
pub struct Licenses(Arc<Vec<(String, Vec<TextData>)>>);

/// Least likeness of a text to a license's (askalono's own limit).
const LIKENESS: f32 = 0.8;
/// What is compared at most of a text: the longest licenses have some 35 KB.
const LONGEST: usize = 64 << 10;

impl Licenses {
    /// The licenses that the crate carries.
    pub fn load() -> Result<Self> {
        let store = Store::load_inline().map_err(|e| Error::bug("the list of licenses cannot be read").because(e))?;
        let mut all: Vec<(String, Vec<TextData>)> = store
            .iter()
            .map(|(name, entry)| {
                let texts = std::iter::once(&entry.original).chain(&entry.alternates).chain(&entry.headers);
                (name.clone(), texts.cloned().map(TextData::without_text).collect())
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self(Arc::new(all)))
    }

    /// The license that `text` is like, and how much, 0..1.
    pub fn of(&self, text: &str) -> Option<(&str, f32)> {
        let text = TextData::new(cut(text, LONGEST));
        let mut best: Option<(&str, f32)> = None;
        for (name, texts) in self.0.iter() {
            let score = texts.iter().map(|known| known.match_score(&text)).fold(0.0, f32::max);
            if score > best.map_or(LIKENESS, |b| b.1) {
                best = Some((name, score));
            }
        }
        best
    }

    /// Whether SPDX lists `name`.
    pub fn lists(name: &str) -> bool {
        spdx::license_id(name).is_some()
    }

    /// Names of all licenses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// `text` up to `length` bytes, or a little less.
fn cut(text: &str, length: usize) -> &str {
    let mut end = text.len().min(length);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// What stands after `SPDX-License-Identifier:` in the first 8 KiB.
pub fn tag(text: &str) -> Option<&str> {
    const MARK: &str = "SPDX-License-Identifier:";
    let head = cut(text, 8 << 10);
    let after = head.get(memchr::memmem::find(head.as_bytes(), MARK.as_bytes())? + MARK.len()..)?;
    let line = after.split(['\n', '\r']).next()?;
    let end = ["*/", "-->", "*)", "#}", "--}}"].iter().filter_map(|close| line.find(close)).min().unwrap_or(line.len());
    line.get(..end).map(str::trim).filter(|tag| !tag.is_empty())
}

/// Whether the SPDX expression `expression` can be met by licenses that `allowed` takes. `None` if it is no expression.
pub fn allows(expression: &str, allowed: impl Fn(&str) -> bool) -> Option<bool> {
    let parsed = spdx::Expression::parse_mode(expression, spdx::ParseMode::LAX).ok()?;
    Some(parsed.evaluate(|request| request.license.id().is_some_and(|id| allowed(id.name))))
}

/// Sentences that name a license, in lower case. The more telling come first.
const SENTENCES: &[(&str, &str)] = &[
    ("gnu affero general public license", "AGPL-3.0-or-later"),
    ("gnu lesser general public license", "LGPL-2.1-or-later"),
    ("gnu library general public license", "LGPL-2.0-or-later"),
    ("gnu general public license version 2", "GPL-2.0-only"),
    ("gnu general public license", "GPL-2.0-or-later"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache.org/licenses/license-2.0", "Apache-2.0"),
    ("mozilla public license, v. 2.0", "MPL-2.0"),
    ("mozilla.org/mpl/2.0", "MPL-2.0"),
    ("eclipse public license v2.0", "EPL-2.0"),
    ("eclipse public license v1.0", "EPL-1.0"),
    ("boost software license", "BSL-1.0"),
    ("permission is hereby granted, free of charge", "MIT"),
    ("permission to use, copy, modify, and/or distribute this software for any", "ISC"),
    ("neither the name of", "BSD-3-Clause"),
    ("redistributions of source code must retain", "BSD-2-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd-style license", "BSD-3-Clause"),
    ("released into the public domain", "Unlicense"),
    ("creativecommons.org/publicdomain/zero/1.0", "CC0-1.0"),
    ("opensource.org/licenses/mit", "MIT"),
    ("mit license", "MIT"),
    ("mit-license", "MIT"),
];

/// The words of the first 8 KiB in lower case, with one space between: sentences go on over lines of a comment, each with its
/// mark. Empty if they do not speak of licenses.
fn sentences(text: &str) -> String {
    let head = cut(text, 8 << 10);
    let mut flat = String::with_capacity(head.len());
    for word in head.split_ascii_whitespace().filter(|w| w.bytes().any(|b| b.is_ascii_alphanumeric())) {
        if !flat.is_empty() {
            flat.push(' ');
        }
        flat.extend(word.chars().map(|c| c.to_ascii_lowercase()));
    }
    let speaks = ["licen", "permission", "redistribut", "public domain", "mozilla.org/mpl"]
        .iter()
        .any(|word| flat.contains(word));
    if speaks { flat } else { String::new() }
}

/// Whether the first 8 KiB speak of licenses.
pub fn speaks(text: &str) -> bool {
    !sentences(text).is_empty()
}

/// The license that a sentence in the first 8 KiB names.
pub fn named(text: &str) -> Option<&'static str> {
    let flat = sentences(text);
    SENTENCES.iter().find(|(sentence, _)| flat.contains(sentence)).map(|(_, id)| *id)
}

/// Whether a file of this name holds the license of the folder it lies in.
pub fn is_license_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let stem = name
        .strip_suffix(".md")
        .or_else(|| name.strip_suffix(".txt"))
        .or_else(|| name.strip_suffix(".rst"))
        .unwrap_or(&name);
    ["license", "licence", "copying", "unlicense", "mit-license"].contains(&stem)
        || stem.starts_with("license-")
        || stem.starts_with("copying.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_sentences_are_read() {
        assert_eq!(tag("// SPDX-License-Identifier: MIT OR Apache-2.0\nfn x() {}"), Some("MIT OR Apache-2.0"));
        assert_eq!(tag("/* SPDX-License-Identifier: GPL-2.0-only */"), Some("GPL-2.0-only"));
        assert_eq!(tag("no tag"), None);
        assert_eq!(named("# Licensed under the Apache\n# License, Version 2.0 (the \"License\")"), Some("Apache-2.0"));
        assert_eq!(
            named(" * This is free software under the GNU General Public\n * License"),
            Some("GPL-2.0-or-later")
        );
        assert_eq!(named("fn main() {}"), None);
        assert_eq!(allows("MIT OR GPL-3.0-only", |id| id == "MIT"), Some(true));
        assert_eq!(allows("MIT AND GPL-3.0-only", |id| id == "MIT"), Some(false));
        assert_eq!(allows("see LICENSE", |_| true), None);
        assert!(is_license_file("a/LICENSE.md") && is_license_file("COPYING") && !is_license_file("src/license.rs"));
    }

    #[test]
    fn texts_are_compared_with_spdx() {
        let licenses = Licenses::load().unwrap();
        assert!(licenses.names().count() > 500 && Licenses::lists("MIT") && !Licenses::lists("MITT"));
        let own = std::fs::read_to_string("LICENSE").unwrap();
        assert_eq!(licenses.of(&own).unwrap().0, "Apache-2.0");
        assert_eq!(licenses.of("Call me Ishmael. Some years ago, never mind how long precisely."), None);
        assert_eq!(licenses.of(""), None);
    }
}
