//! From the path of a value to its place in the text.
//!
//! Parsed values no longer know where they stood. Rather than keep a position in every type, the text is
//! walked again once a mistake is known: raw JSON values borrow from it, so that their addresses are their
//! places.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::mistake::{Segment, Target};

/// An object's keys and values, or a list's values, as they stand in the text.
enum Inside<'a> {
    Object(Vec<(&'a RawValue, &'a RawValue)>),
    List(Vec<&'a RawValue>),
}

struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

fn open(raw: &RawValue) -> Option<Inside<'_>> {
    let text = raw.get();
    if text.starts_with('{') {
        serde_json::from_str(text).ok().map(|Entries(entries)| Inside::Object(entries))
    } else if text.starts_with('[') {
        serde_json::from_str(text).ok().map(Inside::List)
    } else {
        None
    }
}

fn offset(text: &str, raw: &RawValue) -> usize {
    (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

/// The byte of `text` where the thing at `path` begins, or as near above it as the text goes.
///
/// Returns nothing if `text` is not JSON.
pub(super) fn locate(text: &str, path: &[Segment], target: Target) -> Option<usize> {
    let mut value: &RawValue = serde_json::from_str(text).ok()?;
    for (depth, segment) in path.iter().enumerate() {
        let is_end = depth + 1 == path.len();
        match (segment, open(value)) {
            (Segment::Index(index), Some(Inside::List(values))) => match values.get(*index) {
                Some(entry) => value = entry,
                None => break,
            },
            (Segment::Key(key), Some(Inside::Object(entries))) => {
                let named = |entry: &&(&RawValue, &RawValue)| names(entry.0, key);
                let found = match target {
                    Target::LastKey if is_end => entries.iter().rfind(named),
                    _ => entries.iter().find(named),
                };
                let Some((raw_key, raw_value)) = found else { break };
                if is_end && target != Target::Value {
                    return Some(offset(text, raw_key));
                }
                value = raw_value;
            }
            _ => break,
        }
    }
    Some(offset(text, value))
}

/// Whether a raw key, which may be written with escapes, spells `key`.
fn names(raw_key: &RawValue, key: &str) -> bool {
    serde_json::from_str::<String>(raw_key.get()).is_ok_and(|spelled| spelled == key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_keys_are_found() {
        #[track_caller]
        fn check(path: &[Segment], target: Target, expected: &str) {
            let text = r#" { "a": [1, {"b\u0063": "x"}], "a": 7 }"#;
            let place = locate(text, path, target).unwrap();
            assert!(text[place..].starts_with(expected), "{} does not start with {expected}", &text[place..]);
        }
        let key = |key: &str| Segment::Key(key.to_owned());
        check(&[], Target::Value, "{ \"a\"");
        check(&[key("a"), Segment::Index(1), key("bc")], Target::Value, "\"x\"");
        check(&[key("a"), Segment::Index(1), key("bc")], Target::Key, "\"b\\u0063\"");
        check(&[key("a"), Segment::Index(1), key("missing")], Target::Key, "{\"b");
        check(&[key("a")], Target::LastKey, "\"a\": 7");
        check(&[key("a"), Segment::Index(9)], Target::Value, "[1,");
    }
}
