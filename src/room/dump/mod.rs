//! A room dump: the events of a room as one server stores them, one a line, and the keys that signed them.
//!
//! Dumps are how real rooms come in: from a server's database, from TARDIS, from a bug report. Reading sorts what a
//! server would drop from what it would look at; judging is the room's business. It reads text, never files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma_common::{CanonicalJsonObject, OwnedEventId, OwnedRoomId, OwnedServerName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Arrival, Room};
use crate::matrix::{
    crypto::Crypto,
    keys::{KeyRing, PublicKey, decode},
    pdu::{Pdu, Road, UnverifiedPdu},
    version::RoomVersion,
};

/// The events of one room, in the order of the dump.
#[derive(Clone, Debug)]
pub struct Dump {
    version: RoomVersion,
    room_id: OwnedRoomId,
    lines: usize,
    events: Vec<Entry>,
    invalid: Vec<Invalid>,
}

#[derive(Clone, Debug)]
struct Entry {
    line: usize,
    pdu: UnverifiedPdu,
}

/// An event of a dump that any server would drop, or that is not what the dump says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invalid {
    /// The id that the dump gives to it, if any.
    pub event_id: Option<String>,
    /// Its line, counted from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// Why a file can't be read at all; every message names the file, the place, and what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// A line is no JSON object.
    #[error("{file}:{line}: not a JSON object: {problem}; a dump has one event a line")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What the parser says.
        problem: String,
    },
    /// The create event is not there.
    #[error(
        "{file}: no `m.room.create` event with an empty `state_key`, so the room version is not known; \
         add the create event to the dump"
    )]
    NoCreate {
        /// The file.
        file: String,
    },
    /// The room version is none that is played.
    #[error("{file}:{line}: `content.room_version` of the create event: {problem}")]
    Version {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The create event itself is not one.
    #[error("{file}:{line}: the create event: {problem}; without it no event of the room can be judged")]
    Create {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The keys file has another shape.
    #[error(
        "{file}:{line}:{column}: {problem}; a keys file is \
         [{{\"server_name\": \"…\", \"verify_keys\": {{\"ed25519:…\": \"<base64>\"}}, \"valid_until_ts\": 0}}]"
    )]
    Keys {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A key in it can't be used.
    #[error(
        "{file}: key `{key_id}` of `{server}`: `{value}` is not unpadded base64 of 32 bytes; copy it anew"
    )]
    Key {
        /// The file.
        file: String,
        /// Whose key.
        server: OwnedServerName,
        /// Which key.
        key_id: String,
        /// What stands there.
        value: String,
    },
}

type Line = (usize, Map<String, Value>);

impl Dump {
    /// Reads a dump; `file` is its name, for messages.
    ///
    /// # Errors
    ///
    /// When a line is no JSON object, or the create event is missing or of no use. An event that is merely malformed
    /// is no error: it is [`invalid`](Self::invalid).
    pub fn parse(file: &str, text: &str) -> Result<Self, DumpError> {
        let lines = read_lines(file, text)?;
        let Some((line, create)) = lines.iter().find(|(_, event)| is_create(event)) else {
            return Err(DumpError::NoCreate { file: file.to_owned() });
        };
        let version = room_version(create).map_err(|problem| DumpError::Version {
            file: file.to_owned(),
            line: *line,
            problem,
        })?;
        let create = read_event(create.clone(), version).map_err(|problem| DumpError::Create {
            file: file.to_owned(),
            line: *line,
            problem,
        })?;
        let mut dump = Self {
            version,
            room_id: create.room_id().to_owned(),
            lines: lines.len(),
            events: Vec::new(),
            invalid: Vec::new(),
        };
        for (line, event) in lines {
            dump.read(line, event);
        }
        Ok(dump)
    }

    fn read(&mut self, line: usize, event: Map<String, Value>) {
        let event_id = event.get("event_id").and_then(Value::as_str).map(str::to_owned);
        match read_event(event, self.version) {
            Ok(pdu) if pdu.room_id() != self.room_id => {
                let reason =
                    format!("field `room_id`: `{}`, the dump is of `{}`", pdu.room_id(), self.room_id);
                self.invalid.push(Invalid { event_id, line, reason });
            }
            Ok(pdu) => self.events.push(Entry { line, pdu }),
            Err(reason) => self.invalid.push(Invalid { event_id, line, reason }),
        }
    }

    /// The room's version.
    pub fn version(&self) -> RoomVersion {
        self.version
    }

    /// The room.
    pub fn room_id(&self) -> &OwnedRoomId {
        &self.room_id
    }

    /// How many events the dump has, bad ones included.
    pub fn event_count(&self) -> usize {
        self.lines
    }

    /// The events that are well-formed, in the order of the dump.
    pub fn events(&self) -> impl Iterator<Item = &UnverifiedPdu> {
        self.events.iter().map(|entry| &entry.pdu)
    }

    /// The events that are malformed, in the order of the dump.
    pub fn invalid(&self) -> &[Invalid] {
        &self.invalid
    }

