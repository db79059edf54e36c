//! Which of several equal or similar documents stays: the same choices for every stage that removes duplicates.
//!
//! The choice becomes a number, smaller for the better document. Equal numbers are decided by corpus order, so that the
//! survivor never depends on splits or workers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use serde_json::Value as Json;

use super::Build;
use super::ranks::ascending;
use crate::doc::{Document, Field, FieldType, Value};
use crate::error::{Error, Result};
use crate::text::date;

/// Which document of a cluster stays; of equally good ones the first in corpus order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Survivor {
    /// The first in corpus order.
    #[default]
    First,
    /// The longest in bytes of text.
    Longest,
    /// The one with the greatest number in this field; those without one come last: `{ best: edu_score }`.
    Best(String),
    /// The one with the latest date in this field (ISO 8601 such as `2024-05-03T12:00:00Z`, or a number); those without
    /// one come last: `{ newest: date }`.
    Newest(String),
    /// The one whose source (flow or reader) comes first in this list; others come last: `{ sources: [wiki, web] }`.
    Sources(Vec<String>),
}

/// The choice with its field resolved.
#[derive(Debug, Clone)]
pub enum Preference {
    /// No document is better than another.
    None,
    /// By length.
    Length,
    /// By the number in a slot.
    Number(u16),
    /// By the date in a slot.
    Date(u16),
    /// By a date of the input, text or number, as JSON.
    Input(Field<String>),
    /// By source.
    Sources(Vec<String>),
}

impl Survivor {
    /// Resolves fields; refuses an empty or repeating list of sources.
    pub fn resolve(&self, cx: &mut Build<'_>) -> Result<Preference> {
        Ok(match self {
            Self::First => Preference::None,
            Self::Longest => Preference::Length,
            Self::Best(field) => Preference::Number(cx.reads::<f64>(field)?.slot()),
            Self::Newest(field) if !cx.is_written(field) => Preference::Input(cx.reads_as_it_stands(field)?),
            Self::Newest(field) => match cx.table().lookup(field).map(|(_, kind)| kind) {
                Some(FieldType::I64 | FieldType::F64) => Preference::Number(cx.reads::<f64>(field)?.slot()),
                _ => Preference::Date(cx.reads::<String>(field)?.slot()),
            },
            Self::Sources(names) => {
                let twice = names.iter().enumerate().find(|(at, name)| names.iter().take(*at).any(|n| n == *name));
                if names.is_empty() || twice.is_some() {
                    let what = twice.map_or("is empty".to_owned(), |(_, name)| format!("names `{name}` twice"));
                    return Err(Error::pipeline(format!("`{}`: the list of `sources` {what}", cx.label))
                        .hint("name each flow or reader once, the preferred one first"));
                }
                Preference::Sources(names.clone())
            }
        })
    }
}

impl Preference {
    /// Whether every document is as good as every other, so that no number need be kept.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Smaller for the better document.
    pub fn of(&self, doc: &Document) -> u64 {
        match self {
            Self::None => 0,
            Self::Length => !(doc.text.len() as u64),
            Self::Number(slot) => match doc.fields.slot(*slot) {
                Value::F64(n) if !n.is_nan() => !ascending(*n),
                Value::I64(n) => !ascending(*n as f64),
                _ => u64::MAX,
            },
            Self::Date(slot) => match doc.fields.slot(*slot) {
                Value::Str(text) => date::seconds(text).map_or(u64::MAX, |s| !ascending(s as f64)),
                _ => u64::MAX,
            },
            Self::Input(field) => match doc.get(*field).and_then(|json| serde_json::from_str(json).ok()) {
                Some(Json::String(text)) => date::seconds(&text).map_or(u64::MAX, |s| !ascending(s as f64)),
                Some(Json::Number(n)) => n.as_f64().map_or(u64::MAX, |n| !ascending(n)),
                _ => u64::MAX,
            },
            Self::Sources(names) => names.iter().position(|n| **n == *doc.origin.source).unwrap_or(names.len()) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doc::{FieldTable, Origin};
    use crate::stage::Scope;

    fn doc(source: &str, text: &str) -> Document {
        Document::new(Origin { source: source.into(), file: "f".into(), at: 0 }, text.to_owned())
    }

    fn resolve(yaml: serde_json::Value, prepare: impl FnOnce(&mut Build<'_>)) -> Result<Preference> {
        let (mut table, mut scope) = (FieldTable::default(), Scope::default());
        let mut cx = Build::new("minhash", "web", &mut table, &mut scope);
        prepare(&mut cx);
        serde_json::from_value::<Survivor>(yaml).unwrap().resolve(&mut cx)
    }

    #[test]
    fn sources_and_length() {
        let sources = resolve(serde_json::json!({ "sources": ["wiki", "web"] }), |_| ()).unwrap();
        assert_eq!(["wiki", "web", "x"].map(|s| sources.of(&doc(s, "")),), [0, 1, 2]);
        let longest = resolve(serde_json::json!("longest"), |_| ()).unwrap();
        assert!(longest.of(&doc("a", "long")) < longest.of(&doc("a", "l")));
        assert!(resolve(serde_json::json!({ "sources": [] }), |_| ()).is_err());
        assert!(
            resolve(serde_json::json!({ "sources": ["a", "a"] }), |_| ()).unwrap_err().message.contains("`a` twice")
        );
    }

    #[test]
    fn the_newest_of_the_input_is_a_date_or_a_number() {
        let mut table = FieldTable::default();
        let mut scope = Scope { open: true, ..Scope::default() };
        let mut cx = Build::new("exact", "web", &mut table, &mut scope);
        let newest = Survivor::Newest("seen".into()).resolve(&mut cx).unwrap();
        let Preference::Input(field) = newest else { panic!("{newest:?}") };
        // 1714737600 is noon of the third of May.
        let days = [r#""2024-05-04""#, "1714737600", r#""2024-05-03T11:59:59Z""#, "-5", r#""soon""#, "null"];
        let days = days.map(|json| {
            let mut doc = doc("a", "");
            doc.set(field, json.into());
            newest.of(&doc)
        });
        assert!(days[..5].windows(2).all(|w| w[0] < w[1]) && days[4] == days[5], "{days:?}");
    }

    #[test]
    fn the_newest_by_date_or_number_and_the_undated_last() {
        let mut slot = 0;
        let newest = serde_json::json!({ "newest": "date" });
        let preference = resolve(newest.clone(), |cx| slot = cx.writes::<String>("date").unwrap().slot()).unwrap();
        let of = |preference: &Preference, slot: u16, value: Value| {
            let mut doc = doc("a", "");
            doc.fields.put(slot, value);
            preference.of(&doc)
        };
        let days = ["2024-05-03", "2024-05-02T23:59:59Z", "1969-01-01", "soon"];
        let days = days.map(|d| of(&preference, slot, Value::Str(d.into())));
        assert!(days.is_sorted() && days[2] < days[3], "{days:?}");
        let preference = resolve(newest.clone(), |cx| slot = cx.writes::<i64>("date").unwrap().slot()).unwrap();
        let days = [Value::I64(9), Value::I64(-9), Value::Null].map(|d| of(&preference, slot, d));
        assert!(days.is_sorted() && days[1] < days[2], "{days:?}");
        assert!(resolve(newest, |_| ()).is_err(), "nobody writes the field");
    }
}
