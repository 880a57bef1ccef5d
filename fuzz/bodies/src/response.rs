//! A server fills a real gap, and one of the two it can ask answers what the fuzzer wants.
//!
//! Most lies are small: an honest answer with one value changed or one event more or less, or an earlier
//! answer once more. The liar re-hashes and re-signs what it changed with the only keys that it really holds,
//! its own. When the tape ends it is honest again, so the gap must close in the end.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use arbitrary::{Arbitrary, Result, Unstructured};
use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, select},
};
use http::{Method, Request, Response, StatusCode};
use indexmap::IndexMap;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use ruma_common::{CanonicalJsonObject, OwnedEventId, ServerName};
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};
use tokio::{task::LocalSet, time::Instant};

use super::{
    Body, Reached, Seeds,
    host::{Host, NOW, durable, sign_request},
    planted,
    tape::{below, byte, pick},
    world::{Realm, key, memory, server, sign, stand_in, user},
};
use backfire::{
    homeserver::{
        Homeserver, Parts,
        observation::{Observation, Observer},
        store::Store,
    },
    matrix::{
        draft::{Draft, place_and_sign_anyway},
        memory::Memory,
        pdu::Pdu,
        version::RoomVersion,
    },
    ports::{Clock, Network, NetworkError},
    room::graph::Standing,
};

/// What random inputs must reach.
pub(super) const WANTED: &[&str] = &[
    "asked again",
    "event dropped",
    "gap closed",
    "gap wider than an answer",
    "liar's own event taken",
    "no lie",
    "stuck for a while",
];

/// A recovery began.
const GAP_OPENED: &str = "gap opened";

const LIES_MAX: usize = 24;
/// So many answers are remembered.
const ANSWERED_MAX: usize = 1_024;
/// Within so much time after the push, and so many requests, the gap must be closed.
const PATIENCE: Duration = Duration::from_secs(600);
const REQUESTS_MAX: usize = 400;
/// How long an answer takes.
const LATENCY: Duration = Duration::from_millis(20);

/// A gap and how its filling is disturbed.
pub struct LyingPeer {
    version: RoomVersion,
    gap: usize,
    /// One for each answer of the liar, in order.
    lies: Vec<Lie>,
}

#[derive(Clone, Debug)]
enum Lie {
    None,
    /// One value of one event is another.
    Changed {
        event: usize,
        change: Change,
    },
    /// An answer that was given before.
    Replayed(usize),
    Left(usize),
    Twice(usize),
    Reversed,
    Nothing,
    /// An event of the liar's own, behind the nth of the answer or behind none that exists.
    Own {
        behind: Option<usize>,
    },
    /// An event in another's name, signed by the liar alone.
    Forged(usize),
    Refused(u16),
    /// A byte of the answer is another.
    Noise(usize, u8),
    Cut(usize),
    Hangs,
    Lost,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Body,
    Depth(u64),
    Parent(usize),
    NoParents,
    UnknownParent,
    NoAuth,
    Sender,
    Kind,
    Room,
    Hash,
    NoSignatures,
    Time(u64),
}

const CHANGES: [Change; 14] = [
    Change::Body,
    Change::Depth(0),
    Change::Depth(1 << 52),
    Change::Depth(31),
    Change::Parent(1),
    Change::Parent(5),
    Change::NoParents,
    Change::UnknownParent,
    Change::NoAuth,
    Change::Sender,
    Change::Kind,
    Change::Room,
    Change::Hash,
    Change::NoSignatures,
];

impl<'a> Arbitrary<'a> for LyingPeer {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let version = pick(u, &["11", "12", "2"])?.parse().expect("these are versions");
        let gap = below(u, GAPS.len())?;
        let lies = (0..below(u, LIES_MAX + 1)?).map(|_| draw_lie(u)).collect::<Result<_>>()?;
        Ok(Self { version, gap, lies })
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, None)
    }
}

