//! Reads JSON lines: one object a line, in any compression.
//!
//! Members that a stage reads become fields; all others are carried raw and written back, so that nothing of the input is
//! lost. A line that is no document is quarantined alone: peers lose the rest of the file, silently.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::line_source;
use crate::doc::{Document, FieldTable, FieldType, Origin, Value};
use crate::error::Result;
use crate::stage::settings::{ByteSize, Paths};
use crate::stage::{About, BadRecord, Build, Family, Read, Reader, Settings, Source, Split, Stage};
use crate::text::json;

/// Member in which our own writer leaves the document's id; not carried on when read again.
pub const ID_MEMBER: &str = "tamis_id";

/// Settings of `jsonl`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jsonl {
    /// Files or patterns, read in the order of their paths.
    pub paths: Paths,
    /// The member that holds the text.
    #[serde(default = "text")]
    pub text: String,
    /// Longest line in bytes; longer ones are quarantined without being held in memory.
    #[serde(default = "max_record")]
    pub max_record: ByteSize,
}

fn text() -> String {
    "text".into()
}

fn max_record() -> ByteSize {
    ByteSize(64 << 20)
}

impl Settings for Jsonl {
    const ABOUT: About = About {
        shorthand: Some("paths"),
        reasons: &[
            ("bad_json", "the line is not JSON (a lone surrogate in an escape included)"),
            ("not_an_object", "the line is JSON, but no object"),
            ("missing_text", "the object has no text member"),
            ("text_not_a_string", "the text member is no string"),
            ("invalid_utf8", "the line is not UTF-8"),
            ("line_too_long", "the line is longer than `max_record`"),
            ("truncated", "the file ends inside its compressed data"),
            ("corrupt", "the compressed data is damaged from here on"),
        ],
        ..About::new("jsonl", Family::Read, "reads JSON lines, one document each")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        cx.opens();
        Ok(Stage::Source(Arc::new(Running { settings: self, source: cx.flow.into() })))
    }
}

struct Running {
    settings: Jsonl,
    source: Arc<str>,
}

impl Source for Running {
    fn splits(&self) -> Result<Vec<Split>> {
        line_source::splits(&self.settings.paths)
    }

    fn open(&self, split: &Split, fields: &Arc<FieldTable>) -> Result<Box<dyn Reader>> {
        let wanted = fields
            .iter()
            .filter(|(_, name, kind)| *kind != FieldType::Tokens && *name != self.settings.text)
            .map(|(slot, name, kind)| (name.to_owned(), (slot, kind)))
            .collect();
        let as_read = fields.as_read().map(|(slot, name)| (name.to_owned(), slot)).collect();
        let parser = Parser { text: self.settings.text.clone(), source: self.source.clone(), wanted, as_read };
        Ok(line_source::open(
            split,
            self.settings.max_record.0,
            Arc::new(move |file, at, line| parser.read(file, at, line)),
        ))
    }
}

/// Turns lines into documents, on any worker.
struct Parser {
    text: String,
    source: Arc<str>,
    wanted: BTreeMap<String, (u16, FieldType)>,
    /// Members that are left as they stand, too.
    as_read: BTreeMap<String, u16>,
}

impl Parser {
    fn read(&self, file: &Arc<str>, at: u64, line: &[u8]) -> Read {
        match self.line(file, at, line) {
            Ok(doc) => Read::Document(Box::new(doc)),
            Err((reason, detail)) => Read::Bad(BadRecord::new(file, at, reason, detail, line)),
        }
    }

    fn line(&self, file: &Arc<str>, at: u64, line: &[u8]) -> Result<Document, (&'static str, String)> {
        let line = simdutf8::compat::from_utf8(line).map_err(|e| ("invalid_utf8", e.to_string()))?;
        let members = match self.usual(line) {
            Some(members) => Some(members),
            None => self.any(line).map_err(|e| ("bad_json", e.to_string()))?,
        };
        let Some(members) = members else {
            return Err(("not_an_object", "the line is JSON, but no object".into()));
        };
        let text = match members.text {
            TextMember::String(text) => text,
            TextMember::Missing => return Err(("missing_text", format!("the object has no member `{}`", self.text))),
            TextMember::Other => return Err(("text_not_a_string", format!("the member `{}` is no string", self.text))),
        };
        let mut doc = Document::new(Origin { source: self.source.clone(), file: file.clone(), at }, text);
        for (slot, value) in members.fields {
            doc.fields.put(slot, value);
        }
        doc.rest = members.rest;
        Ok(doc)
    }
}

