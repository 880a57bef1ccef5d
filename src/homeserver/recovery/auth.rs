//! Fetching auth events that are missing: `/event_auth` of an event that waits, then the event itself.

use std::sync::Arc;

use ruma_common::{EventId, OwnedEventId, OwnedServerName};

use super::{Attempt, SERVERS_PER_ATTEMPT};
use crate::{
    homeserver::{Homeserver, observation::Source},
    matrix::{endpoint::Endpoint, pdu::Pdu},
    ports::Cause,
};

/// The most events of an auth chain that are fetched one by one.
const CHAIN_FETCHES_MAX: usize = 10;

impl Homeserver {
    /// Auth events that are missing: `/event_auth` of an event that waits, then the event itself.
    pub(super) async fn fetch_auth(&self, attempt: &Attempt) {
        let cause = Cause::AuthEvent(attempt.missing.clone());
        for server in attempt.servers.iter().take(SERVERS_PER_ATTEMPT) {
            for waiter in attempt.waiters.iter().take(1) {
                let answer = self.ask_event_auth(server, &attempt.room, waiter, &cause).await;
                let Ok(answer) = answer else { continue };
                let source = Source::Peer { server: server.clone(), endpoint: Endpoint::EventAuth };
                let new = self.not_held(attempt, &answer.pdus, &source).await;
                self.add_outliers(attempt, new, &source);
            }
            if !self.is_wanted_as_auth(attempt) {
                return;
            }
            let mut left = CHAIN_FETCHES_MAX;
            self.fetch_with_auth(attempt, server, &attempt.missing, &mut left).await;
            if !self.is_wanted_as_auth(attempt) {
                return;
            }
        }
        if !self.habits.auth_events_may_come_late {
            self.judge_without(attempt);
        }
    }

    /// Judges what waits for an auth event as if there were no such event.
    fn judge_without(&self, attempt: &Attempt) {
        let judgements = self.store.write(|durable| {
            let room = durable.rooms.get_mut(&attempt.room);
            room.map(|room| room.note_foreign(&attempt.missing)).unwrap_or_default()
        });
        self.tell(judgements);
    }

    /// Fetches one event as an outlier, with the auth events that it needs itself.
    async fn fetch_with_auth(
        &self,
        attempt: &Attempt,
        server: &OwnedServerName,
        id: &EventId,
        left: &mut usize,
    ) {
        let mut wanted = vec![id.to_owned()];
        let mut fetched = Vec::new();
        while let Some(id) = wanted.pop() {
            // While others were asked for, it may have come by itself.
            if self.holds(attempt, &id) {
                continue;
            }
            if *left == 0 {
                return;
            }
            *left -= 1;
            let Some((pdu, _)) = self.fetch_event(attempt, server, &id).await else { return };
            let durable = self.store.read();
            let room = &durable.rooms[&attempt.room];
            let unknown = |id: &&OwnedEventId| {
                room.event(id).is_none() && !fetched.iter().any(|pdu: &Arc<Pdu>| pdu.event_id() == *id)
            };
            wanted.extend(pdu.auth_events().iter().filter(unknown).cloned());
            fetched.push(pdu);
        }
        let source = Source::Peer { server: server.clone(), endpoint: Endpoint::Event };
        self.add_outliers(attempt, fetched, &source);
    }
}
