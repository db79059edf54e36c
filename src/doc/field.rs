//! Fields: what is known of a document beside its text, in typed slots that are resolved while planning.

use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A value in a slot.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Not written.
    #[default]
    Null,
    /// Text.
    Str(String),
    /// A whole number.
    I64(i64),
    /// A number.
    F64(f64),
    /// Yes or no.
    Bool(bool),
    /// Token ids.
    Tokens(Vec<u32>),
    /// A vector, such as an embedding.
    Floats(Vec<f32>),
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldType {
    /// [`Value::Str`]
    Str,
    /// [`Value::I64`]
    I64,
    /// [`Value::F64`]
    F64,
    /// [`Value::Bool`]
    Bool,
    /// [`Value::Tokens`]
    Tokens,
    /// [`Value::Floats`]
    Floats,
}

impl FieldType {
    /// The word users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Str => "text",
            Self::I64 => "integer",
            Self::F64 => "number",
            Self::Bool => "boolean",
            Self::Tokens => "tokens",
            Self::Floats => "numbers",
        }
    }
}

/// A type that fits in a slot: `String`, `i64`, `f64`, `bool`, `Vec<u32>`, `Vec<f32>`.
pub trait Typed: Sized {
    /// How it is borrowed.
    type Ref<'a>;
    /// Its name in plans and files.
    const TYPE: FieldType;
    /// Reads it; `None` if the slot holds nothing. Integers are read as numbers where numbers are asked for.
    fn from_value(value: &Value) -> Option<Self::Ref<'_>>;
    /// Wraps it.
    fn into_value(self) -> Value;
}

impl Typed for String {
    type Ref<'a> = &'a str;
    const TYPE: FieldType = FieldType::Str;
    fn from_value(value: &Value) -> Option<&str> {
        if let Value::Str(s) = value { Some(s) } else { None }
    }
    fn into_value(self) -> Value {
        Value::Str(self)
    }
}

impl Typed for i64 {
    type Ref<'a> = i64;
    const TYPE: FieldType = FieldType::I64;
    fn from_value(value: &Value) -> Option<i64> {
        if let Value::I64(n) = value { Some(*n) } else { None }
    }
    fn into_value(self) -> Value {
        Value::I64(self)
    }
}

impl Typed for f64 {
    type Ref<'a> = f64;
    const TYPE: FieldType = FieldType::F64;
    fn from_value(value: &Value) -> Option<f64> {
        match value {
            Value::F64(n) => Some(*n),
            Value::I64(n) => Some(*n as f64),
            _ => None,
        }
    }
    fn into_value(self) -> Value {
        Value::F64(self)
    }
}

impl Typed for bool {
    type Ref<'a> = bool;
    const TYPE: FieldType = FieldType::Bool;
    fn from_value(value: &Value) -> Option<bool> {
        if let Value::Bool(b) = value { Some(*b) } else { None }
    }
    fn into_value(self) -> Value {
        Value::Bool(self)
    }
}

impl Typed for Vec<u32> {
    type Ref<'a> = &'a [u32];
    const TYPE: FieldType = FieldType::Tokens;
    fn from_value(value: &Value) -> Option<&[u32]> {
        if let Value::Tokens(t) = value { Some(t) } else { None }
    }
    fn into_value(self) -> Value {
        Value::Tokens(self)
    }
}

impl Typed for Vec<f32> {
    type Ref<'a> = &'a [f32];
    const TYPE: FieldType = FieldType::Floats;
    fn from_value(value: &Value) -> Option<&[f32]> {
        if let Value::Floats(v) = value { Some(v) } else { None }
    }
    fn into_value(self) -> Value {
        Value::Floats(self)
    }
}

/// A typed slot, handed out by a [`FieldTable`] while planning.
#[derive(Debug)]
pub struct Field<T> {
    slot: u16,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    /// The index of the slot.
    pub fn slot(self) -> u16 {
        self.slot
    }
}

/// A document's slots. Slots never written are `Null` and take no room.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(Vec<Value>);

impl Fields {
    /// What is in `slot`.
    pub fn slot(&self, slot: u16) -> &Value {
        static NULL: Value = Value::Null;
        self.0.get(slot as usize).unwrap_or(&NULL)
    }

    /// The slots that hold something.
    pub fn written(&self) -> impl Iterator<Item = (u16, &Value)> {
        self.0.iter().enumerate().filter(|(_, v)| **v != Value::Null).map(|(slot, v)| (slot as u16, v))
    }

