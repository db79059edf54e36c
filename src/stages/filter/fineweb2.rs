//! FineWeb-2's rules (Penedo et al. 2025, arXiv 2506.20920, §4): those of Gopher and FineWeb with thresholds of each language.
//!
//! The thresholds are a file of the user: FineWeb-2's `configs/*.yml` as they are (each named for its language, `deu_Latn.yml`),
//! or one YAML or JSON file of language → thresholds. Rules are tried in FineWeb-2's order: certainty of the language, repetition,
//! lines, prose. Where those files say 0 for a rule of Gopher, it is off, as in datatrove. FineWeb-2 segmented each language with
//! a tokenizer of its own, of which only spaCy's English one is here (`words: spacy`): not spaCy's for other languages, jieba (Chinese),
//! Sudachi (Japanese), Kiwi (Korean), PyThaiNLP, khmer-nltk, LaoNLP, pyidaungsu (Burmese), botok (Tibetan), Stanza and the Indic NLP
//! library. With Unicode words, or those of ICU's dictionaries (`words: dictionary`), decisions near a threshold may differ;
//! `benches/README.md` says how many do.

use std::collections::HashMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Verdict, Words};
use crate::error::{Error, Result};
use crate::io::{glob, yaml};
use crate::stage::quality::{Compat, Grams, Page, Prose, Repetition, Repetitions};
use crate::stage::rules::Rules;
use crate::stage::settings::Paths;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};

/// Settings of `fineweb2`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fineweb2 {
    /// Files of thresholds: one for each language, named for it, or of all languages together.
    pub thresholds: Paths,
    /// The language of all documents; the field `language` says it if left out.
    #[serde(default)]
    pub language: Option<String>,
    /// Whose decisions to repeat, if not those of the rules as they were published.
    #[serde(default)]
    pub compat: Option<Compat>,
    /// How words are found: `unicode` if left out, `spacy` with `compat: datatrove`.
    #[serde(default)]
    pub words: Option<Words>,
}

/// The thresholds of a language, under FineWeb-2's names.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Thresholds {
    #[serde(default)]
    language_score: Option<f64>,
    dup_line_frac: f64,
    top_n_grams: Vec<(usize, f64)>,
    dup_n_grams: Vec<(usize, f64)>,
    line_punct_thr: f64,
    new_line_ratio: f64,
    min_avg_word_length: f64,
    max_avg_word_length: f64,
    max_non_alpha_words_ratio: f64,
    stopwords: Vec<String>,
}

const MEASURES: [&str; 22] = [
    "language_score",
    "repeated_line_fraction",
    "top_2_gram_fraction",
    "top_3_gram_fraction",
    "top_4_gram_fraction",
    "repeated_5_gram_fraction",
    "repeated_6_gram_fraction",
    "repeated_7_gram_fraction",
    "repeated_8_gram_fraction",
    "repeated_9_gram_fraction",
    "repeated_10_gram_fraction",
    "lines",
    "punctuated_line_fraction",
    "repeated_char_fraction",
    "newline_ratio",
    "words",
    "mean_word_length",
    "symbol_ratio",
    "bullet_fraction",
    "ellipsis_line_fraction",
    "alphabetic_fraction",
    "stop_words",
];

/// Reasons of the n-gram rules, n = 2 to 10.
const GRAMS: [&str; 9] = [
    "top_2_gram",
    "top_3_gram",
    "top_4_gram",
    "repeated_5_grams",
    "repeated_6_grams",
    "repeated_7_grams",
    "repeated_8_grams",
    "repeated_9_grams",
    "repeated_10_grams",
];

