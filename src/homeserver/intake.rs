//! How events from others enter: parsed, verified (fetching keys where they are missing), given to the room.

use std::{collections::BTreeSet, rc::Rc, sync::Arc, time::Duration};

use ruma_common::{CanonicalJsonObject, OwnedEventId, OwnedServerName, RoomId, ServerName};
use serde_json::value::RawValue;

use super::{
    Homeserver,
    observation::{Observation, Source},
    store::Durable,
};
use crate::{
    matrix::{
        endpoint::Endpoint,
        pdu::{Limits, Pdu, PduError, UnverifiedPdu},
        version::RoomVersion,
    },
    ports::Cause,
    room::{Arrival, Judgement, Room, state::StateMap},
};

/// How long a server waits before it asks anew for keys that a state needs, which would be another without
/// some of it: a server that can't be reached for longer may not keep others out of the room.
pub(super) const KEY_PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Why an event was not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is no good, and never will be.
    Unfit(PduError),
    /// It lacks keys of this server, which has not told what keys it has: the event may be good.
    LacksKeys(OwnedServerName),
}

impl From<Failed> for PduError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Unfit(error) => error,
            Failed::LacksKeys(server) => Self::UnknownKey { server },
        }
    }
}

impl Homeserver {
    /// Verifies events of an answer; those that fail are dropped and spoil no other. Events of another room
    /// are dropped too.
    pub(super) async fn verify_all(
        &self,
        room: &RoomId,
        version: RoomVersion,
        pdus: &[Box<RawValue>],
        source: &Source,
    ) -> Vec<Arc<Pdu>> {
        let results = self.verify_each(room, version, pdus, source, &[]).await;
        results.into_iter().filter_map(Result::ok).collect()
    }

    /// The same, with what became of each. Where keys are missing it tries again after each of the pauses.
    pub(super) async fn verify_each(
        &self,
        room: &RoomId,
        version: RoomVersion,
        pdus: &[Box<RawValue>],
        source: &Source,
        pauses: &[Duration],
    ) -> Vec<Result<Arc<Pdu>, Failed>> {
        let mut pauses = pauses.iter();
        loop {
            let mut results = Vec::with_capacity(pdus.len());
            for text in pdus {
                results.push(self.verify_or_tell(room, version, text, source).await);
            }
            let lacks_keys = results.iter().any(|result| matches!(result, Err(Failed::LacksKeys(_))));
            match pauses.next().filter(|_| lacks_keys) {
                Some(pause) => self.clock.sleep(*pause).await,
                None => return results,
            }
        }
    }

    /// Verifies one event (steps 1 to 3 of the checks on receipt), fetching keys that are missing.
    pub(super) async fn verify_one(
        &self,
        room: &RoomId,
        version: RoomVersion,
        text: &RawValue,
        source: &Source,
    ) -> Result<Arc<Pdu>, PduError> {
        self.verify_or_tell(room, version, text, source).await.map_err(PduError::from)
    }

    /// The same, for who can do something about keys that may come later.
    pub(super) async fn verify_or_tell(
        &self,
        room: &RoomId,
        version: RoomVersion,
        text: &RawValue,
        source: &Source,
    ) -> Result<Arc<Pdu>, Failed> {
        let limits = match source {
            Source::Peer { endpoint, .. } => endpoint.pdu_limits(),
            _ => Limits::Hold,
        };
        let result = match (self.habits.reads)(&self.reader, text.get(), version, limits) {
            Ok(unverified) if unverified.room_id() != room && self.habits.knows_rooms_apart => {
                self.note_foreign(room, &unverified);
                let problem = format!("is of room {}", unverified.room_id());
                let error = PduError::Field { field: "room_id", problem };
                Err((Some(unverified.event_id().to_owned()), Failed::Unfit(error)))
            }
            Ok(unverified) => {
                let id = unverified.event_id().to_owned();
                self.verify_with_keys(&unverified, source).await.map_err(|failed| (Some(id), failed))
            }
            Err(error) => Err((None, Failed::Unfit(error))),
        };
        result.map_err(|(event_id, failed)| {
            let reason = PduError::from(failed.clone()).into();
            self.see(Observation::Dropped { event_id, source: source.clone(), reason });
            failed
        })
    }