fn draw_lie(u: &mut Unstructured<'_>) -> Result<Lie> {
    let (kind, which) = (below(u, 20)?, byte(u)?);
    let at = usize::from(which);
    Ok(match kind {
        0 | 1 => Lie::None,
        2..=6 => Lie::Changed { event: at, change: draw_change(u)? },
        7 | 8 => Lie::Replayed(at),
        9 => Lie::Left(at),
        10 => Lie::Twice(at),
        11 => Lie::Reversed,
        12 => Lie::Nothing,
        13 => Lie::Own { behind: Some(at) },
        14 => Lie::Own { behind: None },
        15 => Lie::Forged(at),
        16 => Lie::Refused([400, 403, 404, 429, 500, 502][at % 6]),
        17 => Lie::Noise(at * 7, byte(u)?),
        18 => Lie::Cut(at * 11),
        _ if which.is_multiple_of(2) => Lie::Hangs,
        _ => Lie::Lost,
    })
}

fn draw_change(u: &mut Unstructured<'_>) -> Result<Change> {
    Ok(match byte(u)? {
        byte @ 0..240 => CHANGES[usize::from(byte) % CHANGES.len()],
        byte => Change::Time(u64::from(byte)),
    })
}

/// What happened in the room while the server was away: by whom each event is, and how many of the newest it
/// skips when it chooses its parent.
const GAPS: [&[(&str, usize)]; 5] = [
    &[("b", 0), ("c", 0), ("b", 0)],
    &[("b", 0), ("c", 0), ("c", 0), ("b", 0), ("f", 0), ("b", 0), ("c", 0), ("b", 0), ("c", 0), ("b", 0)],
    &[("b", 0), ("c", 1), ("b", 2), ("c", 0), ("merge", 0), ("b", 0)],
    &[("b", 0); 27],
    &[("c", 0), ("leave", 0), ("b", 0), ("rejoin", 0), ("c", 0), ("f", 0), ("b", 0)],
];

/// Everybody's part of one room: what the server has, and what the others have more.
struct Torn {
    before: Realm,
    after: Realm,
    /// What was really said, by its text.
    honest: IndexMap<String, Arc<Pdu>>,
    /// The newest event, pushed to the server.
    push: Request<Bytes>,
    /// Two that have everything, and to whom questions change nothing.
    peers: [Host; 2],
    /// What they have answered, so that a question is worked on once.
    answered: RefCell<BTreeMap<(usize, String, Bytes), Response<Bytes>>>,
}

impl Torn {
    fn answer(&self, place: usize, request: Request<Bytes>) -> Response<Bytes> {
        let asked = (place, request.uri().to_string(), request.body().clone());
        let mut answered = self.answered.borrow_mut();
        let work = || {
            let answer = self.peers[place].server.handle(request).now_or_never();
            answer.expect("to answer a question takes no time")
        };
        if answered.len() >= ANSWERED_MAX {
            answered.clear();
        }
        answered.entry(asked).or_insert_with(work).clone()
    }
}

thread_local! {
    static TORN: RefCell<BTreeMap<(RoomVersion, usize), Rc<Torn>>> = RefCell::default();
}

fn torn(version: RoomVersion, gap: usize) -> Rc<Torn> {
    let make = || {
        let before = Realm::lived_in(version);
        let mut after = before.clone();
        for (by, skipped) in GAPS[gap] {
            speak(&mut after, by, *skipped);
        }
        let peers = ["b", "c"].map(|host| Host::start(durable(host, after.room.clone())));
        let honest = after.pdus.iter().map(|pdu| (pdu.json().get().to_owned(), pdu.clone())).collect();
        let push = push(after.pdus.last().expect("a gap has events"));
        Rc::new(Torn { before, after, honest, push, peers, answered: RefCell::default() })
    };
    TORN.with(|torn| torn.borrow_mut().entry((version, gap)).or_insert_with(make).clone())
}

