//! The nouns: what a document is, where it came from, what is known of it and what was decided.
//!
//! Nothing here reads files, knows a stage or a thread.

mod field;
mod text;
mod verdict;

use std::fmt;
use std::sync::Arc;

pub use field::{AS_READ, Field, FieldTable, FieldType, Fields, INNER, Typed, Value};
pub use text::{Span, Text, Words};
pub use verdict::{Mark, Reason, Verdict};

/// One document on its way through the pipeline.
#[derive(Debug, Clone)]
pub struct Document {
    /// Who it is: a digest of its place and its first text. Never changes.
    pub id: DocId,
    /// Where it was read.
    pub origin: Origin,
    /// What it says now.
    pub text: Text,
    /// What stages asked to know of it, by slot.
    pub fields: Fields,
    /// Members of the input record nobody asked for: raw JSON members joined by commas, without braces, in input order.
    pub rest: String,
    /// How often it is written: 1, unless a mixture repeats it.
    pub copies: u32,
    /// What the step at hand took out of the text; the ledger takes it after each step.
    pub marks: Vec<Mark>,
}

impl Document {
    /// A document just read from `origin`. `slots` is [`FieldTable::len`].
    pub fn new(origin: Origin, text: String) -> Self {
        let id = DocId::of(&origin, &text);
        Self {
            id,
            origin,
            text: Text::new(text),
            fields: Fields::default(),
            rest: String::new(),
            copies: 1,
            marks: Vec::new(),
        }
    }

    /// The `ordinal`-th part of this document: a document of its own with this text, from the same place and with the
    /// same fields. Tokens are of the whole text, and stay behind.
    pub fn part(&self, ordinal: u32, text: String) -> Self {
        // Not a clone with another text: that would copy the whole text for each of its parts.
        Self {
            id: self.id.part(ordinal),
            origin: self.origin.clone(),
            text: Text::new(text),
            fields: self.fields.without_tokens(),
            rest: self.rest.clone(),
            copies: self.copies,
            marks: Vec::new(),
        }
    }

    /// The `ordinal`-th document made of `docs`: a document of its own with this text, from the place of the first, with
    /// those fields and members in which all of them agree. Tokens are of their texts, and stay behind.
    pub fn joined(docs: &[Self], ordinal: u32, text: String) -> Option<Self> {
        let (first, others) = docs.split_first()?;
        let mut fields = first.fields.without_tokens();
        others.iter().for_each(|doc| fields.keep_equal(&doc.fields));
        let ids: Vec<u8> = docs.iter().flat_map(|doc| doc.id.0.to_le_bytes()).collect();
        Some(Self {
            id: DocId(xxhash_rust::xxh3::xxh3_128(&ids)).part(ordinal),
            origin: first.origin.clone(),
            text: Text::new(text),
            fields,
            rest: if others.iter().all(|doc| doc.rest == first.rest) { first.rest.clone() } else { String::new() },
            copies: docs.iter().map(|doc| doc.copies).max().unwrap_or(1),
            marks: Vec::new(),
        })
    }

    /// The value of `field`, if it was written.
    pub fn get<T: Typed>(&self, field: Field<T>) -> Option<T::Ref<'_>> {
        T::from_value(self.fields.slot(field.slot()))
    }

    /// Writes `field`.
    pub fn set<T: Typed>(&mut self, field: Field<T>, value: T) {
        self.fields.put(field.slot(), value.into_value());
    }
}

/// 128 bits that name a document for good: xxh3 of its origin and of the text it was read with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct DocId(pub u128);

impl DocId {
    /// The id of a document read at `origin` as `text`.
    pub fn of(origin: &Origin, text: &str) -> Self {
        let mut place = Vec::with_capacity(origin.source.len() + origin.file.len() + 32);
        place.extend_from_slice(origin.source.as_bytes());
        place.push(0);
        place.extend_from_slice(origin.file.as_bytes());
        place.push(0);
        place.extend_from_slice(&origin.at.to_le_bytes());
        place.extend_from_slice(&xxhash_rust::xxh3::xxh3_128(text.as_bytes()).to_le_bytes());
        Self(xxhash_rust::xxh3::xxh3_128(&place))
    }

    /// The id of the `ordinal`-th part of the document with this id.
    pub fn part(self, ordinal: u32) -> Self {
        let mut place = [0; 20];
        let (id, number) = place.split_at_mut(16);
        id.copy_from_slice(&self.0.to_le_bytes());
        number.copy_from_slice(&ordinal.to_le_bytes());
        Self(xxhash_rust::xxh3::xxh3_128(&place))
    }

