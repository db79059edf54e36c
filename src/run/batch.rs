//! Judges a batch; when that fails because of a document, finds out by which ones.

use std::ops::Range;

use super::guard::guarded;
use super::ledger::PANICKED;

use crate::doc::{Document, Verdict};
use crate::error::{Error, Result};
use crate::stage::{BatchTransform, Failed};

/// How often a batch is tried that fails by the world's fault.
const TRIES: usize = 3;

/// So many documents that fail one after another, before any was judged, are not to blame: the stage is.
const HOPELESS: usize = 8;

/// What became of one document.
#[derive(Debug, PartialEq)]
pub enum Judged {
    /// The stage judged it.
    Verdict(Verdict),
    /// The stage cannot take it: the reason, and what exactly happened.
    Bad(&'static str, String),
}

/// A part of the batch that is still to be tried.
enum Todo {
    Try(Range<usize>),
    /// What follows the suspect of a failure, which is tried by itself before: if it was to blame, the rest is probably good.
    After(usize, Range<usize>),
}

/// Judges `docs` with `stage`, which is replaced by a clone that `fresh` makes whenever it failed. `label` is the step's.
pub fn judge(
    stage: &mut Box<dyn BatchTransform>,
    fresh: &dyn Fn() -> Box<dyn BatchTransform>,
    docs: &mut [Document],
    label: &str,
) -> Result<Vec<Judged>> {
    let before = docs.to_vec();
    let mut judged: Vec<Option<Judged>> = docs.iter().map(|_| None).collect();
    let mut todo = vec![Todo::Try(0..docs.len())];
    let (mut good, mut bad) = (0, 0);
    while let Some(next) = todo.pop() {
        let range = match next {
            Todo::Try(range) => range,
            Todo::After(suspect, rest) if matches!(judged.get(suspect), Some(Some(Judged::Bad(..)))) => rest,
            Todo::After(_, rest) => {
                let half = rest.start + rest.len() / 2;
                todo.extend([Todo::Try(half..rest.end), Todo::Try(rest.start..half)]);
                continue;
            }
        };
        let parts = (docs.get_mut(range.clone()), before.get(range.clone()), judged.get_mut(range.clone()));
        let (Some(docs), Some(before), Some(judged)) = parts else { continue };
        if docs.is_empty() {
            continue;
        }
        match attempt(stage, fresh, docs, before, label)? {
            Ok(verdicts) => {
                good += verdicts.len();
                judged.iter_mut().zip(verdicts).for_each(|(to, verdict)| *to = Some(Judged::Verdict(verdict)));
            }
            Err(blame) if docs.len() == 1 => {
                bad += 1;
                if good == 0 && bad == HOPELESS {
                    return Err(Error::world(format!(
                        "`{label}` failed on each of {HOPELESS} documents one after another, and on none before had it succeeded: {}",
                        blame.detail
                    ))
                    .hint("try it on one document with `tamis try`"));
                }
                judged.iter_mut().for_each(|to| *to = Some(Judged::Bad(blame.because, blame.detail.clone())));
            }
            Err(blame) => match blame.suspect.map(|at| range.start + at).filter(|at| range.contains(at)) {
                Some(at) => {
                    todo.extend([Todo::After(at, at + 1..range.end), Todo::Try(at..at + 1), Todo::Try(range.start..at)])
                }
                None => {
                    let half = range.start + range.len() / 2;
                    todo.extend([Todo::Try(half..range.end), Todo::Try(range.start..half)]);
                }
            },
        }
    }
    let all: Option<Vec<Judged>> = judged.into_iter().collect();
    all.ok_or_else(|| Error::bug(format!("`{label}` left a document unjudged")))
}

/// Why some document of a batch cannot be taken.
struct Blame {
    because: &'static str,
    detail: String,
    suspect: Option<usize>,
}

/// Tries a batch. If it fails, its documents are what they were.
fn attempt(
    stage: &mut Box<dyn BatchTransform>,
    fresh: &dyn Fn() -> Box<dyn BatchTransform>,
    docs: &mut [Document],
    before: &[Document],
    label: &str,
) -> Result<Result<Vec<Verdict>, Blame>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let failed = match guarded(|| stage.apply(docs)) {
            Ok(Ok(verdicts)) if verdicts.len() == docs.len() => return Ok(Ok(verdicts)),
            Ok(Ok(verdicts)) => {
                let message = format!("`{label}` gave {} verdicts for {} documents", verdicts.len(), docs.len());
                return Err(Error::bug(message));
            }
            Ok(Err(Failed::Stage(error))) if error.retry && tries < TRIES => None,
            Ok(Err(Failed::Stage(error))) => return Err(error.with("step", label)),
            Ok(Err(Failed::Document { because, detail, suspect })) => {
                Some(Blame { because, detail, suspect: Some(suspect) })
            }
            Err(message) => Some(Blame { because: PANICKED, detail: message, suspect: None }),
        };
        docs.clone_from_slice(before);
        *stage = fresh();
        if let Some(blame) = failed {
            return Ok(Err(blame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::Origin;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Doubles every text; cannot take some of them, in one of three ways, and says so late or early.
    #[derive(Clone)]
    struct Fragile {
        ahead: usize,
        calls: Arc<AtomicUsize>,
        flaky: usize,
    }

    impl BatchTransform for Fragile {
        fn apply(&mut self, docs: &mut [Document]) -> Result<Vec<Verdict>, Failed> {
            if self.calls.fetch_add(1, Ordering::Relaxed) < self.flaky {
                let mut error = Error::world("busy");
                error.retry = true;
                docs.iter_mut().for_each(|doc| doc.text.set("spoiled".into()));
                return Err(error.into());
            }
            let mut verdicts = Vec::new();
            for (at, doc) in docs.iter_mut().enumerate() {
                let text = doc.text.as_str().to_owned();
                assert!(!text.contains('p'), "no {text}");
                if text.contains('x') {
                    // As a program does that reads ahead before it answers.
                    let suspect = at.saturating_sub(self.ahead);
                    return Err(Failed::Document { because: "crashed", detail: text, suspect });
                }
                doc.text.set(text.repeat(2));
                verdicts.push(if text.contains('d') { Verdict::drop("d") } else { Verdict::Keep });
            }
            Ok(verdicts)
        }
    }

    fn documents(texts: &[String]) -> Vec<Document> {
        let origin = |at| Origin { source: "web".into(), file: "f".into(), at };
        texts.iter().enumerate().map(|(at, t)| Document::new(origin(at as u64), t.clone())).collect()
    }

    fn run(texts: &[String], ahead: usize, flaky: usize) -> Result<(Vec<Judged>, Vec<String>, usize)> {
        let calls = Arc::new(AtomicUsize::new(0));
        let stage = Fragile { ahead, calls: calls.clone(), flaky };
        let (mut docs, mut running) = (documents(texts), Box::new(stage.clone()) as Box<dyn BatchTransform>);
        super::super::guard::quiet_guarded_panics();
        let judged = judge(&mut running, &|| Box::new(stage.clone()), &mut docs, "fragile")?;
        let texts = docs.into_iter().map(|d| d.text.into_string()).collect();
        Ok((judged, texts, calls.load(Ordering::Relaxed)))
    }

    proptest! {
        #[test]
        fn bad_documents_are_found_alone_and_neighbors_judged(
            texts in prop::collection::vec("[abdxp]{1,2}", 0..40), ahead in 0usize..5, flaky in 0usize..3
        ) {
            // One that is good comes first, so that the stage is not given up.
            let texts: Vec<String> = std::iter::once("a".to_owned()).chain(texts).collect();
            let (judged, after, _) = run(&texts, ahead, flaky).unwrap();
            for ((text, judged), after) in texts.iter().zip(judged).zip(after) {
                let expected = match text {
                    t if t.find(['p', 'x']).is_some_and(|at| t[at..].starts_with('x') && !t.contains('p')) => Judged::Bad("crashed", t.clone()),
                    t if t.contains('p') => Judged::Bad(PANICKED, format!("no {t}")),
                    t if t.contains('d') => Judged::Verdict(Verdict::drop("d")),
                    _ => Judged::Verdict(Verdict::Keep),
                };
                let bad = matches!(expected, Judged::Bad(..));
                prop_assert_eq!(judged, expected);
                prop_assert_eq!(after, if bad { text.clone() } else { text.repeat(2) });
            }
        }
    }

    #[test]
    fn a_suspect_that_is_to_blame_costs_four_tries() {
        let mut texts = vec!["a".to_owned(); 1000];
        texts[700] = "x".into();
        assert_eq!(run(&texts, 0, 0).unwrap().2, 4);
        // All of it, then halves down to the document.
        texts[700] = "p".into();
        assert!(run(&texts, 0, 0).unwrap().2 < 25);
    }

    #[test]
    fn a_stage_that_takes_nothing_or_never_recovers_stops_the_run() {
        let error = run(&vec!["x".to_owned(); 100], 0, 0).unwrap_err();
        assert!(error.message.contains("each of 8 documents"), "{error}");
        let error = run(&["a".to_owned()], 0, 3).unwrap_err();
        assert_eq!((error.message.as_str(), error.context[0].1.as_str()), ("busy", "fragile"));
        // Fewer than that are documents to be named.
        assert_eq!(run(&vec!["x".to_owned(); 7], 0, 0).unwrap().0.len(), 7);
    }
}
