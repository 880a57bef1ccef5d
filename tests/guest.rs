//! A homeserver that is not Backfire's own in the place of one: what it answers is judged, faults hold for
//! it, a crash starts it anew, and it can ask others.

use std::{
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
    rc::Rc,
    task::{Context, Poll},
};

use backfire::{Fabric, GuestContext, Guests, Options, Scenario, Verdict, What, play_with_guests};
use bytes::Bytes;
use http::{Request, Response};
use ruma_common::ServerName;
use tower_service::Service;

/// Answers everything with a number: how often it was asked in this life.
struct Counter(u32);

impl Service<Request<Bytes>> for Counter {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        self.0 += 1;
        ready(Ok(Response::new(Bytes::from(format!(r#"{{ "asked": {} }}"#, self.0)))))
    }
}

const SCENARIO: &str = r#"{
  "why": "A guest is asked, cut off, asked again, crashed, and asked once more.",
  "servers": { "a": {}, "b": {} },
  "room": { "created_by": "a", "members": ["a"] },
  "timeline": [
    { "at": "1s", "ask": { "from": "a", "to": "b", "endpoint": "version", "expect": { "fields": { "asked": 1 } } } },
    { "at": "2s", "cut": { "from": "a", "to": "b", "for": "1s" } },
    { "at": "2500ms", "ask": { "from": "a", "to": "b", "endpoint": "version" } },
    { "at": "4s", "ask": { "from": "a", "to": "b", "endpoint": "version", "expect": { "fields": { "asked": 2 } } } },
    { "at": "5s", "crash": { "server": "b" } },
    { "at": "6s", "restart": { "server": "b" } },
    { "at": "7s", "ask": { "from": "a", "to": "b", "endpoint": "version", "expect": { "fields": { "asked": LAST } } } }
  ]
}"#;

fn scenario(last: u32) -> Scenario {
    let text = SCENARIO.replace("LAST", &last.to_string());
    Scenario::parse(&text, "guest.json").unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn check(last: u32, fabric: Fabric, expected: Verdict) {
    let mut guests = Guests::default();
    let lives = Rc::new(Cell::new(0));
    let counted = lives.clone();
    guests.seat("b", move |_| {
        counted.set(counted.get() + 1);
        Counter(0)
    });
    let options = Options { fabric, ..Options::default() };
    let played = play_with_guests(&scenario(last), &options, &guests).unwrap();
    assert_eq!(played.judgement.verdict, expected, "{:?}", played.judgement.violations);
    assert_eq!(lives.get(), 2, "it starts at the beginning and after its crash");
}

#[test]
fn a_guest_is_judged_by_its_answers_on_both_fabrics() {
    for fabric in [Fabric::Direct, Fabric::Turmoil] {
        check(1, fabric, Verdict::Holds);
        check(3, fabric, Verdict::Violated);
    }
}

#[test]
fn a_guest_can_ask_others() {
    let mut guests = Guests::default();
    let status = Rc::new(Cell::new(None));
    let seen = status.clone();
    guests.seat("b", move |context: GuestContext| {
        let (seen, guest) = (seen.clone(), context.clone());
        context.spawn(async move {
            let to = ServerName::parse("a").unwrap();
            let request = Request::get("/_matrix/federation/v1/version").body(Bytes::new()).unwrap();
            let answer = guest.network.request(&to, request).await.unwrap();
            seen.set(Some(answer.status().as_u16()));
        });
        Counter(0)
    });
    let options = Options { fabric: Fabric::Direct, ..Options::default() };
    let played = play_with_guests(&scenario(1), &options, &guests).unwrap();
    assert_eq!(status.get(), Some(200));
    let asked = |record: &&backfire::journal::Record| {
        record.server.as_deref() == Some("b") && matches!(record.what, What::Request { .. })
    };
    assert!(played.journal.records.iter().any(|record| asked(&record)), "its requests are in the journal");
}
