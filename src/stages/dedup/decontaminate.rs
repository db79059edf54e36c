//! Finds documents that hold evaluation items, so that no benchmark measures memory.
//!
//! Any shared n-gram was enough for GPT-3 (Brown et al. 2020, appendix C; 13 words) and still is for datatrove; it throws
//! away documents that quote what an item quotes, and says nothing of how much was found. By default an item is scored as
//! in decon (Ai2, 2025): the share of its n-grams, weighted by rarity, that stand close together, where short items must
//! be there whole. `score: paragraph` is Marin's (2026): the share of a paragraph's n-grams that any item has.
//! Words are Unicode words in lower case, so that punctuation and layout do not hide an item.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, Field, Span, Text, Verdict};
use crate::error::{Error, Result};
use crate::io::evaluation::{self, Members, Record};
use crate::io::glob;
use crate::sketch::overlap::{self, Index, Match, Scanner};
use crate::stage::settings::{Fraction, Paths};
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage, Transform};
use crate::text::segments;

/// Settings of `decontaminate`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decontaminate {
    /// Evaluation sets: files, folders or patterns. JSON lines or arrays, Parquet, Arrow, or text with an item in each
    /// paragraph; compressed or not.
    pub against: Paths,
    /// Members that hold an item's texts, as paths such as `choices.text`. N-grams do not run from one into the next.
    #[serde(default = "text")]
    pub text: Vec<String>,
    /// The member that names an item; `id` if it is there, and otherwise file and number.
    #[serde(default)]
    pub id: Option<String>,
    /// Words of an n-gram.
    #[serde(default = "ngrams")]
    #[schemars(range(min = 3, max = 64))]
    pub ngrams: usize,
    /// What is measured: how much of an item the document holds (`item`), how much of a paragraph is of any item
    /// (`paragraph`), or whether any n-gram is shared (`any`).
    #[serde(default)]
    pub score: Score,
    /// Least score that contaminates, 0..1. Not used by `any`.
    #[serde(default = "min_score")]
    pub min_score: Fraction,
    /// Items of at most so many words must be there whole (`score: item`).
    #[serde(default = "short_words")]
    pub short_words: u32,
    /// For items of so many words or more `min_score` is enough; between the two the score asked for falls evenly
    /// (`score: item`).
    #[serde(default = "long_words")]
    pub long_words: u32,
    /// Words that may stand between parts of an item: edits, labels of answers.
    #[serde(default = "max_gap")]
    pub max_gap: usize,
    /// N-grams that more items share are of a template, and count for nothing.
    #[serde(default = "max_items")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_items: usize,
    /// Whether a contaminated document is dropped, or what it holds of items is cut out.
    #[serde(default)]
    pub action: Action,
    /// Fewest words left after a cut; `null` for any number.
    #[serde(default)]
    pub min_words: Option<u64>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The share of an item that the document holds.
    #[default]
    Item,
    /// The largest share of a paragraph that is of any item.
    Paragraph,
    /// Whether there is any shared n-gram.
    Any,
}

/// What becomes of a contaminated document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is dropped.
    #[default]
    Drop,
    /// What it holds of items is cut out.
    Cut,
}

fn text() -> Vec<String> {
    vec!["text".into()]
}
fn ngrams() -> usize {
    13
}
fn min_score() -> Fraction {
    Fraction(0.5)
}
fn short_words() -> u32 {
    25
}
fn long_words() -> u32 {
    50
}
fn max_gap() -> usize {
    20
}
fn max_items() -> usize {
    100
}

