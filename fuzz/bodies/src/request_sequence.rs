//! One to 64 requests, almost all of them right, by servers that are in the room, have left it, are banned or
//! were never there; what they name comes from the answers to earlier ones.
//!
//! What each must be answered is known beforehand: walks from the slow twin, who may see what from the room's
//! history read plainly, the rest from the text.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use http::{Method, Request};
use indexmap::IndexMap;
use ruma_common::{EventId, OwnedEventId, RoomId};
use ruma_events::StateEventType;
use serde_json::{Value, json};

use super::{
    Body, Reached, Seeds,
    host::{Host, durable, sign_canonical},
    tape::{below, byte, pick, seldom},
    twin::{Event, Plain, Query},
    world::{HOSTS, Realm, place, sign, stand_in, user},
};
use backfire::{
    matrix::{draft::Draft, endpoint::encode, pdu::Pdu, version::RoomVersion},
    room::{Room, graph::Standing},
};

const REQUESTS_MAX: usize = 64;

/// What random inputs must reach.
pub(super) const WANTED: &[&str] = &[
    "backfill",
    "event",
    "event that may not be seen",
    "get_missing_events",
    "hidden event inside the gap",
    "join",
    "refused as a stranger",
    "refused for a flaw",
    "repeated transaction",
    "send",
    "state_ids",
];

/// What an answer or an event must have come to that the room had a part in.
const WALKED_OR_JUDGED: &[&str] =
    &["backfill", "event", "event_auth", "get_missing_events", "join", "send", "state", "state_ids"];

/// A room of one version, and what is asked.
pub struct Sequence {
    version: RoomVersion,
    requests: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    by: &'static str,
    what: What,
    /// What it names, counted back from the newest that is known.
    ids: Vec<usize>,
    limit: usize,
    flaw: Flaw,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Backfill,
    MissingEvents,
    Event,
    StateIds,
    State,
    EventAuth,
    Send,
    SendAgain,
    Join,
    Version,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    Unsigned,
    OtherRoom,
    NoSuchEvent,
    BadId,
    NoLimit,
    NegativeLimit,
}

const WHATS: [What; 12] = [
    What::Backfill,
    What::MissingEvents,
    What::Event,
    What::StateIds,
    What::Send,
    What::State,
    What::EventAuth,
    What::SendAgain,
    What::Join,
    What::Send,
    What::Version,
    What::Backfill,
];
const FLAWS: [Flaw; 16] = [
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::None,
    Flaw::Unsigned,
    Flaw::OtherRoom,
    Flaw::NoSuchEvent,
    Flaw::BadId,
    Flaw::NoLimit,
    Flaw::NegativeLimit,
];

impl<'a> Arbitrary<'a> for Sequence {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let version = pick(u, &["11", "2", "12", "6"])?.parse().expect("these are versions");
        let mut requests = Vec::new();
        for _ in 0..=below(u, REQUESTS_MAX)? {
            // Whatever came after the end of the tape would be the same request over and over.
            if u.is_empty() && !requests.is_empty() {
                break;
            }
            let (what, by) = (*pick(u, &WHATS)?, HOSTS[1 + below(u, HOSTS.len() - 1)?]);
            let limit = if seldom(u, 16)? { 1_000 } else { 1 + below(u, 40)? };
            let ids = (0..=below(u, 3)?).map(|_| byte(u).map(usize::from)).collect::<Result<_>>()?;
            requests.push(Asked { by, what, ids, limit, flaw: *pick(u, &FLAWS)? });
        }
        Ok(Self { version, requests })
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, None)
    }
}

/// An event as it may be served: whole, or redacted.
struct Form {
    id: OwnedEventId,
    /// Whether anything was taken from it.
    cut: bool,
    visible_to: Vec<&'static str>,
}

/// Events by the texts in which they may be served.
type Forms = IndexMap<String, Form>;

/// What is known of a room before the first request.
struct Base {
    realm: Realm,
    /// The ids that requests may name from the beginning.
    known: Vec<OwnedEventId>,
    twin: Plain,
    forms: Forms,
    members: BTreeMap<&'static str, String>,
}

thread_local! {
    static BASES: RefCell<BTreeMap<RoomVersion, Rc<Base>>> = RefCell::default();
}