    /// Parses the 32 hexadecimal digits that [`fmt::Display`] writes.
    pub fn parse(hex: &str) -> Option<Self> {
        (hex.len() == 32).then(|| u128::from_str_radix(hex, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for DocId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a record was read: the flow or reader that read it, the file, and the place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The flow (or, in a flow that reads several formats, the reader) it came from: what `mix` weighs by.
    pub source: Arc<str>,
    /// The path as the pipeline's pattern expanded to it; `!/` and the member's name follow for archives.
    pub file: Arc<str>,
    /// Offset in bytes (of the record in the decompressed text, of the gzip member for WARC) or the row number.
    pub at: u64,
}

/// How global stages remember a document: 8 bytes, sorted like the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocRef {
    /// The task's ordinal in its pass.
    pub split: u32,
    /// The document's ordinal among those the task kept.
    pub row: u32,
}

impl DocRef {
    /// Bytes whose order is the corpus order.
    pub fn to_bytes(self) -> [u8; 8] {
        ((u64::from(self.split) << 32) | u64::from(self.row)).to_be_bytes()
    }

    /// The inverse of [`DocRef::to_bytes`].
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let word = u64::from_be_bytes(bytes);
        Self { split: (word >> 32) as u32, row: word as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_place_and_text() {
        let at = |at| Origin { source: "web".into(), file: "a.jsonl".into(), at };
        let id = DocId::of(&at(0), "x");
        assert_eq!(id, DocId::of(&at(0), "x"));
        assert_ne!(id, DocId::of(&at(1), "x"));
        assert_ne!(id, DocId::of(&at(0), "y"));
        assert_eq!(DocId::parse(&id.to_string()), Some(id));
        assert_eq!(DocId::parse("zz"), None);
    }

    #[test]
    fn a_part_is_a_document_of_its_own_with_the_fields_of_the_whole() {
        let mut table = FieldTable::default();
        let (lang, tokens) = (table.field::<String>("lang").unwrap(), table.field::<Vec<u32>>("tokens").unwrap());
        let origin = Origin { source: "web".into(), file: "a.jsonl".into(), at: 7 };
        let mut doc = Document::new(origin.clone(), "one two".into());
        doc.set(lang, "en".into());
        doc.set(tokens, vec![1, 2]);
        let (first, second) = (doc.part(0, "one".into()), doc.part(1, "two".into()));
        assert_eq!((first.text.as_str(), &first.origin, first.get(lang)), ("one", &origin, Some("en")));
        assert_eq!(first.get(tokens), None);
        assert!(first.id != second.id && first.id != doc.id);
        assert_eq!(first.id, doc.id.part(0));
    }

    #[test]
    fn a_joined_document_says_what_all_of_them_say() {
        let mut table = FieldTable::default();
        let (lang, path) = (table.field::<String>("lang").unwrap(), table.field::<String>("path").unwrap());
        let docs: Vec<Document> = ["a", "b"]
            .iter()
            .enumerate()
            .map(|(at, text)| {
                let origin = Origin { source: "code".into(), file: "a.tar".into(), at: at as u64 };
                let mut doc = Document::new(origin, (*text).to_owned());
                doc.set(lang, "C".into());
                doc.set(path, format!("{text}.c"));
                doc.rest = "\"x\":1".into();
                doc.copies = 1 + at as u32;
                doc
            })
            .collect();
        let joined = Document::joined(&docs, 0, "ab".into()).unwrap();
        assert_eq!((joined.get(lang), joined.get(path), &*joined.rest, joined.copies), (Some("C"), None, "\"x\":1", 2));
        assert_eq!(joined.origin, docs[0].origin);
        assert!(joined.id != docs[0].id && joined.id != Document::joined(&docs, 1, "ab".into()).unwrap().id);
        assert!(Document::joined(&[], 0, String::new()).is_none());
    }

    #[test]
    fn doc_refs_sort_as_bytes() {
        let refs = [DocRef { split: 0, row: 5 }, DocRef { split: 1, row: 0 }, DocRef { split: 1, row: 256 }];
        let mut bytes: Vec<_> = refs.iter().rev().map(|r| r.to_bytes()).collect();
        bytes.sort();
        assert_eq!(bytes.into_iter().map(DocRef::from_bytes).collect::<Vec<_>>(), refs);
    }
}
