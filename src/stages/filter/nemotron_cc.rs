//! The heuristics that Nemotron-CC was filtered with (Su et al. 2024, arXiv 2412.02595, section 2): NeMo Curator's cascade
//! for English, with the thresholds of its `heuristic_filter_english_pipeline.yaml`, in its order.
//!
//! Words are what whitespace separates; *lines* are those that are not blank, *paragraphs* what empty lines separate. Two
//! differences are deliberate: of several n-grams that occur most often NeMo takes one by the order of a set, which
//! changes from run to run, and this the first; and a document without words, on which NeMo divides by zero, is dropped
//! for its first reason. The three long calls to accept cookies on its list are known by their first sentence.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::boilerplate::{POLICIES, phrases};
use crate::text::chars::{strip, words};
use crate::text::ngrams;

/// Settings of `nemotron_cc`. `null` switches a rule off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NemotronCc {
    /// Greatest share of characters that are no ASCII letters or digits, `? ! , .` or line ends, 0..1.
    pub max_symbol_fraction: Option<Fraction>,
    /// Most words that are an ellipsis or mostly `#`, for each word.
    pub max_hash_ratio: Option<f64>,
    /// Greatest share of ASCII digits, 0..1.
    pub max_digit_fraction: Option<Fraction>,
    /// Greatest share of characters in links, 0..1.
    pub max_url_fraction: Option<Fraction>,
    /// Greatest share of whitespace, 0..1.
    pub max_space_fraction: Option<Fraction>,
    /// Greatest share of parentheses, brackets and braces, 0..1.
    pub max_parenthesis_fraction: Option<Fraction>,
    /// Greatest share of paragraphs with a phrase of a policy, 0..1; any `lorem ipsum` counts as all of them.
    pub max_boilerplate_fraction: Option<Fraction>,
    /// Least share of different lines among all lines, 0..1.
    pub min_unique_line_fraction: Option<Fraction>,
    /// Least share of different paragraphs among all paragraphs, 0..1.
    pub min_unique_paragraph_fraction: Option<Fraction>,
    /// Least share of characters in different lines, 0..1.
    pub min_unique_line_char_fraction: Option<Fraction>,
    /// Least share of characters in different paragraphs, 0..1.
    pub min_unique_paragraph_char_fraction: Option<Fraction>,
    /// Fewest words.
    pub min_words: Option<u64>,
    /// Most words.
    pub max_words: Option<u64>,
    /// Greatest share of lines that end in none of `. ? ! " '`, 0..1.
    pub max_unpunctuated_fraction: Option<Fraction>,
    /// Least share of words with a letter, 0..1.
    pub min_alphabetic_fraction: Option<Fraction>,
    /// Fewest of the words the, be, to, of, and, that, have, with.
    pub min_common_words: Option<u64>,
    /// Least mean word length in characters.
    pub min_mean_word_length: Option<f64>,
    /// Greatest mean word length in characters.
    pub max_mean_word_length: Option<f64>,
    /// Most characters of a word.
    pub max_word_length: Option<u64>,
    /// Greatest share of lines that end in an ellipsis or `read more`, 0..1.
    pub max_ellipsis_line_fraction: Option<Fraction>,
    /// Greatest share of characters in the most frequent n-gram, for n = 2, 3, 4, 0..1.
    pub max_top_ngram_fraction: [Option<Fraction>; 3],
    /// Greatest share of characters in repeated n-grams, for n = 5 to 10, 0..1.
    pub max_duplicate_ngram_fraction: [Option<Fraction>; 6],
    /// Greatest share of lines that begin with a bullet, 0..1.
    pub max_bullet_fraction: Option<Fraction>,
}