impl Base {
    fn of(version: RoomVersion) -> Rc<Self> {
        let make = || {
            let mut realm = Realm::lived_in(version);
            let newest = realm.pdus.iter().rev().take(3).rev().map(|pdu| pdu.event_id().clone()).collect();
            let known = [odd_events(&mut realm), newest].concat();
            let forms = realm.pdus.iter().flat_map(|pdu| forms(&realm.room, pdu)).collect();
            let (twin, members) = (twin_of(&realm.room), memberships(&realm.room));
            Rc::new(Self { realm, known, twin, forms, members })
        };
        BASES.with(|bases| bases.borrow_mut().entry(version).or_insert_with(make).clone())
    }
}

/// An event that is not allowed, and one that nothing leads to: both are held, and at neither is there a
/// state to tell.
fn odd_events(realm: &mut Realm) -> Vec<OwnedEventId> {
    let tips = realm.room.forward_extremities();
    let mut make = |by: &str| {
        let draft = Draft::message_like("m.room.message", &user(by), json!({ "body": "odd" }));
        let object = realm.place(draft, &tips);
        let pdu = sign(object, realm.version, &stand_in()).expect("they are well-formed");
        match by {
            "g" => realm.take(pdu.clone()),
            _ => {
                realm.room.add_outliers([pdu.clone()]);
                realm.pdus.push(pdu.clone());
            }
        }
        pdu.event_id().clone()
    };
    vec![make("b"), make("g")]
}

/// The texts in which an event may be served. Whoever may see it gets it whole, and everybody may get what is
/// left of it.
fn forms(room: &Room, pdu: &Pdu) -> [(String, Form); 2] {
    let id = pdu.event_id();
    let (whole, redacted) = (pdu.json().get().to_owned(), pdu.redacted_json().get().to_owned());
    let cut = whole != redacted;
    let seers = if cut { seers(room, id) } else { HOSTS.to_vec() };
    let redacted = (redacted, Form { id: id.clone(), cut, visible_to: HOSTS.to_vec() });
    // Last, since it is the same text where nothing can be taken away.
    [redacted, (whole, Form { id: id.clone(), cut: false, visible_to: seers })]
}

/// The server, and what is known of it outside.
struct Stage {
    host: Host,
    base: Rc<Base>,
    /// Of events that came since.
    forms: Forms,
    /// How many events there were.
    events: usize,
    /// Every id that an answer has named, and those of the newest messages.
    known: Vec<OwnedEventId>,
    twin: Plain,
    members: BTreeMap<&'static str, String>,
    last_transaction: BTreeMap<&'static str, (String, Value, Value)>,
    transactions: usize,
    reached: Reached,
}

impl Body for Sequence {
    const USEFUL: &'static [&'static str] = WALKED_OR_JUDGED;

    fn check(&self) -> Reached {
        let base = Base::of(self.version);
        let mut stage = Stage {
            host: Host::start(durable("a", base.realm.room.clone())),
            known: base.known.clone(),
            events: base.realm.pdus.len(),
            members: base.members.clone(),
            twin: base.twin.clone(),
            base,
            forms: Forms::new(),
            last_transaction: BTreeMap::new(),
            transactions: 0,
            reached: Reached::new(),
        };
        for asked in &self.requests {
            stage.play(asked);
        }
        stage.reached
    }
}

fn memberships(room: &Room) -> BTreeMap<&'static str, String> {
    let member = |host| Some((host, room.membership(room.current_state(), &user(host))?.to_owned()));
    HOSTS.into_iter().filter_map(member).collect()
}

fn twin_of(room: &Room) -> Plain {
    let graph = room.graph();
    let mut twin = Plain::default();
    for idx in graph.iter().filter(|idx| graph.standing(*idx) != Standing::Missing) {
        let parents = graph.parents(idx).iter().map(|parent| graph.id(*parent).to_owned()).collect();
        let event = Event { depth: graph.depth(idx), parents, standing: graph.standing(idx) };
        twin.insert(graph.id(idx), &event);
    }
    twin
}

impl Stage {
    fn play(&mut self, asked: &Asked) {
        match asked.what {
            What::Send => self.send(asked),
            What::SendAgain => self.send_again(asked),
            What::Join => self.join(asked),
            _ => self.read(asked),
        }
    }

    fn is_in(&self, host: &str) -> bool {
        self.members.get(host).is_some_and(|membership| membership == "join")
    }

    fn id(&self, asked: &Asked, nth: usize) -> String {
        match asked.flaw {
            Flaw::NoSuchEvent => "$nobody-has-it:g".to_owned(),
            Flaw::BadId => "nobody".to_owned(),
            _ => self.known[self.known.len() - 1 - asked.ids[nth % asked.ids.len()] % self.known.len()]
                .to_string(),
        }
    }