fn speak(realm: &mut Realm, by: &str, skipped: usize) {
    let member = |to: &str| Draft::member(&user("f"), &user("f"), json!({ "membership": to }));
    let (draft, parents) = match by {
        "leave" => (member("leave"), realm.room.forward_extremities()),
        "rejoin" => (member("join"), realm.room.forward_extremities()),
        "merge" => (message("b", "merge"), realm.room.forward_extremities()),
        by => {
            let newest = &realm.pdus[realm.pdus.len() - 1 - skipped];
            (message(by, "while you were away"), vec![newest.event_id().clone()])
        }
    };
    let object = realm.place(draft, &parents);
    realm.take(sign(object, realm.version, &stand_in()).expect("honest events are well-formed"));
}

fn message(by: &str, body: &str) -> Draft {
    Draft::message_like("m.room.message", &user(by), json!({ "body": body }))
}

/// The network of the server under test: `b` lies, `c` doesn't, nobody else is there.
struct Peers {
    torn: Rc<Torn>,
    lies: RefCell<std::vec::IntoIter<Lie>>,
    /// Answers of the liar, for replays.
    told: RefCell<Vec<Bytes>>,
    /// Honest events that an answer to a question for history had in it.
    good: RefCell<BTreeSet<OwnedEventId>>,
    asked: Cell<usize>,
    lied: Cell<usize>,
}

impl Network for Peers {
    fn request(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, std::result::Result<Response<Bytes>, NetworkError>> {
        self.asked.set(self.asked.get() + 1);
        assert!(self.asked.get() <= REQUESTS_MAX, "{REQUESTS_MAX} requests, and the gap is open");
        let place = match to.as_str() {
            "b" => 0,
            "c" => 1,
            _ => return Box::pin(std::future::ready(Err(NetworkError::Refused))),
        };
        let history = request.uri().path().contains("/get_missing_events/");
        let honest = self.torn.answer(place, request);
        let lie = if place == 0 { self.lies.borrow_mut().next().unwrap_or(Lie::None) } else { Lie::None };
        let answer = self.tell(&lie, honest);
        if history
            && let Ok(Some(answer)) = &answer
            && answer.status() == 200
        {
            self.note_good(answer.body());
        }
        Box::pin(async move {
            tokio::time::sleep(LATENCY).await;
            match answer {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => std::future::pending().await,
                Err(error) => Err(error),
            }
        })
    }
}

impl Peers {
    /// An answer, none ever, or a broken connection.
    fn tell(
        &self,
        lie: &Lie,
        honest: Response<Bytes>,
    ) -> std::result::Result<Option<Response<Bytes>>, NetworkError> {
        let body = honest.body().clone();
        self.told.borrow_mut().push(body.clone());
        if !matches!(lie, Lie::None) {
            self.lied.set(self.lied.get() + 1);
        }
        let (mut status, mut bytes) = (honest.status(), body.to_vec());
        match lie {
            Lie::None => {}
            Lie::Hangs => return Ok(None),
            Lie::Lost => return Err(NetworkError::Lost),
            Lie::Refused(code) => {
                status = StatusCode::from_u16(*code).expect("a status");
                bytes = br#"{"errcode":"M_UNKNOWN","error":"no"}"#.to_vec();
            }
            Lie::Noise(at, with) => {
                let at = at % bytes.len().max(1);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= with | 1);
            }
            Lie::Cut(at) => bytes.truncate(at % bytes.len().max(1)),
            Lie::Replayed(back) => {
                let told = self.told.borrow();
                bytes = told[told.len() - 1 - back % told.len()].to_vec();
            }
            _ => {
                if let Ok(mut answer) = serde_json::from_slice(&bytes) {
                    self.change(lie, &mut answer);
                    bytes = serde_json::to_vec(&answer).expect("it is JSON");
                }
            }
        }
        let mut answer = Response::new(Bytes::from(bytes));
        *answer.status_mut() = status;
        Ok(Some(answer))
    }