    /// Tells the room of an event that it will never get, being of another room. From room version 3 on the
    /// id is a hash of what says so, signed or not.
    fn note_foreign(&self, room: &RoomId, event: &UnverifiedPdu) {
        if event.claims().version().has_event_ids_on_the_wire() {
            return;
        }
        let judgements = self.store.write(|durable| {
            durable.rooms.get_mut(room).map(|room| room.note_foreign(event.event_id())).unwrap_or_default()
        });
        self.tell(judgements);
    }

    async fn verify_with_keys(
        &self,
        unverified: &UnverifiedPdu,
        source: &Source,
    ) -> Result<Arc<Pdu>, Failed> {
        let mut result = self.verify_now(unverified, source);
        let Err(PduError::UnknownKey { server }) = result else { return result.map_err(Failed::Unfit) };
        let told = self.fetch_keys(&server).await;
        result = self.verify_now(unverified, source);
        let Source::Peer { server: teller, .. } = source else { return result.map_err(Failed::Unfit) };
        if let Err(PduError::UnknownKey { server }) = &result
            && server != teller
        {
            self.fetch_keys_from_notary(server, teller).await;
            result = self.verify_now(unverified, source);
        }
        result.map_err(|error| match error {
            // Who told all its keys and has none for the event has not signed it.
            PduError::UnknownKey { server: lacking } if !(told && lacking == server) => {
                Failed::LacksKeys(lacking)
            }
            error => Failed::Unfit(error),
        })
    }

    /// With the keys that are known.
    pub(super) fn verify_now(
        &self,
        unverified: &UnverifiedPdu,
        source: &Source,
    ) -> Result<Arc<Pdu>, PduError> {
        let keys = &self.store.read().keys;
        match (source, (self.habits.signer)(unverified)) {
            (Source::Peer { endpoint, .. }, _) if self.habits.trusted_endpoints.contains(endpoint) => {
                unverified.trust()
            }
            (_, Some(signer)) => unverified.verify_signed_by([&*signer], keys, &self.crypto),
            (_, None) => unverified.verify(keys, &self.crypto),
        }
    }

    /// Gets the keys of a server from itself, unless that is being left alone. Says whether it told them.
    async fn fetch_keys(&self, server: &ServerName) -> bool {
        self.backoff_left(server) == 0 && self.fetch_keys_at_once(server).await
    }

    /// Gets the keys of a server from itself (SS-API /key/v2/server), however often it failed: for who just
    /// asked and so is up. Two servers that both have new keys would otherwise refuse each other, and back
    /// off for having been refused.
    pub(super) async fn fetch_keys_at_once(&self, server: &ServerName) -> bool {
        if *server == self.name {
            return true;
        }
        let answer =
            self.ask::<CanonicalJsonObject>(server, Endpoint::Key.line(&[]), None, &Cause::Keys).await;
        answer.is_ok_and(|document| self.learn_keys(server, &document))
    }

    /// Gets the keys of a server from another that knows them (SS-API /key/v2/query).
    pub(super) async fn fetch_keys_from_notary(&self, server: &ServerName, notary: &ServerName) {
        #[derive(serde::Deserialize)]
        struct Answer {
            server_keys: Vec<CanonicalJsonObject>,
        }
        let line = Endpoint::Key.line(&[server.as_str()]);
        let answer = self.ask::<Answer>(notary, line, None, &Cause::Keys).await;
        for document in answer.map(|answer| answer.server_keys).unwrap_or_default() {
            self.learn_keys(server, &document);
        }
    }

    fn learn_keys(&self, server: &ServerName, document: &CanonicalJsonObject) -> bool {
        let now = self.now();
        let learned = self.store.write(|durable| {
            // A document that does not convince teaches nothing; what needed it fails for want of a key.
            let learned = durable.keys.learn(server, document, now, &self.crypto).is_ok();
            durable.key_documents.insert(server.to_owned(), document.clone());
            learned
        });
        if learned && let Some(awaited) = self.awaited_keys.borrow().get(server) {
            awaited.notify_one();
        }
        learned
    }

