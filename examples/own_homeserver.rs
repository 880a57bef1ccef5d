//! A homeserver of one's own under a scenario of Backfire's: `cargo run --example own_homeserver`.
//!
//! [`Tiny`] is what a test author brings: a `tower::Service` over the types of `http`. The scenario gives it
//! the place of server `b`. A user of `a`, one of Backfire's own servers, invites it; it joins, as any server
//! does, gets events, and after a partition finds that it lacks some and asks for them. Then `a` asks it for
//! what was said meanwhile. What it answers otherwise than expected is a violation of the invariant
//! `expectations`.
//!
//! A real homeserver signs and reads events by itself, with the key that its place gives it; `Tiny` borrows
//! Backfire's code.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    convert::Infallible,
    future::{Ready, ready},
    rc::Rc,
    task::{Context, Poll},
};

use backfire::{
    Fabric, GuestContext, Guests, Options, Played, Scenario,
    matrix::{
        crypto::Crypto,
        draft::{countersign, hash_and_sign},
        endpoint::encode,
        keys::key_document,
        pdu::{Limits, UnverifiedPdu},
        request_auth,
        version::RoomVersion,
    },
    play_with_guests,
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use ruma_common::OwnedServerName;
use serde_json::{Value, json};
use tower_service::Service;

/// A homeserver that follows one room and keeps all of it in memory.
#[derive(Clone)]
struct Tiny(Rc<Shared>);

struct Shared {
    context: GuestContext,
    crypto: Crypto,
    /// Whether it asks for what it lacks; a server that doesn't is found out.
    recovers: bool,
    events: RefCell<BTreeMap<String, Value>>,
}

impl Service<Request<Bytes>> for Tiny {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let path =
            request.uri().path().trim_start_matches("/_matrix/").replace("%24", "$").replace("%21", "!");
        let parts: Vec<&str> = path.split('/').collect();
        let answer = match (request.method().as_str(), &parts[..]) {
            ("GET", ["key", "v2", "server"]) => Some(self.keys()),
            ("PUT", ["federation", "v2", "invite", ..]) => Some(self.invited(&body)),
            ("PUT", ["federation", "v1", "send", _]) => Some(self.take(&body)),
            ("GET", ["federation", "v1", "event", id]) => self.event(id),
            _ => None,
        };
        let mut response = Response::new(Bytes::new());
        let body = answer.unwrap_or_else(|| {
            *response.status_mut() = StatusCode::NOT_FOUND;
            json!({ "errcode": "M_NOT_FOUND", "error": "not here" })
        });
        *response.body_mut() = body.to_string().into();
        ready(Ok(response))
    }
}

impl Tiny {
    fn new(context: GuestContext, recovers: bool) -> Self {
        Self(Rc::new(Shared { context, crypto: Crypto::default(), recovers, events: RefCell::default() }))
    }

    fn keys(&self) -> Value {
        let Shared { context, crypto, .. } = &*self.0;
        key_document(&context.name, &context.key, &[], context.clock.now() + 86_400_000, crypto)
    }

    /// Signs the invitation and joins by way of who sent it.
    fn invited(&self, body: &Value) -> Value {
        let Shared { context, crypto, .. } = &*self.0;
        let version: RoomVersion = body["room_version"].as_str().unwrap().parse().unwrap();
        let invite = UnverifiedPdu::parse(&body["event"].to_string(), version, Limits::Hold).unwrap();
        let signed = countersign(&invite, &context.name, &context.key, crypto).unwrap();
        let (server, room) = (self.clone(), invite.room_id().to_string());
        let (user, via) =
            (body["event"]["state_key"].as_str().unwrap().to_owned(), invite.sender_server().to_owned());
        context.spawn(async move { server.join(&room, &user, version, &via).await });
        json!({ "event": signed.json() })
    }

    /// `make_join`, sign, `send_join`.
    async fn join(self, room: &str, user: &str, version: RoomVersion, via: &OwnedServerName) {
        let (room, user) = (encode(room), encode(user));
        let path = format!("/_matrix/federation/v1/make_join/{room}/{user}?ver={version}");
        let Some(template) = self.ask(via, Method::GET, &path, None).await else { return };
        let event = serde_json::from_value(template["event"].clone()).unwrap();
        let Shared { context, crypto, .. } = &*self.0;
        let join = hash_and_sign(event, version, &context.name, &context.key, crypto).unwrap();
        let body = serde_json::to_value(join.json()).unwrap();
        let path = format!("/_matrix/federation/v2/send_join/{room}/{}", encode(join.event_id().as_str()));
        let Some(answer) = self.ask(via, Method::PUT, &path, Some(body.clone())).await else { return };
        self.keep([&answer["state"], &answer["auth_chain"], &json!([body])], version);
    }

