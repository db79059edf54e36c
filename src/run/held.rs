//! Documents held between passes: Parquet, one row group for each morsel, so that any tool can open a half-way house.
//!
//! Columns are `id`, `source`, `file`, `at`, `text`, `rest`, `copies`, then every field of the plan as `field.NAME`; for numbers
//! there is `integer.NAME` as well, for values that are whole numbers.

use std::path::Path;
use std::sync::Arc;

use crate::doc::{DocId, Document, FieldTable, FieldType, Origin, Value};
use crate::error::{Error, Result};
use crate::io::atomic::Written;
use crate::io::columns::{Column, ColumnRef, ColumnType, Columns, EncodedGroup, GroupEncoder, GroupWriter};
use crate::io::table::ParquetFile;
use crate::stage::columns::{column_type, field_column, values};
use crate::stage::{Chunk, Encode, Morsel, Read, Reader};

fn columns(fields: &FieldTable) -> Columns {
    let fixed = [
        ("id", ColumnType::Id),
        ("source", ColumnType::Str),
        ("file", ColumnType::Str),
        ("at", ColumnType::I64),
        ("text", ColumnType::Str),
        ("rest", ColumnType::Str),
        ("copies", ColumnType::I64),
    ];
    let mut columns: Columns = fixed.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    columns.extend(fields.iter().map(|(_, name, kind)| (format!("field.{name}"), column_type(kind))));
    columns.extend(numbers(fields).map(|(_, name)| (format!("integer.{name}"), ColumnType::I64)));
    columns
}

/// Fields that hold numbers, whole or not.
fn numbers(fields: &FieldTable) -> impl Iterator<Item = (u16, &str)> {
    fields.iter().filter(|(_, _, kind)| *kind == FieldType::F64).map(|(slot, name, _)| (slot, name))
}

/// Encodes a morsel's documents as one row group, on any worker.
pub struct Encoder {
    fields: Arc<FieldTable>,
    group: Option<GroupEncoder>,
}

impl Encoder {
    /// An encoder of documents with `fields`.
    pub fn new(fields: &Arc<FieldTable>) -> Self {
        Self { fields: fields.clone(), group: None }
    }
}

impl Encode for Encoder {
    fn encode(&mut self, docs: &[Document]) -> Result<Chunk> {
        let group = match &mut self.group {
            Some(group) => group,
            none => none.insert(GroupEncoder::new(&columns(&self.fields))?),
        };
        let text = |of: fn(&Document) -> &str| ColumnRef::Str(docs.iter().map(|d| Some(of(d))).collect());
        let mut all = vec![
            ColumnRef::Id(docs.iter().map(|d| d.id.0.to_be_bytes()).collect()),
            text(|d| &d.origin.source),
            text(|d| &d.origin.file),
            ColumnRef::I64(docs.iter().map(|d| Some(d.origin.at as i64)).collect()),
            text(|d| d.text.as_str()),
            text(|d| &d.rest),
            ColumnRef::I64(docs.iter().map(|d| Some(i64::from(d.copies))).collect()),
        ];
        let all_docs: Vec<&Document> = docs.iter().collect();
        all.extend(self.fields.iter().map(|(slot, _, kind)| field_column(&all_docs, slot, kind)));
        all.extend(numbers(&self.fields).map(|(slot, _)| field_column(&all_docs, slot, FieldType::I64)));
        let encoded = group.encode(&all)?;
        Ok(Chunk { bytes: Vec::new(), extra: Some(Box::new(encoded)), docs: docs.len() as u64, tokens: 0 })
    }
}

/// The held file of one walk.
pub struct Part(GroupWriter);

impl Part {
    /// Begins the file at `path`.
    pub fn create(path: &Path, fields: &Arc<FieldTable>) -> Result<Self> {
        GroupWriter::create(path, &columns(fields)).map(Self)
    }

    /// Appends what an [`Encoder`] made.
    pub fn append(&mut self, chunk: Chunk) -> Result<()> {
        let group = chunk.extra.and_then(|extra| extra.downcast::<EncodedGroup>().ok());
        self.0.append(*group.ok_or_else(|| Error::bug("a held chunk without its row group"))?)
    }

    /// Commits.
    pub fn finish(self) -> Result<Written> {
        self.0.finish()
    }
}

/// Reads a held file back: one morsel for each row group.
pub fn open(path: &Path, fields: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
    Ok(Box::new(Held { file: ParquetFile::open(path)?, next: 0, fields: fields.clone() }))
}

struct Held {
    file: ParquetFile,
    next: usize,
    fields: Arc<FieldTable>,
}