    /// Gives a verified event to its room and tells what came of it.
    pub(super) fn take(&self, room: &RoomId, pdu: Arc<Pdu>, arrival: Arrival, source: &Source) -> bool {
        let judgements = self.store.write(|durable| self.receive(durable, room, &pdu, arrival));
        judgements.is_some_and(|judgements| self.tell_of_receipt(room, pdu, source, judgements))
    }

    /// The same, and puts the event into the queues of some servers, in one transaction: a crash in between
    /// would leave an event that nobody is told of. `to` gets the state before the event and the room with
    /// it.
    pub(super) fn take_and_queue(
        self: &Rc<Self>,
        room: &RoomId,
        pdu: Arc<Pdu>,
        source: &Source,
        to: impl FnOnce(&StateMap, &Room) -> BTreeSet<OwnedServerName>,
    ) -> bool {
        let taken = self.store.write(|durable| {
            let before = durable.rooms.get(room)?.current_state().clone();
            let judgements = self.receive(durable, room, &pdu, Arrival::Live)?;
            let mut to = to(&before, &durable.rooms[room]);
            to.remove(&self.name);
            for server in &to {
                let outbox = durable.outboxes.entry(server.clone()).or_default();
                outbox.queue.push_back((room.to_owned(), pdu.event_id().clone()));
            }
            Some((judgements, to))
        });
        let Some((judgements, to)) = taken else { return false };
        self.tell_of_receipt(room, pdu, source, judgements);
        for server in &to {
            self.wake_queue(server);
        }
        true
    }

    /// Gives an event to its room; nothing comes of one that it has.
    fn receive(
        &self,
        durable: &mut Durable,
        room: &RoomId,
        pdu: &Arc<Pdu>,
        arrival: Arrival,
    ) -> Option<Vec<Judgement>> {
        let room = durable.rooms.get_mut(room)?;
        let is_new = !room.is_settled(pdu.event_id()) && (self.habits.keeps)(room, pdu, arrival);
        is_new.then(|| room.receive(pdu.clone(), arrival))
    }

    fn tell_of_receipt(
        &self,
        room: &RoomId,
        pdu: Arc<Pdu>,
        source: &Source,
        judgements: Vec<Judgement>,
    ) -> bool {
        let id = pdu.event_id().clone();
        self.see(Observation::Received { pdu, source: source.clone() });
        if let Source::Peer { server, endpoint } = source {
            self.remember_announcer(&id, server);
            if *endpoint == Endpoint::Send {
                self.pushed.borrow_mut().insert(id.clone());
            }
        }
        self.tell(judgements);
        self.tell_if_waiting(room, &id);
        true
    }

    pub(super) fn remember_announcer(&self, id: &OwnedEventId, server: &OwnedServerName) {
        self.announced_by.borrow_mut().entry(id.clone()).or_default().insert(server.clone());
    }

    pub(super) fn tell(&self, judgements: Vec<Judgement>) {
        for Judgement { event_id, verdict } in judgements {
            self.announced_by.borrow_mut().remove(&event_id);
            self.pushed.borrow_mut().remove(&event_id);
            self.see(Observation::Judged { event_id, verdict });
        }
        self.tell_states();
    }

    /// Tells how the current states differ from what was told of them before.
    fn tell_states(&self) {
        let mut changes = Vec::new();
        let durable = self.store.read();
        let mut told = self.reported_states.borrow_mut();
        for (id, room) in &durable.rooms {
            if told.get(id).is_some_and(|known| known.ptr_eq(room.current_state())) {
                continue;
            }
            let known = told.entry(id.clone()).or_default();
            changes.extend(room.state_changes_since(known));
            known.clone_from(room.current_state());
        }
        drop((durable, told));
        if !changes.is_empty() {
            self.see(Observation::StateChanged(changes));
            // It may have come back into the room.
            self.recovery_wanted.notify_one();
        }
    }

    fn tell_if_waiting(&self, room: &RoomId, id: &OwnedEventId) {
        let wants = self.store.read().rooms.get(room).and_then(|room| room.wants(id));
        if let Some(wants) = wants {
            self.see(Observation::Waits {
                event_id: id.clone(),
                prev_events: wants.prev_events,
                auth_events: wants.auth_events,
            });
            self.recovery_wanted.notify_one();
        }
    }
}
