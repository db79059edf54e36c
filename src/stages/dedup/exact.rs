//! Removes documents that say exactly the same.
//!
//! The cheapest dedup and the first to run: on web crawls it takes out a tenth to a third of the documents at the cost of
//! one hash each, before anything expensive sees them (Lee et al. 2021, *Deduplicating Training Data Makes Language
//! Models Better*). What is compared is a 128-bit hash.

use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::doc::{Document, FieldTable};
use crate::error::Result;
use crate::sketch::hash;
use crate::stage::clusters::{ClusterFields, Clusters, Group, Judge, Ordinals};
use crate::stage::survivor::{Preference, Survivor};
use crate::stage::{
    About, Apply, Build, Corpus, Family, Findings, Global, Links, Mapper, Records, Settings, Sorted, Stage, keys,
};

/// Settings of `exact`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exact {
    /// What must be equal: `text`, `normalized` (the text in lower case, any run of white space as one space, none at the
    /// ends), or a list of fields. Documents that lack one of the fields stay.
    pub of: Of,
    /// Which of the equal documents stays.
    pub keep: Survivor,
}

/// What documents are compared by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Of {
    /// The text as it is.
    #[default]
    Text,
    /// The text in lower case with white space evened out.
    Normalized,
    /// These fields.
    Fields(Vec<String>),
}

impl Settings for Exact {
    const ABOUT: About = About {
        shorthand: Some("of"),
        version: 3,
        reasons: &[("duplicate", "another document that is equal stays")],
        fields: &[
            ("exact_cluster", "corpus ordinal of the first document that is equal (`mode: annotate`)"),
            ("exact_cluster_size", "number of equal documents, this one included (`mode: annotate`)"),
            ("exact_duplicate", "whether another document that is equal would stay (`mode: annotate`)"),
        ],
        ..About::new("exact", Family::Dedup, "removes documents whose text, normalized text or fields are equal")
    };

    fn build(self, cx: &mut Build<'_>) -> Result<Stage> {
        let key = match self.of {
            Of::Text => Key::Text,
            Of::Normalized => Key::Normalized,
            Of::Fields(names) => {
                Key::Fields(names.iter().map(|name| keys::Key::resolve(cx, name)).collect::<Result<_>>()?)
            }
        };
        let preference = self.keep.resolve(cx)?;
        let judge = Judge { word: "duplicate", limit: None, fields: ClusterFields::declare(cx, false)? };
        Ok(Stage::Global(Arc::new(Running { key, preference, judge })))
    }
}

#[derive(Debug, Clone)]
enum Key {
    Text,
    Normalized,
    Fields(Vec<keys::Key>),
}

struct Running {
    key: Key,
    preference: Preference,
    judge: Judge,
}

/// Records are the 128-bit hash, whose top six bits are the partition, and after it what makes the survivor come first.
const PARTITIONS: u32 = 64;
const HASH: usize = 16;

impl Global for Running {
    fn record_bytes(&self) -> usize {
        HASH + if self.preference.is_none() { 0 } else { 8 }
    }

    fn partitions(&self) -> u32 {
        PARTITIONS
    }

    fn mapper(&self, _: &Arc<FieldTable>) -> Result<Box<dyn Mapper>> {
        Ok(Box::new(Hasher { key: self.key.clone(), preference: self.preference.clone(), buffer: Vec::new() }))
    }

    fn reduce(&self, _: u32, records: &mut dyn Sorted, links: &mut Vec<u8>) -> Result<()> {
        let ordinals = Ordinals::of(records.corpus());
        let (mut hash, mut group) = ([0; HASH], Group::default());
        while let Some((record, at)) = records.next()? {
            let own = record.first_chunk::<HASH>().copied().unwrap_or_default();
            if own != hash || group.members.is_empty() {
                group.write(links);
                hash = own;
                group.survivor = Some(ordinals.ordinal(at));
            }
            group.members.push((ordinals.ordinal(at), 1.0));
        }
        group.write(links);
        Ok(())
    }

