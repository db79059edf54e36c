//! A whole run of one global stage in memory, for tests: map, sort, reduce, finish, apply, on any cutting into splits.

use std::io::{BufRead, Cursor};
use std::sync::Arc;

/// Records of one partition.
type Partition = Vec<(Vec<u8>, DocRef)>;

use super::{Build, Chosen, Corpus, Findings, Global, Links, Records, Scope, Settings, Sorted, Stage};
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
        let parts = self.map(stage, splits, chosen, first)?;
        let mut links = Vec::new();
        for (part, mut records) in parts.into_iter().enumerate() {
            records.sort_unstable();
            if self.stage.in_corpus_order() {
                records.sort_by_key(|record| record.1);
            }
            let mut sorted = InMemory { records, next: 0, corpus: &corpus };
            let mut bytes = Vec::new();
            stage.reduce(part as u32, &mut sorted, &mut bytes)?;
            links.push(bytes);
        }
        let found = stage.finish(&mut Parts(links), &corpus)?;
        assert_eq!(found.splits.len(), corpus.rows.len(), "findings for every split");
        Ok(found)
    }

    fn map(
        &self,
        stage: &dyn Global,
        splits: &[Vec<Document>],
        chosen: Option<&[Arc<dyn Chosen>]>,
        first: &[u8],
    ) -> Result<Vec<Partition>> {
        let mut mapper = stage.mapper(&self.fields)?;
        let mut emitted = Emitted { at: DocRef { split: 0, row: 0 }, bytes: stage.record_bytes(), parts: Vec::new() };
        emitted.parts.resize_with(stage.partitions() as usize, Vec::new);
        stage.beside(first, &mut emitted)?;
        for (split, docs) in splits.iter().enumerate() {
            for (row, doc) in docs.iter().enumerate() {
                emitted.at = DocRef { split: split as u32, row: row as u32 };
                match chosen.map(|all| all[split].mark(row as u32)) {
                    None => mapper.map(doc, &mut emitted),
                    Some(Some(mark)) => mapper.map_chosen(doc, mark, &mut emitted),
                    Some(None) => {}
                }
            }
            if !docs.is_empty() {
                mapper.flush(&mut emitted);
            }
        }
        Ok(emitted.parts)
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

struct Emitted {
    at: DocRef,
    bytes: usize,
    parts: Vec<Vec<(Vec<u8>, DocRef)>>,
}

impl Records for Emitted {
    fn emit(&mut self, part: u32, record: &[u8]) {
        assert_eq!(record.len(), self.bytes, "records are of one size");
        self.parts[part as usize].push((record.to_vec(), self.at));
    }
}

struct InMemory<'a> {
    records: Partition,
    next: usize,
    corpus: &'a Corpus,
}

impl Sorted for InMemory<'_> {
    fn next(&mut self) -> Result<Option<(&[u8], DocRef)>> {
        self.next += 1;
        Ok(self.records.get(self.next - 1).map(|(record, at)| (record.as_slice(), *at)))
    }

    fn rewind(&mut self) -> Result<()> {
        self.next = 0;
        Ok(())
    }

    fn corpus(&self) -> &Corpus {
        self.corpus
    }
}

struct Parts(Vec<Vec<u8>>);

impl Links for Parts {
    fn partitions(&self) -> u32 {
        self.0.len() as u32
    }

    fn open(&mut self, part: u32) -> Result<Box<dyn BufRead>> {
        Ok(Box::new(Cursor::new(self.0[part as usize].clone())))
    }
}
