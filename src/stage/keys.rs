//! Fields as keys: bytes by which documents with equal values are found equal, grouped or kept together.

use super::Build;
use crate::doc::{Document, Field, FieldType, Value};
use crate::error::Result;

/// The slot of a field of whatever type it has; text if nobody has said.
pub fn slot(cx: &mut Build<'_>, name: &str) -> Result<u16> {
    match cx.table().lookup(name).map(|(_, kind)| kind) {
        Some(FieldType::I64) => cx.reads::<i64>(name).map(Field::slot),
        Some(FieldType::F64) => cx.reads::<f64>(name).map(Field::slot),
        Some(FieldType::Bool) => cx.reads::<bool>(name).map(Field::slot),
        Some(FieldType::Tokens) => cx.reads::<Vec<u32>>(name).map(Field::slot),
        Some(FieldType::Floats) => cx.reads::<Vec<f32>>(name).map(Field::slot),
        Some(FieldType::Str) | None => cx.reads::<String>(name).map(Field::slot),
    }
}

/// Appends the value in `slot` with its type and length, so that no two lists of values have the same bytes; `false` if
/// there is none.
pub fn write(doc: &Document, slot: u16, out: &mut Vec<u8>) -> bool {
    match doc.fields.slot(slot) {
        Value::Null => return false,
        Value::Str(s) => {
            out.push(1);
            out.extend((s.len() as u64).to_le_bytes());
            out.extend(s.as_bytes());
        }
        // A whole number equals itself whichever way it was written down.
        Value::I64(n) => {
            out.push(2);
            out.extend((*n as f64).to_bits().to_le_bytes());
            out.extend(n.to_le_bytes());
        }
        Value::F64(n) => {
            out.push(2);
            out.extend(n.to_bits().to_le_bytes());
            out.extend((*n as i64).to_le_bytes());
        }
        Value::Bool(b) => out.extend([3, u8::from(*b)]),
        Value::Tokens(tokens) => {
            out.push(4);
            out.extend((tokens.len() as u64).to_le_bytes());
            out.extend(tokens.iter().flat_map(|t| t.to_le_bytes()));
        }
        Value::Floats(vector) => {
            out.push(5);
            out.extend((vector.len() as u64).to_le_bytes());
            out.extend(vector.iter().flat_map(|x| x.to_bits().to_le_bytes()));
        }
    }
    true
}
