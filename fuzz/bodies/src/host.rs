//! One server with the world around it left out: what a target needs to put requests to it and to see what
//! they change.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, pending, ready},
};
use http::{Request, Response, header::CONTENT_TYPE};
use rand::{SeedableRng, rngs::ChaCha8Rng};
use ruma_common::{OwnedEventId, OwnedRoomId, OwnedServerName, ServerName};
use serde_json::Value;

use super::{
    planted,
    world::{HOSTS, START, key, key_ring, memory, seed, server},
};
use backfire::{
    homeserver::{
        Homeserver, Parts,
        habits::Habits,
        observation::{Observation, Observer},
        store::{Durable, Store},
    },
    matrix::{
        crypto::{Crypto, SigningKey},
        memory::Memory,
        request_auth,
    },
    ports::{Clock, Network, NetworkError, Runner},
    room::{Room, graph::Standing},
};

/// When requests arrive: an hour after the first event.
pub(super) const NOW: u64 = START + 3_600_000;

/// A network that refuses every connection, and counts.
#[derive(Debug, Default)]
pub(super) struct Nowhere {
    asked: Cell<usize>,
}

impl Network for Nowhere {
    fn request(
        &self,
        _to: &ServerName,
        _request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>> {
        self.asked.set(self.asked.get() + 1);
        Box::pin(ready(Err(NetworkError::Refused)))
    }
}

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> u64 {
        NOW
    }

    fn sleep(&self, _duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(pending())
    }
}

struct Nobody;

impl Observer for Nobody {
    fn see(&self, _observation: Observation) {}
}

thread_local! {
    static EMPTY: RefCell<BTreeMap<String, Durable>> = RefCell::default();
}

/// What a host keeps that has a room and knows everybody's keys.
pub(super) fn durable(host: &str, mut room: Room) -> Durable {
    room.take_up(habits_of(host).room);
    let make = || {
        let mut durable = Durable::new(server(host), SigningKey::from_seed(seed(host), "1"));
        durable.keys.extend(&key_ring());
        durable
    };
    let mut durable =
        EMPTY.with(|empty| empty.borrow_mut().entry(host.to_owned()).or_insert_with(make).clone());
    durable.rooms.insert(room.room_id().to_owned(), room);
    durable
}

/// The server under test may have a bug, those around it have none.
fn habits_of(host: &str) -> Habits {
    if host == HOSTS[0] { planted::habits() } else { Habits::default() }
}

/// A server that nobody reaches and that reaches nobody, but for the requests that are put to it.
pub(super) struct Host {
    pub(super) server: Rc<Homeserver>,
    network: Rc<Nowhere>,
    /// Its tasks never run; without their receiver it could not note them.
    _tasks: Runner,
}

impl Host {
    pub(super) fn start(durable: Durable) -> Self {
        let network = Rc::new(Nowhere::default());
        let Memory { crypto, reader } = memory();
        let habits = habits_of(durable.name.as_str());
        let (server, tasks) = Homeserver::start(Parts {
            name: durable.name.clone(),
            store: Rc::new(Store::new(durable)),
            crypto,
            reader,
            network: network.clone(),
            clock: Rc::new(Still),
            observer: Rc::new(Nobody),
            random: ChaCha8Rng::seed_from_u64(0),
            habits,
        });
        Self { server, network, _tasks: tasks }
    }

    /// How many requests it tried to make, and how often it wrote.
    pub(super) fn effort(&self) -> (usize, u64) {
        (self.network.asked.get(), self.server.store().writes())
    }