    fn room_id(&self, asked: &Asked) -> &RoomId {
        let other = <&RoomId>::try_from("!other:a").expect("it is a room id");
        if asked.flaw == Flaw::OtherRoom { other } else { self.room_under_test() }
    }

    fn room_under_test(&self) -> &RoomId {
        self.base.realm.room.room_id()
    }

    fn ask(&self, asked: &Asked, method: Method, path: String, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).body(body).expect("it is well-formed");
        if asked.flaw != Flaw::Unsigned {
            sign_canonical(&mut request, asked.by, &stand_in());
        }
        self.host.ask(request)
    }

    /// A request that only reads: nothing changes, strangers and flaws are refused, and the answer is the
    /// twin's.
    fn read(&mut self, asked: &Asked) {
        let effort = self.host.effort();
        let room = encode(self.room_id(asked).as_str());
        let (first, limit) = (self.id(asked, 0), self.limit(asked));
        let all: Vec<String> = (0..asked.ids.len()).map(|nth| self.id(asked, nth)).collect();
        let at = encode(&first);
        let base = "/_matrix/federation/v1";
        let get = |path: String| (Method::GET, path, None);
        let (method, path, body) = match asked.what {
            What::Version => get(format!("{base}/version")),
            What::Event => get(format!("{base}/event/{at}")),
            What::StateIds => get(format!("{base}/state_ids/{room}?event_id={at}")),
            What::State => get(format!("{base}/state/{room}?event_id={at}")),
            What::EventAuth => get(format!("{base}/event_auth/{room}/{at}")),
            What::Backfill => {
                let from: String = all.iter().map(|id| format!("&v={}", encode(id))).collect();
                get(format!(
                    "{base}/backfill/{room}?{}{from}",
                    limit.as_ref().map_or_else(|| "x=".into(), |limit| format!("limit={limit}"))
                ))
            }
            _ => {
                let earliest = if all.len() > 1 { &all[1..] } else { &[] };
                let mut body = json!({ "latest_events": [first], "earliest_events": earliest, "min_depth": asked.limit % 7 });
                if let Some(limit) = &limit {
                    body["limit"] = limit.parse::<i64>().unwrap_or(0).into();
                }
                (Method::POST, format!("{base}/get_missing_events/{room}"), Some(body))
            }
        };
        let (status, answer) = self.ask(asked, method, path, body.as_ref());
        assert_eq!(self.host.effort(), effort, "{asked:?}: a read wrote or asked");
        if let Some(expected) = self.expected_status(asked, &first) {
            assert_eq!(status, expected, "{asked:?}: {answer}");
        }
        match status {
            200 => self.check_answer(asked, &first, &all, &answer),
            403 if asked.flaw == Flaw::None => {
                self.reached.insert("refused as a stranger".into());
            }
            _ if asked.flaw != Flaw::None => {
                self.reached.insert("refused for a flaw".into());
            }
            _ => {}
        }
    }

    fn limit(&self, asked: &Asked) -> Option<String> {
        match asked.flaw {
            Flaw::NoLimit => None,
            Flaw::NegativeLimit => Some("-1".to_owned()),
            _ => Some(asked.limit.to_string()),
        }
    }

    /// The status, where the text and the twin leave one only.
    fn expected_status(&self, asked: &Asked, first: &str) -> Option<u16> {
        let standing = <&EventId>::try_from(first).map_or(Standing::Missing, |id| self.twin.standing(id));
        let held = standing != Standing::Missing;
        Some(match asked.what {
            What::Version => 200,
            _ if asked.flaw == Flaw::Unsigned => 401,
            What::Event if asked.flaw == Flaw::BadId => 400,
            What::Event if !held => 404,
            What::EventAuth if asked.flaw == Flaw::BadId => 400,
            What::Event => {
                if self.is_in(asked.by) {
                    200
                } else {
                    403
                }
            }
            _ if asked.flaw == Flaw::OtherRoom || !self.is_in(asked.by) => 403,
            _ if asked.flaw == Flaw::BadId => 400,
            What::Backfill => {
                if matches!(asked.flaw, Flaw::NoLimit | Flaw::NegativeLimit) {
                    400
                } else {
                    200
                }
            }
            What::MissingEvents => {
                if asked.flaw == Flaw::NegativeLimit {
                    400
                } else {
                    200
                }
            }
            What::EventAuth => {
                if held {
                    200
                } else {
                    404
                }
            }
            What::State | What::StateIds => {
                if standing.is_history() {
                    200
                } else {
                    404
                }
            }
            _ => return None,
        })
    }

    fn check_answer(&mut self, asked: &Asked, first: &str, all: &[String], answer: &Value) {
        let ids = |texts: &[String]| -> Vec<OwnedEventId> {
            texts.iter().filter_map(|text| text.as_str().try_into().ok()).collect()
        };
        let list = |key: &str| answer[key].as_array().map_or(&[][..], Vec::as_slice);
        let (name, served, more) = match asked.what {
            What::Version => return,
            What::Backfill => ("backfill", list("pdus"), &[][..]),
            What::MissingEvents => ("get_missing_events", list("events"), &[][..]),
            What::Event => ("event", list("pdus"), &[][..]),
            What::EventAuth => ("event_auth", list("auth_chain"), &[][..]),
            What::State => ("state", list("pdus"), list("auth_chain")),
            _ => ("state_ids", &[][..], &[][..]),
        };
        self.reached.insert(name.into());
        let served: Vec<OwnedEventId> =
            served.iter().chain(more).map(|event| self.served(asked, event)).collect();
        let served_ids: Vec<&EventId> = served.iter().map(|id| &**id).collect();
        match asked.what {
            What::Backfill => {
                let expected = self.twin.backfill(&ids(all), asked.limit);
                assert_eq!(served_ids, expected, "{asked:?}");
            }
            What::MissingEvents => {
                let limit = if asked.flaw == Flaw::NoLimit { 10 } else { asked.limit };
                let earliest = ids(if all.len() > 1 { &all[1..] } else { &[] });
                let query =
                    Query { latest: ids(&all[..1]), earliest, limit, min_depth: (asked.limit % 7) as u64 };
                assert_eq!(served_ids, self.twin.missing_events(&query), "{asked:?}");
            }
            What::Event => {
                assert_eq!(served_ids, [first], "{asked:?}");
            }
            What::StateIds => self.check_state_ids(asked, first, answer),
            _ => {}
        }
        self.known.extend(served);
    }

    /// The id of an event in an answer, which must be one that the room has, and only as much of it as the
    /// asker may see.
    fn served(&mut self, asked: &Asked, event: &Value) -> OwnedEventId {
        let text = event.to_string();
        let known = self.forms.get(&text).or_else(|| self.base.forms.get(&text));
        let Form { id, cut, visible_to } = known
            .unwrap_or_else(|| panic!("{asked:?}: neither an event of the room nor a redacted one: {text}"));
        assert!(visible_to.contains(&asked.by), "{asked:?}: {id} in full: {text}");
        if *cut {
            self.reached.insert("event that may not be seen".into());
            if asked.what == What::MissingEvents {
                self.reached.insert("hidden event inside the gap".into());
            }
        }
        id.clone()
    }

    /// The state before the event, and an auth chain to which nothing is lacking.
    fn check_state_ids(&self, asked: &Asked, first: &str, answer: &Value) {
        let list = |key: &str| -> Vec<OwnedEventId> {
            serde_json::from_value(answer[key].clone()).unwrap_or_default()
        };
        let (state, chain) = (list("pdu_ids"), list("auth_chain_ids"));
        let durable = self.host.server.store().read();
        let room = &durable.rooms[self.room_under_test()];
        let before = room
            .state_before(first.try_into().expect("it was found by it"))
            .map(|state| room.list_state(state))
            .unwrap_or_default();
        let mut expected: Vec<OwnedEventId> = before.into_iter().map(|(_, _, id)| id.to_owned()).collect();
        let mut listed = state.clone();
        expected.sort();
        listed.sort();
        assert_eq!(listed, expected, "{asked:?}: state before {first}");
        for id in state.iter().chain(&chain) {
            let pdu = room.event(id).unwrap_or_else(|| panic!("{asked:?}: {id} is not held"));
            for auth in pdu.auth_events() {
                assert!(chain.contains(auth), "{asked:?}: the auth chain lacks {auth}, which {id} cites");
            }
        }
    }

    /// A message on top of what the room has: taken from those who are in the room, and judged for what it is
    /// from others.
    fn send(&mut self, asked: &Asked) {
        let draft =
            Draft::message_like("m.room.message", &user(asked.by), json!({ "body": self.transactions }));
        let object = {
            let durable = self.host.server.store().read();
            let room = &durable.rooms[self.room_under_test()];
            place(room, self.events, draft, &room.forward_extremities())
        };
        let Ok(pdu) = sign(object, self.base.realm.version, &stand_in()) else { return };
        self.transactions += 1;
        self.events += 1;
        let body = json!({ "origin": asked.by, "origin_server_ts": 0, "pdus": [pdu.json()] });
        let path = format!("/_matrix/federation/v1/send/{}", self.transactions);
        let (status, answer) = self.ask(asked, Method::PUT, path.clone(), Some(&body));
        if asked.flaw == Flaw::Unsigned {
            assert_eq!(status, 401, "{asked:?}");
            return;
        }
        assert_eq!(
            (status, &answer["pdus"][pdu.event_id().as_str()]),
            (200, &json!({})),
            "{asked:?}: {answer}"
        );
        self.reached.insert("send".into());
        self.last_transaction.insert(asked.by, (path, body, answer));
        let standing = self.host.server.store().read().rooms[self.room_under_test()].standing(pdu.event_id());
        let expected = if self.is_in(asked.by) { Standing::Accepted } else { Standing::Rejected };
        assert_eq!(standing, Some(expected), "{asked:?}: {} of {}", pdu.event_id(), asked.by);
        self.note(&pdu, expected);
        self.compare();
    }

    /// The same transaction once more: the same answer, and nothing else.
    fn send_again(&mut self, asked: &Asked) {
        let Some((path, body, answer)) = self.last_transaction.get(asked.by).cloned() else { return };
        let effort = self.host.effort();
        let (status, again) = self.ask(asked, Method::PUT, path, Some(&body));
        assert_eq!(self.host.effort(), effort, "{asked:?}: a repeated transaction wrote or asked");
        if asked.flaw == Flaw::Unsigned {
            assert_eq!(status, 401, "{asked:?}");
        } else {
            assert_eq!((status, again), (200, answer), "{asked:?}: a repeated transaction");
            self.reached.insert("repeated transaction".into());
        }
    }

    /// `make_join` and `send_join`: whoever is not banned may come in, and each server speaks for its own
    /// users.
    fn join(&mut self, asked: &Asked) {
        // There is no event in the question that could be another: here it is a user of another server.
        if asked.flaw == Flaw::NoSuchEvent {
            return self.join_for_another(asked);
        }
        let (room, user_id) = (encode(self.room_id(asked).as_str()), user(asked.by));
        let version = self.base.realm.version;
        let path = format!("/_matrix/federation/v1/make_join/{room}/{}?ver={version}", encode(&user_id));
        let (status, template) = self.ask(asked, Method::GET, path, None);
        let expected = match asked.flaw {
            Flaw::Unsigned => 401,
            Flaw::OtherRoom => 404,
            _ if self.members.get(asked.by).is_some_and(|membership| membership == "ban") => 403,
            _ => 200,
        };
        assert_eq!(status, expected, "{asked:?}: {template}");
        if status != 200 {
            return;
        }
        let mut event = template["event"].clone();
        if version.has_event_ids_on_the_wire() {
            event["event_id"] = format!("$join{}:{}", self.known.len(), asked.by).into();
        }
        let object =
            serde_json::from_value(event).unwrap_or_else(|error| panic!("{asked:?}: {error} in {template}"));
        let join = sign(object, version, &stand_in())
            .unwrap_or_else(|error| panic!("{asked:?}: {error} in {template}"));
        let path = format!("/_matrix/federation/v2/send_join/{room}/{}", encode(join.event_id().as_str()));
        let body: Value = serde_json::from_str(join.json().get()).expect("it is JSON");
        let (status, answer) = self.ask(asked, Method::PUT, path, Some(&body));
        assert_eq!(status, 200, "{asked:?}: {answer}");
        let state = answer["state"].as_array().map_or(0, Vec::len);
        assert!(state > 0 && answer["event"].is_object(), "{asked:?}: {answer}");
        self.members.insert(asked.by, "join".to_owned());
        self.note(&join, Standing::Accepted);
        self.reached.insert("join".into());
        self.compare();
    }

    /// A join that its server has signed, but that another asks for.
    fn join_for_another(&self, asked: &Asked) {
        let of = user(if asked.by == "g" { "f" } else { "g" });
        let object = {
            let durable = self.host.server.store().read();
            let room = &durable.rooms[self.room_under_test()];
            let draft = Draft::member(&of, &of, json!({ "membership": "join" }));
            place(room, self.events, draft, &room.forward_extremities())
        };
        let Ok(join) = sign(object, self.base.realm.version, &stand_in()) else { return };
        let (room, id) = (encode(self.room_under_test().as_str()), encode(join.event_id().as_str()));
        let body: Value = serde_json::from_str(join.json().get()).expect("it is JSON");
        let path = format!("/_matrix/federation/v2/send_join/{room}/{id}");
        let (status, answer) = self.ask(asked, Method::PUT, path, Some(&body));
        assert_eq!(status, 400, "{asked:?}: the join of {of}: {answer}");
    }

    /// Notes an event that the server has got, and what it must have made of it.
    fn note(&mut self, pdu: &Pdu, standing: Standing) {
        self.known.push(pdu.event_id().clone());
        let event = Event { depth: pdu.depth(), parents: pdu.prev_events().to_vec(), standing };
        self.twin.insert(pdu.event_id(), &event);
        let durable = self.host.server.store().read();
        self.forms.extend(forms(&durable.rooms[self.base.realm.room.room_id()], pdu));
    }

    /// After a change: memberships are what was foreseen, and the tips are those of the twin.
    fn compare(&self) {
        let durable = self.host.server.store().read();
        let room = &durable.rooms[self.room_under_test()];
        assert_eq!(memberships(room), self.members, "memberships");
        let tips = room.forward_extremities();
        let tips: Vec<&EventId> = tips.iter().map(|id| &**id).collect();
        assert_eq!(tips, self.twin.forward_extremities(), "forward extremities");
    }
}