    fn finish(&self, links: &mut dyn Links, corpus: &Corpus) -> Result<Findings> {
        let mut clusters = Clusters::new(corpus, self.judge.fields.is_some(), None);
        let mut group = Group::default();
        for part in 0..links.partitions() {
            let mut from = links.open(part)?;
            while group.read(&mut *from)? {
                clusters.add_group(&group);
            }
        }
        clusters.findings()
    }

    fn apply(&self, _: &[u8], split: &[u8], _: &Arc<FieldTable>) -> Result<Arc<dyn Apply>> {
        self.judge.apply(split)
    }

    fn dropped_rows(&self, _: &[u8], split: &[u8]) -> Result<Option<Vec<u32>>> {
        self.judge.dropped_rows(split)
    }

    fn drops_by_row(&self) -> bool {
        self.judge.drops_by_row()
    }
}

struct Hasher {
    key: Key,
    preference: Preference,
    buffer: Vec<u8>,
}

impl Mapper for Hasher {
    fn map(&mut self, doc: &Document, out: &mut dyn Records) {
        let hash = match &self.key {
            Key::Text => hash::wide(doc.text.as_str().as_bytes(), 0),
            Key::Normalized => {
                normalize(doc.text.as_str(), &mut self.buffer);
                hash::wide(&self.buffer, 0)
            }
            Key::Fields(keys) => {
                if !serialize(doc, keys, &mut self.buffer) {
                    return;
                }
                hash::wide(&self.buffer, 0)
            }
        };
        let mut record = [0; HASH + 8];
        record[..HASH].copy_from_slice(&hash.to_be_bytes());
        record[HASH..].copy_from_slice(&self.preference.of(doc).to_be_bytes());
        let used = if self.preference.is_none() { HASH } else { record.len() };
        out.emit((hash >> 122) as u32, record.get(..used).unwrap_or_default());
    }
}

fn normalize(text: &str, out: &mut Vec<u8>) {
    out.clear();
    let mut utf8 = [0; 4];
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(b' ');
        }
        if word.is_ascii() {
            out.extend(word.bytes().map(|b| b.to_ascii_lowercase()));
        } else {
            for c in word.chars().flat_map(char::to_lowercase) {
                out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            }
        }
    }
}

/// The values one after the other; `false` if one is missing.
fn serialize(doc: &Document, keys: &[keys::Key], out: &mut Vec<u8>) -> bool {
    out.clear();
    keys.iter().all(|key| key.write(doc, out))
}

impl Serialize for Of {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text => to.serialize_str("text"),
            Self::Normalized => to.serialize_str("normalized"),
            Self::Fields(names) => names.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Of {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfVisitor)
    }
}

struct OfVisitor;

