//! Events with invented or no ids, hashes and signatures become a proper room: what the fixtures of other
//! projects and rooms from textbooks need before a server could judge them.
//!
//! What the events say is kept; what can only be worked out is worked out. Nothing here is drawn or depends
//! on the time: the same events make the same room.

mod given;
mod make;

use std::{collections::BTreeMap, sync::Arc};

use ruma_common::{OwnedEventId, OwnedRoomId, OwnedServerName};

use super::{DumpError, Pages, Place, keys::ServerKeys};
use crate::matrix::{crypto::SigningKey, keys::encode, numbers, pdu::Pdu, version::RoomVersion};

/// The keys hold for every time that an event can name.
const VALID_UNTIL: u64 = (1 << 53) - 1;

/// A room that was made of given events.
#[derive(Debug)]
pub struct Reid {
    /// The room.
    pub room_id: OwnedRoomId,
    /// Its events, parents before their children.
    pub pdus: Vec<Arc<Pdu>>,
    /// For each event that had an id that and the one that it has now, in the order of the room.
    pub ids: Vec<(String, OwnedEventId)>,
    keys: BTreeMap<OwnedServerName, SigningKey>,
}

/// Why no room can be made of events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReidError {
    /// The files can't be read.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// No event makes the room.
    #[error("{file}: no `m.room.create` event with an empty `state_key`; a room begins with one")]
    NoCreate {
        /// The file.
        file: String,
    },
    /// Something about one event.
    #[error("{place}: {event}: {problem}")]
    Event {
        /// Where it stands.
        place: Place,
        /// Its id, or its type if it has none.
        event: String,
        /// What is wrong.
        problem: String,
    },
}

/// Makes a room of `version` of the events of a file.
///
/// # Errors
///
/// When the file can't be read, an event cites one that is not there or is its own ancestor, or can't be an
/// event of the room version.
pub fn reid(file: &str, text: &str, version: RoomVersion) -> Result<Reid, ReidError> {
    let pages = Pages::new(file, text);
    let given = given::read(&pages)?;
    make::room_of(file, given::in_order(given)?, version)
}

impl Reid {
    /// The room as a dump.
    pub fn dump(&self) -> String {
        let line = |pdu: &Arc<Pdu>| {
            let mut object = pdu.object();
            object.insert("event_id".to_owned(), pdu.event_id().as_str().into());
            let text = serde_json::to_string(&object).expect("canonical JSON serialises");
            numbers::written(text, pdu.version()) + "\n"
        };
        self.pdus.iter().map(line).collect()
    }

    /// The keys that signed it, as a keys file.
    pub fn keys(&self) -> String {
        let keys = |(server, key): (&OwnedServerName, &SigningKey)| ServerKeys {
            server_name: server.clone(),
            verify_keys: BTreeMap::from([(key.id().to_string(), encode(&key.public()))]),
            valid_until_ts: VALID_UNTIL,
        };
        let keys: Vec<ServerKeys> = self.keys.iter().map(keys).collect();
        serde_json::to_string_pretty(&keys).expect("names and texts are JSON") + "\n"
    }
}
