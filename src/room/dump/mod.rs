//! A room dump: the events of a room as servers store or answer them, and the keys that signed them.
//!
//! Dumps are how real rooms come in: from a server's database, from its answers, from TARDIS, from a bug
//! report. Reading sorts what a server would drop from what it would look at; judging is the room's business.
//! It reads text, never files.

mod copies;
mod error;
mod keys;
mod place;
mod read;
pub mod reid;
mod rows;
mod told;
mod verified;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use ruma_common::{CanonicalJsonObject, OwnedEventId, OwnedRoomId};
use serde::Serialize;
use serde_json::{Map, Value};

pub use copies::Contradiction;
pub use error::DumpError;
pub use keys::read_keys;
pub use place::{Item, Place};
pub use told::{Became, StateFile, StateUse};
pub use verified::{Altered, Verified};

use crate::matrix::{
    keys::KeyRing,
    numbers,
    pdu::{Limits, UnverifiedPdu},
    version::RoomVersion,
};
use copies::{Copy, Entry};
use error::said_by;
use place::Pages;
use read::{Fields, Found};
use told::ToldState;

/// The events of one room, each once, in the order of the dump.
#[derive(Clone, Debug)]
pub struct Dump {
    version: RoomVersion,
    room_id: OwnedRoomId,
    entries: IndexMap<OwnedEventId, Entry, FixedState>,
    invalid: Vec<Invalid>,
    repeated: usize,
    told: Vec<ToldState>,
}

/// An event of a dump that any server would drop, or that is not what the dump says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Invalid {
    /// The id that the dump gives to it, if any.
    pub event_id: Option<String>,
    /// Its type, if it has one.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Who sent it, if it says so.
    pub sender: Option<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl Invalid {
    fn new(found: &Found<'_>, reason: String) -> Self {
        let read::Label { event_id, kind, sender } = found.label();
        Self { event_id, kind, sender, place: found.place.clone(), reason }
    }
}

impl Dump {
    /// Reads the dump in one file; `file` is its name, for messages.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(file: &str, text: &str) -> Result<Self, DumpError> {
        Self::read(&[(file, text)], &[])
    }

    /// Reads the dump in several files of one room, each with its name, and states that peers told.
    ///
    /// # Errors
    ///
    /// When a file is no JSON or has no events, or the create event is missing or of no use. An event that is
    /// merely malformed is no error: it is [`invalid`](Self::invalid).
    pub fn read(files: &[(&str, &str)], states: &[StateFile<'_>]) -> Result<Self, DumpError> {
        let pages: Vec<Pages<'_>> = files.iter().map(|(name, text)| Pages::new(name, text)).collect();
        let mut found = Vec::new();
        for pages in &pages {
            found.extend(federation_events_in(pages)?);
        }
        let state_pages: Vec<Pages<'_>> =
            states.iter().map(|file| Pages::new(file.name, file.text)).collect();
        let mut told = Vec::new();
        for (file, pages) in states.iter().zip(&state_pages) {
            told.extend(told::told_in(pages, file.at)?);
        }
        let of_states = told.iter().flat_map(|read| &read.events);
        let create = found.iter().chain(of_states).find(|found| is_create(found));
        let Some(create) = create else {
            let files: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
            return Err(DumpError::NoCreate { files: files.join(", ") });
        };
        let mut dump = Self::of(create)?;
        for found in &found {
            dump.take(found, false);
        }
        for told::Read { mut told, events } in told {
            for found in &events {
                let id = dump.take(found, true);
                let is_in_state = found.place.item.is_some_and(|item| item.list == "pdus");
                told.state.extend(id.filter(|_| is_in_state));
            }
            dump.told.push(told);
        }
        Ok(dump)
    }

    /// A dump without events yet of the room that a create event makes.
    fn of(create: &Found<'_>) -> Result<Self, DumpError> {
        let place = || create.place.clone();
        let bad = |problem| DumpError::Create { place: place(), problem };
        let version = room_version(&object_of(create).map_err(bad)?)
            .map_err(|problem| DumpError::Version { place: place(), problem })?;
        let create = read_event(create, version).map_err(bad)?;
        Ok(Self {
            version,
            room_id: create.room_id().to_owned(),
            entries: IndexMap::default(),
            invalid: Vec::new(),
            repeated: 0,
            told: Vec::new(),
        })
    }

    /// Takes one event, and gives its id if it is well-formed.
    fn take(&mut self, found: &Found<'_>, is_of_state: bool) -> Option<OwnedEventId> {
        let reason = match read_event(found, self.version) {
            Ok(pdu) if pdu.room_id() == self.room_id => {
                let event_id = pdu.event_id().to_owned();
                let new = || Entry { copies: Vec::new(), is_of_state };
                let entry = self.entries.entry(event_id.clone()).or_insert_with(new);
                entry.is_of_state &= is_of_state;
                let is_new = entry.add(Copy { place: found.place.clone(), pdu });
                self.repeated += usize::from(!is_new && !is_of_state);
                return Some(event_id);
            }
            Ok(pdu) => format!("field `room_id`: `{}`, the dump is of `{}`", pdu.room_id(), self.room_id),
            Err(reason) => reason,
        };
        self.invalid.push(Invalid::new(found, reason));
        None
    }

    /// The room's version.
    pub fn version(&self) -> RoomVersion {
        self.version
    }

    /// The room.
    pub fn room_id(&self) -> &OwnedRoomId {
        &self.room_id
    }

    /// How many events the dump has, bad ones included, and each that it has several times counted once.
    pub fn event_count(&self) -> usize {
        self.entries.len() + self.invalid.len()
    }

    /// How many times it has an event once more that it has already, in the very same words.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// The events that are well-formed, in the order of the dump; of several copies the first.
    pub fn events(&self) -> impl Iterator<Item = &UnverifiedPdu> {
        self.entries.values().map(|entry| &entry.copies[0].pdu)
    }

    /// The events that are malformed, in the order of the dump.
    pub fn invalid(&self) -> &[Invalid] {
        &self.invalid
    }

    /// Verifies the signatures with `keys`, or without them believes all; checks the content hashes either
    /// way.
    ///
    /// Of several copies of an event the first whole one counts, or else the first that a server would take.
    pub fn verify(self, keys: Option<&KeyRing>) -> Verified {
        Verified::of(self, keys)
    }
}

