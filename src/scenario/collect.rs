//! Lists and objects that are refused while they are read: too many entries, the same key twice, a list of
//! fields.
//!
//! serde's own collections keep the last of two equal keys and grow as far as the input goes; a scenario must
//! not lose a server silently, nor take memory before its limits were looked at.

use std::{fmt, marker::PhantomData};

use indexmap::IndexMap;
use serde::de::value::Error as ValueError;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::mistake::complaint;

/// Reads an object of at most `MOST` entries, keeping their order; a repeated key is an error.
pub(super) fn unique_map<'de, const MOST: usize, V, D>(
    deserializer: D,
) -> Result<IndexMap<String, V>, D::Error>
where
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(UniqueMap::<MOST, V>(PhantomData))
}

/// Reads a list of at most `MOST` entries.
pub(super) fn short_list<'de, const MOST: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(ShortList::<MOST, T>(PhantomData))
}

struct UniqueMap<const MOST: usize, V>(PhantomData<V>);

impl<'de, const MOST: usize, V: Deserialize<'de>> Visitor<'de> for UniqueMap<MOST, V> {
    type Value = IndexMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = IndexMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if entries.contains_key(&key) {
                // In the words of serde's own structs, so that it is shown in one way.
                return map
                    .next_value_seed(Refuse::new(Error::custom(format_args!("duplicate field `{key}`"))));
            }
            if entries.len() == MOST {
                return map.next_value_seed(Refuse::new(too_many(MOST)));
            }
            let value = map.next_value_seed(Object::new())?;
            entries.insert(key, value);
        }
        Ok(entries)
    }
}

/// Fails in place of a value, so that the path of the error ends at that value's key or position.
pub(super) struct Refuse<T>(ValueError, PhantomData<T>);

impl<T> Refuse<T> {
    pub(super) fn new(error: ValueError) -> Self {
        Self(error, PhantomData)
    }
}

impl<'de, T> DeserializeSeed<'de> for Refuse<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<T, D::Error> {
        Err(D::Error::custom(self.0))
    }
}

struct ShortList<const MOST: usize, T>(PhantomData<T>);

impl<'de, const MOST: usize, T: Deserialize<'de>> Visitor<'de> for ShortList<MOST, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while entries.len() < MOST {
            match list.next_element()? {
                Some(entry) => entries.push(entry),
                None => return Ok(entries),
            }
        }
        list.next_element_seed(Refuse::<()>::new(too_many(MOST)))?;
        Ok(entries)
    }
}

fn too_many(most: usize) -> ValueError {
    complaint(format_args!("there are more than {most} entries"), "leave some out, or split the scenario")
}

/// Reads a struct from an object only. serde's own structs can be written as lists of their fields too, which
/// no reader of a scenario would understand.
pub(super) fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(ObjectOnly(deserializer))
}

/// The same as [`object`], for the value of a map.
pub(super) struct Object<T>(PhantomData<T>);

impl<T> Object<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Object<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        object(deserializer)
    }
}

/// Asks for an object where a struct is wanted. What lies inside is read as ever.
struct ObjectOnly<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectOnly<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}
