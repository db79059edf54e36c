//! RefinedWeb's rules for lines (Penedo et al. 2023, arXiv 2306.01116, appendix G.2), as DCLM made them out (Li et al.
//! 2024, `dclm_baseline_refinedweb.yaml`): what belongs to the page and not to the text goes, line by line; a document
//! that loses more than a twentieth of its words that way was no text.
//!
//! The rules are tried one after another over the whole document, in DCLM's order. Words are counted as DCLM counts them
//! here: what whitespace separates and begins with a letter or digit.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Verdict};
use crate::error::Result;
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::boilerplate::{is_counter, share};
use crate::text::chars::{is_digit, is_space, strip};
use crate::text::words::fasttext;

/// Settings of `refinedweb_lines`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RefinedwebLines {
    /// Greatest share of capitals among the characters of a line, 0..1.
    pub max_upper_fraction: Option<Fraction>,
    /// Greatest share of digits among the characters of a line, 0..1. RefinedWeb's rule is for lines of nothing else.
    pub max_digit_fraction: Option<Fraction>,
    /// Whether lines go that only count something (`3 likes`).
    pub counters: bool,
    /// Fewest words of a line; empty lines stay.
    pub min_words: Option<u64>,
    /// Most words of a line from which the phrases `items in cart`, `Read more...` (at the end) and `Sign-in` (at the
    /// beginning) are taken.
    pub max_words_of_phrases: Option<u64>,
    /// Greatest share of its words that a document may lose, 0..1.
    pub max_removed_fraction: Option<Fraction>,
}

impl Default for RefinedwebLines {
    fn default() -> Self {
        Self {
            max_upper_fraction: Some(Fraction(0.5)),
            max_digit_fraction: Some(Fraction(0.999_999)),
            counters: true,
            min_words: Some(2),
            max_words_of_phrases: Some(10),
            max_removed_fraction: Some(Fraction(0.05)),
        }
    }
}

impl Settings for RefinedwebLines {
    const ABOUT: About = About {
        reasons: &[
            ("nothing_left", "every line of it goes"),
            ("too_many_words_removed", "more of its words go with their lines than `max_removed_fraction`"),
        ],
        fields: &[("refinedweb_lines.removed_fraction", "in `mode: annotate`: the share of words that went, 0..1")],
        examples: &[
            Example {
                it: "takes away lines that are not text",
                settings: r#"{"max_removed_fraction": 0.5}"#,
                given: "BUY NOW\nIt was the best of times.\n1,204 likes\n2024\nHome\nIt was the worst. Read more...",
                expect: Expect::Text("It was the best of times.\nIt was the worst."),
            },
            Example {
                it: "drops what loses too much",
                settings: "{}",
                given: "It was the best of times.\nLEAVE A COMMENT BELOW",
                expect: Expect::Dropped("too_many_words_removed"),
            },
            Example {
                it: "drops a page of counters",
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
            "refinedweb_lines",
            Family::Filter,
            "takes away lines that are not text, and drops what was mostly such",
        )
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let rules = Rules::over(&["removed_fraction"], cx)?
            .at_most("removed_fraction", "too_many_words_removed", self.max_removed_fraction)
            .checked::<Self>()?;
        Ok(Stage::Transform(Box::new(Running { settings: self, rules })))
    }
}

#[derive(Clone)]
struct Running {
    settings: RefinedwebLines,
    rules: Rules,
}

type Lines<'t> = Vec<Cow<'t, str>>;

impl Running {
    /// The lines that stay, `None` if none does. After each rule the text is stripped, which may change the first and
    /// the last line for the next.
    fn lines<'t>(&self, text: &'t str) -> Option<Lines<'t>> {
        let s = &self.settings;
        let mut lines: Lines<'t> = text.split('\n').map(Cow::Borrowed).collect();
        if let Some(max) = s.max_upper_fraction {
            lines.retain(|line| share(line, char::is_uppercase) <= max.0);
            strip_all(&mut lines)?;
        }
        if let Some(max) = s.max_digit_fraction {
            lines.retain(|line| share(line, is_digit) <= max.0);
            strip_all(&mut lines)?;
        }
        if s.counters {
            lines.retain(|line| !is_counter(line));
            strip_all(&mut lines)?;
        }
        if let Some(min) = s.min_words {
            let words = |line: &str| line.split(is_space).filter(|w| !w.is_empty()).take(min as usize).count() as u64;
            lines.retain(|line| line.is_empty() || words(line) >= min);
            if lines.iter().all(|line| line.is_empty()) && lines.len() < 2 {
                return None;
            }
        }
        if let Some(max) = s.max_words_of_phrases {
            for phrase in [without_cart, without_more, without_sign_in] {
                shorten(&mut lines, max as usize, phrase);
                strip_all(&mut lines)?;
            }
        }
        Some(lines)
    }
}

