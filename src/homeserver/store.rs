//! The durable half of a homeserver: what survives a crash. Everything else is volatile.
//!
//! Each call of [`Store::write`] is one transaction. A fuse can be set so that the power goes after some more
//! of them: what is written afterwards never was, and the fabric lets nothing out that was said since.

use std::{
    cell::{Cell, Ref, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use ruma_common::{CanonicalJsonObject, OwnedEventId, OwnedRoomId, OwnedServerName, ServerName};
use serde_json::value::RawValue;

use super::observation::Source;
use crate::{
    matrix::{
        crypto::SigningKey,
        keys::{KeyRing, PublicKey, RetiredKey},
    },
    room::Room,
};

/// What a homeserver keeps.
#[derive(Clone, Debug)]
pub struct Durable {
    /// The server's name.
    pub name: OwnedServerName,
    /// The key that it signs with.
    pub signing_key: Rc<SigningKey>,
    /// Keys that it used before.
    pub retired_keys: Vec<RetiredKey>,
    /// The keys of others.
    pub keys: KeyRing,
    /// The documents that taught them, to hand on as a notary.
    pub key_documents: BTreeMap<OwnedServerName, CanonicalJsonObject>,
    /// Its rooms.
    pub rooms: BTreeMap<OwnedRoomId, Room>,
    /// What it still has to send, by destination.
    pub outboxes: BTreeMap<OwnedServerName, Outbox>,
    /// Answers to transactions that it has taken, so that a repeated one changes nothing (SS-API /send).
    pub taken_transactions: BTreeMap<(OwnedServerName, String), Box<RawValue>>,
    /// Invites of own users to rooms that this server is not in: user and who sent the invite.
    pub invites: BTreeMap<(OwnedRoomId, String), OwnedServerName>,
    /// Events that can't be verified yet.
    pub unverified: Vec<Unverified>,
    /// Counts own transactions and, for room version 2, event ids.
    pub counter: u64,
}

impl Durable {
    /// An empty store of a server with this key.
    pub fn new(name: &ServerName, signing_key: SigningKey) -> Self {
        let mut keys = KeyRing::default();
        let own = PublicKey { bytes: signing_key.public().to_vec(), valid_until: u64::MAX, expired: false };
        keys.insert(name, signing_key.id().as_str(), own);
        Self {
            name: name.to_owned(),
            signing_key: Rc::new(signing_key),
            retired_keys: Vec::new(),
            keys,
            key_documents: BTreeMap::new(),
            rooms: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            taken_transactions: BTreeMap::new(),
            invites: BTreeMap::new(),
            unverified: Vec::new(),
            counter: 0,
        }
    }

    /// Signs with another key from now on. Gives until when the old one was used: `now`, or the time of the
    /// newest event that it signed, where the clock was put back since.
    pub fn rotate_key(&mut self, new: SigningKey, now: u64) -> u64 {
        let expired_ts = self.newest_own_event().map_or(now, |newest| newest.max(now));
        let own = PublicKey { bytes: new.public().to_vec(), valid_until: u64::MAX, expired: false };
        self.keys.insert(&self.name, new.id().as_str(), own);
        let old = std::mem::replace(&mut self.signing_key, Rc::new(new));
        self.retire(old, expired_ts);
        expired_ts
    }

    fn newest_own_event(&self) -> Option<u64> {
        let events = self.rooms.values().flat_map(|room| {
            let graph = room.graph();
            graph.iter().filter_map(|idx| room.event_at(idx))
        });
        events.filter(|pdu| pdu.sender().server_name() == self.name).map(|pdu| pdu.timestamp()).max()
    }

    /// Publishes a key as one that was used until `expired_ts`.
    pub fn retire(&mut self, key: Rc<SigningKey>, expired_ts: u64) {
        let retired = PublicKey { bytes: key.public().to_vec(), valid_until: expired_ts, expired: true };
        self.keys.insert(&self.name, key.id().as_str(), retired);
        self.retired_keys.push(RetiredKey { key, expired_ts });
    }

    /// The next number that was never used.
    pub fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }
}

/// An event for which keys of a server are missing, which may come.
#[derive(Clone, Debug)]
pub struct Unverified {
    /// Its room.
    pub room: OwnedRoomId,
    /// Its text.
    pub text: Box<RawValue>,
    /// How it came.
    pub source: Source,
    /// Whose keys are missing.
    pub lacks: OwnedServerName,
    /// What it is wanted for.
    pub wanted: Wanted,
}

/// What an event is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It was pushed.
    AsNews,
    /// It is part of the state before a join, by the word of who let it in.
    AsStateBefore(OwnedEventId),
    /// It allows others.
    AsAuth,
}

