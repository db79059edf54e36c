//! Columns in row groups of Parquet files: what documents are held in between passes. Arrow's types stay in here.
//!
//! A row group is encoded on any worker ([`GroupEncoder`]) and appended in order ([`GroupWriter`]); [`super::table`] reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder, UInt32Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeBinaryArray, Float64Array, Int64Array, LargeStringArray, PrimitiveArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;

use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, Written};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// UTF-8.
    Str,
    /// 64-bit integers.
    I64,
    /// 64-bit floats.
    F64,
    /// Booleans.
    Bool,
    /// Lists of `u32`.
    Tokens,
    /// Lists of `f32`.
    Floats,
    /// 16 bytes.
    Id,
}

/// A column to write.
pub enum ColumnRef<'c> {
    /// [`ColumnType::Str`]
    Str(Vec<Option<&'c str>>),
    /// [`ColumnType::I64`]
    I64(Vec<Option<i64>>),
    /// [`ColumnType::F64`]
    F64(Vec<Option<f64>>),
    /// [`ColumnType::Bool`]
    Bool(Vec<Option<bool>>),
    /// [`ColumnType::Tokens`]
    Tokens(Vec<Option<&'c [u32]>>),
    /// [`ColumnType::Floats`]
    Floats(Vec<Option<&'c [f32]>>),
    /// [`ColumnType::Id`]
    Id(Vec<[u8; 16]>),
}

/// A column read.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// [`ColumnType::Str`]
    Str(Vec<Option<String>>),
    /// [`ColumnType::I64`]
    I64(Vec<Option<i64>>),
    /// [`ColumnType::F64`]
    F64(Vec<Option<f64>>),
    /// [`ColumnType::Bool`]
    Bool(Vec<Option<bool>>),
    /// [`ColumnType::Tokens`]
    Tokens(Vec<Option<Vec<u32>>>),
    /// [`ColumnType::Floats`]
    Floats(Vec<Option<Vec<f32>>>),
    /// [`ColumnType::Id`]
    Id(Vec<[u8; 16]>),
}

/// Names and types of columns, in order.
pub type Columns = Vec<(String, ColumnType)>;

/// Arrow's name for a type.
pub(super) fn arrow_type(kind: ColumnType) -> DataType {
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    match kind {
        ColumnType::Str => DataType::LargeUtf8,
        ColumnType::I64 => DataType::Int64,
        ColumnType::F64 => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Tokens => list(DataType::UInt32),
        ColumnType::Floats => list(DataType::Float32),
        ColumnType::Id => DataType::FixedSizeBinary(16),
    }
}

fn schema(columns: &Columns) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|(name, kind)| Field::new(name, arrow_type(*kind), *kind != ColumnType::Id)).collect();
    Arc::new(Schema::new(fields))
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("tamis".into())
        .set_statistics_enabled(EnabledStatistics::None)
        .set_dictionary_enabled(false)
        .build()
}

fn fails(path: &Path, what: &str, e: ParquetError) -> Error {
    Error::world(format!("cannot {what} `{}`: {e}", path.display())).because(e)
}

/// One encoded row group.
pub struct EncodedGroup(Vec<ArrowColumnChunk>);

/// Encodes row groups; one for each worker.
pub struct GroupEncoder {
    schema: SchemaRef,
    factory: ArrowRowGroupWriterFactory,
}

impl GroupEncoder {
    /// An encoder of `columns`.
    pub fn new(columns: &Columns) -> Result<Self> {
        let schema = schema(columns);
        let writer = file_writer(&schema, Vec::new()).map_err(|e| fails(Path::new("a row group"), "encode", e))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, schema.clone());
        Ok(Self { schema, factory })
    }

    /// Encodes one row group.
    pub fn encode(&mut self, columns: &[ColumnRef<'_>]) -> Result<EncodedGroup> {
        let arrays: Vec<ArrayRef> = columns.iter().map(array).collect();
        let encode = || {
            let mut writers = self.factory.create_column_writers(0)?.into_iter();
            let mut chunks = Vec::new();
            for (array, field) in arrays.iter().zip(self.schema.fields()) {
                for leaf in compute_leaves(field, array)? {
                    let mut writer = writers.next().ok_or_else(|| ParquetError::General("a column too many".into()))?;
                    writer.write(&leaf)?;
                    chunks.push(writer.close()?);
                }
            }
            Ok(EncodedGroup(chunks))
        };
        encode().map_err(|e: ParquetError| fails(Path::new("a row group"), "encode", e))
    }
}