/// Who may see an event whole: the rule of history visibility for servers, read plainly from the state after
/// it.
fn seers(room: &Room, id: &OwnedEventId) -> Vec<&'static str> {
    let state = room.graph().get(id).and_then(|idx| room.state_after(idx));
    let Some(state) = state else { return HOSTS.to_vec() };
    if room.redacted_by(id).is_some() {
        return Vec::new();
    }
    let state = room.list_state(&state);
    let said = |wanted: StateEventType, key: &str, field: &str| {
        let (_, _, id) = state.iter().find(|(kind, state_key, _)| **kind == wanted && *state_key == key)?;
        let content: Value = serde_json::from_str(room.event(id)?.content().get()).ok()?;
        content[field].as_str().map(str::to_owned)
    };
    let visibility = said(StateEventType::RoomHistoryVisibility, "", "history_visibility");
    let sees = |host: &&str| {
        let membership = || said(StateEventType::RoomMember, &user(host), "membership");
        match visibility.as_deref() {
            Some("joined") => membership().as_deref() == Some("join"),
            Some("invited") => matches!(membership().as_deref(), Some("join" | "invite")),
            _ => true,
        }
    };
    HOSTS.into_iter().filter(sees).collect()
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Sequence in room version {} {{", self.version)?;
        for asked in &self.requests {
            writeln!(f, "  {asked:?}")?;
        }
        f.write_str("}")
    }
}