impl Settings for Decontaminate {
    const ABOUT: About = About {
        shorthand: Some("against"),
        reasons: &[
            ("contaminated", "it holds an evaluation item, with at least the score asked for"),
            ("too_few_words_left", "fewer than `min_words` words are left after the cut"),
            ("nothing_left", "all of it was of evaluation items"),
        ],
        fields: &[
            ("decontaminate.score", "the highest score, 0..1 (`mode: annotate`)"),
            ("decontaminate.item", "the item it is of, if there is any (`mode: annotate`)"),
            ("decontaminate.start", "first character of what is of the item (`mode: annotate`)"),
            ("decontaminate.end", "character after the last (`mode: annotate`)"),
        ],
        examples: &[
            Example {
                it: "drops a document that holds an item",
                settings: r#"{"against": "fixtures/evals/riddles.jsonl", "text": ["question", "answer"], "ngrams": 5}"#,
                given: "Riddles for a long evening. “Little Nancy Etticoat, in a white petticoat, with a red nose: the longer she stands, the shorter she grows. What is she?” A candle, of course!",
                expect: Expect::Dropped("contaminated"),
            },
            Example {
                it: "does not mind a few words in common",
                settings: r#"{"against": "fixtures/evals/riddles.jsonl", "text": ["question", "answer"], "ngrams": 5}"#,
                given: "A queue is odd: the longer she stands, the shorter she grows, says the guide to the park.",
                expect: Expect::Kept,
            },
            Example {
                it: "cuts the item out if asked",
                settings: r#"{"against": "fixtures/evals/riddles.jsonl", "text": ["question"], "ngrams": 5, "action": "cut"}"#,
                given: "First a riddle. Little Nancy Etticoat, in a white petticoat, with a red nose: the longer she stands, the shorter she grows. What is she? Then the news.",
                expect: Expect::Text("First a riddle. Then the news."),
            },
        ],
        ..About::new("decontaminate", Family::Dedup, "finds what documents hold of evaluation sets")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        if self.short_words > self.long_words {
            return Err(Error::pipeline("`decontaminate`: `short_words` is above `long_words`").hint("swap them"));
        }
        if self.text.is_empty() {
            return Err(
                Error::pipeline("`decontaminate`: `text` names no member").hint("write `text: [question, answer]`")
            );
        }
        let records = self.records(cx)?;
        let (index, names) = self.index(records, cx)?;
        let measures = if cx.annotate { Some(Measures::declare(cx)?) } else { None };
        let scanner = Scanner::new(Arc::new(index), self.max_gap);
        Ok(Stage::Transform(Box::new(Running {
            settings: Arc::new(self),
            names: names.into(),
            scanner,
            measures,
            words: Vec::new(),
            paragraphs: Vec::new(),
            found: Vec::new(),
            buffer: Vec::new(),
        })))
    }
}

impl Decontaminate {
    fn records(&self, cx: &mut Build<'_>) -> Result<Vec<Record>> {
        let pattern = |path: &String| {
            if Path::new(path).is_dir() { format!("{}/**/*", path.trim_end_matches('/')) } else { path.clone() }
        };
        let patterns: Vec<String> = self.against.0.iter().map(pattern).collect();
        let members = Members { texts: self.text.clone(), id: self.id.clone() };
        let mut records = Vec::new();
        for file in glob::expand(&patterns)? {
            cx.resource(&file.path)?;
            let read = evaluation::read(&file.path, &members)?;
            if read.is_empty() {
                return Err(Error::pipeline(format!("the evaluation set `{}` is empty", file.path.display()))
                    .hint("take it out of `against`, or look why nothing was written to it"));
            }
            records.extend(read);
        }
        Ok(records)
    }

    /// Indexes the items, each text once, and tells the user what can be found.
    fn index(&self, records: Vec<Record>, cx: &mut Build<'_>) -> Result<(Index, Vec<String>)> {
        let all = records.len();
        let (mut items, mut names) = (Vec::new(), Vec::new());
        let mut known = std::collections::BTreeSet::new();
        let mut buffer = Vec::new();
        for record in records {
            let item: Vec<Vec<u64>> = record.texts.iter().flat_map(|text| paragraphs(text, &mut buffer)).collect();
            if known.insert(item.clone()) {
                items.push(item);
                names.push(record.id);
            }
        }
        let index = Index::new(&items, self.ngrams, self.max_items);
        let lost: Vec<&String> =
            index.items().iter().zip(&names).filter(|(i, _)| !i.can_be_found()).map(|(_, name)| name).collect();
        if lost.len() == names.len() {
            return Err(Error::pipeline(format!(
                "`{}`: none of {all} items can be found: all are shorter than {} words, or all alike",
                cx.label,
                overlap::SHORTEST
            ))
            .hint("look whether `text` names the members that hold questions"));
        }
        cx.notes(format!(
            "{all} items, {} different, with {} n-grams of {} words",
            names.len(),
            index.grams(),
            self.ngrams
        ));
        if let Some(first) = lost.first() {
            cx.notes(format!(
                "{} items cannot be found, `{first}` for one: they are shorter than {} words, have no letter, or nothing but \
                 n-grams that more than {} share",
                lost.len(),
                overlap::SHORTEST,
                self.max_items
            ));
        }
        Ok((index, names))
    }

    /// The score asked of an item of `words` words: all of a short one, `min_score` of a long one.
    fn asked(&self, words: u32) -> f64 {
        let (least, short, long) = (self.min_score.0, self.short_words, self.long_words);
        match self.score {
            Score::Any => 0.0,
            Score::Paragraph => least,
            Score::Item if words <= short => 1.0,
            Score::Item if words >= long => least,
            Score::Item => 1.0 - (1.0 - least) * f64::from(words - short) / f64::from(long - short),
        }
    }
}