impl Parser {
    /// What the line holds, by the library, which knows all that JSON allows and says what is wrong.
    fn any(&self, line: &str) -> serde_json::Result<Option<Members>> {
        let mut json = serde_json::Deserializer::from_str(line);
        let members = json.deserialize_any(Object { parser: self })?;
        json.end().map(|()| members)
    }

    /// What the line holds if it is an object as most writers write it, with one text: three times as fast as the library,
    /// which reads the other members. Whatever is unusual is `None`.
    fn usual(&self, line: &str) -> Option<Members> {
        if !json::is_plain(line) {
            return None;
        }
        let mut members = Members { text: TextMember::Missing, fields: Vec::new(), rest: String::new() };
        let bytes = line.as_bytes();
        let after = |at: usize| at + bytes.get(at..).unwrap_or_default().iter().take_while(|b| **b == b' ').count();
        let expect = |at: usize, byte: u8| (bytes.get(at) == Some(&byte)).then_some(at + 1);
        let mut at = expect(after(0), b'{')?;
        loop {
            let start = expect(after(at), b'"')?;
            let end = start + memchr::memchr2(b'"', b'\\', bytes.get(start..)?)?;
            let key = line.get(start..end)?;
            at = after(expect(after(expect(end, b'"')?), b':')?);
            if key == self.text {
                let (text, end) = json::read_string(line, expect(at, b'"')?)?;
                if !matches!(std::mem::replace(&mut members.text, TextMember::String(text)), TextMember::Missing) {
                    return None;
                }
                at = end;
            } else {
                let mut values = serde_json::Deserializer::from_str(line.get(at..)?).into_iter::<&RawValue>();
                let raw = values.next()?.ok()?;
                at += values.byte_offset();
                self.member(key, raw, &mut members);
            }
            at = after(at);
            if let Some(end) = expect(at, b'}') {
                return (after(end) == line.len()).then_some(members);
            }
            at = expect(at, b',')?;
        }
    }

    /// Takes a member that is not the text.
    fn member(&self, key: &str, raw: &RawValue, members: &mut Members) {
        if key == ID_MEMBER {
            return;
        }
        if let Some(&slot) = self.as_read.get(key) {
            members.fields.push((slot, Value::Str(raw.get().to_owned())));
        }
        let value = self.wanted.get(key).and_then(|(slot, kind)| Some((*slot, typed(raw.get(), *kind)?)));
        match value {
            Some(field) => members.fields.push(field),
            None => push_member(&mut members.rest, key, raw.get()),
        }
    }
}

/// What an object held.
#[cfg_attr(test, derive(Debug, PartialEq))]
struct Members {
    text: TextMember,
    fields: Vec<(u16, Value)>,
    rest: String,
}

#[cfg_attr(test, derive(Debug, PartialEq))]
enum TextMember {
    Missing,
    String(String),
    Other,
}

struct Object<'p> {
    parser: &'p Parser,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Option<Members>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members { text: TextMember::Missing, fields: Vec::new(), rest: String::new() };
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            if key == self.parser.text {
                members.text = map.next_value_seed(TextSeed)?;
                continue;
            }
            self.parser.member(&key, map.next_value::<&'de RawValue>()?, &mut members);
        }
        Ok(Some(members))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Appends a member to raw JSON members.
fn push_member(rest: &mut String, key: &str, raw: &str) {
    if !rest.is_empty() {
        rest.push(',');
    }
    if key.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        rest.push('"');
        rest.push_str(key);
        rest.push('"');
    } else {
        rest.push_str(&serde_json::Value::from(key).to_string());
    }
    rest.push(':');
    rest.push_str(raw);
}

