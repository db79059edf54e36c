//! The paragraph rule of mC4 (Xue et al. 2021, arXiv 2010.11934, §3): a page needs a few lines long enough to be paragraphs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::chars;

/// Settings of `c4_paragraphs`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct C4Paragraphs {
    /// Fewest long lines.
    pub min_paragraphs: u64,
    /// A line of at least so many characters is long. Lines are what line feeds part.
    pub min_paragraph_chars: usize,
}

impl Default for C4Paragraphs {
    fn default() -> Self {
        Self { min_paragraphs: 3, min_paragraph_chars: 200 }
    }
}

impl Settings for C4Paragraphs {
    const ABOUT: About = About {
        reasons: &[("too_few_paragraphs", "it has fewer long lines than `min_paragraphs`")],
        fields: &[("c4_paragraphs.paragraphs", "long lines, in `mode: annotate`")],
        examples: &[
            Example {
                it: "drops a page of short lines",
                settings: "{}",
                given: "Home\nNews\nAbout us\nContact",
                expect: Expect::Dropped("too_few_paragraphs"),
            },
            Example {
                it: "counts characters, not bytes",
                settings: r#"{"min_paragraphs": 2, "min_paragraph_chars": 4}"#,
                given: "日本語だ\nабвг",
                expect: Expect::Kept,
            },
        ],
        ..About::new("c4_paragraphs", Family::Filter, "drops pages without long paragraphs (mC4's rule)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&["paragraphs"], cx)?
            .at_least("paragraphs", "too_few_paragraphs", Some(self.min_paragraphs))
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { rules, least: self.min_paragraph_chars })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    least: usize,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let (text, least) = (doc.text.as_str(), self.least);
        let (mut start, mut paragraphs) = (0, 0);
        for end in memchr::memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len())) {
            let line = text.get(start..end).unwrap_or_default();
            paragraphs += usize::from(line.len() >= least && chars::count(line) >= least);
            start = end + 1;
        }
        self.rules.judge(doc, &[paragraphs as f64])
    }
}
