//! An answer taken apart: its list of events, or the ids of a state, and the rest.

use serde_json::{Map, Value, value::RawValue};

/// An answer, changed at will: its events need not be events any more.
pub(super) struct Answer {
    /// The key of `events`.
    list: &'static str,
    /// The events, or for `state_ids` nothing.
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
        let events = match parts.remove(list) {
            Some(events) => serde_json::from_str(events.get()).ok()?,
            None => Vec::new(),
        };
        let rest = parts.into_iter().map(|(key, value)| Some((key, serde_json::from_str(value.get()).ok()?)));
        Some(Self { list, events, rest: rest.collect::<Option<_>>()? })
    }

    /// The answer as it is said.
    pub(super) fn write(&self) -> String {
        let events: Vec<&str> = self.events.iter().map(|event| event.get()).collect();
        let mut text = String::from("{");
        for (key, value) in &self.rest {
            text.push_str(&format!("{}:{value},", Value::from(key.as_str())));
        }
        if self.rest.contains_key("pdu_ids") {
            text.pop();
        } else {
            text.push_str(&format!("\"{}\":[{}]", self.list, events.join(",")));
        }
        text.push('}');
        text
    }
}
