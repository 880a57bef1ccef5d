//! The recorded rooms: what real servers stored and answered (`tests/fixtures/rooms/README.md`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::Arc,
};

use backfire::{
    matrix::{keys::KeyRing, pdu::Pdu},
    room::{
        Arrival, Room,
        dump::{Dump, read_keys},
        state::StateMap,
    },
};
use ruma_common::OwnedEventId;
use serde::{Deserialize, de::DeserializeOwned};

/// A room as one server stored it.
pub(crate) struct Recorded {
    pub(crate) name: &'static str,
    pub(crate) pdus: Vec<Arc<Pdu>>,
    pub(crate) meta: Meta,
    pub(crate) end: End,
    empty: Room,
}

#[derive(Deserialize)]
pub(crate) struct Meta {
    pub(crate) rejected: BTreeSet<OwnedEventId>,
    pub(crate) soft_failed: BTreeSet<OwnedEventId>,
    pub(crate) outlier: BTreeSet<OwnedEventId>,
    pub(crate) pruned: BTreeSet<OwnedEventId>,
    pub(crate) stream_ordering: BTreeMap<OwnedEventId, i64>,
}

#[derive(Deserialize)]
pub(crate) struct End {
    pub(crate) forward_extremities: Vec<OwnedEventId>,
    pub(crate) state: Vec<(String, String, OwnedEventId)>,
}

#[derive(Deserialize)]
pub(crate) struct StateAt {
    pub(crate) event_id: OwnedEventId,
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) state_ids: BTreeSet<OwnedEventId>,
}

pub(crate) fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/rooms", name].iter().collect()
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn read_json<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub(crate) fn keys() -> KeyRing {
    read_keys("keys.json", &read("keys.json")).unwrap()
}

pub(crate) fn dump(name: &str) -> Dump {
    Dump::parse(name, &read(&format!("{name}.ndjson"))).unwrap()
}

impl Recorded {
    /// Without signatures: `real_events` checks those once for all.
    pub(crate) fn load(name: &'static str) -> Self {
        let dump = dump(name).verify(None);
        assert_eq!(dump.invalid, [], "{name}");
        Self {
            name,
            empty: Room::new(&dump.room_id, dump.version),
            pdus: dump.pdus,
            meta: read_json(&format!("{name}.meta.json")),
            end: read_json(&format!("{name}.state.json")),
        }
    }

    pub(crate) fn states(&self) -> Vec<StateAt> {
        read_json(&format!("{}.stateat.json", self.name))
    }

    /// The room of a server that receives events in this order.
    pub(crate) fn fed<'a>(&self, pdus: impl IntoIterator<Item = &'a Arc<Pdu>>) -> Room {
        let mut room = self.empty.clone();
        for pdu in pdus {
            room.receive(pdu.clone(), Arrival::Live);
        }
        room
    }

    /// The room of a server that receives the events as the recorded server did.
    pub(crate) fn fed_as_they_came(&self) -> Room {
        let mut came: Vec<_> =
            self.pdus.iter().map(|pdu| (self.meta.stream_ordering[pdu.event_id()], pdu)).collect();
        came.sort_by_key(|(position, _)| *position);
        // Positions of backfilled events are negative and fall: what came first is nearest to zero.
        let (backfilled, live): (Vec<_>, Vec<_>) = came.into_iter().partition(|(position, _)| *position < 0);
        let mut room = self.empty.clone();
        for (_, pdu) in live {
            room.receive(pdu.clone(), Arrival::Live);
        }
        for (_, pdu) in backfilled.into_iter().rev() {
            room.receive(pdu.clone(), Arrival::Backfilled);
        }
        room
    }
}

pub(crate) fn listed(room: &Room, state: &StateMap) -> Vec<(String, String, OwnedEventId)> {
    let list = room.list_state(state).into_iter();
    list.map(|(kind, key, id)| (kind.to_string(), key.to_owned(), id.to_owned())).collect()
}

pub(crate) fn ids(room: &Room, state: &StateMap) -> BTreeSet<OwnedEventId> {
    listed(room, state).into_iter().map(|(_, _, id)| id).collect()
}
