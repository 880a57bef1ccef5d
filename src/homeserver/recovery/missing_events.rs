//! Filling a gap with the events themselves: `/get_missing_events`, and `/event`.

use std::sync::Arc;

use ruma_common::{EventId, OwnedServerName};

use super::{Attempt, SERVERS_PER_ATTEMPT, attempt::NAMED_EVENTS_MAX};
use crate::{
    homeserver::{
        Homeserver,
        observation::{DropReason, Observation, Source},
    },
    matrix::{endpoint::Endpoint, pdu::Pdu},
    ports::Cause,
    room::{Arrival, Room, walk::MISSING_EVENTS_LIMIT_MAX},
};

impl Homeserver {
    /// Deeper into the gap: `/get_missing_events` from one server after the other until the event is there,
    /// and where nobody fills it, the event itself.
    pub(super) async fn fill_gap(&self, attempt: &Attempt) {
        let cause = Cause::MissingEvent(attempt.missing.clone());
        let latest: Vec<_> = attempt.waiters.iter().take(NAMED_EVENTS_MAX).cloned().collect();
        for server in attempt.servers.iter().take(SERVERS_PER_ATTEMPT) {
            let answer = self
                .ask_missing_events(
                    server,
                    &attempt.room,
                    &latest,
                    &attempt.earliest,
                    MISSING_EVENTS_LIMIT_MAX,
                    &cause,
                )
                .await;
            if let Ok(answer) = answer {
                let source = Source::Peer { server: server.clone(), endpoint: Endpoint::GetMissingEvents };
                let pdus = &answer.pdus[..answer.pdus.len().min(MISSING_EVENTS_LIMIT_MAX)];
                for pdu in self.verify_all(&attempt.room, attempt.version, pdus, &source).await {
                    self.take(&attempt.room, pdu, Arrival::Live, &source);
                }
            }
            if !self.is_open(attempt) {
                return;
            }
        }
        if let Some(own) = self.own_copy(attempt) {
            self.take(&attempt.room, own, Arrival::Live, &Source::OwnStore);
            return;
        }
        for server in attempt.servers.iter().take(SERVERS_PER_ATTEMPT) {
            if let Some((pdu, source)) = self.fetch_event(attempt, server, &attempt.missing).await {
                self.take(&attempt.room, pdu, Arrival::Live, &source);
                return;
            }
            // While one server kept silent, the event may have come by itself.
            if !self.is_open(attempt) {
                return;
            }
        }
        // Nobody gives the event out under its own name, but somebody may tell the state there.
        if self.missing.borrow().get(&attempt.missing).is_some_and(|entry| entry.failures > 0) {
            self.fetch_state(attempt).await;
        }
    }

    pub(super) async fn fetch_event(
        &self,
        attempt: &Attempt,
        server: &OwnedServerName,
        id: &EventId,
    ) -> Option<(Arc<Pdu>, Source)> {
        let answer = self.ask_event(server, id, &Cause::MissingEvent(attempt.missing.clone())).await.ok()?;
        let source = Source::Peer { server: server.clone(), endpoint: Endpoint::Event };
        let pdu =
            self.verify_one(&attempt.room, attempt.version, answer.pdus.first()?, &source).await.ok()?;
        if pdu.event_id() != id {
            let reason = DropReason::Unasked { asked: id.to_owned() };
            let event_id = Some(pdu.event_id().clone());
            self.see(Observation::Dropped { event_id, source: source.clone(), reason });
            return None;
        }
        Some((pdu, source))
    }

    pub(super) async fn not_held(
        &self,
        attempt: &Attempt,
        pdus: &[Box<serde_json::value::RawValue>],
        source: &Source,
    ) -> Vec<Arc<Pdu>> {
        let verified = self.verify_all(&attempt.room, attempt.version, pdus, source).await;
        let durable = self.store.read();
        let held = |room: &Room, pdu: &Pdu| {
            room.graph().get(pdu.event_id()).is_some_and(|idx| room.event_at(idx).is_some())
        };
        let Some(room) = durable.rooms.get(&attempt.room) else { return Vec::new() };
        verified.into_iter().filter(|pdu| !held(room, pdu)).collect()
    }

    pub(super) fn add_outliers(&self, attempt: &Attempt, pdus: Vec<Arc<Pdu>>, source: &Source) {
        for pdu in &pdus {
            self.see(Observation::Received { pdu: pdu.clone(), source: source.clone() });
        }
        let judgements = self.store.write(|durable| {
            durable.rooms.get_mut(&attempt.room).map(|room| room.add_outliers(pdus)).unwrap_or_default()
        });
        self.tell(judgements);
    }
}