impl<'de> Visitor<'de> for OfVisitor {
    type Value = Of;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`text`, `normalized` or a list of fields such as `[title, url]`")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Of, E> {
        match word {
            "text" => Ok(Of::Text),
            "normalized" => Ok(Of::Normalized),
            other => Err(E::custom(format!(
                "`{other}` is neither `text` nor `normalized`; to compare that field, write `[{other}]`"
            ))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Of, A::Error> {
        let names = Vec::<String>::deserialize(SeqAccessDeserializer::new(list))?;
        if names.is_empty() {
            return Err(serde::de::Error::custom("the list of fields is empty; name at least one"));
        }
        Ok(Of::Fields(names))
    }
}

impl JsonSchema for Of {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExactOf".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "enum": ["text", "normalized"] },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{self, build, docs};
    use proptest::prelude::*;

    fn kept(settings: &str, texts: &[&str]) -> Vec<String> {
        build::<Exact>(settings, false, |_| ()).unwrap().run(docs(texts), &[]).unwrap().texts()
    }

    #[test]
    fn the_first_stays() {
        assert_eq!(kept("{}", &["a", "b", "a", "A", "a"]), ["a", "b", "A"]);
        assert_eq!(kept(r#"{"of": "normalized"}"#, &["Ça  va\n", " ça va", "ça  va?"]), ["Ça  va\n", "ça  va?"]);
        assert!(kept("{}", &[]).is_empty());
    }

    #[test]
    fn the_one_that_is_preferred_stays_whatever_the_splits() {
        for (keep, stays) in [(r#""first""#, 0), (r#"{"best": "score"}"#, 2), (r#"{"sources": ["b", "a"]}"#, 1)] {
            for cuts in [vec![], vec![1], vec![1, 1]] {
                let mut score = None;
                let built = build::<Exact>(&format!(r#"{{"keep": {keep}}}"#), false, |cx| {
                    score = Some(cx.writes::<f64>("score").unwrap());
                })
                .unwrap();
                let mut all: Vec<_> = ["a", "b", "a"].iter().map(|source| testing::doc(source, 0, "x")).collect();
                all[0].set(score.unwrap(), -1.0);
                all[2].set(score.unwrap(), 0.5);
                let keeps = built.run(all, &cuts).unwrap().keeps();
                assert_eq!(keeps.iter().position(|k| *k), Some(stays), "{keep} {cuts:?}");
                assert_eq!(keeps.iter().filter(|k| **k).count(), 1);
            }
        }
    }

    #[test]
    fn fields_are_compared_and_a_missing_one_is_equal_to_nothing() {
        let built = build::<Exact>(r#"{"of": ["url"]}"#, false, |cx| {
            cx.writes::<String>("url").unwrap();
        })
        .unwrap();
        let url = built.fields.find::<String>("url").unwrap();
        let mut all = docs(&["1", "2", "3", "4"]);
        all[0].set(url, "x".to_owned());
        all[2].set(url, "x".to_owned());
        assert_eq!(built.run(all, &[2]).unwrap().texts(), ["1", "2", "4"]);
    }

    #[test]
    fn annotating_drops_nothing_and_names_the_cluster() {
        let built = build::<Exact>("{}", true, |_| ()).unwrap();
        let seen = built.run(docs(&["a", "b", "a"]), &[1]).unwrap();
        let of = |name: &str| -> Vec<_> {
            let field = built.fields.find::<i64>(name).unwrap();
            seen.docs.iter().map(|d| d.get(field).unwrap()).collect()
        };
        assert_eq!(seen.keeps(), [true; 3]);
        assert_eq!((of("exact_cluster"), of("exact_cluster_size")), (vec![0, 1, 0], vec![2, 1, 2]));
        let duplicate = built.fields.find::<bool>("exact_duplicate").unwrap();
        assert_eq!(seen.docs[2].get(duplicate), Some(true));
    }

    #[test]
    fn a_setting_that_is_neither_says_what_to_write() {
        let error = serde_json::from_str::<Exact>(r#"{"of": "url"}"#).unwrap_err().to_string();
        assert!(error.contains("write `[url]`"), "{error}");
        assert!(serde_json::from_str::<Exact>(r#"{"of": []}"#).is_err());
        let round = serde_json::to_string(&Of::Fields(vec!["url".into()])).unwrap();
        assert_eq!(round, r#"["url"]"#);
    }

    proptest! {
        #[test]
        fn splits_do_not_matter_and_every_text_stays_once(
            texts in prop::collection::vec("[abc]{0,2}", 0..30), cuts in prop::collection::vec(0usize..9, 0..5)
        ) {
            let built = build::<Exact>("{}", false, |_| ()).unwrap();
            let whole = built.run(docs(&texts), &[]).unwrap();
            let cut = built.run(docs(&texts), &cuts).unwrap();
            prop_assert_eq!(whole.keeps(), cut.keeps());
            let mut distinct = texts.clone();
            distinct.sort();
            distinct.dedup();
            let mut kept = whole.texts();
            kept.sort();
            prop_assert_eq!(&kept, &distinct);
            let again: testing::Outcome = built.run(whole.kept(), &[]).unwrap();
            prop_assert_eq!(again.texts().len(), distinct.len());
        }
    }
}
