//! Types that settings share: they mean the same everywhere, and are written one way in fingerprints.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One path or pattern, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[serde(transparent)]
pub struct Paths(pub Vec<String>);

impl Paths {
    /// Whether there are none, which cannot be written: a setting that has none is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Paths;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, a pattern such as `data/*.jsonl.zst`, or a list of them")
            }
            fn visit_str<E: serde::de::Error>(self, one: &str) -> Result<Paths, E> {
                Ok(Paths(vec![one.to_owned()]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Paths, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                if all.is_empty() { Err(A::Error::custom("the list of paths is empty")) } else { Ok(Paths(all)) }
            }
        }
        d.deserialize_any(Seen)
    }
}

impl JsonSchema for Paths {
    fn schema_name() -> Cow<'static, str> {
        "Paths".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A path, a pattern, or a list of them.", "anyOf": [
            { "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 } ] })
    }
}

/// One text, or several to pick from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl<'de> Visitor<'de> for Seen {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text such as `<EMAIL>`, or a list of texts")
            }
            fn visit_str<E: serde::de::Error>(self, one: &str) -> Result<Texts, E> {
                Ok(Texts(vec![one.to_owned()]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                if all.is_empty() { Err(A::Error::custom("the list of texts is empty")) } else { Ok(Texts(all)) }
            }
        }
        d.deserialize_any(Seen)
    }
}

impl JsonSchema for Texts {
    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A text, or a list of texts to pick from.", "anyOf": [
            { "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 } ] })
    }
}

/// A number of bytes: `64MiB`, `1GB`, or a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Parses `64MiB`, `1.5 GB`, `4096`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text.get(..digits)?.parse().ok()?;
        let unit: f64 = match text.get(digits..)?.trim() {
            "" | "B" => 1.0,
            "kB" | "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "TB" => 1e12,
            "KiB" => 1024.0,
            "MiB" => 1_048_576.0,
            "GiB" => 1_073_741_824.0,
            "TiB" => 1_099_511_627_776.0,
            _ => return None,
        };
        let bytes = number * unit;
        (bytes.is_finite() && bytes < u64::MAX as f64).then_some(Self(bytes as u64))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `64MiB` or a number of bytes")
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(n))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ByteSize, E> {
                ByteSize::parse(text)
                    .ok_or_else(|| E::custom(format!("`{text}` is no size; write `64MiB`, `1GB` or a number of bytes")))
            }
        }
        d.deserialize_any(Seen)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A number of bytes, or a size such as `64MiB`.", "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9.]+ *(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?$" } ] })
    }
}

/// A share between 0 and 1: `0.1` or `10%`.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Fraction(pub f64);

impl Fraction {
    /// Parses `10%` or `0.1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let value = match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
            None => text.parse().ok()?,
        };
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Seen;
        fn within<E: serde::de::Error>(value: f64) -> Result<Fraction, E> {
            if (0.0..=1.0).contains(&value) {
                return Ok(Fraction(value));
            }
            Err(E::custom(format!("{value} is not between 0 and 1; for percent write `{value}%`")))
        }
        impl Visitor<'_> for Seen {
            type Value = Fraction;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as `0.1` or `10%`")
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Fraction, E> {
                within(value)
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Fraction, E> {
                within(value as f64)
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Fraction, E> {
                within(value as f64)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Fraction, E> {
                Fraction::parse(text).ok_or_else(|| E::custom(format!("`{text}` is no share; write `0.1` or `10%`")))
            }
        }
        d.deserialize_any(Seen)
    }
}

impl JsonSchema for Fraction {
    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A share between 0 and 1, or a percentage such as `10%`.", "anyOf": [
            { "type": "number", "minimum": 0, "maximum": 1 }, { "type": "string", "pattern": "^[0-9.]+ *%$" } ] })
    }
}

/// A setting whose default depends on another one: left out, or given, where `null` switches the rule off.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Given<T> {
    /// Left out.
    #[default]
    Not,
    /// Given.
    As(Option<T>),
}

impl<T> Given<T> {
    /// What is given, or else `default`.
    pub fn or(self, default: Option<T>) -> Option<T> {
        match self {
            Self::Not => default,
            Self::As(value) => value,
        }
    }

    /// Whether it is left out, and is not written.
    pub fn is_not(&self) -> bool {
        matches!(self, Self::Not)
    }
}

impl<T: Serialize> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Not | Self::As(None) => s.serialize_none(),
            Self::As(Some(value)) => value.serialize(s),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Option::deserialize(d).map(Self::As)
    }
}

impl<T: JsonSchema> JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// What is judged: the document, or each of its parts, of which those that fail are taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The document as a whole.
    #[default]
    Document,
    /// Each paragraph (lines up to a blank one).
    Paragraph,
    /// Each line that is not blank.
    Line,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_not_what_is_null() {
        #[derive(Serialize, Deserialize, Default)]
        #[serde(default)]
        struct Limits {
            #[serde(skip_serializing_if = "Given::is_not")]
            most: Given<Fraction>,
        }
        for (written, means) in [("{}", Some(0.5)), (r#"{"most":null}"#, None), (r#"{"most":0.25}"#, Some(0.25))] {
            let limits: Limits = serde_json::from_str(written).unwrap();
            assert_eq!(serde_json::to_string(&limits).unwrap(), written);
            assert_eq!(limits.most.or(Some(Fraction(0.5))).map(|f| f.0), means);
        }
    }

    #[test]
    fn sizes_and_shares_read_as_people_write_them() {
        let size = |t: &str| serde_json::from_str::<ByteSize>(t).map(|b| b.0);
        assert_eq!(size("\"64MiB\"").unwrap(), 64 << 20);
        assert_eq!(size("\"1.5 GB\"").unwrap(), 1_500_000_000);
        assert_eq!(size("12").unwrap(), 12);
        assert!(size("\"64 megs\"").unwrap_err().to_string().contains("write `64MiB`"));
        let share = |t: &str| serde_json::from_str::<Fraction>(t).map(|f| f.0);
        assert_eq!(share("\"10%\"").unwrap(), 0.1);
        assert_eq!(share("1").unwrap(), 1.0);
        assert!(share("10").unwrap_err().to_string().contains("write `10%`"));
        assert_eq!(serde_json::from_str::<Paths>("\"a\"").unwrap(), serde_json::from_str("[\"a\"]").unwrap());
    }
}
