//! Writes Parquet: `text`, a column for each field, `tamis_id`, and what else the input record held as JSON in `rest`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doc::{Document, FieldTable};
use crate::error::{Error, Result};
use crate::io::atomic::Written;
use crate::io::columns::{ColumnRef, ColumnType, Columns, EncodedGroup, GroupEncoder, GroupWriter};
use crate::stage::columns::{column_type, field_column};
use crate::stage::{About, Build, Chunk, Encode, Family, Part, PartPlace, Settings, Sink, Stage};

/// Settings of the writer `parquet`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteParquet {
    /// The folder the parts are written to. Must be empty or this run's own.
    pub dir: PathBuf,
}

impl Settings for WriteParquet {
    const ABOUT: About = About {
        shorthand: Some("dir"),
        ..About::new(
            "parquet",
            Family::Write,
            "writes Parquet: text, fields, `tamis_id`, the rest of the input as JSON",
        )
    };

    fn build(self, _: &mut Build<'_>) -> Result<Stage> {
        Ok(Stage::Sink(Arc::new(Running(self))))
    }
}

struct Running(WriteParquet);

fn columns(fields: &FieldTable) -> Columns {
    let mut columns = vec![("text".to_owned(), ColumnType::Str)];
    columns.extend(fields.public().map(|(_, name, kind)| (name.to_owned(), column_type(kind))));
    columns.extend([("rest".to_owned(), ColumnType::Str), ("tamis_id".to_owned(), ColumnType::Str)]);
    columns
}

impl Sink for Running {
    fn dir(&self) -> &Path {
        &self.0.dir
    }

    fn encoder(&self, fields: &Arc<FieldTable>) -> Result<Box<dyn Encode>> {
        Ok(Box::new(Encoder { group: GroupEncoder::new(&columns(fields))?, fields: fields.clone() }))
    }

    fn part(&self, place: &PartPlace, fields: &Arc<FieldTable>) -> Result<Box<dyn Part>> {
        let path = self.0.dir.join(format!("part-{:05}.parquet", place.ordinal));
        Ok(Box::new(Groups { file: GroupWriter::create(&path, &columns(fields))?, rows: 0 }))
    }
}

struct Encoder {
    group: GroupEncoder,
    fields: Arc<FieldTable>,
}

impl Encode for Encoder {
    fn encode(&mut self, docs: &[Document]) -> Result<Chunk> {
        let docs: Vec<&Document> = docs.iter().flat_map(|d| std::iter::repeat_n(d, d.copies as usize)).collect();
        if docs.is_empty() {
            return Ok(Chunk::default());
        }
        let ids: Vec<String> = docs.iter().map(|d| d.id.to_string()).collect();
        let rests: Vec<String> = docs.iter().map(|d| format!("{{{}}}", d.rest)).collect();
        let mut all = vec![ColumnRef::Str(docs.iter().map(|d| Some(d.text.as_str())).collect())];
        all.extend(self.fields.public().map(|(slot, _, kind)| field_column(&docs, slot, kind)));
        all.push(ColumnRef::Str(
            docs.iter().zip(&rests).map(|(d, r)| (!d.rest.is_empty()).then_some(r.as_str())).collect(),
        ));
        all.push(ColumnRef::Str(ids.iter().map(|id| Some(id.as_str())).collect()));
        let encoded = self.group.encode(&all)?;
        Ok(Chunk { bytes: Vec::new(), extra: Some(Box::new(encoded)), docs: docs.len() as u64, tokens: 0 })
    }
}

struct Groups {
    file: GroupWriter,
    rows: u64,
}

impl Part for Groups {
    fn append(&mut self, chunk: Chunk) -> Result<()> {
        if chunk.docs == 0 {
            return Ok(());
        }
        self.rows += chunk.docs;
        let group = chunk.extra.and_then(|extra| extra.downcast::<EncodedGroup>().ok());
        self.file.append(*group.ok_or_else(|| Error::bug("a chunk without its row group"))?)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        if self.rows == 0 { Ok(Vec::new()) } else { Ok(vec![self.file.finish()?]) }
    }
}
