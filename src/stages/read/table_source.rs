//! Rows of tables on their way to documents: what the readers of Parquet and Arrow share.

use std::sync::Arc;

use crate::doc::{Document, FieldTable, FieldType, Origin, Value};
use crate::io::columns::ColumnType;
use crate::io::table::{Batch, NoText};
use crate::stage::columns::{column_type, values};
use crate::stage::{BadRecord, Read};

/// Reasons of both readers.
pub const REASONS: [(&str, &str); 5] = [
    ("missing_text", "the row's text is null, or the file has no such column"),
    ("text_not_a_string", "the text column holds something else"),
    ("truncated", "the file is cut short: it cannot be read at all"),
    ("corrupt", "the rows from here to the end of the row group (of the file, in Arrow) cannot be read"),
    ("unreadable_columns", "columns beside the text cannot be carried along"),
];

/// Turns rows into documents.
pub struct Rows {
    text: String,
    source: Arc<str>,
    wanted: Vec<(String, u16, ColumnType)>,
    /// Columns that are left as they stand, too.
    as_read: Vec<(String, u16)>,
}

impl Rows {
    /// Rows whose text is in the column `text`; columns of `fields` become fields, the rest is carried raw.
    pub fn new(text: &str, source: &Arc<str>, fields: &FieldTable) -> Self {
        let wanted = fields
            .iter()
            .filter(|(_, name, kind)| *kind != FieldType::Tokens && *name != text)
            .map(|(slot, name, kind)| (name.to_owned(), slot, column_type(kind)))
            .collect();
        let as_read = fields.as_read().map(|(slot, name)| (name.to_owned(), slot)).collect();
        Self { text: text.to_owned(), source: source.clone(), wanted, as_read }
    }

    /// Gives each row of `batch`, the first of which is the file's row `at`, to `each`.
    pub fn read(&self, file: &Arc<str>, at: u64, batch: &Batch, each: &mut dyn FnMut(Read)) {
        let whole = |reason, detail: String| Read::Bad(BadRecord::new(file, at, reason, detail, b""));
        let texts = match batch.texts(&self.text) {
            Ok(texts) => texts,
            Err(NoText::Missing(there)) => {
                let detail = format!(
                    "there is no column `{}` but {}; name the text's with `text:`",
                    self.text,
                    there.join(", ")
                );
                return each(whole("missing_text", detail));
            }
            Err(NoText::Is(kind)) => {
                return each(whole("text_not_a_string", format!("the column `{}` holds {kind}", self.text)));
            }
        };
        let columns: Vec<_> = self
            .wanted
            .iter()
            .filter_map(|(name, slot, kind)| Some((name.as_str(), *slot, values(batch.column(name, *kind)?))))
            .collect();
        let taken = |name: &str| {
            name == self.text || name == super::jsonl::ID_MEMBER || columns.iter().any(|(taken, _, _)| *taken == name)
        };
        let rests = match batch.members(&taken) {
            Ok(rests) => rests,
            Err(e) => return each(whole("unreadable_columns", e.to_string())),
        };
        let mut stand = Vec::new();
        for (name, slot) in &self.as_read {
            match batch.members(&|other| other != name) {
                Ok(members) => stand.push((*slot, members.into_iter())),
                Err(e) => return each(whole("unreadable_columns", e.to_string())),
            }
        }
        let mut columns: Vec<_> = columns.into_iter().map(|(_, slot, values)| (slot, values.into_iter())).collect();
        for (row, (text, rest)) in texts.into_iter().zip(rests).enumerate() {
            let at = at + row as u64;
            let fields: Vec<_> = columns.iter_mut().map(|(slot, v)| (*slot, v.next().unwrap_or_default())).collect();
            let Some(text) = text else {
                let detail = format!("the row's `{}` is null", self.text);
                each(Read::Bad(BadRecord::new(file, at, "missing_text", detail, rest.as_bytes())));
                continue;
            };
            let origin = Origin { source: self.source.clone(), file: file.clone(), at };
            let mut doc = Document::new(origin, text);
            fields.into_iter().for_each(|(slot, value)| doc.fields.put(slot, value));
            for (slot, members) in &mut stand {
                // Alone in its object: what follows its name is the value.
                let member = members.next().unwrap_or_default();
                if let Some(value) = value_of(&member) {
                    doc.fields.put(*slot, Value::Str(value.to_owned()));
                }
            }
            doc.rest = rest;
            each(Read::Document(Box::new(doc)));
        }
    }
}

/// The value of a lone member, `"name":value`.
fn value_of(member: &str) -> Option<&str> {
    let mut names = serde_json::Deserializer::from_str(member).into_iter::<String>();
    names.next()?.ok()?;
    member.get(names.byte_offset()..)?.trim_start().strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_member_is_what_follows_its_name() {
        assert_eq!(value_of(r#""a\":b":{"c":1}"#), Some(r#"{"c":1}"#));
        assert_eq!((value_of(r#""n":5"#), value_of("")), (Some("5"), None));
    }
}
