//! Tables that others wrote: Parquet files and Arrow IPC files and streams, batch by batch, as typed columns and as raw
//! JSON members. Arrow's types stay in here and in [`super::columns`].

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::columns::{Column, ColumnType, arrow_type, column};
use crate::error::{Error, Result};

/// Rows of a batch at most.
const BATCH: usize = 1024;

/// Some rows of a table.
#[derive(Debug, Clone)]
pub struct Batch(RecordBatch);

/// Why a column cannot be had as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoText {
    /// There is none of that name; these are there.
    Missing(Vec<String>),
    /// It holds something else.
    Is(String),
}

impl Batch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> u64 {
        self.0.get_array_memory_size() as u64
    }

    /// The texts of the column `name`.
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>, NoText> {
        let Some(array) = self.0.column_by_name(name) else {
            return Err(NoText::Missing(self.0.schema_ref().fields().iter().map(|f| f.name().clone()).collect()));
        };
        match typed(array, ColumnType::Str) {
            Some(Column::Str(texts)) => Ok(texts),
            _ => Err(NoText::Is(array.data_type().to_string())),
        }
    }

    /// The column `name` as the type asked for; `None` if it is not there or holds something else.
    pub fn column(&self, name: &str, kind: ColumnType) -> Option<Column> {
        typed(self.0.column_by_name(name)?, kind)
    }

    /// For every row, the members of all columns but these, as raw JSON without braces. Nulls are left out.
    pub fn members(&self, except: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        let fields = self.0.schema_ref().fields().iter().enumerate();
        let kept: Vec<usize> = fields.filter(|(_, f)| !except(f.name())).map(|(i, _)| i).collect();
        if kept.is_empty() {
            return Ok(vec![String::new(); self.rows()]);
        }
        let failed = |e: ArrowError| Error::world(format!("a row cannot be written as JSON: {e}"));
        let mut lines = Vec::new();
        let mut writer = arrow_json::LineDelimitedWriter::new(&mut lines);
        writer.write(&self.0.project(&kept).map_err(failed)?).map_err(failed)?;
        writer.finish().map_err(failed)?;
        drop(writer);
        let text = String::from_utf8(lines).map_err(|_| Error::bug("JSON that is not UTF-8"))?;
        let bare = |line: &str| line.strip_prefix('{').and_then(|l| l.strip_suffix('}')).unwrap_or_default().to_owned();
        Ok(text.lines().map(bare).collect())
    }
}

fn typed(array: &ArrayRef, kind: ColumnType) -> Option<Column> {
    let plain = match array.data_type() {
        DataType::Dictionary(_, value) => value.as_ref(),
        other => other,
    };
    let (fits, to) = match kind {
        ColumnType::Str => {
            (matches!(plain, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View), DataType::LargeUtf8)
        }
        ColumnType::I64 => (plain.is_integer(), DataType::Int64),
        // Whole numbers stay such: numbers are asked for, and integers are some.
        ColumnType::F64 if plain.is_integer() => (true, DataType::Int64),
        ColumnType::F64 => (plain.is_numeric(), DataType::Float64),
        ColumnType::Bool => (*plain == DataType::Boolean, DataType::Boolean),
        ColumnType::Floats => (is_vector(plain), arrow_type(ColumnType::Floats)),
        ColumnType::Tokens | ColumnType::Id => (false, DataType::Null),
    };
    if !fits {
        return None;
    }
    column(&arrow_cast::cast(array, &to).ok()?)
}

/// Whether an array of this type holds lists of numbers.
fn is_vector(kind: &DataType) -> bool {
    match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_numeric()
        }
        _ => false,
    }
}

/// A Parquet file, opened: its footer is read.
#[derive(Clone)]
pub struct ParquetFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

/// Batches, until the end or the first damage.
pub type Batches = Box<dyn Iterator<Item = Result<Batch, String>> + Send>;

impl ParquetFile {
    /// Opens `path`; an error if it is no whole Parquet file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
            .map_err(|e| Error::world(format!("`{}` is no whole Parquet file: {e}", path.display())))?;
        Ok(Self { path: path.to_owned(), metadata })
    }

    /// Number of row groups.
    pub fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Where the row group begins in the file, its bytes uncompressed, its rows.
    pub fn group(&self, group: usize) -> (u64, u64, u64) {
        let group = self.metadata.metadata().row_group(group);
        let start = group.columns().iter().map(|c| c.byte_range().0).min().unwrap_or(0);
        (start, group.total_byte_size().max(0) as u64, group.num_rows().max(0) as u64)
    }

    /// The row group's bytes in the file.
    pub fn compressed(&self, group: usize) -> u64 {
        self.metadata.metadata().row_group(group).compressed_size().max(0) as u64
    }

    /// All columns of a row group that are of a type we write, by name.
    pub fn columns(&self, group: usize) -> Result<Vec<(String, Column)>, String> {
        let rows = usize::try_from(self.group(group).2.max(1)).map_err(|e| e.to_string())?;
        let Some(batch) = self.batches_of(group, rows).map_err(|e| e.to_string())?.next() else {
            return Ok(Vec::new());
        };
        let Batch(batch) = batch?;
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        Ok(columns.filter_map(|(field, array)| Some((field.name().clone(), column(array)?))).collect())
    }

    /// The batches of a row group.
    pub fn batches(&self, group: usize) -> Result<Batches> {
        self.batches_of(group, BATCH)
    }

    fn batches_of(&self, group: usize, rows: usize) -> Result<Batches> {
        let file = File::open(&self.path).map_err(|e| Error::io("open", &self.path, e))?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(rows)
            .build();
        Ok(match reader {
            Ok(reader) => Box::new(reader.map(|batch| batch.map(Batch).map_err(|e| e.to_string()))),
            Err(e) => Box::new(std::iter::once(Err(e.to_string()))),
        })
    }
}

/// The batches of an Arrow IPC file (`ARROW1` at its start) or stream, as Hugging Face `datasets` keeps them.
pub fn arrow(path: &Path) -> Result<Batches> {
    use std::io::{Read, Seek};
    let mut file = File::open(path).map_err(|e| Error::io("open", path, e))?;
    let mut magic = [0; 6];
    let is_file = file.read_exact(&mut magic).is_ok() && &magic == b"ARROW1";
    file.rewind().map_err(|e| Error::io("read", path, e))?;
    let batches = |batch: Result<RecordBatch, ArrowError>| batch.map(Batch).map_err(|e| e.to_string());
    let damaged = |e: ArrowError| -> Batches { Box::new(std::iter::once(Err(e.to_string()))) };
    let from = BufReader::new(file);
    Ok(if is_file {
        FileReader::try_new(from, None).map_or_else(damaged, |r| Box::new(r.map(batches)))
    } else {
        StreamReader::try_new(from, None).map_or_else(damaged, |r| Box::new(r.map(batches)))
    })
}
