//! An answer taken apart: its list of events, or the ids of a state, and the rest.

use serde_json::{Map, Value, value::RawValue};

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
    pub(super) fn read(endpoint: &str, body: &[u8]) -> Option<Self> {
        let list = match endpoint {
            "get_missing_events" => "events",
            "event_auth" => "auth_chain",
            _ => "pdus",
        };
        let mut parts: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice(body).ok()?;
        // Of an answer to `/send` the key is the same, and it is no list.
        let events = parts.get(list).and_then(|events| serde_json::from_str(events.get()).ok());
        let (list, events) = match events {
            Some(events) => (parts.remove(list).map(|_| list), events),
            None => (None, Vec::new()),
        };
        let rest = parts.into_iter().map(|(key, value)| Some((key, serde_json::from_str(value.get()).ok()?)));
        Some(Self { list, events, rest: rest.collect::<Option<_>>()? })
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
