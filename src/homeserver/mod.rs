//! One simulated homeserver: what it answers, what it sends, how it recovers what it missed.
//!
//! Async code over two small traits, [`ports::Network`] and [`ports::Clock`]: it can't tell which fabric it is on,
//! nor that it is simulated at all. Its durable half is the [`store::Store`], all else is lost in a crash.

pub mod client;
mod endpoint;
pub mod habits;
pub mod happening;
mod intake;
mod join;
mod outbound;
mod page_back;
pub mod panic;
mod peers;
pub mod planted;
pub mod ports;
mod recovery;
pub mod store;
pub mod user;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    future::{Future, pending},
    rc::Rc,
};

use futures_util::future::LocalBoxFuture;
use rand::rngs::ChaCha8Rng;
use ruma_common::{OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, ServerName};
use tokio::{
    sync::{Notify, mpsc},
    task::{JoinError, JoinSet},
};

use crate::{
    matrix::{crypto::Crypto, reader::EventReader, version::RoomVersion},
    room::{Room, state::StateMap},
};
use habits::Habits;
use happening::Happening;
use join::Joining;
use outbound::Queue;
use panic::{Panic, catch_in};
use peers::PeerHealth;
use ports::{Clock, Network, Observer};
use recovery::Hole;
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
    tasks: mpsc::UnboundedSender<LocalBoxFuture<'static, ()>>,
    /// How other servers do.
    peers: RefCell<BTreeMap<OwnedServerName, PeerHealth>>,
    /// Holes that are being worked on.
    holes: RefCell<BTreeMap<OwnedEventId, Hole>>,
    recovery_wanted: Notify,
    /// Wakes the task of each destination.
    queues: RefCell<BTreeMap<OwnedServerName, Rc<Queue>>>,
    /// From whom each waiting event came: whom to ask first for what it lacks.
    told_by: RefCell<BTreeMap<OwnedEventId, BTreeSet<OwnedServerName>>>,
    /// Waiting events that were pushed, not asked for. After a restart nobody remembers, and all count as asked for.
    pushed: RefCell<BTreeSet<OwnedEventId>>,
    /// Rooms that own users are joining.
    joining: RefCell<BTreeMap<OwnedRoomId, Joining>>,
    /// The current states of the rooms as they were last told.
    told_states: RefCell<BTreeMap<OwnedRoomId, StateMap>>,
    /// Tasks under way that the world should wait for before it calls the server idle.
    busy: RefCell<usize>,
}

/// Runs a homeserver's tasks until one of them fails.
pub struct Runner {
    /// Who goes down when a task panics; without one the panic is the run's.
    server: Option<Rc<Homeserver>>,
    tasks: mpsc::UnboundedReceiver<LocalBoxFuture<'static, ()>>,
}

impl Homeserver {
    /// Starts a server on what its store holds; work that a crash interrupted goes on once [`Runner::run`] runs.
    pub fn start(parts: Parts) -> (Rc<Self>, Runner) {
        let (tasks, mut runner) = Runner::channel();
        let told_states = RefCell::new(current_states(&parts.store));
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
            holes: RefCell::default(),
            recovery_wanted: Notify::new(),
            queues: RefCell::default(),
            told_by: RefCell::default(),
            pushed: RefCell::default(),
            joining: RefCell::default(),
            told_states,
            busy: RefCell::new(0),
        });
        server.see(Happening::Started);
        server.spawn(server.clone().recover_forever());
        let destinations: Vec<_> = server.store.read().outboxes.keys().cloned().collect();
        for destination in destinations {
            server.wake_queue(&destination);
        }
        server.recovery_wanted.notify_one();
        runner.server = Some(server.clone());
        (server, runner)
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
    pub fn is_idle(&self) -> bool {
        let durable = self.store.read();
        *self.busy.borrow() == 0
            && durable.outboxes.values().all(|outbox| outbox.queue.is_empty() && outbox.in_flight.is_none())
            && durable.rooms.values().all(|room| room.holes().next().is_none())
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // The receiver is gone only when the server is, and then nobody misses the task.
        let _ = self.tasks.send(Box::pin(task));
    }

    /// Runs a part of the server; if it panics, the server goes down as a whole and the part never ends.
    async fn guard<T>(self: Rc<Self>, part: impl Future<Output = T>) -> T {
        match catch_in(part).await {
            Ok(value) => value,
            Err(panic) => {
                self.go_down(panic);
                pending().await
            }
        }
    }

    /// What a process does that panics: nothing more is written, nothing more leaves it. A transaction that the panic
    /// cut short stays half written.
    pub fn go_down(&self, panic: Panic) {
        self.see(Happening::Panicked(panic));
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

    fn see(&self, happening: Happening) {
        // What is done without power never was.
        if !self.store.has_forgotten() {
            self.observer.see(happening);
        }
    }

    /// The time by the server's own clock, in milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }
}

impl Runner {
    /// A runner of the tasks that are sent to it, of software that is no [`Homeserver`].
    pub fn channel() -> (mpsc::UnboundedSender<LocalBoxFuture<'static, ()>>, Self) {
        let (sender, tasks) = mpsc::unbounded_channel();
        (sender, Self { server: None, tasks })
    }

    /// Runs the tasks; never ends by itself.
    pub async fn run(mut self) {
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                task = self.tasks.recv() => match task {
                    Some(task) => {
                        match self.server.clone() {
                            Some(server) => running.spawn_local(server.guard(task)),
                            None => running.spawn_local(task),
                        };
                    }
                    None => return,
                },
                Some(ended) = running.join_next() => propagate(ended),
            }
        }
    }
}

fn current_states(store: &Store) -> BTreeMap<OwnedRoomId, StateMap> {
    let durable = store.read();
    durable.rooms.iter().map(|(id, room)| (id.clone(), room.current_state().clone())).collect()
}

/// Tasks are guarded, so a panic that comes this far is none of the server's.
fn propagate(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
