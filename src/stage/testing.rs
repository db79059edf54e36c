//! A whole run of one global stage in memory, for tests: map, sort, reduce, finish, apply, on any cutting into splits.

use std::sync::Arc;

use super::in_memory::Gathered;
use super::{Build, Chosen, Corpus, Findings, Global, Scope, Settings, Stage};
use crate::doc::{DocRef, Document, FieldTable, Origin, Verdict};
use crate::error::{Error, Result};

/// A global stage with the field table it was built on.
pub struct Built {
    pub stage: Arc<dyn Global>,
    /// The stages of a chain that stand before it.
    pub before: Vec<Arc<dyn Global>>,
    pub fields: Arc<FieldTable>,
}

/// Builds the global stage of `settings` (JSON). `prepare` declares what an earlier stage would have written.
pub fn build<S: Settings>(settings: &str, annotate: bool, prepare: impl FnOnce(&mut Build<'_>)) -> Result<Built> {
    let (mut table, mut scope) = (FieldTable::default(), Scope::default());
    let settings: S = serde_json::from_str(settings).map_err(|e| Error::pipeline(e.to_string()))?;
    let mut cx = Build::new(S::ABOUT.name, "web", &mut table, &mut scope);
    prepare(&mut cx);
    cx.annotate = annotate;
    let stage = settings.build(&mut cx)?;
    let mut before = match stage {
        Stage::Global(stage) => vec![stage],
        Stage::Chain(stages) => stages,
        Stage::Exchange { look: Some(look), .. } => vec![look],
        _ => panic!("not a global stage"),
    };
    let stage = before.pop().unwrap();
    Ok(Built { stage, before, fields: Arc::new(table) })
}

/// A document of `source`, the `at`-th of its file.
pub fn doc(source: &str, at: u64, text: &str) -> Document {
    Document::new(Origin { source: source.into(), file: "test.jsonl".into(), at }, text.to_owned())
}

/// Documents of one source with these texts.
pub fn docs(texts: &[impl AsRef<str>]) -> Vec<Document> {
    texts.iter().enumerate().map(|(at, text)| doc("web", at as u64, text.as_ref())).collect()
}

/// What became of each document, in corpus order, and the notes.
#[derive(Debug)]
pub struct Outcome {
    pub verdicts: Vec<Verdict>,
    pub docs: Vec<Document>,
    pub notes: Vec<String>,
}

impl Outcome {
    /// The documents that were kept.
    pub fn kept(&self) -> Vec<Document> {
        self.docs.iter().zip(&self.verdicts).filter(|(_, v)| v.keeps()).map(|(d, _)| d.clone()).collect()
    }

    /// The texts of the documents that were kept.
    pub fn texts(&self) -> Vec<String> {
        self.kept().into_iter().map(|d| d.text.into_string()).collect()
    }

    /// Which documents were kept.
    pub fn keeps(&self) -> Vec<bool> {
        self.verdicts.iter().map(Verdict::keeps).collect()
    }
}

impl Built {
    /// Runs the stage over `docs` cut after every number of documents in `cuts` (the rest is one more split).
    pub fn run(&self, mut docs: Vec<Document>, cuts: &[usize]) -> Result<Outcome> {
        for stage in &self.before {
            let alone = Self { stage: stage.clone(), before: Vec::new(), fields: self.fields.clone() };
            let outcome = alone.run(docs, cuts)?;
            assert!(outcome.keeps().iter().all(|k| *k), "only the last of a chain judges");
            docs = outcome.docs;
        }
        let splits = cut(docs, cuts);
        let (mut stage, mut found) = (self.stage.clone(), self.find(&*self.stage, &splits, None, &[])?);
        if let Some(second) = self.stage.second() {
            let chosen = found.splits.iter().map(|split| stage.chosen(&found.shared, split));
            let chosen = chosen.collect::<Result<Vec<_>>>()?;
            let mut again = self.find(&*second, &splits, Some(&chosen), &found.shared)?;
            again.notes.splice(0..0, found.notes);
            (stage, found) = (second, again);
        }
        let mut outcome = Outcome { verdicts: Vec::new(), docs: Vec::new(), notes: found.notes };
        for (docs, finding) in splits.into_iter().zip(&found.splits) {
            self.apply(&*stage, docs, &found.shared, finding, &mut outcome)?;
        }
        Ok(outcome)
    }

    fn find(
        &self,
        stage: &dyn Global,
        splits: &[Vec<Document>],
        chosen: Option<&[Arc<dyn Chosen>]>,
        first: &[u8],
    ) -> Result<Findings> {
        let corpus = Corpus { rows: splits.iter().map(|s| s.len() as u32).collect() };
        let mut mapper = stage.mapper(&self.fields)?;
        let mut gathered = Gathered::new(stage);
        stage.beside(first, &mut gathered)?;
        for (split, docs) in splits.iter().enumerate() {
            for (row, doc) in docs.iter().enumerate() {
                let out = gathered.at(DocRef { split: split as u32, row: row as u32 });
                match chosen.map(|all| all[split].mark(row as u32)) {
                    None => mapper.map(doc, out),
                    Some(Some(mark)) => mapper.map_chosen(doc, mark, out),
                    Some(None) => {}
                }
            }
            if !docs.is_empty() {
                mapper.flush(&mut gathered);
            }
        }
        Ok(gathered.find(stage, &corpus, &|_| true)?.0)
    }

    fn apply(
        &self,
        stage: &dyn Global,
        docs: Vec<Document>,
        shared: &[u8],
        finding: &[u8],
        outcome: &mut Outcome,
    ) -> Result<()> {
        let rows = stage.dropped_rows(shared, finding)?;
        assert!(rows.is_some() || !stage.drops_by_row(), "a stage that drops by row must answer");
        let judge = stage.apply(shared, finding, &self.fields)?;
        for (row, mut doc) in docs.into_iter().enumerate() {
            let verdict = judge.apply(row as u32, &mut doc);
            if let Some(rows) = &rows {
                assert_eq!(!verdict.keeps(), rows.binary_search(&(row as u32)).is_ok(), "row {row}");
            }
            outcome.verdicts.push(verdict);
            outcome.docs.push(doc);
        }
        Ok(())
    }
}

fn cut(mut docs: Vec<Document>, cuts: &[usize]) -> Vec<Vec<Document>> {
    let mut splits = Vec::new();
    for &n in cuts {
        let rest = docs.split_off(n.min(docs.len()));
        splits.push(std::mem::replace(&mut docs, rest));
    }
    splits.push(docs);
    splits
}
