//! Takes away lines that belong to the page and not to its text: counters, calls to accept cookies, rules of symbols.
//!
//! The rules are those that recipes for Web text share, each on its own switch: C4's `javascript` and policy lines (Raffel
//! et al. 2020), RefinedWeb's counters (Penedo et al. 2023), FineWeb-2's lines of symbols. `refinedweb_lines` has
//! RefinedWeb's in its own order; `c4_quality` has C4's with its verdicts on the whole document.

use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::boilerplate::{POLICIES, is_counter, phrases, share};
use crate::text::chars::{is_numeric, is_space, words};

/// Settings of `strip_boilerplate_lines`. `null` switches a rule off. Empty lines stay.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StripBoilerplateLines {
    /// Whether lines go that only count something (`3 likes`).
    pub counters: bool,
    /// Whether lines go that mention JavaScript: most ask to switch it on. Not for pages about programming.
    pub javascript: bool,
    /// Whether lines go with a phrase of a policy or of a call to accept one (`uses cookies`, `terms of use`).
    pub policies: bool,
    /// Whether lines go that have neither a letter nor a digit.
    pub symbol_lines: bool,
    /// Characters: lines of nothing but these and spaces go. FineWeb-2's is `|`.
    pub symbols: String,
    /// Further phrases, without regard to the case of ASCII letters: lines with one of them go.
    pub phrases: Vec<String>,
    /// Most words of a line that goes for one of `phrases`; any number if left out.
    pub max_words_of_phrases: Option<u64>,
    /// Fewest words of a line.
    pub min_words: Option<u64>,
    /// Greatest share of capitals among the characters of a line, 0..1.
    pub max_upper_fraction: Option<Fraction>,
    /// Greatest share of digits among the characters of a line, 0..1.
    pub max_digit_fraction: Option<Fraction>,
    /// Greatest share of its words that a document may lose, 0..1.
    pub max_removed_fraction: Option<Fraction>,
}

impl Default for StripBoilerplateLines {
    fn default() -> Self {
        Self {
            counters: true,
            javascript: true,
            policies: true,
            symbol_lines: true,
            symbols: String::new(),
            phrases: Vec::new(),
            max_words_of_phrases: None,
            min_words: None,
            max_upper_fraction: None,
            max_digit_fraction: None,
            max_removed_fraction: None,
        }
    }
}

impl Settings for StripBoilerplateLines {
    const ABOUT: About = About {
        reasons: &[
            ("nothing_left", "every line of it goes"),
            ("too_many_words_removed", "more of its words go with their lines than `max_removed_fraction`"),
        ],
        fields: &[
            ("strip_boilerplate_lines.removed_fraction", "in `mode: annotate`: the share of words that went, 0..1"),
            ("strip_boilerplate_lines.removed_lines", "in `mode: annotate`: lines that went"),
        ],
        examples: &[
            Example {
                it: "takes away what belongs to the page",
                settings: "{}",
                given: "It was so.\n12 comments\n* * *\nPlease enable JavaScript.\nThis site uses cookies.\n\nIt was not.",
                expect: Expect::Text("It was so.\n\nIt was not."),
            },
            Example {
                it: "takes away lines of given symbols only",
                settings: r#"{"symbols": "|", "symbol_lines": false}"#,
                given: "a | b\n| |\n---",
                expect: Expect::Text("a | b\n---"),
            },
            Example {
                it: "takes short lines with a phrase",
                settings: r#"{"phrases": ["read more"], "max_words_of_phrases": 3}"#,
                given: "Read more »\nYou should read more than this line.",
                expect: Expect::Text("You should read more than this line."),
            },
            Example {
                it: "drops what was nothing else",
                settings: "{}",
                given: "3 likes\n4 shares",
                expect: Expect::Dropped("nothing_left"),
            },
            Example {
                it: "leaves prose alone",
                settings: "{}",
                given: "It was so.\n\nIt was not.",
                expect: Expect::Kept,
            },
        ],
        ..About::new(
            "strip_boilerplate_lines",
            Family::Clean,
            "takes away lines that belong to the page and not to its text",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let damaged = |e| Error::bug("a list of phrases is damaged").because(e);
        let mut page: Vec<&str> = Vec::new();
        if self.policies {
            page.extend(POLICIES);
        }
        if self.javascript {
            page.push("javascript");
        }
        let page = phrases(&page).map_err(damaged)?;
        if self.phrases.iter().any(|phrase| phrase.trim().is_empty()) {
            return Err(Error::pipeline(format!("`{}`: one of `phrases` is empty, and is in every line", cx.label)));
        }
        let own = phrases(&self.phrases).map_err(damaged)?;
        let rules = Rules::over(&["removed_fraction", "removed_lines"], cx)?
            .at_most("removed_fraction", "too_many_words_removed", self.max_removed_fraction)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { settings: self, page, own, rules })))
    }
}

#[derive(Clone)]
struct Running {
    settings: StripBoilerplateLines,
    /// What the page says of itself.
    page: AhoCorasick,
    /// The user's phrases.
    own: AhoCorasick,
    rules: Rules,
}

impl Running {
    fn goes(&self, line: &str) -> bool {
        let s = &self.settings;
        let ink = |c: char| !is_space(c);
        if !line.contains(ink) {
            return false;
        }
        let count = || words(line).count() as u64;
        (s.counters && is_counter(line))
            || (s.symbol_lines && !line.contains(char::is_alphanumeric))
            || (!s.symbols.is_empty() && line.chars().all(|c| c == ' ' || s.symbols.contains(c)))
            || self.page.is_match(line)
            || (self.own.is_match(line) && s.max_words_of_phrases.is_none_or(|max| count() <= max))
            || s.min_words.is_some_and(|min| count() < min)
            || s.max_upper_fraction.is_some_and(|max| share(line, char::is_uppercase) > max.0)
            || s.max_digit_fraction.is_some_and(|max| share(line, is_numeric) > max.0)
    }
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = doc.text.as_str();
        let (mut removed, mut words_removed) = (0u64, 0usize);
        let mut left: Vec<&str> = Vec::new();
        for line in text.split('\n') {
            if self.goes(line) {
                removed += 1;
                words_removed += words(line).count();
            } else {
                left.push(line);
            }
        }
        let fraction = match words_removed {
            0 => 0.0,
            removed => removed as f64 / words(text).count() as f64,
        };
        if removed > 0 {
            let left = left.join("\n");
            if left.trim().is_empty() {
                return Verdict::drop("nothing_left");
            }
            doc.text.set(left);
        }
        self.rules.judge(doc, &[fraction, removed as f64])
    }
}
