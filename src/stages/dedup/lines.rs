//! Removes lines that stand elsewhere too: menus, cookie notices, signatures, mailing-list footers.
//!
//! CCNet's paragraphs are these lines (Wenzek et al. 2020), and its way is `keep: none`. Llama 3 removed lines seen more
//! than six times among 30 million documents (`min_repeats: 7`). Blank lines are never repeats. In the scope `document`
//! no second reading is needed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::stage::repeats::{Action, Ending, Normalize, Repeats, Stays, Unit, Within};
use crate::stage::settings::Fraction;
use crate::stage::{About, Build, Example, Expect, Family, Settings, Stage};

/// Settings of `lines`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lines {
    /// Where a repetition counts: within one `document`, among the documents of one `source`, or anywhere in the `corpus`.
    pub scope: Within,
    /// Occurrences in scope that make a line a repeat.
    #[schemars(range(min = 2))]
    pub min_repeats: u64,
    /// What is compared: the line `as_is`, as `ccnet` normalizes it, or as datatrove's `simplify` does.
    pub normalize: Normalize,
    /// Lines of fewer characters (after normalizing) are no repeats.
    pub min_chars: u64,
    /// Neighboring lines compared together, each time they stand in a row.
    #[schemars(range(min = 1, max = 64))]
    pub span: u32,
    /// Which occurrence stays: the `first` in corpus order, or `none`.
    pub keep: Stays,
    /// Whether repeats are `cut` out, or texts stay whole and documents that are mostly repeats `drop`.
    pub action: Action,
    /// The largest share of a document's characters that repeats may have; `null` for any.
    pub max_removed_fraction: Option<Fraction>,
    /// Fewest words left in a document that lost any; `null` for any number.
    pub min_words: Option<u64>,
    /// Fewest lines left in a document that lost any; `null` for any number.
    pub min_lines: Option<u64>,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            scope: Within::Corpus,
            min_repeats: 2,
            normalize: Normalize::Ccnet,
            min_chars: 1,
            span: 1,
            keep: Stays::First,
            action: Action::Cut,
            max_removed_fraction: None,
            min_words: None,
            min_lines: None,
        }
    }
}