impl Default for NemotronCc {
    fn default() -> Self {
        let share = |fraction| Some(Fraction(fraction));
        Self {
            max_symbol_fraction: share(0.25),
            max_hash_ratio: Some(0.1),
            max_digit_fraction: share(0.15),
            max_url_fraction: share(0.2),
            max_space_fraction: share(0.25),
            max_parenthesis_fraction: share(0.1),
            max_boilerplate_fraction: share(0.4),
            min_unique_line_fraction: share(0.7),
            min_unique_paragraph_fraction: share(0.7),
            min_unique_line_char_fraction: share(0.8),
            min_unique_paragraph_char_fraction: share(0.8),
            min_words: Some(50),
            max_words: Some(100_000),
            max_unpunctuated_fraction: share(0.85),
            min_alphabetic_fraction: share(0.8),
            min_common_words: Some(2),
            min_mean_word_length: Some(3.0),
            max_mean_word_length: Some(10.0),
            max_word_length: Some(1000),
            max_ellipsis_line_fraction: share(0.3),
            max_top_ngram_fraction: [0.2, 0.18, 0.16].map(share),
            max_duplicate_ngram_fraction: [0.15, 0.14, 0.13, 0.12, 0.11, 0.1].map(share),
            max_bullet_fraction: share(0.9),
        }
    }
}

const MEASURES: [&str; 29] = [
    "symbol_fraction",
    "hash_ratio",
    "digit_fraction",
    "url_fraction",
    "space_fraction",
    "parenthesis_fraction",
    "boilerplate_fraction",
    "unique_line_fraction",
    "unique_paragraph_fraction",
    "unique_line_char_fraction",
    "unique_paragraph_char_fraction",
    "words",
    "unpunctuated_fraction",
    "alphabetic_fraction",
    "common_words",
    "mean_word_length",
    "longest_word",
    "ellipsis_line_fraction",
    "top_2gram_fraction",
    "top_3gram_fraction",
    "top_4gram_fraction",
    "duplicate_5gram_fraction",
    "duplicate_6gram_fraction",
    "duplicate_7gram_fraction",
    "duplicate_8gram_fraction",
    "duplicate_9gram_fraction",
    "duplicate_10gram_fraction",
    "bullet_fraction",
    "lines",
];