    /// A transaction: keeps its events, and asks for what is before them.
    fn take(&self, body: &Value) -> Value {
        let version = RoomVersion::default();
        for pdu in body["pdus"].as_array().into_iter().flatten() {
            let lacks = |id: &&Value| !self.0.events.borrow().contains_key(id.as_str().unwrap());
            let is_gap = pdu["prev_events"].as_array().into_iter().flatten().any(|id| lacks(&id));
            let [id] = &self.keep([&json!([pdu])], version)[..] else { continue };
            if is_gap && self.0.recovers {
                let (server, id, room) =
                    (self.clone(), id.clone(), pdu["room_id"].as_str().unwrap().to_owned());
                let via: OwnedServerName = body["origin"].as_str().unwrap().try_into().unwrap();
                self.0.context.spawn(async move { server.recover(&room, &id, version, &via).await });
            }
        }
        json!({ "pdus": {} })
    }

    async fn recover(self, room: &str, latest: &str, version: RoomVersion, via: &OwnedServerName) {
        let path = format!("/_matrix/federation/v1/get_missing_events/{}", encode(room));
        let body = json!({ "latest_events": [latest], "earliest_events": [], "limit": 20 });
        let Some(answer) = self.ask(via, Method::POST, &path, Some(body)).await else { return };
        self.keep([&answer["events"]], version);
    }

    /// Keeps lists of events under their ids, which it gives.
    fn keep<'a>(&self, lists: impl IntoIterator<Item = &'a Value>, version: RoomVersion) -> Vec<String> {
        let pdus = lists.into_iter().flat_map(|list| list.as_array().into_iter().flatten());
        pdus.filter_map(|pdu| {
            let id =
                UnverifiedPdu::parse(&pdu.to_string(), version, Limits::Hold).ok()?.event_id().to_string();
            self.0.events.borrow_mut().insert(id.clone(), pdu.clone());
            Some(id)
        })
        .collect()
    }

    fn event(&self, id: &str) -> Option<Value> {
        Some(json!({ "origin": self.0.context.name, "pdus": [self.0.events.borrow().get(id)?] }))
    }

    /// Asks another server; nothing if no good answer comes.
    async fn ask(
        &self,
        to: &OwnedServerName,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Option<Value> {
        let Shared { context, crypto, .. } = &*self.0;
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).body(Bytes::from(body)).unwrap();
        request_auth::sign(&mut request, &context.name, to, &context.key, crypto);
        let response = context.network.request(to, request).await.ok()?;
        serde_json::from_slice(response.body()).ok().filter(|_| response.status() == StatusCode::OK)
    }
}

const SCENARIO: &str = r#"{
  "why": "A server that is not Backfire's joins, misses what is said during a partition, and must have it afterwards.",
  "servers": { "a": {}, "b": { "name": "tiny.example.org" } },
  "room": { "created_by": "a", "members": ["a"] },
  "timeline": [
    { "at": "500ms", "invite": { "by": "a", "user": "b" } },
    { "at": "2s", "message": { "by": "a", "text": "hello" }, "as": "hello" },
    { "at": "3s", "ask": { "from": "a", "to": "b", "endpoint": "event", "events": ["hello"], "expect": { "events": ["hello"] } } },
    { "at": "4s", "partition": { "groups": [["a"], ["b"]], "for": "5s" } },
    { "at": "5s", "message": { "by": "a", "text": "unheard", "count": 9, "every": "50ms" } },
    { "at": "6s", "message": { "by": "a", "text": "unheard" }, "as": "unheard" },
    { "at": "7s", "message": { "by": "a", "text": "unheard", "count": 3, "every": "50ms" } },
    { "at": "20s", "message": { "by": "a", "text": "are you there?" } },
    { "at": "40s", "ask": { "from": "a", "to": "b", "endpoint": "event", "events": ["unheard"], "expect": { "events": ["unheard"] } } }
  ]
}"#;

/// Plays the scenario with `Tiny` in the place of `b`.
pub(crate) fn play(seed: u64, recovers: bool) -> Played {
    let scenario = Scenario::parse(SCENARIO, "own_homeserver.json").unwrap_or_else(|error| panic!("{error}"));
    let mut guests = Guests::default();
    guests.seat("b", move |context| Tiny::new(context, recovers));
    let options = Options { seed, fabric: Fabric::Direct, ..Options::default() };
    play_with_guests(&scenario, &options, &guests).expect("it can be played")
}

/// Plays it with ten seeds.
pub(crate) fn main() {
    for seed in 0..10 {
        let played = play(seed, true);
        for violation in &played.judgement.violations {
            eprintln!("seed {seed}: {}: {}", violation.invariant, violation.message);
        }
        assert!(played.judgement.is_as_expected(), "seed {seed} does not end as expected");
    }
    println!("ten seeds, all as expected");
}