/// What one destination still has to get.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// Events, oldest first.
    pub queue: VecDeque<(OwnedRoomId, OwnedEventId)>,
    /// The transaction that was sent and not answered with 200: repeated as it was until it is.
    pub in_flight: Option<Transaction>,
    /// Since when it fails, in milliseconds since the epoch.
    pub failing_since: Option<u64>,
}

/// A transaction on its way.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its id.
    pub id: String,
    /// Its events.
    pub events: Vec<(OwnedRoomId, OwnedEventId)>,
}

/// Keeps a [`Durable`] through crashes.
#[derive(Debug)]
pub struct Store {
    durable: RefCell<Durable>,
    fuse: Cell<Option<u32>>,
    writes: Cell<u64>,
    at_power_loss: RefCell<Option<Durable>>,
    /// Whether something was written without power.
    forgotten: Cell<bool>,
}

impl Store {
    /// A store that holds `durable`.
    pub fn new(durable: Durable) -> Self {
        Self {
            durable: RefCell::new(durable),
            fuse: Cell::new(None),
            writes: Cell::new(0),
            at_power_loss: RefCell::new(None),
            forgotten: Cell::new(false),
        }
    }

    /// Reads.
    pub fn read(&self) -> Ref<'_, Durable> {
        self.durable.borrow()
    }

    /// Writes one transaction.
    pub fn write<T>(&self, transaction: impl FnOnce(&mut Durable) -> T) -> T {
        self.forgotten.set(self.has_lost_power());
        let result = transaction(&mut self.durable.borrow_mut());
        self.writes.set(self.writes.get() + 1);
        if let Some(left) = self.fuse.get() {
            let left = left.saturating_sub(1);
            self.fuse.set((left > 0).then_some(left));
            if left == 0 {
                self.at_power_loss.borrow_mut().get_or_insert_with(|| self.durable.borrow().clone());
            }
        }
        result
    }

    /// How many transactions were written: while it stays the same, so does what the store holds.
    pub fn writes(&self) -> u64 {
        self.writes.get()
    }

    /// Lets the power go after `writes` more transactions; at once if that is 0.
    pub fn set_fuse(&self, writes: u32) {
        if writes == 0 {
            self.lose_power();
        } else {
            self.fuse.set(Some(writes));
        }
    }

    /// Whether the power will go.
    pub fn has_fuse(&self) -> bool {
        self.fuse.get().is_some()
    }

    /// Lets the power go now.
    pub fn lose_power(&self) {
        self.at_power_loss.borrow_mut().get_or_insert_with(|| self.durable.borrow().clone());
    }

    /// Whether the power is gone: nothing may leave the server any more.
    pub fn has_lost_power(&self) -> bool {
        self.at_power_loss.borrow().is_some()
    }

    /// Whether something was written since the power went, and so was not: what a server says of it is not
    /// true.
    pub fn has_forgotten(&self) -> bool {
        self.forgotten.get()
    }

    /// After a crash: back to what was written when the power went.
    pub fn recover(&self) {
        self.fuse.set(None);
        self.forgotten.set(false);
        if let Some(durable) = self.at_power_loss.borrow_mut().take() {
            *self.durable.borrow_mut() = durable;
        }
    }
}