impl Settings for NemotronCc {
    const ABOUT: About = About {
        reasons: &[
            ("too_many_symbols", "more of its characters are symbols or foreign than `max_symbol_fraction`"),
            ("too_many_hashes", "more of its words are ellipses or hashes than `max_hash_ratio`"),
            ("too_many_digits", "more of its characters are digits than `max_digit_fraction`"),
            ("too_many_urls", "more of its characters are in links than `max_url_fraction`"),
            ("too_many_spaces", "more of its characters are whitespace than `max_space_fraction`"),
            ("too_many_parentheses", "more of its characters are parentheses than `max_parenthesis_fraction`"),
            ("boilerplate", "more of its paragraphs are policies than `max_boilerplate_fraction`"),
            ("repeated_lines", "fewer of its lines are different than `min_unique_line_fraction`"),
            ("repeated_paragraphs", "fewer of its paragraphs are different than `min_unique_paragraph_fraction`"),
            ("repeated_line_chars", "less of its text is in different lines than `min_unique_line_char_fraction`"),
            (
                "repeated_paragraph_chars",
                "less of its text is in different paragraphs than `min_unique_paragraph_char_fraction`",
            ),
            ("too_few_words", "it has fewer words than `min_words`"),
            ("too_many_words", "it has more words than `max_words`"),
            ("unpunctuated", "more of its lines end without a mark than `max_unpunctuated_fraction`"),
            ("too_few_alphabetic_words", "fewer of its words have a letter than `min_alphabetic_fraction`"),
            ("too_few_common_words", "it has fewer common English words than `min_common_words`"),
            ("words_too_short", "its words are shorter on average than `min_mean_word_length`"),
            ("words_too_long", "its words are longer on average than `max_mean_word_length`"),
            ("word_too_long", "one of its words is longer than `max_word_length`"),
            ("too_many_ellipsis_lines", "more of its lines end in an ellipsis than `max_ellipsis_line_fraction`"),
            ("top_ngram", "more of it is its most frequent n-gram than `max_top_ngram_fraction`"),
            ("duplicate_ngrams", "more of it is in repeated n-grams than `max_duplicate_ngram_fraction`"),
            ("too_many_bullets", "more of its lines begin with a bullet than `max_bullet_fraction`"),
        ],
        fields: &[("nemotron_cc.*", "in `mode: annotate`, every measure the rules are held against")],
        examples: &[
            Example {
                it: "drops a page of links",
                settings: r#"{"max_symbol_fraction": null}"#,
                given: "See https://example.org/a and https://example.org/b",
                expect: Expect::Dropped("too_many_urls"),
            },
            Example {
                it: "drops a navigation bar",
                settings: "{}",
                given: "Home, About, Contact",
                expect: Expect::Dropped("too_few_words"),
            },
            Example {
                it: "keeps prose",
                settings: r#"{"min_words": 5, "max_top_ngram_fraction": [null, null, null]}"#,
                given: "It was the best of times, and that is all there is to say.",
                expect: Expect::Kept,
            },
        ],
        ..About::new("nemotron_cc", Family::Filter, "drops what NeMo Curator's English heuristics drop (Nemotron-CC)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let s = &self;
        let mut rules = Rules::over(&MEASURES, cx)?
            .at_most("symbol_fraction", "too_many_symbols", s.max_symbol_fraction)
            .at_most("hash_ratio", "too_many_hashes", s.max_hash_ratio)
            .at_most("digit_fraction", "too_many_digits", s.max_digit_fraction)
            .at_most("url_fraction", "too_many_urls", s.max_url_fraction)
            .at_most("space_fraction", "too_many_spaces", s.max_space_fraction)
            .at_most("parenthesis_fraction", "too_many_parentheses", s.max_parenthesis_fraction)
            .at_most("boilerplate_fraction", "boilerplate", s.max_boilerplate_fraction)
            .at_least("unique_line_fraction", "repeated_lines", s.min_unique_line_fraction)
            .at_least("unique_paragraph_fraction", "repeated_paragraphs", s.min_unique_paragraph_fraction)
            .at_least("unique_line_char_fraction", "repeated_line_chars", s.min_unique_line_char_fraction)
            .at_least(
                "unique_paragraph_char_fraction",
                "repeated_paragraph_chars",
                s.min_unique_paragraph_char_fraction,
            )
            .at_least("words", "too_few_words", s.min_words)
            .at_most("words", "too_many_words", s.max_words)
            .at_most("unpunctuated_fraction", "unpunctuated", s.max_unpunctuated_fraction)
            .at_least("alphabetic_fraction", "too_few_alphabetic_words", s.min_alphabetic_fraction)
            .at_least("common_words", "too_few_common_words", s.min_common_words)
            .at_least("mean_word_length", "words_too_short", s.min_mean_word_length)
            .at_most("mean_word_length", "words_too_long", s.max_mean_word_length)
            .at_most("longest_word", "word_too_long", s.max_word_length)
            .at_most("ellipsis_line_fraction", "too_many_ellipsis_lines", s.max_ellipsis_line_fraction);
        for (n, max) in (2..).zip(s.max_top_ngram_fraction) {
            rules = rules.at_most(&format!("top_{n}gram_fraction"), "top_ngram", max);
        }
        for (n, max) in (5..).zip(s.max_duplicate_ngram_fraction) {
            rules = rules.at_most(&format!("duplicate_{n}gram_fraction"), "duplicate_ngrams", max);
        }
        let rules = rules.at_most("bullet_fraction", "too_many_bullets", s.max_bullet_fraction).checked::<Self>()?;
        let policies = phrases(&POLICIES).map_err(|e| Error::bug("the list of policies is damaged").because(e))?;
        let lorem = phrases(&["lorem ipsum"]).map_err(|e| Error::bug("a phrase is damaged").because(e))?;
        Ok(Stage::Transform(Box::new(Running { rules, policies, lorem, scratch: Default::default() })))
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    policies: AhoCorasick,
    lorem: AhoCorasick,
    scratch: Scratch,
}

#[derive(Clone, Default)]
struct Scratch {
    words: Vec<(u64, u32)>,
    again: Vec<bool>,
    ngrams: ngrams::Scratch,
}

/// How many characters are what.
#[derive(Default)]
struct Chars {
    all: u64,
    symbols: u64,
    digits: u64,
    spaces: u64,
    parentheses: u64,
}

impl Chars {
    fn of(text: &str) -> Self {
        let mut chars = Self::default();
        for c in text.chars() {
            chars.all += 1;
            let plain = c.is_ascii_alphanumeric() || matches!(c, '\n' | '?' | '!' | ',' | '.');
            chars.symbols += u64::from(!plain);
            chars.digits += u64::from(c.is_ascii_digit());
            chars.spaces += u64::from(matches!(c, '\t' | '\n' | '\r' | '\u{8}' | ' '));
            chars.parentheses += u64::from(matches!(c, '{' | '}' | '⟨' | '⟩' | '[' | ']' | '(' | ')'));
        }
        chars
    }
}

/// Characters of links.
fn url_chars(text: &str) -> u64 {
    let mut chars = 0;
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest.as_bytes(), b"http") {
        let after = rest.get(at + 4..).unwrap_or_default();
        let scheme = after.strip_prefix('s').unwrap_or(after);
        let Some(tail) = scheme.strip_prefix("://") else {
            rest = after;
            continue;
        };
        let length = url_tail(tail.as_bytes());
        if length > 0 {
            chars += (after.len() - tail.len() + 4 + length) as u64;
        }
        rest = tail.get(length..).unwrap_or_default();
    }
    chars
}

fn url_tail(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        at += match *rest {
            [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 3,
            [b, ..] if b.is_ascii_alphanumeric() || b"$-_@.&+/:=?#~!*(),".contains(&b) => 1,
            _ => break,
        };
    }
    at
}

/// Shares of different pieces among `pieces`, by number and by characters; 1 if there are none.
fn unique<'t>(pieces: impl Iterator<Item = &'t str>) -> (f64, f64) {
    let mut seen = HashSet::new();
    let (mut all, mut all_chars, mut unique_chars) = (0u64, 0u64, 0u64);
    for piece in pieces {
        let chars = piece.chars().count() as u64;
        all += 1;
        all_chars += chars;
        if seen.insert(xxh3_64(piece.as_bytes())) {
            unique_chars += chars;
        }
    }
    let share = |part: u64, whole: u64| if whole == 0 { 1.0 } else { part as f64 / whole as f64 };
    (share(seen.len() as u64, all), share(unique_chars, all_chars))
}

