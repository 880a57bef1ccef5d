//! The events of a dump that a server would not drop, and the room that a server makes of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::Serialize;

use super::{
    Contradiction, Dump, Invalid, Place,
    copies::{Copy, Entry, is_redacted_copy},
    told::ToldState,
};
use crate::{
    matrix::{
        crypto::Crypto,
        keys::KeyRing,
        pdu::{Pdu, PduError},
        version::RoomVersion,
    },
    room::{Arrival, Room},
};

/// The events of a dump that a server would not drop.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The room's version.
    pub version: RoomVersion,
    /// The room.
    pub room_id: OwnedRoomId,
    /// How many events the dump has, bad ones included.
    pub events: usize,
    /// The verified events, in the order of the dump.
    pub pdus: Vec<Arc<Pdu>>,
    /// Verified events that are there only as parts of told states.
    pub outliers: Vec<Arc<Pdu>>,
    /// The others.
    pub invalid: Vec<Invalid>,
    /// The events that were changed after they were hashed; `pdus` has what is left of them.
    pub altered: Vec<Altered>,
    /// The events of which the dump has only what redaction left, as servers keep and hand out what was
    /// redacted.
    pub redacted: Vec<OwnedEventId>,
    /// What copies of one event disagree in.
    pub contradictions: Vec<Contradiction>,
    pub(super) told: Vec<ToldState>,
    places: BTreeMap<OwnedEventId, Place>,
}

/// An event whose content is not what was hashed: a server takes it in its redacted form (SS-API, "Checks
/// performed on receipt of a PDU", step 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Altered {
    /// The event.
    pub event_id: OwnedEventId,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who sent it.
    pub sender: OwnedUserId,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
}

impl Verified {
    pub(super) fn of(dump: Dump, keys: Option<&KeyRing>) -> Self {
        let mut verified = Self {
            events: dump.event_count(),
            version: dump.version,
            room_id: dump.room_id,
            pdus: Vec::with_capacity(dump.entries.len()),
            outliers: Vec::new(),
            invalid: dump.invalid,
            altered: Vec::new(),
            redacted: Vec::new(),
            contradictions: Vec::new(),
            told: dump.told,
            places: BTreeMap::new(),
        };
        let crypto = Crypto::default();
        for entry in dump.entries.values() {
            verified.take(entry, |copy| match keys {
                Some(keys) => copy.pdu.verify(keys, &crypto),
                None => copy.pdu.trust(),
            });
        }
        verified.invalid.sort_by(|one, other| one.place.cmp(&other.place));
        verified
    }

    fn take(&mut self, entry: &Entry, verify: impl Fn(&Copy) -> Result<Arc<Pdu>, PduError>) {
        let mut results = entry.copies.iter().map(|copy| (copy, verify(copy))).collect::<Vec<_>>();
        let whole =
            results.iter().position(|(_, result)| result.as_ref().is_ok_and(|pdu| !pdu.is_redacted()));
        let best = whole.or_else(|| results.iter().position(|(_, result)| result.is_ok()));
        let (copy, result) = results.swap_remove(best.unwrap_or(0));
        self.contradictions.extend(entry.contradictions(copy));
        let claims = copy.pdu.claims();
        let (event_id, kind) = (claims.event_id().clone(), claims.kind().to_string());
        let (sender, place) = (claims.sender().to_owned(), copy.place.clone());
        match result {
            Ok(pdu) => {
                self.places.insert(event_id.clone(), place.clone());
                if is_redacted_copy(&copy.pdu) {
                    self.redacted.push(event_id);
                } else if pdu.is_redacted() {
                    self.altered.push(Altered { event_id, kind, sender, place });
                }
                if entry.is_of_state { &mut self.outliers } else { &mut self.pdus }.push(pdu);
            }
            Err(error) => self.invalid.push(Invalid {
                event_id: Some(event_id.to_string()),
                kind: Some(kind),
                sender: Some(sender.to_string()),
                place,
                reason: error.to_string(),
            }),
        }
    }

    /// Where an event stands, in the copy that counts.
    pub fn place(&self, id: &EventId) -> Option<&Place> {
        self.places.get(id)
    }

    /// The room of a server that receives the events one by one, each [`Arrival::Live`], in their present
    /// order, and in the end believes the states that it was told above what is missing.
    pub fn judge(&self) -> Room {
        let mut room = Room::new(&self.room_id, self.version);
        room.receive_all(self.pdus.iter().cloned(), Arrival::Live);
        self.believe(&mut room);
        room
    }

    /// The ids that events cite as `prev_events` and that are not among them, sorted.
    pub fn missing(&self) -> BTreeSet<OwnedEventId> {
        self.not_among(self.pdus.iter().flat_map(|pdu| pdu.prev_events()))
    }

    /// The ids that events cite as `auth_events` and that are not among them, sorted.
    pub fn missing_auth(&self) -> BTreeSet<OwnedEventId> {
        let outliers: BTreeSet<_> = self.outliers.iter().map(|pdu| pdu.event_id()).collect();
        let missing = self.not_among(self.pdus.iter().flat_map(|pdu| pdu.auth_events()));
        missing.into_iter().filter(|id| !outliers.contains(id)).collect()
    }

    fn not_among<'a>(&self, cited: impl Iterator<Item = &'a OwnedEventId>) -> BTreeSet<OwnedEventId> {
        let held: BTreeSet<_> = self.pdus.iter().map(|pdu| pdu.event_id()).collect();
        cited.filter(|id| !held.contains(id)).cloned().collect()
    }
}