impl Reader for Held {
    fn next(&mut self) -> Result<Option<Morsel>> {
        if self.next == self.file.groups() {
            return Ok(None);
        }
        let (file, group, fields) = (self.file.clone(), self.next, self.fields.clone());
        self.next += 1;
        // Damage found on the worker is seen as a missing row by the walk, which checks the rows of every morsel.
        let (_, bytes, _) = file.group(group);
        Ok(Some(Morsel::new(bytes, move |each| {
            if let Ok(columns) = file.columns(group) {
                documents(columns, &fields).into_iter().for_each(|doc| each(Read::Document(Box::new(doc))));
            }
        })))
    }
}

fn documents(columns: Vec<(String, Column)>, fields: &FieldTable) -> Vec<Document> {
    let rows = columns.first().map_or(0, |(_, c)| if let Column::Id(ids) = c { ids.len() } else { 0 });
    let nowhere = Origin { source: "".into(), file: "".into(), at: 0 };
    let mut docs: Vec<Document> = (0..rows)
        .map(|_| Document {
            id: DocId::default(),
            origin: nowhere.clone(),
            text: Default::default(),
            fields: Default::default(),
            rest: String::new(),
            copies: 1,
            marks: Vec::new(),
        })
        .collect();
    let mut shared = Shared::default();
    for (name, column) in columns {
        let field = name.strip_prefix("field.").or_else(|| name.strip_prefix("integer."));
        match (field, column) {
            (Some(field), column) => {
                let Some((slot, _)) = fields.lookup(field) else { continue };
                docs.iter_mut().zip(values(column)).for_each(|(d, v)| {
                    if v != Value::Null {
                        d.fields.put(slot, v);
                    }
                });
            }
            (None, Column::Id(ids)) => docs.iter_mut().zip(ids).for_each(|(d, v)| d.id = DocId(u128::from_be_bytes(v))),
            (None, Column::I64(numbers)) => docs
                .iter_mut()
                .zip(numbers.into_iter().flatten())
                .for_each(|(d, v)| if name == "at" { d.origin.at = v as u64 } else { d.copies = v as u32 }),
            (None, Column::Str(texts)) => {
                docs.iter_mut().zip(texts.into_iter().flatten()).for_each(|(d, v)| match name.as_str() {
                    "source" => d.origin.source = shared.get(v),
                    "file" => d.origin.file = shared.get(v),
                    "text" => d.text.set(v),
                    _ => d.rest = v,
                })
            }
            _ => {}
        }
    }
    docs
}

/// Neighbours mostly share their file: one allocation for all of them.
#[derive(Default)]
struct Shared(std::collections::HashMap<String, Arc<str>>);

impl Shared {
    fn get(&mut self, text: String) -> Arc<str> {
        self.0.entry(text).or_insert_with_key(|t| Arc::from(t.as_str())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn documents_come_back_as_they_were(
            rows in proptest::collection::vec((".{0,40}", any::<u64>(), any::<Option<i64>>(), any::<Option<f64>>(), proptest::collection::vec(any::<u32>(), 0..5)), 1..20),
        ) {
            let mut table = FieldTable::default();
            let n = table.field::<i64>("n").unwrap();
            let x = table.field::<f64>("x").unwrap();
            let tokens = table.field::<Vec<u32>>("tokens").unwrap();
            let table = Arc::new(table);
            let docs: Vec<Document> = rows.into_iter().map(|(text, at, i, f, t)| {
                let mut doc = Document::new(Origin { source: "s".into(), file: text.as_str().into(), at }, text);
                if let Some(i) = i { doc.set(n, i); }
                if let Some(f) = f.filter(|f| !f.is_nan()) { doc.set(x, f); }
                // A number may be a whole one.
                if let (Some(i), None) = (i, f) { doc.fields.put(x.slot(), Value::I64(i)); }
                doc.set(tokens, t);
                doc.rest = "\"a\":1".into();
                doc
            }).collect();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("h.parquet");
            let mut part = Part::create(&path, &table).unwrap();
            let mut encoder = Encoder::new(&table);
            let halves = docs.split_at(docs.len() / 2);
            for half in [halves.0, halves.1].into_iter().filter(|h| !h.is_empty()) {
                part.append(encoder.encode(half).unwrap()).unwrap();
            }
            part.finish().unwrap();
            let mut reader = open(&path, &table).unwrap();
            let mut back = Vec::new();
            while let Some(morsel) = reader.next().unwrap() {
                (morsel.parse)(&mut |read| if let Read::Document(doc) = read { back.push(*doc) });
            }
            prop_assert_eq!(back.len(), docs.len());
            for (a, b) in back.iter().zip(&docs) {
                prop_assert_eq!((a.id, &a.origin, a.text.as_str(), &a.rest), (b.id, &b.origin, b.text.as_str(), &b.rest));
                for (slot, _, _) in table.iter() { prop_assert_eq!(a.fields.slot(slot), b.fields.slot(slot)); }
            }
        }
    }
}
