//! Drops documents with listed words: toxicity, adult content, or whatever a list names.
//!
//! The coarsest of safety filters, and the only one that can be read: C4 dropped every page with one word of a list, which cost
//! it much that was harmless (Dodge et al. 2021, arXiv 2104.08758). Here a share of the words may be set instead of a single
//! one, and words are found however they are disguised.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict};
use crate::error::{Error, Result};
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::wordlist::{Folding, WordList as List};

/// Settings of `word_list`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WordList {
    /// Files with a word or phrase in each line; empty lines and lines that begin with `#` are none.
    pub lists: Vec<PathBuf>,
    /// Words and phrases beside those in `lists`.
    pub words: Vec<String>,
    /// Most occurrences. Left out with `max_fraction` set: any number.
    pub max_hits: Option<u64>,
    /// Greatest share of words that are listed, 0..1.
    pub max_fraction: Option<Fraction>,
    /// Whether accents, ligatures and full-width forms are seen through.
    pub accents: bool,
    /// Whether digits and signs for letters are seen through, as in `w0rd$`.
    pub leet: bool,
    /// Whether letters spaced apart are seen through, as in `w o r d`.
    pub spaced: bool,
}

impl Default for WordList {
    fn default() -> Self {
        Self {
            lists: Vec::new(),
            words: Vec::new(),
            max_hits: None,
            max_fraction: None,
            accents: true,
            leet: true,
            spaced: true,
        }
    }
}

impl Settings for WordList {
    const ABOUT: About = About {
        reasons: &[
            ("listed_words", "it has more occurrences of listed words than `max_hits` (none, if no limit is set)"),
            ("many_listed_words", "more of its words are listed than `max_fraction`"),
        ],
        fields: &[
            ("word_list.hits", "occurrences of listed words, in `mode: annotate`"),
            ("word_list.fraction", "listed words for each word, in `mode: annotate`"),
        ],
        examples: &[
            Example {
                it: "drops a document with a listed word, disguised or not",
                settings: r#"{"words": ["foul"]}"#,
                given: "What a f0ul thing to say",
                expect: Expect::Dropped("listed_words"),
            },
            Example {
                it: "finds whole words only",
                settings: r#"{"words": ["foul"]}"#,
                given: "The befouled water",
                expect: Expect::Kept,
            },
            Example {
                it: "drops by share if asked",
                settings: r#"{"words": ["foul"], "max_fraction": 0.3}"#,
                given: "foul foul words",
                expect: Expect::Dropped("many_listed_words"),
            },
        ],
        ..About::new("word_list", Family::Filter, "drops documents with listed words, however disguised")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let mut entries = self.words.clone();
        for path in &self.lists {
            cx.resource(path)?;
            let text = std::fs::read_to_string(path).map_err(|e| {
                Error::pipeline(format!("`{}` cannot read the list `{}`: {e}", cx.label, path.display()))
            })?;
            entries.extend(
                text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned),
            );
        }
        let folding = Folding { accents: self.accents, leet: self.leet, spaced: self.spaced };
        let list = List::new(entries.iter().map(String::as_str), folding)
            .ok_or_else(|| Error::pipeline(format!("`{}`: the lists are too long for one automaton", cx.label)))?;
        if list.is_empty() {
            return Err(Error::pipeline(format!("`{}` has no words to look for", cx.label))
                .hint("name files in `lists`, or words in `words`"));
        }
        let max_hits = self.max_hits.or(if self.max_fraction.is_some() { None } else { Some(0) });
        let measures = if cx.annotate {
            Some((cx.writes(&format!("{}.hits", cx.label))?, cx.writes(&format!("{}.fraction", cx.label))?))
        } else {
            None
        };
        let max_fraction = self.max_fraction.map(|f| f.0);
        Ok(Stage::Transform(Box::new(Running { list, max_hits, max_fraction, measures, folded: String::new() })))
    }
}

#[derive(Clone)]
struct Running {
    list: List,
    max_hits: Option<u64>,
    max_fraction: Option<f64>,
    measures: Option<(Field<i64>, Field<f64>)>,
    folded: String,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let found = self.list.count(doc.text.as_str(), &mut self.folded);
        let fraction = found.hits as f64 / found.words.max(1) as f64;
        if let Some((hits, share)) = self.measures {
            doc.set(hits, found.hits as i64);
            doc.set(share, fraction);
        }
        if let Some(max) = self.max_hits.filter(|max| found.hits as u64 > *max) {
            return Verdict::drop_by("listed_words", found.hits as f64, max as f64);
        }
        match self.max_fraction {
            Some(max) if fraction > max => Verdict::drop_by("many_listed_words", fraction, max),
            _ => Verdict::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::{Scope, testing};

    fn build(settings: &str) -> Result<Box<dyn Transform>> {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let settings: WordList = serde_json::from_str(settings).map_err(|e| Error::pipeline(e.to_string()))?;
        let Stage::Transform(stage) = settings.build(&mut Build::new("word_list", "web", &mut table, &mut scope))?
        else {
            panic!("not a transform")
        };
        Ok(stage)
    }

    #[test]
    fn lists_are_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.txt");
        std::fs::write(&path, "# comment\n\nfoul play\nßtraße\n").unwrap();
        let mut stage = build(&format!("{{\"lists\": [{path:?}]}}")).unwrap();
        assert!(!stage.apply(&mut testing::doc("web", 0, "It was Foul-play.")).keeps());
        assert!(!stage.apply(&mut testing::doc("web", 0, "Die ßtraße")).keeps());
        assert!(stage.apply(&mut testing::doc("web", 0, "comment, fair play")).keeps());
    }

    #[test]
    fn empty_and_missing_lists_are_refused() {
        assert!(build("{}").err().unwrap().hint.unwrap().contains("`words`"));
        assert!(build(r#"{"lists": ["/nowhere/list.txt"]}"#).err().unwrap().to_string().contains("/nowhere/list.txt"));
    }
}
