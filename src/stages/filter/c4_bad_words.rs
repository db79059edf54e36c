//! Drops pages with words that should not be learned from: C4's rule (Raffel et al. 2020, §2.2; mC4 in 27 more languages), with
//! the lists of LDNOOBW ("List of Dirty, Naughty, Obscene, and Otherwise Bad Words").
//!
//! The lists are short and blunt: they drop texts on medicine, law and about minorities as well (Dodge et al. 2021). They are in
//! the program. A word counts where no letter, digit or `_` stands beside it; in Japanese, Thai and Chinese anywhere.
//!
//! `compat: dolma` finds them as Dolma 1.2's tagger `c4_v2` does: a word counts only with whitespace on both sides, so that a bad word
//! at the end of a sentence is none, and a phrase of several words counts anywhere, within words too.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::sketch::hash;
use crate::stage::rules::Rules;
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform, nearest};
use crate::text::chars::{self, WORD};

/// Settings of `c4_bad_words`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct C4BadWords {
    /// Whose decisions to repeat.
    pub compat: Option<WordsProfile>,
    /// The language whose list is used for documents without the field `language`.
    pub language: String,
    /// A list of your own instead, one word a line, for documents of every language.
    pub list: Option<PathBuf>,
    /// Share of documents with bad words that stay, 0..1. Which ones is decided by their ids, never by their order.
    pub keep_fraction: Fraction,
    /// Seed of that choice.
    pub seed: u64,
}

/// Whose decisions are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WordsProfile {
    /// Nobody's: as the paper has it, the same as leaving it out.
    Paper,
    /// datatrove 0.10, which decides the same.
    Datatrove,
    /// Dolma 1.2: its tagger `c4_v2`.
    Dolma,
}

impl Default for C4BadWords {
    fn default() -> Self {
        Self { compat: None, language: "en".into(), list: None, keep_fraction: Fraction(0.0), seed: 0 }
    }
}

impl Settings for C4BadWords {
    const ABOUT: About = About {
        reasons: &[("bad_word", "it has a word of the list")],
        fields: &[("c4_bad_words.count", "bad words, in `mode: annotate`")],
        examples: &[
            Example {
                it: "drops a page with a bad word",
                settings: "{}",
                given: "Utter bullshit, that.",
                expect: Expect::Dropped("bad_word"),
            },
            Example {
                it: "knows Scunthorpe",
                settings: "{}",
                given: "They assess classics in Scunthorpe.",
                expect: Expect::Kept,
            },
            Example {
                it: "does not see what a mark follows, as Dolma does not",
                settings: r#"{"compat": "dolma"}"#,
                given: "That is utter bullshit.",
                expect: Expect::Kept,
            },
            Example {
                it: "speaks German",
                settings: r#"{"language": "de"}"#,
                given: "So ein Scheisser!",
                expect: Expect::Dropped("bad_word"),
            },
        ],
        ..About::new("c4_bad_words", Family::Filter, "drops pages with obscene words, in 28 languages (C4's rule)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let mut lists = HashMap::new();
        let language = if let Some(path) = &self.list {
            cx.resource(path)?;
            let text = std::fs::read_to_string(path)
                .map_err(|e| Error::pipeline(format!("the list `{}` cannot be read", path.display())).because(e))?;
            lists.insert(String::new(), List::new(text.lines(), self.beside(""))?);
            None
        } else {
            for (language, words) in sections() {
                lists.insert(language.to_owned(), List::new(words.lines(), self.beside(language))?);
            }
            if !lists.contains_key(&self.language) {
                let error = Error::pipeline(format!("`c4_bad_words` has no list for the language `{}`", self.language));
                let known: Vec<&str> = sections().map(|s| s.0).collect();
                return Err(match nearest(&self.language, known.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean `{near}`? There are {}", known.join(", "))),
                    None => error.hint(format!("there are {}", known.join(", "))),
                });
            }
            cx.reads_if_written("language")?
        };
        let rules = Rules::over(&["count"], cx)?.at_most("count", "bad_word", Some(0u64)).checked::<Self>()?;
        let default = if self.list.is_some() { String::new() } else { self.language };
        Ok(Stage::Transform(Box::new(Running {
            rules,
            lists: Arc::new(lists),
            language,
            default,
            stays: (self.keep_fraction.0 * u64::MAX as f64) as u64,
            seed: self.seed,
        })))
    }
}

/// Languages written without spaces between words.
const ANYWHERE: [&str; 3] = ["ja", "th", "zh"];

/// The lists: `[language]`, then a word a line.
static LISTS: &str = include_str!("../../../fixtures/lists/bad_words.txt");

fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    LISTS.split("\n[").skip(1).filter_map(|section| section.split_once("]\n"))
}