impl Settings for Lines {
    const ABOUT: About = About {
        shorthand: Some("scope"),
        reasons: &[
            ("mostly_repeated", "repeats have a larger share of it than `max_removed_fraction`"),
            ("too_few_words_left", "fewer than `min_words` words are left of it"),
            ("too_few_left", "fewer than `min_lines` lines are left of it"),
            ("nothing_left", "all of it was repeats"),
        ],
        fields: &[
            ("lines.repeats", "lines that would be cut (`mode: annotate`)"),
            ("lines.removed_fraction", "their share of the characters of all lines, 0..1 (`mode: annotate`)"),
        ],
        examples: &[
            Example {
                it: "cuts a line that stood above",
                settings: r#"{"scope": "document"}"#,
                given: "Home | About\nA story.\nHOME | ABOUT",
                expect: Expect::Text("Home | About\nA story."),
            },
            Example {
                it: "compares as it is told",
                settings: r#"{"scope": "document", "normalize": "as_is"}"#,
                given: "Home | About\nA story.\nHOME | ABOUT",
                expect: Expect::Kept,
            },
            Example {
                it: "drops what is mostly repeats",
                settings: r#"{"scope": "document", "action": "drop", "max_removed_fraction": "30%"}"#,
                given: "Buy now!\nBuy now!\nBuy now!",
                expect: Expect::Dropped("mostly_repeated"),
            },
        ],
        ..About::new("lines", Family::Dedup, "removes lines that stand elsewhere in the document, source or corpus")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let ending = Ending {
            action: self.action,
            max_removed_fraction: self.max_removed_fraction,
            min_words: self.min_words,
            min_segments: self.min_lines,
        };
        let repeats = Repeats {
            unit: Unit::Line,
            span: self.span,
            normalize: self.normalize,
            min_chars: self.min_chars,
            scope: self.scope,
            min_repeats: self.min_repeats,
            keep: self.keep,
            ending,
        };
        repeats.build(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{Document, FieldTable, Verdict};
    use crate::stage::Scope;
    use crate::stage::testing::{build, doc, docs};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn run(settings: &str, texts: &[&str], cuts: &[usize]) -> Vec<String> {
        build::<Lines>(settings, false, |_| ()).unwrap().run(docs(texts), cuts).unwrap().texts()
    }

    #[test]
    fn the_first_in_corpus_order_stays_whatever_the_splits() {
        let texts = ["menu\none", "two\nmenu", "Menu\nmenu\nthree", "menu"];
        for cuts in [vec![], vec![1], vec![1, 1, 1], vec![3]] {
            assert_eq!(run("{}", &texts, &cuts), ["menu\none", "two", "three"], "{cuts:?}");
            assert_eq!(run(r#"{"keep": "none"}"#, &texts, &cuts), ["one", "two", "three"]);
            assert_eq!(run(r#"{"min_repeats": 6}"#, &texts, &cuts), texts);
            assert_eq!(run(r#"{"min_chars": 5}"#, &texts, &cuts), texts);
        }
    }

    #[test]
    fn what_is_lost_can_cost_the_document() {
        let texts = ["a b\nc d\ne f", "a b\nc d\ne f\ng h i", "new\na b"];
        let verdicts = |settings: &str, annotate| {
            build::<Lines>(settings, annotate, |_| ()).unwrap().run(docs(&texts), &[]).unwrap().verdicts
        };
        let drop = |word, number, limit| Verdict::drop_by(word, number, limit);
        let kept = Verdict::Keep;
        assert_eq!(
            verdicts(r#"{"max_removed_fraction": 0.5}"#, false),
            [kept, drop("mostly_repeated", 9.0 / 14.0, 0.5), kept]
        );
        assert_eq!(verdicts(r#"{"min_words": 2}"#, false)[2], drop("too_few_words_left", 1.0, 2.0));
        assert_eq!(verdicts(r#"{"min_lines": 2}"#, false)[1], drop("too_few_left", 1.0, 2.0));
        assert_eq!(
            verdicts(r#"{"action": "drop", "max_removed_fraction": "60%"}"#, false)[1..],
            [drop("mostly_repeated", 9.0 / 14.0, 0.6), kept]
        );
        let error = build::<Lines>(r#"{"action": "drop"}"#, false, |_| ()).err().unwrap();
        assert!(error.hint.unwrap().contains("max_removed_fraction: 50%"));
        assert!(build::<Lines>(r#"{"min_repeats": 1}"#, false, |_| ()).is_err());
    }

    #[test]
    fn annotating_measures_and_leaves_the_text() {
        let built = build::<Lines>("{}", true, |_| ()).unwrap();
        let seen = built.run(docs(&["same\nold", "same\nnew!", "same"]), &[2]).unwrap();
        let texts: Vec<&str> = seen.docs.iter().map(|d| d.text.as_str()).collect();
        assert_eq!(texts, ["same\nold", "same\nnew!", "same"]);
        let repeats = built.fields.find::<i64>("lines.repeats").unwrap();
        let fraction = built.fields.find::<f64>("lines.removed_fraction").unwrap();
        let measured: Vec<_> = seen.docs.iter().map(|d| (d.get(repeats), d.get(fraction))).collect();
        assert_eq!(measured, [(Some(0), Some(0.0)), (Some(1), Some(0.5)), (Some(1), Some(1.0))]);
        assert_eq!(seen.verdicts[2], Verdict::drop("nothing_left"), "the run writes it down and keeps the document");
    }

    #[test]
    fn sources_are_apart_if_asked() {
        let built = build::<Lines>(r#"{"scope": "source"}"#, false, |_| ()).unwrap();
        let all = vec![doc("a", 0, "x\none"), doc("b", 0, "x\ntwo"), doc("a", 1, "x\nthree")];
        assert_eq!(built.run(all, &[1]).unwrap().texts(), ["x\none", "x\ntwo", "three"]);
    }

    fn inside(settings: &str, text: &str) -> (Document, Verdict) {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let settings: Lines = serde_json::from_str(settings).unwrap();
        let built = settings.build(&mut Build::new("lines", "web", &mut table, &mut scope)).unwrap();
        let Stage::Transform(mut stage) = built else { panic!("needs no corpus") };
        let mut doc = doc("web", 0, text);
        let verdict = stage.apply(&mut doc);
        (doc, verdict)
    }

    /// What the manual says, by brute force: the indexes of the lines left of each document.
    fn model(all: &[(&str, Vec<&str>)], settings: &Lines) -> Vec<Vec<usize>> {
        let span = settings.span as usize;
        type Run<'t> = (String, Vec<&'t str>);
        let mut seen: BTreeMap<Run<'_>, Vec<(usize, usize)>> = BTreeMap::new();
        for (at, (source, lines)) in all.iter().enumerate() {
            let scope = match settings.scope {
                Within::Document => at.to_string(),
                Within::Source => (*source).to_owned(),
                Within::Corpus => String::new(),
            };
            for (line, run) in lines.windows(span).enumerate() {
                seen.entry((scope.clone(), run.to_vec())).or_default().push((at, line));
            }
        }
        let mut left: Vec<Vec<usize>> = all.iter().map(|(_, lines)| (0..lines.len()).collect()).collect();
        for places in seen.values().filter(|places| places.len() as u64 >= settings.min_repeats) {
            for &(at, line) in &places[usize::from(settings.keep == Stays::First)..] {
                left[at].retain(|l| !(line..line + span).contains(l));
            }
        }
        left
    }

    proptest! {
        #[test]
        fn any_corpus_in_any_splits_ends_as_the_manual_says(
            all in prop::collection::vec((prop::bool::ANY, prop::collection::vec("[abc]", 1..8)), 0..9),
            cuts in prop::collection::vec(0usize..4, 0..4),
            scope in prop::sample::select(vec![Within::Document, Within::Source, Within::Corpus]),
            none in prop::bool::ANY, span in 1u32..4, min_repeats in 2u64..5
        ) {
            let keep = if none { Stays::None } else { Stays::First };
            let settings = Lines { scope, keep, span, min_repeats, normalize: Normalize::AsIs, ..Lines::default() };
            let source = |first: bool| if first { "a" } else { "b" };
            let parts: Vec<(&str, Vec<&str>)> =
                all.iter().map(|(first, l)| (source(*first), l.iter().map(String::as_str).collect())).collect();
            let json = serde_json::to_string(&settings).unwrap();
            let ended: Vec<(Document, Verdict)> = if scope == Within::Document {
                parts.iter().map(|(_, lines)| inside(&json, &lines.join("\n"))).collect()
            } else {
                let given = parts.iter().map(|(source, lines)| doc(source, 0, &lines.join("\n"))).collect();
                let seen = build::<Lines>(&json, false, |_| ()).unwrap().run(given, &cuts).unwrap();
                seen.docs.into_iter().zip(seen.verdicts).collect()
            };
            for ((doc, verdict), (left, (_, lines))) in ended.iter().zip(model(&parts, &settings).iter().zip(&parts)) {
                let want: Vec<&str> = left.iter().map(|l| lines[*l]).collect();
                if want.is_empty() {
                    prop_assert_eq!(*verdict, Verdict::drop("nothing_left"));
                } else {
                    prop_assert_eq!(doc.text.as_str(), want.join("\n"));
                }
            }
        }
    }

    /// `fixtures/goldens/repeats.py` says how the documents are made and who judged them.
    fn golden(settings: &str, judged: &str) {
        let read =
            |name: &str| std::fs::read_to_string(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let golden: serde_json::Value = serde_json::from_str(&read("goldens/repeats.json")).unwrap();
        let book = read("books/moby-dick.txt");
        let pieces: Vec<&str> =
            book.split('\n').flat_map(|l| l.split(". ")).map(str::trim).filter(|p| !p.is_empty()).collect();
        let runs: Vec<(usize, usize)> = serde_json::from_value(golden["runs"].clone()).unwrap();
        let texts: Vec<String> = runs.iter().map(|(from, to)| pieces[*from..*to].join("\n")).collect();
        let seen = build::<Lines>(settings, false, |_| ()).unwrap().run(docs(&texts), &[40, 40]).unwrap();
        let left = seen.docs.iter().zip(&seen.verdicts).map(|(doc, verdict)| match verdict {
            Verdict::Keep => {
                let text = doc.text.as_str().trim();
                (text.split('\n').count(), format!("{:032x}", crate::sketch::hash::wide(text.as_bytes(), 0)))
            }
            Verdict::Drop(_) => (0, String::new()),
        });
        let want: Vec<(usize, String)> = serde_json::from_value(golden[judged].clone()).unwrap();
        assert_eq!(left.collect::<Vec<_>>(), want);
    }

    #[test]
    fn spans_of_three_go_as_in_datatrove() {
        golden(r#"{"normalize": "simplify", "span": 3}"#, "datatrove_span_3");
        golden(r#"{"normalize": "simplify"}"#, "datatrove_span_1");
    }

    #[test]
    fn lines_seen_twice_go_everywhere_as_in_ccnet() {
        golden(r#"{"keep": "none"}"#, "ccnet");
    }

    #[test]
    fn huge_documents_take_linear_time() {
        for text in ["a\n".repeat(200_000), "x".repeat(2_000_000), " ".repeat(2_000_000), "\n".repeat(500_000)] {
            let (doc, verdict) = inside(r#"{"scope": "document", "span": 2}"#, &text);
            assert!(verdict.keeps());
            assert!(doc.text.len() <= text.len());
            let seen = build::<Lines>("{}", false, |_| ()).unwrap().run(docs(&[text]), &[]).unwrap();
            assert_eq!(seen.kept().len(), 1);
        }
    }
}