    /// Puts `value` into `slot`.
    pub fn put(&mut self, slot: u16, value: Value) {
        let slot = slot as usize;
        if slot >= self.0.len() {
            self.0.resize(slot + 1, Value::Null);
        }
        if let Some(place) = self.0.get_mut(slot) {
            *place = value;
        }
    }

    /// The same, with `Null` where there are tokens.
    pub fn without_tokens(&self) -> Self {
        let keep = |value: &Value| if matches!(value, Value::Tokens(_)) { Value::Null } else { value.clone() };
        Self(self.0.iter().map(keep).collect())
    }

    /// Leaves `Null` where `other` holds something else.
    pub fn keep_equal(&mut self, other: &Self) {
        for (slot, value) in self.0.iter_mut().enumerate() {
            if *value != *other.slot(slot as u16) {
                *value = Value::Null;
            }
        }
    }

    /// Takes what is in `slot`, leaving `Null`.
    pub fn take(&mut self, slot: u16) -> Value {
        self.0.get_mut(slot as usize).map(std::mem::take).unwrap_or_default()
    }
}

/// How the names of fields begin that stages leave for themselves, from one look at the corpus to the next.
pub const INNER: char = '#';

/// How the names of fields begin that hold a member of the input as it stands there: JSON, whatever its type. No writer writes
/// them, for the member itself is carried on.
pub const AS_READ: &str = "##";

/// Every field of a plan: name, type, slot; one table for all flows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldTable {
    names: Vec<(String, FieldType)>,
    by_name: BTreeMap<String, u16>,
}

impl FieldTable {
    /// The slot for `name`, made if new; `Err` with the type it already has if that differs.
    pub fn slot(&mut self, name: &str, kind: FieldType) -> Result<u16, FieldType> {
        if let Some(&slot) = self.by_name.get(name) {
            let has = self.names.get(slot as usize).map_or(kind, |n| n.1);
            // A number may be read where an integer is written, never the other way round.
            return if has == kind || (has == FieldType::I64 && kind == FieldType::F64) { Ok(slot) } else { Err(has) };
        }
        let slot = self.names.len() as u16;
        self.names.push((name.to_owned(), kind));
        self.by_name.insert(name.to_owned(), slot);
        Ok(slot)
    }

    /// A typed handle on the field `name`.
    pub fn field<T: Typed>(&mut self, name: &str) -> Result<Field<T>, FieldType> {
        self.slot(name, T::TYPE).map(|slot| Field { slot, of: PhantomData })
    }

    /// A typed handle on the field `name` if the plan has it with this type.
    pub fn find<T: Typed>(&self, name: &str) -> Option<Field<T>> {
        let (slot, kind) = self.lookup(name)?;
        (kind == T::TYPE || (kind == FieldType::I64 && T::TYPE == FieldType::F64))
            .then_some(Field { slot, of: PhantomData })
    }

    /// Slot and type of `name`, if the plan has it. Readers use this to know what to load.
    pub fn lookup(&self, name: &str) -> Option<(u16, FieldType)> {
        let slot = *self.by_name.get(name)?;
        self.names.get(slot as usize).map(|n| (slot, n.1))
    }

    /// All fields in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str, FieldType)> {
        self.names.iter().enumerate().map(|(slot, (name, kind))| (slot as u16, name.as_str(), *kind))
    }

    /// The fields that are for users: not those that stages leave for themselves.
    pub fn public(&self) -> impl Iterator<Item = (u16, &str, FieldType)> {
        self.iter().filter(|(_, name, _)| !name.starts_with(INNER))
    }

    /// The members that readers leave as they stand, beside carrying them on: slot and name.
    pub fn as_read(&self) -> impl Iterator<Item = (u16, &str)> {
        self.iter().filter_map(|(slot, name, _)| Some((slot, name.strip_prefix(AS_READ)?)))
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no field is known.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_one_type() {
        let mut table = FieldTable::default();
        let score = table.field::<f64>("score").unwrap();
        assert_eq!(table.field::<f64>("score").unwrap().slot(), score.slot());
        assert_eq!(table.field::<String>("score").unwrap_err(), FieldType::F64);
        assert_eq!(table.lookup("score"), Some((0, FieldType::F64)));
    }

    #[test]
    fn slots_grow_as_they_are_written() {
        let mut fields = Fields::default();
        assert_eq!(fields.slot(7), &Value::Null);
        fields.put(3, Value::I64(4));
        assert_eq!(fields.take(3), Value::I64(4));
        assert_eq!(fields.slot(3), &Value::Null);
    }
}