const ELLIPSES: [&str; 8] = ["...", "[...]", "…", "(...)", "[…]", "-»", "read more..", "read more"];
const COMMON: [&str; 8] = ["the", "be", "to", "of", "and", "that", "have", "with"];
const BULLETS: [char; 12] = ['•', '‣', '⁃', '⁌', '⁍', '∙', '○', '●', '◘', '◦', '⦾', '⦿'];

#[derive(Default)]
struct Lines {
    all: u64,
    unpunctuated: u64,
    ellipses: u64,
    bullets: u64,
}

/// Lines that are not blank.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !strip(line).is_empty())
}

impl Lines {
    fn of(text: &str) -> Self {
        let mut sums = Self::default();
        for line in lines(text) {
            let line = strip(line);
            sums.all += 1;
            sums.unpunctuated += u64::from(!line.ends_with(['.', '?', '!', '"', '\'']));
            let ends = |mark: &&str| {
                let start = line.len().checked_sub(mark.len());
                start.and_then(|start| line.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(mark))
            };
            sums.ellipses += u64::from(ELLIPSES.iter().any(ends));
            sums.bullets += u64::from(line.starts_with(BULLETS));
        }
        sums
    }
}

#[derive(Default)]
struct Words {
    hashes: u64,
    alphabetic: u64,
    common: u64,
    chars: u64,
    longest: u64,
}

impl Running {
    /// Collects the words of `text` and what is known of them.
    fn words(&mut self, text: &str) -> Words {
        let mut sums = Words::default();
        self.scratch.words.clear();
        for word in words(text) {
            let chars = word.chars().count() as u64;
            sums.hashes += u64::from(ELLIPSES.contains(&word) || hash_runs(word) as f64 / chars as f64 > 0.5);
            sums.alphabetic += u64::from(word.contains(char::is_alphabetic));
            sums.common += u64::from(COMMON.contains(&word));
            sums.chars += chars;
            sums.longest = sums.longest.max(chars);
            self.scratch.words.push((xxh3_64(word.as_bytes()), chars as u32));
        }
        sums
    }

