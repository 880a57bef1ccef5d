//! The room of a run as a dump: an event a line in federation format, with `event_id` added.
//!
//! What `backfire room` reads, what a scenario can import, what TARDIS and `jq` read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::journal::{
    Journal, What,
    names::{self, LookupError},
};

/// Until when the keys of a simulated server hold: for ever, as far as events can tell the time.
const VALID_UNTIL: u64 = (1 << 53) - 1;

/// Why there is nothing to export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no such server.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The run was broken off before it was written down what the server holds.
    #[error("the journal ends before it says what {0} holds; export the whole room, without a server")]
    NoEnd(String),
    /// The server never got into the room.
    #[error("{0} holds no event of the room at the end")]
    Nothing(String),
}

/// The events of a run as lines of a dump: those that a server holds at the end, in the order in which it got
/// them, or all that any server ever stored, in the order in which the run saw them.
///
/// An event appears as it was first seen: where a server holds a redacted copy, the dump has it whole.
///
/// # Errors
///
/// [`ExportError`], when the server is unknown or holds nothing.
pub fn lines(journal: &Journal, server: Option<&str>) -> Result<String, ExportError> {
    let events = match server {
        None => journal.records.iter().filter_map(|record| received(&record.what)).collect(),
        Some(wanted) => held(journal, names::server(journal, wanted)?)?,
    };
    let texts = texts(journal);
    let mut written = BTreeSet::new();
    let lines = events.into_iter().filter(|id| written.insert(*id));
    Ok(lines.filter_map(|id| Some(line(id, texts.get(id)?))).collect())
}

/// The keys that the events are signed with, in the form that `backfire room --keys` and scenarios read.
pub fn keys(journal: &Journal) -> Value {
    let mut servers: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for record in &journal.records {
        match &record.what {
            What::Run { keys, servers: hosts, .. } => {
                names = hosts.iter().map(|(host, name)| (host.as_str(), name.as_str())).collect();
                for (server, id, key) in keys {
                    servers.entry(server).or_default().insert(id.clone(), json!(key));
                }
            }
            What::KeyRotated { key_id, key, .. } => {
                let name = record.server.as_deref().and_then(|host| names.get(host));
                if let Some(name) = name {
                    servers.entry(name).or_default().insert(key_id.clone(), json!(key));
                }
            }
            _ => {}
        }
    }
    let document =
        |(server, keys)| json!({ "server_name": server, "verify_keys": keys, "valid_until_ts": VALID_UNTIL });
    servers.into_iter().map(document).collect()
}

fn received(what: &What) -> Option<&str> {
    match what {
        What::Received { event, .. } => Some(event.as_str()),
        _ => None,
    }
}

/// What a server holds at the end, in the order in which it got it.
fn held<'a>(journal: &'a Journal, server: &str) -> Result<Vec<&'a str>, ExportError> {
    let own = || journal.records.iter().filter(|record| record.server.as_deref() == Some(server));
    let end = own().find_map(|record| match &record.what {
        What::End(end) => Some(end),
        _ => None,
    });
    let Some(end) = end else { return Err(ExportError::NoEnd(server.to_owned())) };
    let held: BTreeSet<&str> = end
        .events
        .iter()
        .map(|(id, _)| id.as_str())
        .chain(end.waiting.iter().map(|id| id.as_str()))
        .collect();
    if held.is_empty() {
        return Err(ExportError::Nothing(server.to_owned()));
    }
    Ok(own().filter_map(|record| received(&record.what)).filter(|id| held.contains(id)).collect())
}

/// The events themselves, as the run first saw them.
fn texts(journal: &Journal) -> BTreeMap<&str, &str> {
    let mut texts = BTreeMap::new();
    for record in &journal.records {
        if let What::Received { event, pdu: Some(pdu), .. } = &record.what {
            texts.entry(event.as_str()).or_insert(pdu.get());
        }
    }
    texts
}

fn line(id: &str, text: &str) -> String {
    let mut event: Map<String, Value> = serde_json::from_str(text).expect("journals hold events as objects");
    event.insert("event_id".to_owned(), json!(id));
    format!("{}\n", Value::Object(event))
}