    /// Changes what is listed in an answer; what stays is not even read, of which this target lives.
    fn change(&self, lie: &Lie, answer: &mut BTreeMap<String, Box<RawValue>>) {
        let keys = ["events", "pdus", "auth_chain", "pdu_ids", "auth_chain_ids"];
        let list = |key: &str| serde_json::from_str::<Vec<Box<RawValue>>>(answer.get(key)?.get()).ok();
        let Some((key, mut list)) = keys.into_iter().find_map(|key| Some((key, list(key)?))) else { return };
        self.change_list(lie, &mut list);
        answer.insert(key.to_owned(), to_raw_value(&list).expect("it is JSON"));
    }

    fn change_list(&self, lie: &Lie, list: &mut Vec<Box<RawValue>>) {
        let place = |nth: usize| nth % list.len().max(1);
        match lie {
            Lie::Left(nth) if !list.is_empty() => drop(list.remove(place(*nth))),
            Lie::Twice(nth) if !list.is_empty() => list.push(list[place(*nth)].clone()),
            Lie::Reversed => list.reverse(),
            Lie::Nothing => list.clear(),
            Lie::Changed { event, change } if !list.is_empty() => {
                let place = place(*event);
                let changed = self.changed(list[place].get(), *change);
                list[place] = changed;
            }
            Lie::Own { behind } => {
                list.push(self.own(behind.and_then(|nth| list.get(place(nth)).map(|event| event.get()))));
            }
            Lie::Forged(nth) => {
                let object = self.torn.after.place(message("c", "never said"), &[self.parent(*nth)]);
                list.push(self.signed(object));
            }
            _ => {}
        }
    }

    fn parent(&self, nth: usize) -> OwnedEventId {
        let pdus = &self.torn.after.pdus;
        pdus[pdus.len() - 1 - nth % pdus.len()].event_id().clone()
    }

    /// An event that the liar may make: behind one of the answer, or behind one that doesn't exist.
    fn own(&self, behind: Option<&str>) -> Box<RawValue> {
        let nobody: OwnedEventId = "$nobody-has-it:g".try_into().expect("an event id");
        let parent = behind.and_then(|event| self.torn.honest.get(event));
        let parent = parent.map_or(nobody, |pdu| pdu.event_id().clone());
        self.signed(self.torn.after.place(message("b", "the liar's own"), &[parent]))
    }

    fn signed(&self, mut object: CanonicalJsonObject) -> Box<RawValue> {
        object.remove("hashes");
        let signed =
            place_and_sign_anyway(object, self.torn.after.version, server("b"), &key("b"), &stand_in());
        signed.unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// An event with one value changed: signed anew if it is the liar's, and otherwise with a signature that
    /// was another's.
    fn changed(&self, event: &str, change: Change) -> Box<RawValue> {
        let Ok(mut object) = serde_json::from_str::<CanonicalJsonObject>(event) else {
            return to_raw_value("$nobody-has-it:g").expect("it is JSON");
        };
        let is_own = object.get("sender").is_some_and(|sender| sender.as_str() == Some(&*user("b")));
        let version = self.torn.after.version;
        let nobody: OwnedEventId = "$nobody-has-it:g".try_into().expect("an event id");
        let references = |ids: &[OwnedEventId]| {
            Value::from_iter(
                ids.iter().map(|id| serde_json::to_value(self.torn.after.reference(id)).expect("it is JSON")),
            )
        };
        let mut set = |key: &str, value: Value| {
            drop(object.insert(key.to_owned(), serde_json::from_value(value).expect("it is canonical")));
        };
        match change {
            Change::Body => set("content", json!({ "body": "a lie" })),
            Change::Depth(depth) => set("depth", depth.into()),
            Change::Parent(nth) => set("prev_events", references(&[self.parent(nth)])),
            Change::NoParents => set("prev_events", json!([])),
            Change::UnknownParent => set("prev_events", references(&[nobody])),
            Change::NoAuth => set("auth_events", json!([])),
            Change::Sender => set("sender", user("c").into()),
            Change::Kind => set("type", "m.room.topic".into()),
            Change::Room => set("room_id", "!other:b".into()),
            Change::Hash => set("hashes", json!({ "sha256": "AAAA" })),
            Change::NoSignatures => set("signatures", json!({})),
            Change::Time(ts) => set("origin_server_ts", ts.into()),
        }
        let signs = is_own && !matches!(change, Change::Hash | Change::NoSignatures);
        if signs && !version.has_event_ids_on_the_wire() {
            return self.signed(object);
        }
        to_raw_value(&object).expect("it is JSON")
    }

    fn note_good(&self, body: &Bytes) {
        #[derive(serde::Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            events: Vec<&'a RawValue>,
        }
        let Ok(answer) = serde_json::from_slice::<Answer<'_>>(body) else { return };
        let honest = answer.events.iter().filter_map(|event| self.torn.honest.get(event.get()));
        self.good.borrow_mut().extend(honest.map(|pdu| pdu.event_id().clone()));
    }
}

