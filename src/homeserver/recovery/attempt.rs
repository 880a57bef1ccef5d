//! What is known of a missing event when an attempt at it starts: who waits for it, whom to ask, and by which
//! endpoint.

use std::{collections::BTreeSet, sync::Arc};

use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName};

use super::{SERVERS_PER_ATTEMPT, WAITING_EVENTS_MAX};
use crate::{
    homeserver::Homeserver,
    matrix::{pdu::Pdu, version::RoomVersion},
    room::{Arrival, Room},
};

/// The most `latest_events` and `earliest_events` named in one request.
pub(super) const NAMED_EVENTS_MAX: usize = 20;
/// After so many failures, servers are asked that are not in the room.
const FAILURES_BEFORE_OTHERS: u32 = 2;

/// What is known of a missing event when an attempt starts.
pub(super) struct Attempt {
    pub(super) room: OwnedRoomId,
    pub(super) version: RoomVersion,
    pub(super) missing: OwnedEventId,
    /// The events that wait for it, deepest first.
    pub(super) waiters: Vec<OwnedEventId>,
    pub(super) earliest: Vec<OwnedEventId>,
    pub(super) servers: Vec<OwnedServerName>,
    pub(super) wanted_as_auth: bool,
    pub(super) worth_filling: bool,
    /// Whether the state there is fetched instead of more events.
    pub(super) fetches_state: bool,
    /// Servers whose word on the state there would be their word alone.
    pub(super) interested: BTreeSet<OwnedServerName>,
}

/// Where there are more servers than an attempt asks, others come first in the next one: who alone has an
/// event may be any of them. The order shifts by one each time round, since some ways are gone at every other
/// attempt only.
fn in_turn(mut servers: Vec<OwnedServerName>, failures: u32) -> Vec<OwnedServerName> {
    if servers.len() > SERVERS_PER_ATTEMPT {
        let asked = failures as usize * SERVERS_PER_ATTEMPT;
        let turn = asked + asked / servers.len();
        let first = turn % servers.len();
        servers.rotate_left(first);
    }
    servers
}

impl Homeserver {
    pub(super) fn attempt_at(&self, missing: &EventId) -> Option<Attempt> {
        let durable = self.store.read();
        let entry = self.missing.borrow().get(missing)?.clone();
        let room = durable.rooms.get(&entry.room)?;
        let (missing, waiters) = room.missing_events().find(|(id, _)| **id == *missing)?;
        let mut waiters: Vec<OwnedEventId> = waiters.iter().cloned().collect();
        let depth = |id: &OwnedEventId| room.event(id).map_or(0, |pdu| pdu.depth());
        waiters.sort_by_key(|id| std::cmp::Reverse(depth(id)));
        let announced_by = self.announced_by.borrow();
        let announcers: BTreeSet<_> =
            waiters.iter().filter_map(|id| announced_by.get(id)).flatten().cloned().collect();
        let senders = waiters.iter().filter_map(|id| Some(room.event(id)?.sender().server_name().to_owned()));
        let senders: BTreeSet<OwnedServerName> = senders.collect();
        // Who wrote what waits has what is before it, in the room or not; after a restart nobody remembers
        // who told of it.
        let others = match self.habits.asks_around {
            true if entry.failures < FAILURES_BEFORE_OTHERS => {
                &room.joined_servers(room.current_state()) | &senders
            }
            // Then also whoever wrote anything that waits: they know the history that this server lacks.
            true => {
                let writers = room.waiting().map(|pdu| pdu.sender().server_name().to_owned());
                &room.joined_servers(room.current_state()) | &writers.collect()
            }
            false => BTreeSet::new(),
        };
        let wanted_as_auth =
            waiters.iter().filter_map(|id| room.wants(id)).any(|wants| wants.auth_events.contains(missing));
        let below_horizon = waiters.iter().all(|id| depth(id) <= room.horizon());
        let backfilled = waiters.iter().all(|id| room.arrival_of_waiting(id) == Some(Arrival::Backfilled));
        let crowded = room.waiting().count() > WAITING_EVENTS_MAX;
        // Below the horizon nobody may know a state, or nobody whose word would do: then the two ways take
        // turns.
        let round_in_turn = below_horizon && entry.failures.is_multiple_of(2);
        Some(Attempt {
            room: entry.room.clone(),
            version: room.version(),
            missing: missing.clone(),
            earliest: room.forward_extremities().into_iter().take(NAMED_EVENTS_MAX).collect(),
            servers: in_turn(self.candidates(&announcers, &others), entry.failures),
            wanted_as_auth,
            worth_filling: (self.habits.fills_gaps)(room.horizon()),
            fetches_state: round_in_turn || backfilled || crowded,
            interested: senders,
            waiters,
        })
    }

    /// Whether an event is still missed for what it allows.
    pub(super) fn is_wanted_as_auth(&self, attempt: &Attempt) -> bool {
        let durable = self.store.read();
        durable.rooms.get(&attempt.room).is_some_and(|room| {
            let wants = attempt.waiters.iter().filter_map(|id| room.wants(id));
            wants.into_iter().any(|wants| wants.auth_events.contains(&attempt.missing))
        })
    }

    /// Whether an event is held, judged or waiting.
    pub(super) fn holds(&self, attempt: &Attempt, id: &EventId) -> bool {
        self.store.read().rooms.get(&attempt.room).is_some_and(|room| room.event(id).is_some())
    }

    /// Whether the event is still missing.
    pub(super) fn is_open(&self, attempt: &Attempt) -> bool {
        let durable = self.store.read();
        durable
            .rooms
            .get(&attempt.room)
            .is_some_and(|room| room.missing_events().any(|(id, _)| *id == attempt.missing))
    }

    /// The missing event itself, if it is held as an outlier and only lacks its state.
    pub(super) fn own_copy(&self, attempt: &Attempt) -> Option<Arc<Pdu>> {
        self.store.read().rooms.get(&attempt.room)?.event(&attempt.missing).cloned()
    }

    /// What waits for the missing event and was itself asked for, or is cited by history: a gap in what is
    /// known, not a fresh event with an invented past.
    pub(super) fn pulled_waiters(&self, attempt: &Attempt) -> Vec<OwnedEventId> {
        let pushed = self.pushed.borrow();
        let durable = self.store.read();
        let past = durable.rooms.get(&attempt.room).map(Room::waiting_below_history).unwrap_or_default();
        let is_gap = |id: &&OwnedEventId| !pushed.contains(*id) || past.contains(*id);
        attempt.waiters.iter().filter(is_gap).cloned().collect()
    }
}
