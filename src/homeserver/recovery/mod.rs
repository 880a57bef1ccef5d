//! Closing gaps: an event that waits for others makes the server ask for them.
//!
//! Each missing event is worked on by itself: first `/get_missing_events`, as often as it brings something,
//! then `/event`, from those who announced what waits for it and then from the others in the room; and where
//! it is the edge of a history too deep to fetch, the state there by `/state_ids`. What fails is tried again
//! later. Events that different servers are asked for first are worked on side by side, so that one bad
//! server blocks nobody. This file decides what is worked on when; the others, how.

mod attempt;
mod auth;
mod missing_events;
mod state;

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use futures_util::future::select;
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName};

use super::{Homeserver, observation::Observation, peers::backoff_ms};
use crate::room::Arrival;
use attempt::Attempt;

/// The most servers that are asked about one missing event in one attempt: enough to get past a few that
/// fail.
const SERVERS_PER_ATTEMPT: usize = 4;
/// The most events of a room that may wait to be judged before gaps are no longer filled but closed by the
/// state there: a gap of fifty full answers.
const WAITING_EVENTS_MAX: usize = 1_000;
/// The first and last back-off of a missing event, in milliseconds.
const RETRY_MS: (u64, u64) = (500, 20_000);
/// How long a missing event below backfilled ones rests first: the user's next page may fill it.
const BACKFILLED_RESTS_MS: u64 = 1_000;
/// After so many failures, what waits for a missing event is forgotten if too much waits: it is most likely a
/// lie.
const FAILURES_BEFORE_FORGETTING: u32 = 8;

/// An event that is wanted and not held, and how the attempts to get it went.
#[derive(Clone, Debug)]
pub(super) struct MissingEvent {
    room: OwnedRoomId,
    failures: u32,
    retry_at: u64,
    /// The server that this attempt asks first, while one is under way.
    busy_with: Option<Option<OwnedServerName>>,
}

impl Homeserver {
    pub(super) async fn recover_forever(self: Rc<Self>) {
        loop {
            self.find_missing();
            while let Some(missing) = self.next_due() {
                let server = self.clone();
                self.spawn_busy(async move {
                    server.work_on(&missing).await;
                    server.recovery_wanted.notify_one();
                });
            }
            let wait = self.next_retry_ms();
            let wanted = Box::pin(self.recovery_wanted.notified());
            match wait {
                Some(ms) => drop(select(wanted, self.clock.sleep(Duration::from_millis(ms))).await),
                None => wanted.await,
            }
        }
    }

    /// Compares the missing events of all rooms with those that are known.
    fn find_missing(&self) {
        let now = self.clock.steady();
        let durable = self.store.read();
        let mut known = self.missing.borrow_mut();
        let mut open = BTreeSet::new();
        let mut opened = Vec::new();
        for room in durable.rooms.values() {
            for (missing, waiters) in room.missing_events() {
                open.insert(missing.clone());
                if !known.contains_key(missing) {
                    let backfilled =
                        |id: &OwnedEventId| room.arrival_of_waiting(id) == Some(Arrival::Backfilled);
                    let rest = if waiters.iter().all(backfilled) { BACKFILLED_RESTS_MS } else { 0 };
                    let entry = MissingEvent {
                        room: room.room_id().to_owned(),
                        failures: 0,
                        retry_at: now + rest,
                        busy_with: None,
                    };
                    known.insert(missing.clone(), entry);
                    opened.push((missing.clone(), waiters.iter().next().cloned()));
                }
            }
        }
        let closed: Vec<_> =
            known.iter().filter(|(id, entry)| !open.contains(*id) && entry.busy_with.is_none()).collect();
        let closed: Vec<OwnedEventId> = closed.into_iter().map(|(id, _)| id.clone()).collect();
        for id in &closed {
            known.remove(id);
        }
        drop((durable, known));
        for (missing, wanted_by) in opened {
            let wanted_by = wanted_by.expect("somebody waits for what is missing");
            self.see(Observation::GapOpened { missing, wanted_by });
        }
        for missing in closed {
            self.see(Observation::GapClosed { missing });
        }
    }

