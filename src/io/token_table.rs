//! Tables of token ids, as Parquet or Arrow IPC files. Arrow's types stay in here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int32Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};

/// Ids of a batch, about.
const BATCH: usize = 1 << 20;

/// A row to write.
pub enum TokenRow {
    /// A document.
    Document {
        /// Its ids.
        ids: Vec<i32>,
        /// Its id.
        id: String,
        /// Its source.
        source: String,
        /// Its URL, or its file and place.
        place: String,
    },
    /// A packed row.
    Packed {
        /// Its ids.
        ids: Vec<i32>,
        /// Which of them are learnt.
        mask: Vec<bool>,
        /// Where documents begin, and the end.
        boundaries: Vec<i32>,
    },
}

enum Out {
    Parquet(Box<ArrowWriter<AtomicFile>>),
    Arrow(Box<FileWriter<AtomicFile>>),
}

/// A table being written.
pub struct TokenTable {
    path: PathBuf,
    out: Out,
    schema: SchemaRef,
    packed: bool,
    held: usize,
    ids: ListBuilder<Int32Builder>,
    boundaries: ListBuilder<Int32Builder>,
    mask: ListBuilder<BooleanBuilder>,
    texts: [StringBuilder; 3],
}

fn list(name: &str, kind: DataType) -> Field {
    Field::new(name, DataType::List(Arc::new(Field::new("item", kind, true))), true)
}

impl TokenTable {
    /// Begins a table of documents or of packed rows.
    pub fn create(path: &Path, parquet: bool, packed: bool) -> Result<Self> {
        let ids = list("input_ids", DataType::Int32);
        let schema: SchemaRef = Arc::new(Schema::new(if packed {
            vec![ids, list("loss_mask", DataType::Boolean), list("cu_seqlens", DataType::Int32)]
        } else {
            let text = |name: &str| Field::new(name, DataType::Utf8, true);
            vec![ids, text("id"), text("source"), text("place")]
        }));
        let file = AtomicFile::create(path)?;
        let out = if parquet {
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(ZstdLevel::default()))
                .set_created_by("tamis".into())
                .build();
            let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
            Out::Parquet(Box::new(writer.map_err(|e| fails(path, &e.to_string()))?))
        } else {
            let writer = FileWriter::try_new(file, &schema);
            Out::Arrow(Box::new(writer.map_err(|e| fails(path, &e.to_string()))?))
        };
        Ok(Self {
            path: path.to_owned(),
            out,
            schema,
            packed,
            held: 0,
            ids: ListBuilder::default(),
            boundaries: ListBuilder::default(),
            mask: ListBuilder::default(),
            texts: Default::default(),
        })
    }

    /// Appends a row.
    pub fn push(&mut self, row: TokenRow) -> Result<()> {
        let ids = match row {
            TokenRow::Document { ids, id, source, place } => {
                self.texts.iter_mut().zip([id, source, place]).for_each(|(to, text)| to.append_value(text));
                ids
            }
            TokenRow::Packed { ids, mask, boundaries } => {
                self.mask.values().append_slice(&mask);
                self.mask.append(true);
                self.boundaries.values().append_slice(&boundaries);
                self.boundaries.append(true);
                ids
            }
        };
        self.ids.values().append_slice(&ids);
        self.ids.append(true);
        self.held += ids.len() + 1;
        if self.held >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(self.ids.finish())];
        if self.packed {
            columns.push(Arc::new(self.mask.finish()));
            columns.push(Arc::new(self.boundaries.finish()));
        } else {
            columns.extend(self.texts.iter_mut().map(|t| Arc::new(t.finish()) as ArrayRef));
        }
        self.held = 0;
        let path = &self.path;
        let arrow = |e: ArrowError| fails(path, &e.to_string());
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(arrow)?;
        match &mut self.out {
            Out::Parquet(out) => out.write(&batch).and_then(|()| out.flush()).map_err(|e| fails(path, &e.to_string())),
            Out::Arrow(out) => out.write(&batch).map_err(arrow),
        }
    }

    /// Commits.
    pub fn finish(mut self) -> Result<Written> {
        if self.held > 0 {
            self.flush()?;
        }
        let path = self.path;
        match self.out {
            Out::Parquet(out) => out.into_inner().map_err(|e| fails(&path, &e.to_string()))?.commit(),
            Out::Arrow(out) => out.into_inner().map_err(|e| fails(&path, &e.to_string()))?.commit(),
        }
    }
}

fn fails(path: &Path, why: &str) -> Error {
    Error::world(format!("cannot write `{}`: {why}", path.display()))
}
