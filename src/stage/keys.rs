//! Fields as keys: bytes by which documents with equal values are found equal, grouped or kept together.
//!
//! What a stage before wrote has a type. What only the input has is of any: a cluster may be a number in one file and a
//! name in another, and a value that is not seen would tear a group apart. So it is taken as it stands.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::Build;
use crate::doc::{Document, Field, FieldType, Value};
use crate::error::Result;

/// A field of any type.
#[derive(Debug, Clone, Copy)]
pub enum Key {
    /// What a stage wrote.
    Written(u16),
    /// A member of the input, as JSON.
    Input(Field<String>),
}

impl Key {
    /// The field `name`. An error if nobody has it.
    pub fn resolve(cx: &mut Build<'_>, name: &str) -> Result<Self> {
        let kind = cx.table().lookup(name).map(|(_, kind)| kind).filter(|_| cx.is_written(name));
        Ok(Self::Written(match kind {
            Some(FieldType::I64) => cx.reads::<i64>(name)?.slot(),
            Some(FieldType::F64) => cx.reads::<f64>(name)?.slot(),
            Some(FieldType::Bool) => cx.reads::<bool>(name)?.slot(),
            Some(FieldType::Tokens) => cx.reads::<Vec<u32>>(name)?.slot(),
            Some(FieldType::Floats) => cx.reads::<Vec<f32>>(name)?.slot(),
            Some(FieldType::Str) => cx.reads::<String>(name)?.slot(),
            None => return cx.reads_as_it_stands(name).map(Self::Input),
        }))
    }

    /// Appends the value with its type and length, so that no two lists of values have the same bytes; `false` if there is
    /// none.
    pub fn write(self, doc: &Document, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Written(slot) => write(doc.fields.slot(slot), out),
            Self::Input(field) => doc.get(field).is_some_and(|json| match serde_json::from_str(json) {
                Ok(value) => write_json(&value, out),
                Err(_) => write_text(json, out),
            }),
        }
    }

    /// The value as a name; `None` if there is none, or a list or an object.
    pub fn text(self, doc: &Document) -> Option<Cow<'_, str>> {
        match self {
            Self::Written(slot) => match doc.fields.slot(slot) {
                Value::Str(text) => Some(text.as_str().into()),
                Value::I64(n) => Some(n.to_string().into()),
                Value::F64(n) => Some(n.to_string().into()),
                Value::Bool(b) => Some(b.to_string().into()),
                Value::Null | Value::Tokens(_) | Value::Floats(_) => None,
            },
            Self::Input(field) => match serde_json::from_str(doc.get(field)?).ok()? {
                Json::String(text) => Some(text.into()),
                Json::Number(n) => Some(n.to_string().into()),
                Json::Bool(b) => Some(b.to_string().into()),
                Json::Null | Json::Array(_) | Json::Object(_) => None,
            },
        }
    }
}

fn write(value: &Value, out: &mut Vec<u8>) -> bool {
    match value {
        Value::Null => return false,
        Value::Str(text) => return write_text(text, out),
        Value::I64(n) => write_whole(*n, out),
        Value::F64(n) => write_number(*n, out),
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

/// The same bytes for the same value, whether a stage wrote it or the input has it.
fn write_json(value: &Json, out: &mut Vec<u8>) -> bool {
    match value {
        Json::Null => return false,
        Json::String(text) => return write_text(text, out),
        Json::Number(n) => match n.as_i64() {
            Some(n) => write_whole(n, out),
            None => write_number(n.as_f64().unwrap_or(f64::NAN), out),
        },
        Json::Bool(b) => out.extend([3, u8::from(*b)]),
        Json::Array(_) | Json::Object(_) => {
            out.push(6);
            return write_text(&value.to_string(), out);
        }
    }
    true
}

fn write_text(text: &str, out: &mut Vec<u8>) -> bool {
    out.push(1);
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
    true
}

/// A whole number equals itself whichever way it was written down.
fn write_whole(n: i64, out: &mut Vec<u8>) {
    out.push(2);
    out.extend((n as f64).to_bits().to_le_bytes());
    out.extend(n.to_le_bytes());
}

fn write_number(n: f64, out: &mut Vec<u8>) {
    out.push(2);
    out.extend(n.to_bits().to_le_bytes());
    out.extend((n as i64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::FieldTable;
    use crate::stage::Scope;
    use crate::stage::testing::doc;

    #[test]
    fn a_value_is_the_same_key_whoever_has_it() {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("split", "web", &mut table, &mut scope);
        assert!(Key::resolve(&mut cx, "c").is_err());
        cx.opens();
        let input = Key::resolve(&mut cx, "c").unwrap();
        cx.writes::<f64>("c").unwrap();
        let written = Key::resolve(&mut cx, "c").unwrap();
        let (Key::Input(field), Key::Written(slot)) = (input, written) else { panic!("{input:?} {written:?}") };
        let bytes = |key: Key, doc: &Document| {
            let mut bytes = Vec::new();
            (key.write(doc, &mut bytes), bytes, key.text(doc).map(Cow::into_owned))
        };
        for (json, value) in [
            ("7", Value::I64(7)),
            ("7.0", Value::F64(7.0)),
            ("-0.5", Value::F64(-0.5)),
            (r#""a\u0062""#, Value::Str("ab".into())),
            ("true", Value::Bool(true)),
            ("null", Value::Null),
        ] {
            let mut doc = doc("web", 0, "text");
            doc.set(field, json.to_owned());
            doc.fields.put(slot, value);
            assert_eq!(bytes(input, &doc).1, bytes(written, &doc).1, "{json}");
            assert_eq!(bytes(input, &doc).0, bytes(written, &doc).0, "{json}");
        }
        let of = |json: &str| {
            let mut doc = doc("web", 0, "text");
            doc.set(field, json.to_owned());
            bytes(input, &doc)
        };
        assert_eq!(of("7").1, of("7.0").1);
        assert_ne!(of("7").1, of(r#""7""#).1);
        assert_eq!((of(r#"{"b": 1, "a": 2}"#).1, of("[1]").2), (of(r#"{"a":2,"b":1}"#).1, None));
        assert_eq!(of("7").2.as_deref(), Some("7"));
    }
}