    /// A missing event whose time has come and that no other attempt with the same server is in the way of.
    /// Those of a room that this server has left stay until it is back: nobody would answer.
    fn next_due(&self) -> Option<OwnedEventId> {
        let now = self.clock.steady();
        let busy: BTreeSet<_> =
            self.missing.borrow().values().filter_map(|entry| entry.busy_with.clone()).collect();
        let due: Vec<OwnedEventId> = {
            let (known, durable) = (self.missing.borrow(), self.store.read());
            let is_in =
                |room: &OwnedRoomId| durable.rooms.get(room).is_some_and(|room| room.is_joined(&self.name));
            let is_due = |entry: &MissingEvent| {
                entry.busy_with.is_none() && entry.retry_at <= now && is_in(&entry.room)
            };
            known.iter().filter(|(_, entry)| is_due(entry)).map(|(id, _)| id.clone()).collect()
        };
        for missing in due {
            let first = self.attempt_at(&missing).map(|attempt| attempt.servers.first().cloned());
            let Some(first) = first else { continue };
            if !busy.contains(&first) {
                self.missing.borrow_mut().get_mut(&missing)?.busy_with = Some(first);
                return Some(missing);
            }
        }
        None
    }

    fn next_retry_ms(&self) -> Option<u64> {
        let now = self.clock.steady();
        let known = self.missing.borrow();
        let waiting = known.values().filter(|entry| entry.busy_with.is_none() && entry.retry_at > now);
        waiting.map(|entry| entry.retry_at - now).min()
    }

    /// One attempt at one missing event.
    async fn work_on(&self, missing: &EventId) {
        if let Some(attempt) = self.attempt_at(missing).filter(|attempt| attempt.wanted_as_auth) {
            self.fetch_auth(&attempt).await;
        }
        // What was wanted for what it allows may be wanted as history too.
        if let Some(attempt) = self.attempt_at(missing).filter(|attempt| !attempt.wanted_as_auth) {
            if !attempt.worth_filling {
                self.forget_waiters(&attempt.room, missing);
            } else if attempt.fetches_state {
                self.fetch_state(&attempt).await;
            } else {
                self.fill_gap(&attempt).await;
            }
        }
        self.end_attempt(missing);
    }

    fn end_attempt(&self, missing: &EventId) {
        let now = self.clock.steady();
        let still_open = {
            let durable = self.store.read();
            durable.rooms.values().any(|room| room.missing_events().any(|(id, _)| **id == *missing))
        };
        let mut known = self.missing.borrow_mut();
        let Some(entry) = known.get_mut(missing) else { return };
        entry.busy_with = None;
        if !still_open {
            return;
        }
        entry.failures += 1;
        let (failures, room) = (entry.failures, entry.room.clone());
        let wait = backoff_ms(failures, RETRY_MS.0, RETRY_MS.1, &mut *self.random.borrow_mut());
        let wait = (self.habits.missing_event_rests)(wait);
        entry.retry_at = now + wait;
        drop(known);
        self.see(Observation::GapStuck { missing: missing.to_owned(), failures, retry_in_ms: wait });
        let crowded = {
            let durable = self.store.read();
            durable.rooms.get(&room).is_some_and(|room| room.waiting().count() > WAITING_EVENTS_MAX)
        };
        if (crowded && failures >= FAILURES_BEFORE_FORGETTING) || !self.habits.asks_around {
            self.forget_waiters(&room, missing);
        }
    }

    fn forget_waiters(&self, room: &OwnedRoomId, missing: &EventId) {
        self.store.write(|durable| {
            let Some(room) = durable.rooms.get_mut(room) else { return };
            let waiters: Vec<OwnedEventId> = room
                .missing_events()
                .filter(|(id, _)| **id == *missing)
                .flat_map(|(_, waiters)| waiters.clone())
                .collect();
            for id in waiters {
                room.forget_waiting(&id);
            }
        });
    }
}
