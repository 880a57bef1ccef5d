//! One simulated homeserver: what it answers, what it sends, how it recovers what it missed.
//!
//! Async code over two small traits, [`Network`] and [`Clock`]: it can't tell which fabric it is on, nor that
//! it is simulated at all. Its durable half is the [`store::Store`], all else is lost in a crash.

pub mod client;
mod endpoint;
pub mod habits;
mod intake;
mod join;
pub mod observation;
mod outbound;
mod page_back;
mod peers;
pub mod planted;
mod recovery;
pub mod store;
mod unverified;
pub mod user;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use rand::rngs::ChaCha8Rng;
use ruma_common::{OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName};
use tokio::sync::Notify;

use crate::{
    matrix::{crypto::Crypto, reader::EventReader, version::RoomVersion},
    ports::{Clock, Network, Panic, Runner, Service, Tasks, panic::guard},
    room::{Room, state::StateMap},
};
use habits::Habits;
use join::Joining;
use observation::{Observation, Observer};
use outbound::Queue;
use peers::PeerHealth;
use recovery::MissingEvent;
use store::Store;

/// What a homeserver is made of, besides its store.
pub struct Parts {
    /// Its name.
    pub name: OwnedServerName,
    /// Its durable half.
    pub store: Rc<Store>,
    /// Signs and verifies.
    pub crypto: Rc<Crypto>,
    /// Reads events.
    pub reader: Rc<EventReader>,
    /// To others.
    pub network: Rc<dyn Network>,
    /// Its clock.
    pub clock: Rc<dyn Clock>,
    /// Who watches.
    pub observer: Rc<dyn Observer>,
    /// For jitter.
    pub random: ChaCha8Rng,
    /// How it decides.
    pub habits: Habits,
}

/// A running homeserver: from its start to its crash.
pub struct Homeserver {
    name: OwnedServerName,
    store: Rc<Store>,
    crypto: Rc<Crypto>,
    reader: Rc<EventReader>,
    network: Rc<dyn Network>,
    clock: Rc<dyn Clock>,
    observer: Rc<dyn Observer>,
    random: RefCell<ChaCha8Rng>,
    habits: Habits,
    tasks: Tasks,
    /// How other servers do.
    peers: RefCell<BTreeMap<OwnedServerName, PeerHealth>>,
    /// Events that are missing and worked on.
    missing: RefCell<BTreeMap<OwnedEventId, MissingEvent>>,
    recovery_wanted: Notify,
    /// Wakes the task of each destination.
    queues: RefCell<BTreeMap<OwnedServerName, Rc<Queue>>>,
    /// From whom each waiting event came: whom to ask first for what it lacks.
    announced_by: RefCell<BTreeMap<OwnedEventId, BTreeSet<OwnedServerName>>>,
    /// Waiting events that were pushed, not asked for. After a restart nobody remembers, and all count as
    /// asked for.
    pushed: RefCell<BTreeSet<OwnedEventId>>,
    /// Rooms that own users are joining.
    joining: RefCell<BTreeMap<OwnedRoomId, Joining>>,
    /// Servers whose keys are waited for; told when they have come.
    awaited_keys: RefCell<BTreeMap<OwnedServerName, Rc<Notify>>>,
    /// The current states of the rooms as they were last told.
    reported_states: RefCell<BTreeMap<OwnedRoomId, StateMap>>,
    /// Tasks under way that the world should wait for before it calls the server idle.
    busy: RefCell<usize>,
}

