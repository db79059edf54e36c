//! Fields as columns: what tables that hold documents have in common.

use crate::doc::{Document, FieldType, Typed, Value};
use crate::io::columns::{Column, ColumnRef, ColumnType};

/// The type of the column that holds fields of this type.
pub fn column_type(kind: FieldType) -> ColumnType {
    match kind {
        FieldType::Str => ColumnType::Str,
        FieldType::I64 => ColumnType::I64,
        FieldType::F64 => ColumnType::F64,
        FieldType::Bool => ColumnType::Bool,
        FieldType::Tokens => ColumnType::Tokens,
        FieldType::Floats => ColumnType::Floats,
    }
}

/// The slot of all documents as a column.
pub fn field_column<'d>(docs: &[&'d Document], slot: u16, kind: FieldType) -> ColumnRef<'d> {
    let values = docs.iter().map(|d| d.fields.slot(slot));
    match kind {
        FieldType::Str => {
            ColumnRef::Str(values.map(|v| if let Value::Str(s) = v { Some(s.as_str()) } else { None }).collect())
        }
        FieldType::I64 => ColumnRef::I64(values.map(|v| if let Value::I64(n) = v { Some(*n) } else { None }).collect()),
        FieldType::F64 => ColumnRef::F64(values.map(f64::from_value).collect()),
        FieldType::Bool => {
            ColumnRef::Bool(values.map(|v| if let Value::Bool(b) = v { Some(*b) } else { None }).collect())
        }
        FieldType::Tokens => ColumnRef::Tokens(
            values.map(|v| if let Value::Tokens(t) = v { Some(t.as_slice()) } else { None }).collect(),
        ),
        FieldType::Floats => ColumnRef::Floats(
            values.map(|v| if let Value::Floats(f) = v { Some(f.as_slice()) } else { None }).collect(),
        ),
    }
}

/// A column's values; nulls where it has none.
pub fn values(column: Column) -> Vec<Value> {
    fn all<T>(values: Vec<Option<T>>, wrap: fn(T) -> Value) -> Vec<Value> {
        values.into_iter().map(|v| v.map_or(Value::Null, wrap)).collect()
    }
    match column {
        Column::Str(v) => all(v, Value::Str),
        Column::I64(v) => all(v, Value::I64),
        Column::F64(v) => all(v, Value::F64),
        Column::Bool(v) => all(v, Value::Bool),
        Column::Tokens(v) => all(v, Value::Tokens),
        Column::Floats(v) => all(v, Value::Floats),
        Column::Id(_) => Vec::new(),
    }
}