    /// Verifies the signatures with `keys`, or without them believes all; checks the content hashes either way.
    pub fn verify(self, keys: Option<&KeyRing>) -> Verified {
        let crypto = Crypto::default();
        let mut verified = Verified {
            version: self.version,
            room_id: self.room_id,
            lines: self.lines,
            pdus: Vec::with_capacity(self.events.len()),
            invalid: self.invalid,
        };
        for Entry { line, pdu } in self.events {
            let event_id = Some(pdu.event_id().to_string());
            let result = match keys {
                Some(keys) => pdu.verify(keys, &crypto),
                None => pdu.trust(),
            };
            match result {
                Ok(pdu) => verified.pdus.push(pdu),
                Err(error) => {
                    verified.invalid.push(Invalid { event_id, line, reason: error.to_string() });
                }
            }
        }
        verified.invalid.sort_by_key(|invalid| invalid.line);
        verified
    }
}

/// The events of a dump that a server would not drop.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The room's version.
    pub version: RoomVersion,
    /// The room.
    pub room_id: OwnedRoomId,
    /// How many events the dump has, bad ones included.
    pub lines: usize,
    /// The verified events, in the order of the dump.
    pub pdus: Vec<Arc<Pdu>>,
    /// The others.
    pub invalid: Vec<Invalid>,
}

impl Verified {
    /// The room of a server that receives the events one by one, each [`Arrival::Live`], in their present order.
    pub fn judge(&self) -> Room {
        let mut room = Room::new(&self.room_id, self.version);
        for pdu in &self.pdus {
            room.receive(pdu.clone(), Arrival::Live);
        }
        room
    }

    /// The ids that events cite as `prev_events` and that are not among them, sorted.
    pub fn missing(&self) -> BTreeSet<OwnedEventId> {
        let held: BTreeSet<_> = self.pdus.iter().map(|pdu| pdu.event_id()).collect();
        let cited = self.pdus.iter().flat_map(|pdu| pdu.prev_events());
        cited.filter(|id| !held.contains(id)).cloned().collect()
    }
}

fn read_lines(file: &str, text: &str) -> Result<Vec<Line>, DumpError> {
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(nth, line)| {
            let event = serde_json::from_str(line).map_err(|error| DumpError::Line {
                file: file.to_owned(),
                line: nth + 1,
                problem: error.to_string(),
            })?;
            Ok((nth + 1, event))
        })
        .collect()
}

fn is_create(event: &Map<String, Value>) -> bool {
    let has = |key, value: &str| event.get(key).and_then(Value::as_str) == Some(value);
    has("type", "m.room.create") && has("state_key", "")
}

fn room_version(create: &Map<String, Value>) -> Result<RoomVersion, String> {
    match create.get("content").and_then(|content| content.get("room_version")) {
        // The default is the version from before versions had names (rooms v1).
        None => "1".parse().map_err(|error| format!("missing, which means 1: {error}")),
        Some(Value::String(text)) => {
            text.parse().map_err(|error: crate::matrix::version::RoomVersionError| error.to_string())
        }
        Some(other) => Err(format!("`{other}` is not a string; write \"11\" with quotes")),
    }
}

/// Reads one event. `event_id` is the dump's addition from room version 3 on: taken off, and compared.
fn read_event(mut event: Map<String, Value>, version: RoomVersion) -> Result<UnverifiedPdu, String> {
    let claimed = if version.has_event_ids_on_the_wire() { None } else { event.remove("event_id") };
    let object = event.into_iter().map(|(key, value)| {
        let value = value.try_into().map_err(|error| format!("field `{key}`: {error}"))?;
        Ok((key, value))
    });
    let object: CanonicalJsonObject = object.collect::<Result<_, String>>()?;
    // Whether an event with too many parents came by `/backfill` is not known any more.
    let pdu =
        UnverifiedPdu::from_object(object, version, Road::Backfill).map_err(|error| error.to_string())?;
    match claimed {
        Some(claimed) if claimed != pdu.event_id().as_str() => Err(format!(
            "field `event_id`: the dump says {claimed}, the event hashes to \"{}\"; \
             it was changed after it was dumped, or the room is not of version {version}",
            pdu.event_id()
        )),
        _ => Ok(pdu),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerKeys {
    server_name: OwnedServerName,
    verify_keys: BTreeMap<String, String>,
    valid_until_ts: u64,
}

/// Reads a keys file: per server its name, its public keys and until when they hold.
///
/// # Errors
///
/// When it has another shape, or a key is not 32 bytes of unpadded base64.
pub fn read_keys(file: &str, text: &str) -> Result<KeyRing, DumpError> {
    let servers: Vec<ServerKeys> = serde_json::from_str(text).map_err(|error| DumpError::Keys {
        file: file.to_owned(),
        line: error.line(),
        column: error.column(),
        problem: error.to_string(),
    })?;
    let mut keys = KeyRing::default();
    for server in servers {
        for (key_id, value) in server.verify_keys {
            let Some(bytes) = decode(&value).filter(|bytes| bytes.len() == 32) else {
                return Err(DumpError::Key {
                    file: file.to_owned(),
                    server: server.server_name,
                    key_id,
                    value,
                });
            };
            let key = PublicKey { bytes, valid_until: server.valid_until_ts, expired: false };
            keys.insert(&server.server_name, &key_id, key);
        }
    }
    Ok(keys)
}