impl Settings for Fineweb2 {
    const ABOUT: About = About {
        shorthand: Some("thresholds"),
        reasons: &[
            ("other_language", "there are no thresholds for its language"),
            ("unsure", "its language is less sure than `language_score`"),
            (
                "repeated_lines",
                "more of its lines repeat than `dup_line_frac`, or more than a tenth of it is repeated lines",
            ),
            ("top_2_gram", "more of it is its most frequent two words than `top_n_grams`"),
            ("top_3_gram", "more of it is its most frequent three words than `top_n_grams`"),
            ("top_4_gram", "more of it is its most frequent four words than `top_n_grams`"),
            ("repeated_5_grams", "more of it is repeated runs of 5 words than `dup_n_grams`"),
            ("repeated_6_grams", "more of it is repeated runs of 6 words than `dup_n_grams`"),
            ("repeated_7_grams", "more of it is repeated runs of 7 words than `dup_n_grams`"),
            ("repeated_8_grams", "more of it is repeated runs of 8 words than `dup_n_grams`"),
            ("repeated_9_grams", "more of it is repeated runs of 9 words than `dup_n_grams`"),
            ("repeated_10_grams", "more of it is repeated runs of 10 words than `dup_n_grams`"),
            ("empty", "all its lines are blank"),
            ("too_few_punctuated_lines", "fewer of its lines end a sentence than `line_punct_thr`"),
            ("too_many_newlines", "it has more line feeds for each word than `new_line_ratio`"),
            ("too_few_words", "it has fewer than 50 words"),
            ("too_many_words", "it has more than 100,000 words"),
            ("words_too_short", "its words are shorter on average than `min_avg_word_length`"),
            ("words_too_long", "its words are longer on average than `max_avg_word_length`"),
            ("too_many_symbols", "it has more `#`, or more ellipses, than a tenth of its words"),
            ("too_many_bullets", "more than nine tenths of its lines begin with a bullet"),
            ("too_many_ellipsis_lines", "more than three tenths of its lines end in an ellipsis"),
            ("too_few_alphabetic_words", "fewer of its words have a letter than `max_non_alpha_words_ratio`"),
            ("too_few_stop_words", "it has fewer than two different words of `stopwords`"),
        ],
        fields: &[("fineweb2.*", "in `mode: annotate`, every measure the rules are held against")],
        examples: &[
            Example {
                it: "knows how German repeats itself",
                settings: r#"{"thresholds": "fixtures/lists/fineweb2_sample.yaml", "language": "deu_Latn"}"#,
                given: "Jetzt kaufen.\nJetzt kaufen.\nJetzt kaufen.",
                expect: Expect::Dropped("repeated_lines"),
            },
            Example {
                it: "drops languages that have no thresholds",
                settings: r#"{"thresholds": "fixtures/lists/fineweb2_sample.yaml", "language": "xxx_Latn"}"#,
                given: "Jetzt kaufen.",
                expect: Expect::Dropped("other_language"),
            },
        ],
        ..About::new("fineweb2", Family::Filter, "drops by thresholds of each language (FineWeb-2's rules)")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let words = self.words.unwrap_or(if self.compat.is_some() { Words::Spacy } else { Words::Unicode });
        let mut languages = HashMap::new();
        for (name, thresholds) in load(&self.thresholds, cx)? {
            languages.insert(
                name.clone(),
                Language::new(thresholds, words, self.compat, cx).map_err(|e| e.with("language", name))?,
            );
        }
        let (language, score) = match self.language {
            Some(_) => (None, cx.reads_if_written("language_score")?),
            None => (Some(cx.reads("language")?), Some(cx.reads("language_score")?)),
        };
        Ok(Stage::Transform(Box::new(Running {
            languages,
            language,
            score,
            fixed: self.language.unwrap_or_default(),
            repetitions: Repetitions::new(words, self.compat.map(Into::into)),
            page: Page::new(words, 30),
            found: Repetition::default(),
        })))
    }
}

/// Language → thresholds of all files.
fn load(paths: &Paths, cx: &mut Build<'_>) -> Result<Vec<(String, Thresholds)>> {
    let mut all = Vec::new();
    for file in glob::expand(&paths.0)? {
        cx.resource(&file.path)?;
        all.extend(of_file(&file.path).map_err(|e| e.with("file", file.path.display()))?);
    }
    Ok(all)
}

fn of_file(path: &PathBuf) -> Result<Vec<(String, Thresholds)>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    let value = yaml::parse(&text)?;
    let parse = |value| -> Result<Thresholds> {
        serde_json::from_value(value).map_err(|e| {
            Error::pipeline(format!("these are no thresholds of `fineweb2`: {e}"))
                .hint("the keys are those of FineWeb-2's `configs/deu_Latn.yml`")
        })
    };
    match value {
        serde_json::Value::Object(map) if map.values().all(serde_json::Value::is_object) => {
            map.into_iter().map(|(name, value)| Ok((name, parse(value)?))).collect()
        }
        value => {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            Ok(vec![(name, parse(value)?)])
        }
    }
}

#[derive(Clone)]
struct Language {
    rules: Rules,
    grams: Grams,
    prose: Prose,
}