fn file_writer<W: std::io::Write + Send>(schema: &SchemaRef, out: W) -> Result<SerializedFileWriter<W>, ParquetError> {
    let parquet = ArrowSchemaConverter::new().convert(schema)?;
    SerializedFileWriter::new(out, parquet.root_schema_ptr(), Arc::new(properties()))
}

fn array(column: &ColumnRef<'_>) -> ArrayRef {
    match column {
        ColumnRef::Str(v) => Arc::new(LargeStringArray::from_iter(v.iter().copied())),
        ColumnRef::I64(v) => Arc::new(Int64Array::from_iter(v.iter().copied())),
        ColumnRef::F64(v) => Arc::new(Float64Array::from_iter(v.iter().copied())),
        ColumnRef::Bool(v) => Arc::new(BooleanArray::from_iter(v.iter().copied())),
        ColumnRef::Tokens(v) => {
            let mut list = ListBuilder::new(UInt32Builder::new());
            for ids in v {
                if let Some(ids) = ids {
                    list.values().append_slice(ids);
                }
                list.append(ids.is_some());
            }
            Arc::new(list.finish())
        }
        ColumnRef::Floats(v) => {
            let mut list = ListBuilder::new(Float32Builder::new());
            for vector in v {
                if let Some(vector) = vector {
                    list.values().append_slice(vector);
                }
                list.append(vector.is_some());
            }
            Arc::new(list.finish())
        }
        ColumnRef::Id(v) => {
            let bytes: Vec<u8> = v.iter().flatten().copied().collect();
            Arc::new(FixedSizeBinaryArray::new(16, bytes.into(), None))
        }
    }
}

/// Appends encoded row groups to a file that appears whole or not at all.
pub struct GroupWriter {
    path: PathBuf,
    writer: SerializedFileWriter<AtomicFile>,
}

impl GroupWriter {
    /// Begins `path`.
    pub fn create(path: &Path, columns: &Columns) -> Result<Self> {
        let writer = file_writer(&schema(columns), AtomicFile::create(path)?).map_err(|e| fails(path, "write", e))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Appends a row group.
    pub fn append(&mut self, group: EncodedGroup) -> Result<()> {
        let append = || {
            let mut out = self.writer.next_row_group()?;
            for chunk in group.0 {
                chunk.append_to_row_group(&mut out)?;
            }
            out.close()
        };
        append().map(drop).map_err(|e| fails(&self.path, "write", e))
    }

    /// Writes the footer and commits.
    pub fn finish(self) -> Result<Written> {
        let file = self.writer.into_inner().map_err(|e| fails(&self.path, "write", e))?;
        file.commit()
    }
}

/// The values of an array, if it is of a type that columns have.
pub(super) fn column(array: &ArrayRef) -> Option<Column> {
    Some(match array.data_type() {
        DataType::LargeUtf8 => Column::Str(array.as_string::<i64>().iter().map(|v| v.map(str::to_owned)).collect()),
        DataType::Utf8 => Column::Str(array.as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect()),
        DataType::Int64 => Column::I64(array.as_primitive::<Int64Type>().iter().collect()),
        DataType::Float64 => Column::F64(array.as_primitive::<Float64Type>().iter().collect()),
        DataType::Boolean => Column::Bool(array.as_boolean().iter().collect()),
        DataType::FixedSizeBinary(16) => {
            let ids = array.as_fixed_size_binary();
            Column::Id((0..ids.len()).map(|i| ids.value(i).try_into().unwrap_or_default()).collect())
        }
        DataType::List(item) if *item.data_type() == DataType::Float32 => {
            let lists = array.as_list::<i32>().iter();
            Column::Floats(lists.map(|v| floats(v?.as_primitive::<Float32Type>())).collect())
        }
        DataType::List(item) if *item.data_type() == DataType::UInt32 => {
            let lists = array.as_list::<i32>().iter();
            Column::Tokens(lists.map(|v| v.map(|v| v.as_primitive::<UInt32Type>().values().to_vec())).collect())
        }
        _ => return None,
    })
}

/// A list's numbers; none if one of them is null.
fn floats(list: &PrimitiveArray<Float32Type>) -> Option<Vec<f32>> {
    (list.null_count() == 0).then(|| list.values().to_vec())
}