    /// Its answer to one request, which must be an answer by the rules.
    ///
    /// # Panics
    ///
    /// When it is none: not JSON, a status or errcode that nothing documents, or more work than one request
    /// is worth.
    pub(super) fn ask(&self, request: Request<Bytes>) -> (u16, Value) {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let line = || format!("{method} {uri}");
        let (asked_before, _) = self.effort();
        let answer = self.server.handle(request).now_or_never();
        let answer =
            answer.unwrap_or_else(|| panic!("{}: no answer, though nothing is left to wait for", line()));
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json", "{}", line());
        let body: Value = serde_json::from_slice(answer.body())
            .unwrap_or_else(|error| panic!("{}: the answer is not JSON: {error}", line()));
        let status = answer.status().as_u16();
        if status != 200 {
            let errcode = body["errcode"].as_str().unwrap_or_default();
            assert!(DOCUMENTED.contains(&(status, errcode)), "{}: {status} {body}", line());
            assert!(
                body["error"].as_str().is_some_and(|text| !text.is_empty()),
                "{}: {status} {body}",
                line()
            );
        }
        let asked = self.effort().0 - asked_before;
        assert!(asked <= KEY_REQUESTS_MAX, "{}: led to {asked} requests", line());
        (status, body)
    }
}

/// A transaction has 50 events, each of a server whose keys are asked for there and of the sender; and the
/// sender's own.
const KEY_REQUESTS_MAX: usize = 101;

/// All errors that the endpoints document (SS-API, "API standards" and each endpoint).
const DOCUMENTED: [(u16, &str); 12] = [
    (400, "M_MISSING_PARAM"),
    (400, "M_INVALID_PARAM"),
    (400, "M_BAD_JSON"),
    (400, "M_NOT_JSON"),
    (400, "M_INCOMPATIBLE_ROOM_VERSION"),
    (400, "M_UNABLE_TO_AUTHORISE_JOIN"),
    (401, "M_UNAUTHORIZED"),
    (403, "M_FORBIDDEN"),
    (404, "M_NOT_FOUND"),
    (404, "M_UNRECOGNIZED"),
    (405, "M_UNRECOGNIZED"),
    (413, "M_TOO_LARGE"),
];

/// All that a request could change and a rejected one may not. Numbers that are merely used up are no change.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Belongings {
    rooms: BTreeMap<OwnedRoomId, RoomNow>,
    outboxes: BTreeMap<OwnedServerName, usize>,
    transactions: usize,
    invites: usize,
    keys: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct RoomNow {
    standings: Vec<Standing>,
    waiting: usize,
    forward: Vec<OwnedEventId>,
    current: backfire::room::state::StateMap,
}

impl Belongings {
    pub(super) fn of(host: &Host) -> Self {
        let durable = host.server.store().read();
        let room = |room: &Room| RoomNow {
            standings: room.graph().iter().map(|idx| room.graph().standing(idx)).collect(),
            waiting: room.waiting().count(),
            forward: room.forward_extremities(),
            current: room.current_state().clone(),
        };
        Self {
            rooms: durable.rooms.iter().map(|(id, of)| (id.clone(), room(of))).collect(),
            outboxes: durable.outboxes.iter().map(|(to, outbox)| (to.clone(), outbox.queue.len())).collect(),
            transactions: durable.taken_transactions.len(),
            invites: durable.invites.len(),
            keys: durable.keys.iter().count(),
        }
    }

    /// The same, but for events at the end that were stored as not allowed: a refused join is kept like any
    /// other event that is.
    pub(super) fn same_but_for_refused(&self, later: &Self) -> bool {
        let mut later = later.clone();
        for (id, room) in &mut later.rooms {
            let known = self.rooms.get(id).map_or(0, |room| room.standings.len());
            let new = room.standings.split_off(known.min(room.standings.len()));
            if new.iter().any(|standing| !matches!(standing, Standing::Rejected | Standing::SoftFailed)) {
                return false;
            }
        }
        *self == later
    }
}

/// Signs in the name of a host, for whatever is not under test.
pub(super) fn sign_request(request: &mut Request<Bytes>, by: &str, crypto: &Crypto) {
    request_auth::sign(request, server(by), server(HOSTS[0]), &key(by), crypto);
}

/// The same for a request without a body, or with one that is canonical JSON: what values are written as.
pub(super) fn sign_canonical(request: &mut Request<Bytes>, by: &str, crypto: &Crypto) {
    request_auth::sign_canonical(request, server(by), server(HOSTS[0]), &key(by), crypto);
}