/// The paragraphs of an item as hashes of their words.
fn paragraphs(text: &str, buffer: &mut Vec<u8>) -> Vec<Vec<u64>> {
    let text = Text::new(text.to_owned());
    let (mut words, mut ranges) = (Vec::new(), Vec::new());
    read(&text, &mut words, &mut ranges, buffer);
    ranges.into_iter().filter_map(|range| words.get(range).map(<[u64]>::to_vec)).collect()
}

/// The words of `text` as hashes, and which of them each paragraph has.
fn read(text: &Text, words: &mut Vec<u64>, paragraphs: &mut Vec<Range<usize>>, buffer: &mut Vec<u8>) {
    words.clear();
    paragraphs.clear();
    words.extend(text.words().iter().map(|span| overlap::word(text.at(*span), buffer)));
    let mut spans: Vec<Span> = Vec::new();
    segments::paragraphs(text.as_str(), text.lines(), &mut spans);
    segments::shares(text.words(), &spans, paragraphs);
}

#[derive(Debug, Clone, Copy)]
struct Measures {
    score: Field<f64>,
    item: Field<String>,
    start: Field<i64>,
    end: Field<i64>,
}

impl Measures {
    fn declare(cx: &mut Build<'_>) -> Result<Self> {
        let label = cx.label.to_owned();
        Ok(Self {
            score: cx.writes(&format!("{label}.score"))?,
            item: cx.writes(&format!("{label}.item"))?,
            start: cx.writes(&format!("{label}.start"))?,
            end: cx.writes(&format!("{label}.end"))?,
        })
    }
}

#[derive(Clone)]
struct Running {
    settings: Arc<Decontaminate>,
    names: Arc<[String]>,
    scanner: Scanner,
    measures: Option<Measures>,
    words: Vec<u64>,
    paragraphs: Vec<Range<usize>>,
    /// What contaminates the document.
    found: Vec<Match>,
    buffer: Vec<u8>,
}

impl Transform for Running {
    fn apply(&mut self, doc: &mut Document) -> Verdict {
        read(&doc.text, &mut self.words, &mut self.paragraphs, &mut self.buffer);
        let best = self.search();
        if let Some(measures) = self.measures {
            self.annotate(doc, measures, best.as_ref().map(|(best, _)| best));
        }
        let Some((best, asked)) = best.filter(|_| !self.found.is_empty()) else { return Verdict::Keep };
        if self.settings.action == Action::Drop {
            return Verdict::drop_by("contaminated", best.score, asked);
        }
        let left = Text::new(without(&doc.text, &self.found));
        if left.as_str().trim().is_empty() {
            return Verdict::drop("nothing_left");
        }
        if let Some(least) = self.settings.min_words.filter(|least| (left.words().len() as u64) < *least) {
            return Verdict::drop_by("too_few_words_left", left.words().len() as f64, least as f64);
        }
        if self.measures.is_none() {
            doc.text = left;
        }
        Verdict::Keep
    }
}

impl Running {
    /// Fills `found` with what contaminates. The best of it, or else of what does not, with the score asked of it.
    fn search(&mut self) -> Option<(Match, f64)> {
        let Self { settings, scanner, words, paragraphs, found, .. } = self;
        found.clear();
        let mut best: Option<(Match, f64)> = None;
        let mut see = |m: Match, asked: f64| {
            let reaches = m.score >= asked;
            let better = best.as_ref().is_none_or(|(best, limit)| {
                let (was, now) = ((best.score >= *limit, best.score), (reaches, m.score));
                now > was || (now == was && (m.item, m.words.start) < (best.item, best.words.start))
            });
            if better {
                best = Some((m.clone(), asked));
            }
            if reaches {
                found.push(m);
            }
        };
        if settings.score == Score::Paragraph {
            for paragraph in paragraphs.iter() {
                if let Some(m) = scanner.paragraph(words, paragraph.clone()) {
                    see(m, settings.asked(0));
                }
            }
        } else {
            let index = scanner.index().clone();
            scanner.items(words, paragraphs, &mut |m| {
                let asked = settings.asked(index.items().get(m.item as usize).map_or(0, |item| item.words));
                see(m, asked);
            });
        }
        best
    }