/// The events of a file, which must not all be in client format.
fn federation_events_in<'a>(pages: &Pages<'a>) -> Result<Vec<Found<'a>>, DumpError> {
    let found = read::events_in(pages)?;
    match found.first() {
        Some(first) if found.iter().all(|found| !found.has_federation_fields) => {
            Err(DumpError::ClientFormat { place: first.place.clone() })
        }
        _ => Ok(found),
    }
}

fn is_create(found: &Found<'_>) -> bool {
    /// What tells a create event.
    #[derive(serde::Deserialize)]
    struct Slot<'a> {
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        state_key: std::borrow::Cow<'a, str>,
    }
    serde_json::from_str::<Slot<'_>>(&found.text)
        .is_ok_and(|slot| slot.kind == "m.room.create" && slot.state_key.is_empty())
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

fn object_of(found: &Found<'_>) -> Result<Map<String, Value>, String> {
    serde_json::from_str(&found.text).map_err(|error| said_by(&error))
}

/// Reads one event. `event_id` is the dump's addition from room version 3 on: taken off, and compared.
fn read_event(found: &Found<'_>, version: RoomVersion) -> Result<UnverifiedPdu, String> {
    let mut event: Fields<'_> = serde_json::from_str(&found.text).map_err(|error| said_by(&error))?;
    let in_event = if version.has_event_ids_on_the_wire() { None } else { event.remove("event_id") };
    let in_event = in_event.map(|id| serde_json::from_str(id.get()).unwrap_or(Value::Null));
    let object = event.into_iter().map(|(key, raw)| {
        let value = numbers::read_value(raw, version).map_err(|error| format!("field `{key}`: {error}"))?;
        Ok((key, value))
    });
    let object: CanonicalJsonObject = object.collect::<Result<_, String>>()?;
    // Whether an event with too many parents came by `/backfill` is not known any more.
    let pdu =
        UnverifiedPdu::from_object(object, version, Limits::Waived).map_err(|error| error.to_string())?;
    let claimed = found.row_id.clone().map(Value::String).or(in_event);
    match claimed {
        Some(claimed) if claimed != pdu.event_id().as_str() => Err(format!(
            "field `event_id`: the dump says {claimed}, the event hashes to \"{}\"; \
             it was changed after it was dumped, or the room is not of version {version}",
            pdu.event_id()
        )),
        _ => Ok(pdu),
    }
}
