//! Values of fields as JSON: how writers, programs and tests see them.

use serde_json::Value as Json;

use crate::doc::{FieldType, Value};
use crate::text::json;

/// Appends `value`; a value that is not there is `null`.
pub fn push_json(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => json::push_string(text, out),
        Value::I64(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::F64(n) => out.extend_from_slice(Json::from(*n).to_string().as_bytes()),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Tokens(ids) => {
            out.push(b'[');
            for (n, id) in ids.iter().enumerate() {
                out.extend_from_slice(if n > 0 { b"," } else { b"" });
                out.extend_from_slice(id.to_string().as_bytes());
            }
            out.push(b']');
        }
        // Writing numbers into memory cannot fail.
        Value::Floats(vector) => serde_json::to_writer(&mut *out, vector).unwrap_or_default(),
        Value::Null => out.extend_from_slice(b"null"),
    }
}

/// What `value` is as a value of the type `kind`; nothing if it is of another.
pub fn from_json(value: &Json, kind: FieldType) -> Option<Value> {
    match kind {
        FieldType::Str => value.as_str().map(|s| Value::Str(s.to_owned())),
        FieldType::I64 => value.as_i64().map(Value::I64),
        FieldType::F64 => value.as_i64().map(Value::I64).or_else(|| value.as_f64().map(Value::F64)),
        FieldType::Bool => value.as_bool().map(Value::Bool),
        FieldType::Floats => serde_json::from_value(value.clone()).ok().map(Value::Floats),
        FieldType::Tokens => serde_json::from_value(value.clone()).ok().map(Value::Tokens),
    }
}

/// `value` as JSON; nothing if it is not there.
pub fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => return None,
        Value::Str(text) => text.as_str().into(),
        Value::I64(n) => (*n).into(),
        Value::F64(n) => (*n).into(),
        Value::Bool(b) => (*b).into(),
        Value::Tokens(ids) => ids.clone().into(),
        Value::Floats(vector) => vector.clone().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_json() {
        let values = [
            (Value::Str("a\"b".into()), FieldType::Str),
            (Value::I64(-3), FieldType::I64),
            (Value::I64(7), FieldType::F64),
            (Value::F64(0.1), FieldType::F64),
            (Value::Bool(true), FieldType::Bool),
            (Value::Tokens(vec![1, 2]), FieldType::Tokens),
            (Value::Floats(vec![0.5, -1.0]), FieldType::Floats),
        ];
        for (value, kind) in values {
            let mut out = Vec::new();
            push_json(&value, &mut out);
            let json: Json = serde_json::from_slice(&out).unwrap();
            assert_eq!(to_json(&value), Some(json.clone()));
            assert_eq!(from_json(&json, kind), Some(value));
        }
        assert_eq!(from_json(&"x".into(), FieldType::I64), None);
        assert_eq!(to_json(&Value::Null), None);
    }
}