    fn annotate(&self, doc: &mut Document, measures: Measures, best: Option<&Match>) {
        doc.set(measures.score, best.map_or(0.0, |m| m.score));
        let Some(best) = best else { return };
        let (start, end) = bytes(&doc.text, &best.words);
        let chars = |end: usize| doc.text.as_str().get(..end).map_or(0, |head| head.chars().count()) as i64;
        let (start, end) = (chars(start), chars(end));
        doc.set(measures.item, self.names.get(best.item as usize).cloned().unwrap_or_default());
        doc.set(measures.start, start);
        doc.set(measures.end, end);
    }
}

/// The bytes that a range of words spans.
fn bytes(text: &Text, words: &Range<usize>) -> (usize, usize) {
    let all = text.words();
    let start = all.get(words.start).map_or(0, |w| w.0 as usize);
    (start, words.end.checked_sub(1).and_then(|last| all.get(last)).map_or(start, |w| w.1 as usize))
}

/// The text without what was found, and without the punctuation and the space that went with it.
fn without(text: &Text, found: &[Match]) -> String {
    let mut cuts: Vec<(usize, usize)> = found.iter().map(|m| bytes(text, &m.words)).collect();
    cuts.sort_unstable();
    let string = text.as_str();
    let mut out = String::with_capacity(string.len());
    let mut from = 0;
    for (start, end) in cuts {
        if end <= from {
            continue;
        }
        let head = string.get(from..start.max(from)).unwrap_or_default();
        let mark = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        out.push_str(head.trim_end_matches(mark));
        let tail = string.get(end..).unwrap_or_default().trim_start_matches(mark);
        let tail = if out.is_empty() || out.ends_with(char::is_whitespace) { tail.trim_start() } else { tail };
        from = string.len() - tail.len();
    }
    out.push_str(string.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::Scope;
    use crate::stage::testing::doc;
    use proptest::prelude::*;

    const RIDDLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/evals/riddles.jsonl");
    const NANCY: &str = "Little Nancy Etticoat, in a white petticoat, with a red nose: the longer she stands, the shorter she grows. What is she? A candle.";

    fn built(settings: &str, annotate: bool) -> Result<(Box<dyn Transform>, FieldTable, Vec<String>)> {
        let settings = settings.replace("RIDDLES", RIDDLES);
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let settings: Decontaminate = serde_json::from_str(&settings).map_err(|e| Error::pipeline(e.to_string()))?;
        let mut cx = Build::new("decontaminate", "web", &mut table, &mut scope);
        cx.annotate = annotate;
        let Stage::Transform(stage) = settings.build(&mut cx)? else { panic!("needs no corpus") };
        let notes = cx.into_requests().notes;
        Ok((stage, table, notes))
    }

    fn verdict(settings: &str, text: &str) -> Verdict {
        built(settings, false).unwrap().0.apply(&mut doc("web", 0, text))
    }

    const BASIC: &str = r#"{"against": "RIDDLES", "text": ["question", "answer"], "ngrams": 5}"#;

    #[test]
    fn a_short_item_must_be_there_whole_and_a_long_one_in_part() {
        assert_eq!(verdict(BASIC, &format!("So: {NANCY} Right?")), Verdict::drop_by("contaminated", 1.0, 1.0));
        let edited = NANCY.replace("white", "grey");
        assert!(verdict(BASIC, &edited).keeps());
        let lenient = BASIC.replace("\"ngrams\"", "\"short_words\": 5, \"long_words\": 10, \"ngrams\"");
        let Verdict::Drop(reason) = verdict(&lenient, &edited) else { panic!("{edited}") };
        assert!(reason.number.unwrap() > 0.6 && reason.number.unwrap() < 0.9, "{reason:?}");
        assert_eq!(reason.limit, Some(0.5));
    }

    #[test]
    fn any_n_gram_or_a_paragraph_can_be_enough() {
        let with = |score: &str| BASIC.replace("\"ngrams\"", &format!("\"score\": \"{score}\", \"ngrams\""));
        let few =
            "A queue is odd: the longer she stands, the shorter she grows, says the guide to the park that we read.";
        assert!(verdict(&with("item"), few).keeps());
        assert!(!verdict(&with("any"), few).keeps());
        assert!(verdict(&with("paragraph"), few).keeps());
        let quoted = "An introduction that is rather long and says nothing of interest to anybody who reads it.\n\n\
                      with a red nose the longer she stands the shorter she grows\n\nAn end of the same kind, with no less words in it.";
        assert_eq!(verdict(&with("paragraph"), quoted), Verdict::drop_by("contaminated", 1.0, 0.5));
        assert!(verdict(&with("item"), quoted).keeps());
    }

    #[test]
    fn the_item_and_its_place_are_reported() {
        let (mut stage, table, notes) = built(BASIC, true).unwrap();
        let given = format!("Ça: {NANCY} Right?");
        let mut doc = doc("web", 0, &given);
        assert!(!stage.apply(&mut doc).keeps(), "the run writes it down");
        let place = |name: &str| doc.get(table.find::<i64>(name).unwrap()).unwrap() as usize;
        let chars: Vec<char> = given.chars().collect();
        let span: String = chars[place("decontaminate.start")..place("decontaminate.end")].iter().collect();
        assert_eq!(doc.get(table.find::<String>("decontaminate.item").unwrap()), Some("nancy"));
        assert!(span.starts_with("Little Nancy") && span.ends_with("What is she"), "{span}");
        assert_eq!(doc.text.as_str(), given);
        assert!(notes[0].contains("6 items, 5 different"), "{notes:?}");
        assert!(notes[1].starts_with("1 items cannot be found, `yes` for one"), "{notes:?}");
    }

    #[test]
    fn cutting_leaves_the_rest_and_drops_what_has_none() {
        let cut = BASIC.replace("\"ngrams\"", "\"action\": \"cut\", \"min_words\": 3, \"ngrams\"");
        let run = |text: &str| {
            let mut doc = doc("web", 0, text);
            let verdict = built(&cut, false).unwrap().0.apply(&mut doc);
            (verdict, doc.text.into_string())
        };
        let question = "Little Nancy Etticoat, in a white petticoat, with a red nose: the longer she stands, the shorter she grows. What is she?";
        let kept = |text: &str| (Verdict::Keep, text.to_owned());
        assert_eq!(
            run(&format!("One two. “{question}” Three.\n\n{question}\n\nFour.")),
            kept("One two. Three.\n\nFour.")
        );
        assert_eq!(run("Nothing here to cut."), kept("Nothing here to cut."));
        assert_eq!(run(&format!("“{question}”")).0, Verdict::drop("nothing_left"));
        assert_eq!(run(&format!("Yes. {question}")).0, Verdict::drop_by("too_few_words_left", 1.0, 3.0));
    }

    #[test]
    fn mistakes_name_what_would_mend_them() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let error = |against: &str, more: &str| {
            let error = built(&format!("{{\"against\": \"{against}\"{more}}}"), false).err().unwrap();
            format!("{error} {}", error.hint.clone().unwrap_or_default())
        };
        assert!(error("/nowhere/x.jsonl", "").contains("no file matches"));
        assert!(error(RIDDLES, "").contains("`question`"));
        assert!(error(&write("empty.jsonl", "\n"), "").contains("is empty"));
        let short = write("short.jsonl", "{\"text\":\"yes\"}\n{\"text\":\"to be\"}\n");
        assert!(error(&short, "").contains("none of 2 items can be found"));
        assert!(error(RIDDLES, ", \"text\": []").contains("names no member"));
        assert!(error(RIDDLES, ", \"short_words\": 60").contains("swap them"));
        write("sub.txt", "Some words that are long enough to be an item of some thirteen words or more than that.\n");
        std::fs::remove_file(dir.path().join("empty.jsonl")).unwrap();
        assert!(built(&format!("{{\"against\": \"{}\"}}", dir.path().display()), false).is_ok());
    }

    #[test]
    fn huge_documents_take_linear_time() {
        let (mut stage, _, _) = built(BASIC, false).unwrap();
        for text in [
            "x".repeat(2_000_000),
            " ".repeat(2_000_000),
            "nancy ".repeat(200_000),
            NANCY.repeat(2000),
            "\n".repeat(500_000),
        ] {
            let _ = stage.apply(&mut doc("web", 0, &text));
        }
    }

    proptest! {
        #[test]
        fn cutting_once_is_enough(parts in prop::collection::vec(0usize..4, 0..6)) {
            let cut = BASIC.replace("\"ngrams\"", "\"action\": \"cut\", \"ngrams\"");
            let (mut stage, _, _) = built(&cut, false).unwrap();
            let all = [NANCY, "Some other words.", "\n\n", "a b c d e f g h"];
            let mut doc = doc("web", 0, &parts.iter().map(|p| all[*p]).collect::<Vec<_>>().join(" "));
            if stage.apply(&mut doc).keeps() {
                let once = doc.text.as_str().to_owned();
                prop_assert!(!once.contains("Nancy"));
                prop_assert!(stage.apply(&mut doc).keeps());
                prop_assert_eq!(doc.text.as_str(), once);
            }
        }
    }
}