impl Homeserver {
    /// Starts a server on what its store holds; work that a crash interrupted goes on once [`Runner::run`]
    /// runs.
    pub fn start(parts: Parts) -> (Rc<Self>, Runner) {
        let (tasks, runner) = Runner::channel();
        let reported_states = RefCell::new(current_states(&parts.store));
        let server = Rc::new(Self {
            name: parts.name,
            store: parts.store,
            crypto: parts.crypto,
            reader: parts.reader,
            network: parts.network,
            clock: parts.clock,
            observer: parts.observer,
            random: RefCell::new(parts.random),
            habits: parts.habits,
            tasks,
            peers: RefCell::default(),
            missing: RefCell::default(),
            recovery_wanted: Notify::new(),
            queues: RefCell::default(),
            announced_by: RefCell::default(),
            pushed: RefCell::default(),
            joining: RefCell::default(),
            awaited_keys: RefCell::default(),
            reported_states,
            busy: RefCell::new(0),
        });
        server.see(Observation::Started);
        server.spawn(server.clone().recover_forever());
        let destinations: Vec<_> = server.store.read().outboxes.keys().cloned().collect();
        for destination in destinations {
            server.wake_queue(&destination);
        }
        server.await_keys();
        server.recovery_wanted.notify_one();
        let mortal = server.clone();
        (server, runner.on_panic(move |panic| mortal.go_down(panic)))
    }

    /// The server's name.
    pub fn name(&self) -> &ServerName {
        &self.name
    }

    /// The durable half.
    pub fn store(&self) -> &Rc<Store> {
        &self.store
    }

    /// Signs and verifies.
    pub fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    /// Reads events.
    pub fn reader(&self) -> &EventReader {
        &self.reader
    }

    /// Takes over a room that was built elsewhere.
    pub fn adopt(&self, mut room: Room) {
        room.take_up(self.habits.room);
        self.store.write(|durable| durable.rooms.insert(room.room_id().to_owned(), room));
    }

    fn new_room(&self, id: &RoomId, version: RoomVersion) -> Room {
        let mut room = Room::new(id, version);
        room.take_up(self.habits.room);
        room
    }

    /// Whether nothing is under way and nothing waits for its time.
    ///
    /// What it still has for servers that are `out_of_reach` doesn't count: it would go on trying for ever.
    pub fn is_idle(&self, out_of_reach: impl Fn(&ServerName) -> bool) -> bool {
        let durable = self.store.read();
        let mut outboxes = durable.outboxes.iter().filter(|(to, _)| !out_of_reach(to));
        *self.busy.borrow() == 0
            && outboxes.all(|(_, outbox)| outbox.queue.is_empty() && outbox.in_flight.is_none())
            && durable.rooms.values().all(|room| room.missing_events().next().is_none())
            && durable.unverified.is_empty()
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // The receiver is gone only when the server is, and then nobody misses the task.
        let _ = self.tasks.send(Box::pin(task));
    }

    /// Runs a part of the server; if it panics, the server goes down as a whole and the part never ends.
    async fn guard<T>(self: Rc<Self>, part: impl Future<Output = T>) -> T {
        guard(part, |panic| self.go_down(panic)).await
    }

    /// What a process does that panics: nothing more is written, nothing more leaves it. A transaction that
    /// the panic cut short stays half written.
    pub fn go_down(&self, panic: Panic) {
        self.see(Observation::Panicked(panic));
        self.store.lose_power();
    }

    /// Spawns a task that the world waits for.
    fn spawn_busy(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        *self.busy.borrow_mut() += 1;
        let server = self.clone();
        self.spawn(async move {
            task.await;
            *server.busy.borrow_mut() -= 1;
        });
    }

    fn see(&self, observation: Observation) {
        // What is done without power never was.
        if !self.store.has_forgotten() {
            self.observer.see(observation);
        }
    }

    /// The time by the server's own clock, in milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }
}

impl Service for Homeserver {
    fn handle(self: Rc<Self>, request: Request<Bytes>) -> LocalBoxFuture<'static, Response<Bytes>> {
        Box::pin(async move { Homeserver::handle(&self, request).await })
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.spawn(task);
    }

    fn has_lost_power(&self) -> bool {
        self.store.has_lost_power()
    }
}

fn current_states(store: &Store) -> BTreeMap<OwnedRoomId, StateMap> {
    let durable = store.read();
    durable.rooms.iter().map(|(id, room)| (id.clone(), room.current_state().clone())).collect()
}
