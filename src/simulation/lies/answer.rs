//! An answer taken apart: its list of events, or the ids of a state, and the rest.

use std::collections::BTreeMap;

use serde_json::{Map, Value, value::RawValue};

use crate::matrix::endpoint::{Endpoint, List};

/// An answer, changed at will: its events need not be events any more.
pub(super) struct Answer {
    /// The key of `events`, if the answer has such a list.
    list: Option<&'static str>,
    /// The events; none where the answer has no list of them.
    pub(super) events: Vec<Box<RawValue>>,
    /// All else.
    pub(super) rest: Map<String, Value>,
}

impl Answer {
    /// Reads a true answer.
    pub(super) fn read(endpoint: Endpoint, body: &[u8]) -> Option<Self> {
        let mut parts: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
        let key = match endpoint.list() {
            Some(List::Events(key)) => Some(key),
            Some(List::Ids(_)) | None => None,
        };
        // What another lie made of it may be no list any more.
        let events = key.and_then(|key| serde_json::from_str(parts.get(key)?.get()).ok());
        let list = key.filter(|_| events.is_some());
        list.map(|key| parts.remove(key));
        let rest = parts.into_iter().map(|(key, value)| Some((key, serde_json::from_str(value.get()).ok()?)));
        Some(Self { list, events: events.unwrap_or_default(), rest: rest.collect::<Option<_>>()? })
    }

    /// The answer as it is said.
    pub(super) fn write(&self) -> String {
        let mut parts: Vec<String> =
            self.rest.iter().map(|(key, value)| format!("{}:{value}", Value::from(key.as_str()))).collect();
        if let Some(list) = self.list {
            let events: Vec<&str> = self.events.iter().map(|event| event.get()).collect();
            parts.push(format!("\"{list}\":[{}]", events.join(",")));
        }
        format!("{{{}}}", parts.join(","))
    }
}