/// Strips the text that `lines` are; `None` if nothing is left.
fn strip_all(lines: &mut Lines<'_>) -> Option<()> {
    let blank = |line: &Cow<'_, str>| line.chars().all(is_space);
    let first = lines.iter().position(|line| !blank(line))?;
    let last = lines.iter().rposition(|line| !blank(line))?;
    lines.truncate(last + 1);
    lines.drain(..first);
    if let Some(line) = lines.last_mut() {
        let end = line.trim_end_matches(is_space).len();
        cut(line, 0, end);
    }
    if let Some(line) = lines.first_mut() {
        let start = line.len() - line.trim_start_matches(is_space).len();
        let end = line.len();
        cut(line, start, end);
    }
    Some(())
}

fn cut(line: &mut Cow<'_, str>, start: usize, end: usize) {
    match line {
        Cow::Borrowed(text) => *text = text.get(start..end).unwrap_or_default(),
        Cow::Owned(text) => {
            text.truncate(end);
            text.drain(..start);
        }
    }
}

/// Takes a phrase from lines of at most `max` words; lines of which nothing is left go.
fn shorten(lines: &mut Lines<'_>, max: usize, without: fn(&str) -> Option<String>) {
    lines.retain_mut(|line| {
        if line.split(is_space).filter(|w| !w.is_empty()).take(max + 1).count() > max {
            return true;
        }
        let Some(shorter) = without(line) else { return true };
        *line = Cow::Owned(shorter);
        !strip(line).is_empty()
    });
}

/// Where `phrase` begins, without regard to case, at or after `from`; `.` stands for any character.
fn find(line: &str, phrase: &[u8], from: usize) -> Option<usize> {
    let same = |a: &u8, b: &u8| *b == b'.' || a.eq_ignore_ascii_case(b);
    let bytes = line.as_bytes().get(from..)?;
    bytes.windows(phrase.len()).position(|w| w.iter().zip(phrase).all(|(a, b)| same(a, b))).map(|at| at + from)
}

/// Without `items in cart` anywhere, and the space before it.
fn without_cart(line: &str) -> Option<String> {
    let mut out = String::new();
    let mut from = 0;
    while let Some(at) = find(line, b"items in cart", from) {
        let before = line.get(from..at).unwrap_or_default();
        out.push_str(before.strip_suffix(is_space).unwrap_or(before));
        from = at + b"items in cart".len();
    }
    out.push_str(line.get(from..).unwrap_or_default());
    (from > 0).then_some(out)
}

/// Without `Read more` and three more characters at the end, and the space before it: DCLM's dots are any character.
fn without_more(line: &str) -> Option<String> {
    let tail = line.char_indices().rev().nth(2).map(|(at, _)| at)?;
    let at = tail.checked_sub(b"read more".len()).filter(|at| find(line, b"read more", *at) == Some(*at))?;
    let before = line.get(..at)?;
    Some(before.strip_suffix(is_space).unwrap_or(before).to_owned())
}

/// Without `Sign-in` at the beginning, and the space after it.
fn without_sign_in(line: &str) -> Option<String> {
    let after = line.get(b"sign-in".len()..).filter(|_| find(line, b"sign-in", 0) == Some(0))?;
    Some(after.strip_prefix(is_space).unwrap_or(after).to_owned())
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let text = doc.text.as_str();
        let Some(lines) = self.lines(text) else { return Verdict::drop("nothing_left") };
        let left = lines.join("\n");
        let before = fasttext(text).count();
        // A text without words loses all of them.
        let left_over = fasttext(&left).count();
        let removed = if before == 0 { 1.0 } else { before.saturating_sub(left_over) as f64 / before as f64 };
        if left != text {
            doc.text.set(left);
        }
        self.rules.judge(doc, &[removed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_taken_with_one_space_beside_them() {
        assert_eq!(without_cart("3 Items in Cart now").as_deref(), Some("3 now"));
        assert_eq!(without_more("So it goes. read more!!").as_deref(), None);
        assert_eq!(without_more("So it goes. Read More…!!").as_deref(), Some("So it goes."));
        assert_eq!(without_sign_in("Sign-in  or join").as_deref(), Some(" or join"));
        assert_eq!(without_sign_in("Please sign-in"), None);
    }
}