/// The value as the type asked for; `None` leaves it among the raw members.
fn typed(raw: &str, kind: FieldType) -> Option<Value> {
    match kind {
        FieldType::Str => serde_json::from_str(raw).ok().map(Value::Str),
        FieldType::I64 => serde_json::from_str(raw).ok().map(Value::I64),
        // A whole number stays one, though it is read as a number: it is written back as it came.
        FieldType::F64 => typed(raw, FieldType::I64).or_else(|| serde_json::from_str(raw).ok().map(Value::F64)),
        FieldType::Bool => serde_json::from_str(raw).ok().map(Value::Bool),
        FieldType::Floats => serde_json::from_str(raw).ok().map(Value::Floats),
        FieldType::Tokens => None,
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'k>(#[serde(borrow)] std::borrow::Cow<'k, str>);

struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = TextMember;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<TextMember, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = TextMember;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_str<E>(self, text: &str) -> Result<TextMember, E> {
        Ok(TextMember::String(text.to_owned()))
    }
    fn visit_string<E>(self, text: String) -> Result<TextMember, E> {
        Ok(TextMember::String(text))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TextMember, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(TextMember::Other)
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<TextMember, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(TextMember::Other)
    }
    fn visit_bool<E>(self, _: bool) -> Result<TextMember, E> {
        Ok(TextMember::Other)
    }
    fn visit_i64<E>(self, _: i64) -> Result<TextMember, E> {
        Ok(TextMember::Other)
    }
    fn visit_u64<E>(self, _: u64) -> Result<TextMember, E> {
        Ok(TextMember::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<TextMember, E> {
        Ok(TextMember::Other)
    }
    fn visit_unit<E>(self) -> Result<TextMember, E> {
        Ok(TextMember::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parser() -> Parser {
        let mut table = FieldTable::default();
        table.field::<f64>("score").unwrap();
        let wanted = table.iter().map(|(slot, name, kind)| (name.to_owned(), (slot, kind))).collect();
        Parser { text: "text".into(), source: "s".into(), wanted, as_read: BTreeMap::new() }
    }

    fn read(lines: &[u8]) -> Vec<Result<Document, &'static str>> {
        let parser = parser();
        let mut all = Vec::new();
        let accept: line_source::Accept = Arc::new(move |file, at, line| parser.read(file, at, line));
        line_source::each_line(&"f".into(), 0, lines, &accept, &mut |read| {
            all.push(match read {
                Read::Document(doc) | Read::Joined(doc, _) => Ok(*doc),
                Read::Bad(bad) => Err(bad.reason),
            });
        });
        all
    }

    #[test]
    fn each_bad_line_is_lost_alone() {
        let lines = b"{\"text\":\"a\"}\n{bad\n[1]\n{\"text\":5}\n{\"x\":1}\n{\"text\":\"\xff\"}\n\n{\"text\":\"\\ud800\"}\n\"s\"\n{\"text\":null}\n{\"text\":\"b\"}";
        let endings: Vec<_> = read(lines).into_iter().map(|r| r.map(|d| d.text.into_string())).collect();
        assert_eq!(
            endings,
            [
                Ok("a".to_owned()),
                Err("bad_json"),
                Err("not_an_object"),
                Err("text_not_a_string"),
                Err("missing_text"),
                Err("invalid_utf8"),
                Err("bad_json"),
                Err("not_an_object"),
                Err("text_not_a_string"),
                Ok("b".to_owned()),
            ]
        );
    }

    #[test]
    fn usual_lines_are_read_without_the_library() {
        for line in [
            r#"{"text":"a"}"#,
            r#" { "id" : 1.5e3 , "text" : "a\n\u00e9\"\\\/é" , "m": {"x": [1, "}"]} , "n":null} "#,
            r#"{"score":-0,"tamis_id":"0","b":true,"text":"","s":"\u12aB\ud83d\ude00"}"#,
        ] {
            assert_eq!(parser().usual(line), parser().any(line).unwrap(), "{line}");
            assert!(parser().usual(line).is_some(), "{line}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn a_line_is_read_as_the_library_reads_it(
            members in proptest::collection::vec("(\"(text|score|tamis_id|a|\\\\u0061|)\" ?:? ?(\"([a-z é]|\\\\[nu\"x]|\\\\u[0-9d]{4}){0,6}\"|-?[0-9.]{1,3}|0?1e[+9]|tru?e|null|\\{(\"b\":1)?\\}|\\[[0-9,]{0,3}\\]?|\t)|[,:\\}]) ?", 0..4),
            around in "[ x]{0,2}"
        ) {
            let line = format!("{around}{{{}}}{around}", members.join(","));
            if let Some(ours) = parser().usual(&line) {
                prop_assert_eq!(Some(ours), parser().any(&line).unwrap_or(None), "{}", line);
            }
        }
    }

    #[test]
    fn members_nobody_reads_are_carried_raw() {
        let line = br#"{"id": "x", "text":"t","score":1.50,"m":{"a": [1, 2]},"k\"":1e3,"tamis_id":"00"}"#;
        let doc = read(line).remove(0).unwrap();
        assert_eq!(doc.rest, r#""id":"x","m":{"a": [1, 2]},"k\"":1e3"#);
        assert_eq!(doc.fields.slot(0), &Value::F64(1.5));
        let doc = read(br#"{"text":"t","score":9007199254740993}"#).remove(0).unwrap();
        assert_eq!(doc.fields.slot(0), &Value::I64(9_007_199_254_740_993));
        let doc = read(br#"{"text":"t","score":"high"}"#).remove(0).unwrap();
        assert_eq!(doc.rest, r#""score":"high""#);
    }
}