impl Language {
    fn new(t: Thresholds, words: Words, compat: Option<Compat>, cx: &mut Build<'_>) -> Result<Self> {
        let unless_zero = |limit: f64| Some(limit).filter(|limit| *limit != 0.0);
        let mut rules = Rules::over(&MEASURES, cx)?.at_least("language_score", "unsure", t.language_score).at_most(
            "repeated_line_fraction",
            "repeated_lines",
            unless_zero(t.dup_line_frac),
        );
        let (mut top, mut repeated): (Vec<usize>, Vec<usize>) =
            if cx.annotate { ((2..=4).collect(), (5..=10).collect()) } else { (Vec::new(), Vec::new()) };
        for (limits, lengths, range) in [(&t.top_n_grams, &mut top, 2..=4), (&t.dup_n_grams, &mut repeated, 5..=10)] {
            for &(n, limit) in limits {
                let (Some(reason), Some(measure), true) =
                    (GRAMS.get(n.wrapping_sub(2)), MEASURES.get(n), range.contains(&n))
                else {
                    return Err(Error::pipeline(format!("`fineweb2` has no rule for n-grams of {n} words here"))
                        .hint("`top_n_grams` are of 2 to 4 words, `dup_n_grams` of 5 to 10"));
                };
                rules = rules.at_most(measure, reason, Some(limit));
                lengths.push(n);
            }
            lengths.sort_unstable();
            lengths.dedup();
        }
        let rules = rules
            .at_least("lines", "empty", Some(1u64))
            .at_least("punctuated_line_fraction", "too_few_punctuated_lines", Some(t.line_punct_thr))
            .at_most("repeated_char_fraction", "repeated_lines", Some(0.1))
            .at_most("newline_ratio", "too_many_newlines", Some(t.new_line_ratio))
            .at_least("words", "too_few_words", Some(50u64))
            .at_most("words", "too_many_words", Some(100_000u64))
            .at_least("mean_word_length", "words_too_short", unless_zero(t.min_avg_word_length))
            .at_most("mean_word_length", "words_too_long", unless_zero(t.max_avg_word_length))
            .at_most("symbol_ratio", "too_many_symbols", Some(0.1))
            .at_most("bullet_fraction", "too_many_bullets", Some(0.9))
            .at_most("ellipsis_line_fraction", "too_many_ellipsis_lines", Some(0.3))
            .at_least("alphabetic_fraction", "too_few_alphabetic_words", Some(t.max_non_alpha_words_ratio))
            .at_least("stop_words", "too_few_stop_words", Some(2u64))
            .checked::<Fineweb2>()?;
        Ok(Self {
            rules,
            grams: Grams { top, repeated },
            prose: Prose::new(words, compat.map(Into::into), &t.stopwords),
        })
    }
}

#[derive(Clone)]
struct Running {
    languages: HashMap<String, Language>,
    language: Option<Field<String>>,
    score: Option<Field<f64>>,
    fixed: String,
    repetitions: Repetitions,
    page: Page,
    found: Repetition,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        let name = self.language.and_then(|field| doc.get(field)).unwrap_or(&self.fixed);
        let Some(language) = self.languages.get_mut(name) else { return Verdict::drop("other_language") };
        let mut numbers = [f64::NAN; MEASURES.len()];
        numbers[0] = self.score.and_then(|field| doc.get(field)).unwrap_or(f64::NAN);
        let lines = self.repetitions.lines(&doc.text);
        numbers[1] = lines.pieces;
        self.repetitions.grams(&doc.text, &language.grams, &mut self.found);
        let tops = language.grams.top.iter().zip(&self.found.top);
        for (n, number) in tops.chain(language.grams.repeated.iter().zip(&self.found.repeated)) {
            if let Some(place) = numbers.get_mut(*n) {
                *place = *number;
            }
        }
        let page = self.page.measure(&doc.text);
        let prose = language.prose.measure(&doc.text);
        let rest = [
            page.lines as f64,
            page.punctuated,
            page.repeated_chars,
            page.newlines,
            prose.words as f64,
            prose.mean_word_length,
            prose.hash_ratio.max(prose.ellipsis_ratio),
            prose.bullet_fraction,
            prose.ellipsis_line_fraction,
            prose.alphabetic_fraction,
            prose.stop_words as f64,
        ];
        if let Some(place) = numbers.get_mut(MEASURES.len() - rest.len()..) {
            place.copy_from_slice(&rest);
        }
        language.rules.judge(doc, &numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_for_each_language_or_one_for_all() {
        let dir = tempfile::tempdir().unwrap();
        let one = "dup_line_frac: 0.2\ntop_n_grams:\n- - 2\n  - 0.1\ndup_n_grams: []\nline_punct_thr: 0\nnew_line_ratio: 1\n\
                   min_avg_word_length: 1\nmax_avg_word_length: 9\nmax_non_alpha_words_ratio: 0.5\nstopwords: [a, \"n\"]\n";
        let path = dir.path().join("eng_Latn.yml");
        std::fs::write(&path, one).unwrap();
        let found = of_file(&path).unwrap();
        assert_eq!((found[0].0.as_str(), found[0].1.top_n_grams.as_slice()), ("eng_Latn", &[(2, 0.1)][..]));
        let indented = one.lines().map(|l| format!("  {l}\n")).collect::<String>();
        std::fs::write(&path, format!("deu_Latn:\n{indented}fra_Latn:\n{indented}")).unwrap();
        assert_eq!(of_file(&path).unwrap().len(), 2);
        std::fs::write(&path, one.replace("dup_line_frac", "dup_lines")).unwrap();
        assert!(of_file(&path).unwrap_err().to_string().contains("dup_lines"));
    }
}
