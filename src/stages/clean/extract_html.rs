//! Takes the main content out of HTML pages, with a port of trafilatura (Barbaresi 2021), or all text that a page shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::Result;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::html::{self, Focus};

/// Settings of `extract_html`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractHtml {
    /// What to take: the main content, or everything the page shows.
    pub take: Take,
    /// Whether to leave out or in what may or may not belong to the main content.
    pub favor: Favor,
}

/// What to take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The main content: no navigation, no comments.
    #[default]
    Main,
    /// All text that is shown.
    All,
}

/// What to do in doubt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Favor {
    /// Leave it out.
    Precision,
    /// Between the two.
    #[default]
    Balance,
    /// Leave it in.
    Recall,
}

impl Settings for ExtractHtml {
    const ABOUT: About = About {
        reasons: &[
            ("no_content", "nothing of the page is content"),
            ("nested_too_deeply", "elements are nested more than 512 deep, which takes parsers quadratic time"),
        ],
        fields: &[("title", "the page's title")],
        examples: &[
            Example {
                it: "takes all text",
                settings: r#"{"take": "all"}"#,
                given: "<html><body><p>One <b>two</b></p><p>three</p><script>no()</script></body></html>",
                expect: Expect::Text("One two\nthree"),
            },
            Example {
                it: "drops a page without text",
                settings: "{}",
                given: "<html><body><img src=a.png></body></html>",
                expect: Expect::Dropped("no_content"),
            },
            Example {
                it: "leaves text that is no HTML alone",
                settings: "{}",
                given: "a < b, plainly",
                expect: Expect::Kept,
            },
        ],
        ..About::new("extract_html", Family::Clean, "takes the main content out of HTML pages")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let title = cx.writes("title")?;
        Ok(Stage::Transform(Box::new(Running { settings: self, title })))
    }
}

#[derive(Clone)]
struct Running {
    settings: ExtractHtml,
    title: Field<String>,
}

/// Whether a text could be a page: a tag within its first bytes.
fn is_markup(text: &str) -> bool {
    let head = text.as_bytes().get(..4096).unwrap_or(text.as_bytes());
    memchr::memchr_iter(b'<', head)
        .any(|at| head.get(at + 1).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'!' | b'?' | b'/')))
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        if !is_markup(doc.text.as_str()) {
            return Verdict::Keep;
        }
        let focus = match self.settings.favor {
            Favor::Precision => Focus::Precision,
            Favor::Balance => Focus::Balanced,
            Favor::Recall => Focus::Recall,
        };
        let extracted = match self.settings.take {
            Take::Main => html::main_text(doc.text.as_str(), focus),
            Take::All => html::all_text(doc.text.as_str()).map(|text| html::Extracted { title: None, text }),
        };
        let Ok(extracted) = extracted else { return Verdict::drop("nested_too_deeply") };
        if extracted.text.trim().is_empty() {
            return Verdict::drop("no_content");
        }
        if let Some(title) = extracted.title {
            doc.set(self.title, title);
        }
        doc.text.set(extracted.text);
        Verdict::Keep
    }
}
