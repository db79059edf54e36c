//! Replaces what a regular expression finds. The expressions are those of a library without backtracking: no pattern
//! that a user can write makes one search take more than linear time.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `replace`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// What to find: a regular expression (no look-around, no back-references; `(?s)` and other flags as usual). `^` and
    /// `$` are the ends of a line.
    pub find: String,
    /// What to put there: `$1` or `${name}` is what a group found, `$$` a dollar sign. Nothing if left out.
    #[serde(default)]
    pub with: String,
    /// Whether `find` and `with` are plain texts.
    #[serde(default)]
    pub literal: bool,
    /// Whether case makes no difference.
    #[serde(default)]
    pub ignore_case: bool,
    /// Whether only documents in which something was found go on.
    #[serde(default)]
    pub drop_others: bool,
}

/// Most memory of a compiled expression.
const MAX_BYTES: usize = 16 << 20;

impl Settings for Replace {
    const ABOUT: About = About {
        reasons: &[("not_found", "`find` is nowhere in it, and `drop_others` is set")],
        examples: &[
            Example {
                it: "takes away what it finds",
                settings: r#"{"find": "\\s*\\[[0-9]+\\]"}"#,
                given: "It is so [1], or not[22].",
                expect: Expect::Text("It is so, or not."),
            },
            Example {
                it: "puts groups back",
                settings: r#"{"find": "^(\\w+), (\\w+)$", "with": "$2 $1"}"#,
                given: "Doe, Jane\nRoe, Richard",
                expect: Expect::Text("Jane Doe\nRichard Roe"),
            },
            Example {
                it: "takes a text as it is",
                settings: r#"{"find": "a.b", "with": "$1", "literal": true, "ignore_case": true}"#,
                given: "A.B axb",
                expect: Expect::Text("$1 axb"),
            },
        ],
        ..About::new("replace", Family::Clean, "replaces what a regular expression finds")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let pattern = if self.literal { regex::escape(&self.find) } else { self.find.clone() };
        let find = RegexBuilder::new(&pattern)
            .multi_line(true)
            .case_insensitive(self.ignore_case)
            .size_limit(MAX_BYTES)
            .build()
            .map_err(|e| refused(cx.label, &self.find, &e))?;
        if find.is_match("") {
            return Err(Error::pipeline(format!("`{}`: `{}` finds even nothing, everywhere", cx.label, self.find))
                .hint("`+` instead of `*` finds one or more"));
        }
        unknown_group(cx.label, &find, &self)?;
        Ok(Stage::Transform(Box::new(Running { find, settings: self })))
    }
}

fn refused(label: &str, pattern: &str, error: &regex::Error) -> Error {
    let text = error.to_string();
    // The library draws the pattern with a caret over several lines; its last line says what is wrong.
    let said = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
    Error::pipeline(format!("`{label}`: `{pattern}` is no regular expression: {said}"))
        .hint("for plain text write `literal: true`; look-around and back-references do not exist here")
}

/// A group in `with` that `find` does not have would silently be nothing.
fn unknown_group(label: &str, find: &Regex, settings: &Replace) -> Result<()> {
    if settings.literal {
        return Ok(());
    }
    let mut rest = settings.with.as_str();
    while let Some((_, after)) = rest.split_once('$') {
        let braced = after.strip_prefix('{').and_then(|a| a.split_once('}')).map(|(name, _)| name);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let name = braced.or_else(|| after.get(..end)).unwrap_or_default();
        let known = match name.parse::<usize>() {
            Ok(number) => number < find.captures_len(),
            Err(_) => name.is_empty() || find.capture_names().flatten().any(|n| n == name),
        };
        if !known {
            return Err(Error::pipeline(format!("`{label}`: `find` has no group `{name}`, which `with` uses"))
                .hint("write `${1}x` for group 1 followed by `x`, and `$$` for a dollar sign"));
        }
        rest = after.strip_prefix('$').unwrap_or(after);
    }
    Ok(())
}

#[derive(Clone)]
struct Running {
    find: Regex,
    settings: Replace,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = doc.text.as_str();
        let with = self.settings.with.as_str();
        let replaced = if self.settings.literal {
            self.find.replace_all(text, regex::NoExpand(with))
        } else {
            self.find.replace_all(text, with)
        };
        match replaced {
            Cow::Owned(changed) => doc.text.set(changed),
            Cow::Borrowed(_) if self.settings.drop_others => return Verdict::drop("not_found"),
            Cow::Borrowed(_) => {}
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::Scope;

    fn build(settings: &str) -> Result<Stage> {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let settings: Replace = serde_json::from_str(settings).unwrap();
        settings.build(&mut Build::new("replace", "web", &mut table, &mut scope))
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (settings, says) in [
            (r#"{"find": "(a"}"#, "unclosed group"),
            (r#"{"find": "a(?=b)"}"#, "look-around"),
            (r#"{"find": "a*"}"#, "finds even nothing"),
            (r#"{"find": "(a)", "with": "$2"}"#, "no group `2`"),
            (r#"{"find": "(a)", "with": "$1b"}"#, "no group `1b`"),
            (r#"{"find": "(?:\\w{500}){500}"}"#, "size limit"),
        ] {
            let error = build(settings).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(says), "{settings}: {error}");
        }
        assert!(build(r#"{"find": "(?<n>a)", "with": "$$5 $n ${1}b"}"#).is_ok());
    }
}
