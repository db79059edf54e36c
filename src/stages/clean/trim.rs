//! Takes away whitespace that says nothing: around the text, at the ends of lines, and in piles of empty lines.
//!
//! Two texts that differ only there are one text to a reader, and two to a hash.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `trim`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Trim {
    /// Whether whitespace at the ends of every line goes as well, not only around the whole text. Indentation goes with
    /// it: not for code.
    pub lines: Lines,
    /// Most empty lines in a row; all stay if left out.
    pub max_blank_lines: Option<u64>,
    /// Whether runs of spaces and tabs inside a line become one space.
    pub collapse_spaces: bool,
    /// Whether documents without anything but whitespace are dropped.
    pub drop_empty: bool,
}

/// Which ends of lines are trimmed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    /// Neither.
    None,
    /// Where the line ends: indentation stays.
    #[default]
    End,
    /// Both.
    Both,
}

impl Default for Trim {
    fn default() -> Self {
        Self { lines: Lines::End, max_blank_lines: None, collapse_spaces: false, drop_empty: true }
    }
}

impl Settings for Trim {
    const ABOUT: About = About {
        reasons: &[("empty", "there is nothing but whitespace in it")],
        examples: &[
            Example {
                it: "trims the text and the ends of its lines",
                settings: "{}",
                given: "\n\none  \n  two\t\n",
                expect: Expect::Text("one\n  two"),
            },
            Example {
                it: "takes piles of empty lines and of spaces down",
                settings: r#"{"lines": "both", "max_blank_lines": 1, "collapse_spaces": true}"#,
                given: "one   two\n\n \n\n\tthree",
                expect: Expect::Text("one two\n\nthree"),
            },
            Example { it: "drops what is empty", settings: "{}", given: " \n\t", expect: Expect::Dropped("empty") },
            Example { it: "leaves trimmed text alone", settings: "{}", given: "a  b\n\n\nc", expect: Expect::Kept },
        ],
        ..About::new("trim", Family::Clean, "takes away whitespace around text and lines")
    };

    fn build(self, _: &mut Build<'_>) -> Result<Stage> {
        Ok(Stage::Transform(Box::new(self)))
    }
}

impl Trim {
    fn trimmed(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut blank = 0;
        for (number, line) in text.trim().split('\n').enumerate() {
            let line = match self.lines {
                Lines::None => line,
                Lines::End => line.trim_end(),
                Lines::Both => line.trim(),
            };
            blank = if line.trim_end().is_empty() { blank + 1 } else { 0 };
            if self.max_blank_lines.is_some_and(|max| blank > max) {
                continue;
            }
            if number > 0 {
                out.push('\n');
            }
            if self.collapse_spaces { collapse(line, &mut out) } else { out.push_str(line) }
        }
        out
    }
}

/// Appends `line` with its runs of whitespace as single spaces.
fn collapse(line: &str, out: &mut String) {
    let mut space = false;
    for c in line.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !space {
            out.push(' ');
        }
        space = c.is_whitespace();
    }
}

impl Transform for Trim {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = self.trimmed(doc.text.as_str());
        if text.is_empty() && self.drop_empty {
            return Verdict::drop("empty");
        }
        if text != doc.text.as_str() {
            doc.text.set(text);
        }
        Verdict::Keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn trimming_twice_is_trimming_once_and_takes_only_whitespace(
            text in "[a b\\n\\t\u{3000}é]{0,40}",
            lines in prop_oneof![Just(Lines::None), Just(Lines::End), Just(Lines::Both)],
            max_blank_lines in proptest::option::of(0u64..3),
            collapse_spaces: bool,
        ) {
            let trim = Trim { lines, max_blank_lines, collapse_spaces, drop_empty: false };
            let once = trim.trimmed(&text);
            prop_assert_eq!(trim.trimmed(&once), once.as_str());
            let ink = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(ink(&once), ink(&text));
        }
    }
}
