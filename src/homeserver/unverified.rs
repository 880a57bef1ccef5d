//! Events for which a key is missing: set aside, the key asked for again and again, and judged when it has
//! come.
//!
//! A signature that nobody can check yet is not a wrong one, and who sent the event won't send it again. What
//! is set aside survives a crash; it is dropped when its server says what keys it has, and none of them will
//! do.

use std::{collections::BTreeSet, rc::Rc, sync::Arc, time::Duration};

use futures_util::future::select;
use ruma_common::{EventId, OwnedServerName, ServerName};
use tokio::sync::Notify;

use super::{
    Homeserver,
    observation::{Observation, Source},
    peers::backoff_ms,
    store::{Durable, Unverified, Wanted},
};
use crate::{
    matrix::{
        pdu::{Limits, Pdu, PduError, UnverifiedPdu},
        version::RoomVersion,
    },
    room::{Arrival, Judgement},
};

/// The most pushed events of one sender that are set aside: nobody may fill this server with what can't be
/// verified.
const ASIDE_MAX: usize = 200;
/// The first and last pause between two attempts at the keys of a server, in milliseconds.
const RETRY_MS: (u64, u64) = (1_000, 20_000);
/// The most servers that are asked for the keys of another in one attempt.
const NOTARIES_MAX: usize = 4;

impl Homeserver {
    /// Keeps events until their keys come.
    pub(super) fn set_aside(self: &Rc<Self>, events: impl IntoIterator<Item = Unverified>) {
        let mut events = events.into_iter().peekable();
        if events.peek().is_none() {
            return;
        }
        self.store.write(|durable| {
            for event in events {
                let aside = &mut durable.unverified;
                let same = |other: &Unverified| other.text.get() == event.text.get();
                let pushed =
                    |other: &&Unverified| other.wanted == Wanted::AsNews && other.source == event.source;
                let crowded =
                    event.wanted == Wanted::AsNews && aside.iter().filter(pushed).count() >= ASIDE_MAX;
                if !crowded && !aside.iter().any(|other| same(other) && other.wanted == event.wanted) {
                    aside.push(event);
                }
            }
        });
        self.await_keys();
    }

    /// Has a task at work for each server whose keys are missing.
    pub(super) fn await_keys(self: &Rc<Self>) {
        let lacking: BTreeSet<_> =
            self.store.read().unverified.iter().map(|event| event.lacks.clone()).collect();
        for server in lacking {
            let mut awaited = self.awaited_keys.borrow_mut();
            if !awaited.contains_key(&server) {
                let came = Rc::new(Notify::new());
                awaited.insert(server.clone(), came.clone());
                self.spawn(self.clone().await_keys_of(server, came));
            }
        }
    }

    async fn await_keys_of(self: Rc<Self>, server: OwnedServerName, came: Rc<Notify>) {
        let mut failures = 0;
        while self.lacks_keys_of(&server) {
            failures += 1;
            let pause = backoff_ms(failures, RETRY_MS.0, RETRY_MS.1, &mut *self.random.borrow_mut());
            select(Box::pin(came.notified()), self.clock.sleep(Duration::from_millis(pause))).await;
            self.look_again(&server, false);
            if !self.lacks_keys_of(&server) {
                break;
            }
            let told = self.fetch_keys_at_once(&server).await;
            self.look_again(&server, told);
            for notary in self.notaries_for(&server) {
                if !self.lacks_keys_of(&server) {
                    break;
                }
                self.fetch_keys_from_notary(&server, &notary).await;
                self.look_again(&server, false);
            }
        }
        self.awaited_keys.borrow_mut().remove(&server);
        // Some may lack keys of another server too.
        self.await_keys();
    }

    fn lacks_keys_of(&self, server: &ServerName) -> bool {
        self.store.read().unverified.iter().any(|event| event.lacks == server)
    }

    /// Who told of what lacks keys, then others in the room.
    fn notaries_for(&self, server: &ServerName) -> Vec<OwnedServerName> {
        let durable = self.store.read();
        let lacking = || durable.unverified.iter().filter(|event| event.lacks == server);
        let tellers = lacking().filter_map(|event| match &event.source {
            Source::Peer { server, .. } => Some(server.clone()),
            _ => None,
        });
        let rooms = lacking().filter_map(|event| durable.rooms.get(&event.room));
        let others = rooms.flat_map(|room| room.joined_servers(room.current_state()));
        let mut notaries = self.candidates(&tellers.collect(), &others.collect());
        notaries.retain(|notary| notary != server);
        notaries.truncate(NOTARIES_MAX);
        notaries
    }