    /// Characters in the occurrences of the most frequent n-gram, as it reads with single spaces.
    fn top(&mut self, text: &str, n: usize) -> Option<u64> {
        let Scratch { words: hashes, ngrams, .. } = &mut self.scratch;
        let (_, place) = ngrams::most_frequent(hashes, n, ngrams)?;
        let gram: Vec<&str> = words(text).skip(place).take(n).collect();
        let gram = gram.join(" ");
        let times = memchr::memmem::find_iter(text.as_bytes(), gram.as_bytes()).count();
        Some(times as u64 * gram.chars().count() as u64)
    }

    /// Characters of n-grams that occurred before, with the spaces within them, each word once.
    fn duplicated(&mut self, n: usize) -> Option<u64> {
        let Scratch { words, again, ngrams } = &mut self.scratch;
        if words.len() < n {
            return None;
        }
        ngrams::repeated(words, n, ngrams, again);
        let (mut chars, mut counted) = (0, 0);
        for (gram, again) in words.windows(n).zip(again.iter()) {
            if *again {
                chars += gram.iter().skip(counted).map(|word| u64::from(word.1)).sum::<u64>();
                chars += (n - counted).min(n - 1) as u64;
                counted = n;
            }
            counted = counted.saturating_sub(1);
        }
        Some(chars)
    }

    fn measure(&mut self, text: &str) -> [f64; MEASURES.len()] {
        let chars = Chars::of(text);
        let of_chars = |part: u64| if chars.all == 0 { 1.0 } else { part as f64 / chars.all as f64 };
        let words = self.words(text);
        let count = self.scratch.words.len();
        let of_words = |part: u64| part as f64 / count.max(1) as f64;
        let lines_of = Lines::of(text);
        let of_lines = |part: u64| part as f64 / lines_of.all.max(1) as f64;
        let (unique_lines, unique_line_chars) = unique(lines(text));
        let (unique_paragraphs, unique_paragraph_chars) = unique(text.split("\n\n"));
        let plain = [
            of_chars(chars.symbols),
            of_words(words.hashes),
            of_chars(chars.digits),
            of_chars(url_chars(text)),
            of_chars(chars.spaces),
            of_chars(chars.parentheses),
            self.boilerplate(text),
            unique_lines,
            unique_paragraphs,
            unique_line_chars,
            unique_paragraph_chars,
            count as f64,
            of_lines(lines_of.unpunctuated),
            of_words(words.alphabetic),
            words.common as f64,
            of_words(words.chars),
            words.longest as f64,
            of_lines(lines_of.ellipses),
        ];
        let mut measured = [0.0; MEASURES.len()];
        let top: Vec<f64> = (2..=4).map(|n| self.top(text, n).map_or(1.0, of_chars)).collect();
        let duplicated: Vec<f64> = (5..=10).map(|n| self.duplicated(n).map_or(1.0, of_chars)).collect();
        let rest = [of_lines(lines_of.bullets), lines_of.all as f64];
        let all = plain.into_iter().chain(top).chain(duplicated).chain(rest);
        measured.iter_mut().zip(all).for_each(|(measure, number)| *measure = number);
        measured
    }

    fn boilerplate(&self, text: &str) -> f64 {
        if self.lorem.is_match(text) {
            return 1.0;
        }
        let (mut all, mut policies) = (0u64, 0u64);
        for paragraph in text.split("\n\n") {
            all += 1;
            policies += u64::from(self.policies.is_match(paragraph));
        }
        policies as f64 / all as f64
    }
}

/// Runs of `#`.
fn hash_runs(word: &str) -> usize {
    word.split(|c| c != '#').filter(|run| !run.is_empty()).count()
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let measured = self.measure(doc.text.as_str());
        self.rules.judge(doc, &measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_measured_as_the_expression_finds_them() {
        assert_eq!(url_chars("see https://a.b/c%20d, or http://x"), "https://a.b/c%20d,".len() as u64 + 8);
        assert_eq!(url_chars("https://é http http:// httphttp://a"), 8);
    }

    #[test]
    fn runs_of_hashes_count_once() {
        assert_eq!((hash_runs("##a#"), hash_runs("abc"), hash_runs("#")), (2, 0, 1));
    }
}
