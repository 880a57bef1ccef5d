//! A homeserver of one's own under a scenario of Backfire's: `cargo run --example own_homeserver`.
//!
//! [`Tiny`] is what a test author brings: a `tower::Service` over the types of `http`. The scenario gives it the place of
//! server `b`. Server `a`, one of Backfire's own, asks it questions while the link between them is cut, slow and healed, and
//! compares the answers; what is not as expected is a violation of the invariant `expectations`.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use backfire::{
    campaign::play::play_with_guests,
    scenario::Scenario,
    simulation::{Fabric, Options, guest::Guests},
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower_service::Service;

/// A homeserver that tells its version and nothing else.
struct Tiny {
    asked: u32,
}

impl Service<Request<Bytes>> for Tiny {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        self.asked += 1;
        let (status, body) = match (request.method().as_str(), request.uri().path()) {
            ("GET", "/_matrix/federation/v1/version") => {
                (StatusCode::OK, json!({ "server": { "name": "Tiny" }, "asked": self.asked }))
            }
            ("GET", _) => (StatusCode::NOT_FOUND, error("M_UNRECOGNIZED", "no such endpoint")),
            _ => (StatusCode::METHOD_NOT_ALLOWED, error("M_UNRECOGNIZED", "no such method")),
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        ready(Ok(response))
    }
}

fn error(errcode: &str, text: &str) -> Value {
    json!({ "errcode": errcode, "error": text })
}

const SCENARIO: &str = r#"{
  "why": "A server that is not Backfire's is asked before and after a cut; the question in between never reaches it.",
  "servers": { "a": {}, "b": { "name": "tiny.example.org" } },
  "links": { "a->b": { "latency": "80ms" } },
  "room": { "created_by": "a", "members": ["a"] },
  "timeline": [
    { "at": "1s", "ask": { "from": "a", "to": "b", "endpoint": "version",
      "expect": { "fields": { "server": { "name": "Tiny" }, "asked": 1 } } } },
    { "at": "2s", "cut": { "from": "a", "to": "b", "for": "1s" } },
    { "at": "2500ms", "ask": { "from": "a", "to": "b", "endpoint": "version" } },
    { "at": "4s", "ask": { "from": "a", "to": "b", "endpoint": "version",
      "expect": { "fields": { "server": { "name": "Tiny" }, "asked": 2 } } } },
    { "at": "5s", "ask": { "from": "a", "to": "b", "path": "/_matrix/federation/v1/nothing",
      "expect": { "status": 404, "errcode": "M_UNRECOGNIZED" } } }
  ]
}"#;

fn main() {
    let scenario = Scenario::parse(SCENARIO, "own_homeserver.json").unwrap_or_else(|error| panic!("{error}"));
    let mut guests = Guests::default();
    guests.seat("b", |_seat| Tiny { asked: 0 });
    for seed in 0..10 {
        let options = Options { seed, fabric: Fabric::Direct, ..Options::default() };
        let played = play_with_guests(&scenario, &options, &guests).expect("it can be played");
        for violation in &played.judgement.violations {
            eprintln!("seed {seed}: {}: {}", violation.invariant, violation.message);
        }
        assert!(played.judgement.is_as_expected(), "seed {seed} does not end as expected");
    }
    println!("ten seeds, all as expected");
}