    /// Verifies what lacked keys of a server with those that are known now. `told`: the server has told all
    /// that it has.
    fn look_again(&self, server: &ServerName, told: bool) {
        let waiting: Vec<Unverified> = {
            let durable = self.store.read();
            durable.unverified.iter().filter(|event| event.lacks == server).cloned().collect()
        };
        let mut told_of = Vec::new();
        for event in waiting {
            let version = self.store.read().rooms.get(&event.room).map(|room| room.version());
            let verified = version.map(|version| self.verify_again(&event, version));
            match verified {
                Some(Ok(pdu)) if event.wanted == Wanted::AsNews => {
                    self.take(&event.room, pdu, Arrival::Live, &event.source);
                    self.store.write(|durable| durable.unverified.retain(|other| !other.is(&event)));
                }
                Some(Ok(pdu)) => told_of.push((event, pdu)),
                Some(Err(PduError::UnknownKey { server: lacks })) if lacks != server => {
                    self.store.write(|durable| durable.postpone(&event, &lacks));
                }
                Some(Err(PduError::UnknownKey { .. })) if !told => {}
                _ => self.store.write(|durable| durable.unverified.retain(|other| !other.is(&event))),
            }
        }
        self.take_told(&told_of);
    }

    fn verify_again(&self, event: &Unverified, version: RoomVersion) -> Result<Arc<Pdu>, PduError> {
        let limits = match &event.source {
            Source::Peer { endpoint, .. } => endpoint.pdu_limits(),
            _ => Limits::Hold,
        };
        let unverified: UnverifiedPdu = (self.habits.reads)(&self.reader, event.text.get(), version, limits)?;
        self.verify_now(&unverified, &event.source)
    }

    /// Gives to their rooms what was told of when they were joined: all at once, since some allow others.
    fn take_told(&self, events: &[(Unverified, Arc<Pdu>)]) {
        for (event, pdu) in events {
            self.see(Observation::Received { pdu: pdu.clone(), source: event.source.clone() });
        }
        let judgements = self.store.write(|durable| {
            let mut judgements = Vec::new();
            for (event, _) in events {
                if let Some(room) = durable.rooms.get_mut(&event.room) {
                    let of_room = events.iter().filter(|(other, _)| other.room == event.room);
                    judgements.extend(room.add_outliers(of_room.map(|(_, pdu)| pdu.clone())));
                }
            }
            for (event, pdu) in events {
                judgements.extend(durable.place_told(event, pdu.event_id()));
            }
            judgements
        });
        if !events.is_empty() {
            self.tell(judgements);
        }
    }
}

impl Durable {
    /// Puts what was told of and is held now into the state that it was told for.
    fn place_told(&mut self, event: &Unverified, id: &EventId) -> Vec<Judgement> {
        let Some(room) = self.rooms.get_mut(&event.room) else { return Vec::new() };
        if room.event(id).is_none() {
            // What allows it may lack keys of another server; if nothing does, nobody will bring it.
            let other =
                self.unverified.iter().find(|other| other.lacks != event.lacks && other.room == event.room);
            if let Some(lacks) = other.map(|other| other.lacks.clone()) {
                self.postpone(event, &lacks);
                return Vec::new();
            }
        }
        self.unverified.retain(|other| !other.is(event));
        let room = self.rooms.get_mut(&event.room).expect("it was just seen");
        match &event.wanted {
            Wanted::AsStateBefore(join) => room.complete_claim(join, id),
            Wanted::AsNews | Wanted::AsAuth => Vec::new(),
        }
    }

    /// Waits for the keys of another server.
    fn postpone(&mut self, event: &Unverified, lacks: &ServerName) {
        let same = self.unverified.iter_mut().find(|other| other.is(event));
        same.expect("only the task of its server takes it out").lacks = lacks.to_owned();
    }
}

impl Unverified {
    fn is(&self, other: &Self) -> bool {
        self.text.get() == other.text.get() && self.wanted == other.wanted && self.room == other.room
    }
}