/// The paused clock of a runtime.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> u64 {
        NOW + u64::try_from((Instant::now() - self.0).as_millis()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Notes what kinds of things happened.
#[derive(Default)]
struct Notes(RefCell<Reached>);

impl Observer for Notes {
    fn see(&self, observation: Observation) {
        let mark = match observation {
            Observation::Dropped { .. } => "event dropped",
            Observation::GapOpened { .. } => GAP_OPENED,
            Observation::GapClosed { .. } => "gap closed",
            Observation::GapStuck { failures: 3.., .. } => "stuck again and again",
            Observation::GapStuck { .. } => "stuck for a while",
            Observation::StateTaken { .. } => "state taken",
            _ => return,
        };
        self.0.borrow_mut().insert(mark.into());
    }
}

impl Body for LyingPeer {
    const USEFUL: &'static [&'static str] = &[GAP_OPENED];

    fn check(&self) -> Reached {
        let torn = torn(self.version, self.gap);
        let network = Rc::new(Peers {
            torn: torn.clone(),
            lies: RefCell::new(self.lies.clone().into_iter()),
            told: RefCell::default(),
            good: RefCell::default(),
            asked: Cell::new(0),
            lied: Cell::new(0),
        });
        let notes = Rc::new(Notes::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without I/O needs nothing of the system");
        let server = LocalSet::new().block_on(&runtime, recover(&torn, network.clone(), notes.clone()));
        self.judge(&torn, &network, &server, notes.0.take())
    }
}

/// Pushes the newest event to a server that lacks those before it, and lets it work until it has them all.
async fn recover(torn: &Torn, network: Rc<Peers>, notes: Rc<Notes>) -> Rc<Homeserver> {
    let start = Instant::now();
    let Memory { crypto, reader } = memory();
    let (server, runner) = Homeserver::start(Parts {
        name: server("a").to_owned(),
        store: Rc::new(Store::new(durable("a", torn.before.room.clone()))),
        crypto,
        reader,
        network,
        clock: Rc::new(Paused(start)),
        observer: notes.clone(),
        random: ChaCha8Rng::seed_from_u64(0),
        habits: planted::habits(),
    });
    let pushed = torn.push.clone();
    let work = async {
        let answer = server.handle(pushed).await;
        assert_eq!(answer.status(), StatusCode::OK, "the push is taken: {:?}", answer.body());
        while !is_whole(&server, torn, &notes) {
            assert!(
                start.elapsed() < PATIENCE,
                "the gap is open after {PATIENCE:?}: lacks {:?}",
                lacking(&server, torn).collect::<Vec<_>>()
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // What the liar invented may be worked on for ever; what else is under way gets the time to do harm.
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    select(Box::pin(work), Box::pin(runner.run())).await;
    server
}

fn push(newest: &Pdu) -> Request<Bytes> {
    let body = json!({ "origin": "b", "origin_server_ts": NOW, "pdus": [newest.json()] });
    let mut request = Request::builder()
        .method(Method::PUT)
        .uri("/_matrix/federation/v1/send/1")
        .body(Bytes::from(body.to_string()))
        .expect("it is well-formed");
    sign_request(&mut request, "b", &stand_in());
    request
}

/// The honest events of the gap that the server has not judged, newest first.
fn lacking<'t>(server: &Homeserver, torn: &'t Torn) -> impl Iterator<Item = &'t OwnedEventId> {
    let durable = server.store().read();
    let ids = torn.after.pdus[torn.before.pdus.len()..].iter().rev().map(|pdu| pdu.event_id());
    ids.filter(move |id| {
        let room = &durable.rooms[torn.after.room.room_id()];
        !room.standing(id).is_some_and(Standing::is_judged)
    })
}

/// Whether the gap is closed: every honest event is there. Where the server took the state at some event
/// instead, what is below that is for who pages back, and the newest event must be judged.
fn is_whole(server: &Homeserver, torn: &Torn, seen: &Notes) -> bool {
    let newest = torn.after.pdus.last().expect("a gap has events").event_id();
    match lacking(server, torn).next() {
        None => true,
        Some(lacking) => lacking != newest && seen.0.borrow().contains("state taken"),
    }
}

impl LyingPeer {
    fn judge(&self, torn: &Torn, network: &Peers, server: &Homeserver, mut reached: Reached) -> Reached {
        let durable = server.store().read();
        let room = &durable.rooms[torn.after.room.room_id()];
        let held = room.graph().iter().filter_map(|idx| room.event_at(idx)).chain(room.waiting());
        for pdu in held {
            let known = torn.after.room.event(pdu.event_id()).is_some();
            assert!(
                known || pdu.sender().server_name() == "b",
                "{} was never said: {}",
                pdu.event_id(),
                pdu.json()
            );
            if !known && room.standing(pdu.event_id()).is_some_and(Standing::is_history) {
                reached.insert("liar's own event taken".into());
            }
        }
        for id in &*network.good.borrow() {
            assert!(room.event(id).is_some(), "{id} was in an answer, and is not kept");
        }
        if !reached.contains("state taken") {
            for pdu in &torn.after.pdus {
                let (id, truth) = (pdu.event_id(), torn.after.room.standing(pdu.event_id()));
                let rejected = |standing: Option<Standing>| standing == Some(Standing::Rejected);
                assert_eq!(
                    rejected(room.standing(id)),
                    rejected(truth),
                    "verdict on {id}: {:?}",
                    room.refusal(id)
                );
            }
        }
        let asked = network.asked.get();
        let marks = [
            ("asked again", asked > 1),
            ("gap wider than an answer", GAPS[self.gap].len() > 20),
            ("no lie", network.lied.get() == 0),
        ];
        reached.extend(marks.into_iter().filter(|(_, is)| *is).map(|(mark, _)| mark.into()));
        reached
    }
}

impl fmt::Debug for LyingPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, gap, lies } = self;
        writeln!(f, "LyingPeer, room version {version}, while away: {:?} {{", GAPS[*gap])?;
        for lie in lies {
            writeln!(f, "  {lie:?}")?;
        }
        f.write_str("}")
    }
}

pub(super) fn seeds() -> Seeds {
    // Version, gap, number of lies and each: kind, which, and what.
    vec![
        ("honest", vec![0, 0, 0]),
        ("honest-and-wide", vec![0, 3, 0]),
        ("fork-and-merge", vec![1, 2, 0]),
        ("changed-bodies", vec![0, 1, 3, 2, 0, 0, 2, 1, 0, 2, 2, 0]),
        ("replayed", vec![0, 3, 3, 0, 0, 7, 1, 7, 1]),
        ("nothing-twice", vec![0, 1, 2, 12, 0, 12, 0]),
        ("own-event-behind-nobody", vec![0, 1, 1, 14, 0]),
        ("in-the-name-of-another", vec![0, 1, 2, 15, 3, 15, 5]),
        ("refused-and-hanging", vec![2, 0, 3, 16, 4, 19, 0, 19, 1]),
        ("garbage", vec![0, 1, 3, 17, 9, 4, 18, 20, 18, 90]),
        ("members-come-and-go", vec![2, 4, 1, 9, 2]),
    ]
}