pub(super) fn seeds() -> Seeds {
    // Version, number; for each: what, by whom, large limit, limit, number of ids, ids, flaw.
    let one = |what: u8, by: u8, id: u8| vec![what, by, 0, 9, 0, id, 0];
    let all = |version: u8, requests: &[Vec<u8>]| {
        [vec![version, requests.len() as u8 - 1], requests.concat()].concat()
    };
    vec![
        (
            "reads-by-a-member",
            all(0, &[one(0, 0, 0), one(1, 1, 0), one(2, 0, 1), one(3, 0, 2), one(5, 1, 3), one(6, 0, 0)]),
        ),
        ("reads-by-a-latecomer", all(0, &[vec![0, 4, 255, 0, 0, 0], one(1, 4, 9), one(2, 4, 12)])),
        ("reads-by-strangers", all(1, &[one(0, 2, 0), one(1, 3, 0), one(2, 5, 0), one(3, 2, 0)])),
        ("a-stranger-joins-and-reads", all(2, &[one(8, 5, 0), one(0, 5, 0), one(4, 5, 0)])),
        ("a-banned-user-joins", all(0, &[one(8, 3, 0), one(4, 3, 0), one(0, 0, 0)])),
        (
            "states-at-odd-events",
            all(0, &[one(3, 0, 3), one(3, 0, 4), one(5, 1, 3), one(2, 0, 4), one(6, 0, 3)]),
        ),
        ("joins-of-anothers-user", all(0, &[vec![8, 5, 0, 9, 0, 0, 12], vec![8, 2, 0, 9, 0, 0, 12]])),
        ("messages-and-a-repeat", all(0, &[one(4, 0, 0), one(4, 1, 0), one(7, 0, 0), one(0, 4, 0)])),
    ]
}