/// What must stand beside a word for it to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Anything,
    /// No letter, digit or `_`.
    NoWord,
    /// Whitespace, unless it is a phrase of several words.
    Space,
}

impl C4BadWords {
    fn beside(&self, language: &str) -> Beside {
        match self.compat {
            Some(WordsProfile::Dolma) => Beside::Space,
            _ if ANYWHERE.contains(&language) => Beside::Anything,
            _ => Beside::NoWord,
        }
    }
}

struct List {
    words: AhoCorasick,
    /// Of each word, whether it is a phrase.
    phrases: Vec<bool>,
    beside: Beside,
}

impl List {
    fn new<'w>(words: impl Iterator<Item = &'w str>, beside: Beside) -> Result<Self> {
        let words: Vec<&str> = words.map(str::trim).filter(|word| !word.is_empty()).collect();
        let phrases = words.iter().map(|word| word.contains(' ')).collect();
        let words = AhoCorasick::new(words).map_err(|e| Error::pipeline("the list of words is too long").because(e))?;
        Ok(Self { words, phrases, beside })
    }

    /// How many words of the list stand in `text`, which is lower case.
    fn count(&self, text: &str) -> usize {
        let table = chars::chars();
        let sides = |start: usize, end: usize| {
            let before = text.get(..start).and_then(|t| t.chars().next_back());
            [before, text.get(end..).and_then(|t| t.chars().next())]
        };
        let counts = |found: &aho_corasick::Match| match self.beside {
            Beside::Anything => true,
            Beside::NoWord => !sides(found.start(), found.end()).into_iter().flatten().any(|c| table.is(c, WORD)),
            Beside::Space => {
                self.phrases.get(found.pattern().as_usize()) == Some(&true)
                    || sides(found.start(), found.end()).into_iter().flatten().all(chars::is_space)
            }
        };
        self.words.find_overlapping_iter(text).filter(counts).count()
    }
}

#[derive(Clone)]
struct Running {
    rules: Rules,
    lists: Arc<HashMap<String, List>>,
    language: Option<Field<String>>,
    default: String,
    /// A document with bad words stays if the hash of its id is below.
    stays: u64,
    seed: u64,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let language = self.language.and_then(|field| doc.get(field)).unwrap_or(&self.default);
        let count = self.lists.get(language).map_or(0, |list| list.count(&doc.text.as_str().to_lowercase()));
        let verdict = self.rules.judge(doc, &[count as f64]);
        if !verdict.keeps() && hash::seeded(&doc.id.0.to_le_bytes(), self.seed) < self.stays {
            return Verdict::Keep;
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_28_lists_and_words_stand_alone() {
        assert_eq!(sections().count(), 28);
        let list = List::new(["foo bar", "ass"].into_iter(), Beside::NoWord).unwrap();
        for (text, count) in
            [("ass", 1), ("ass_", 0), ("(ass)", 1), ("class", 0), ("foo bar", 1), ("foo  bar", 0), ("éass", 0)]
        {
            assert_eq!(list.count(text), count, "{text}");
        }
        let dolma = List::new(["foo bar", "ass"].into_iter(), Beside::Space).unwrap();
        for (text, count) in [("ass", 1), ("ass.", 0), ("a\nass\u{a0}b", 1), ("xfoo barx", 1), ("foo  bar", 0)] {
            assert_eq!(dolma.count(text), count, "{text}");
        }
        assert_eq!(List::new(["性交"].into_iter(), Beside::Anything).unwrap().count("在性交易"), 1);
    }
}
