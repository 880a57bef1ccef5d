//! Good and bad events of one room, given to servers in different orders, by different roads and in different
//! portions: what they make of them must be the same.
//!
//! The first server gets every event as history, one by one. The second gets them in another order, some of
//! them first as outliers and some with a peer's word, true or false, on the state before them, and all of
//! them twice. The third gets them live, as pushed events: then the order decides which are soft-failed, and
//! nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use arbitrary::{Arbitrary, Result, Unstructured};
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, EventId, OwnedEventId, UserId};
use ruma_events::StateEventType;
use serde_json::{Value, json};

use super::{
    Body, Reached, Seeds, planted,
    tape::{below, byte, pick, seldom},
    world::{HOSTS, Realm, sign, stand_in, user},
};
use backfire::{
    matrix::{draft::Draft, pdu::Pdu, version::RoomVersion},
    room::{Arrival, Room, graph::Standing, state::StateMap},
};

const EVENTS_MAX: usize = 24;
const CLAIMS_MAX: usize = 3;
/// Places times a multiplier modulo this prime are an order; 0 and 1 are the one in which the events were
/// made.
const ORDERS: usize = 251;

/// What random inputs must reach.
pub(super) const WANTED: &[&str] = &[
    "accepted",
    "claim corrected",
    "fork and merge",
    "redacted",
    "rejected",
    "soft-failed",
    "states resolved",
    "waits for ever",
];

/// Events, and how they reach the second server.
pub struct Receive {
    version: RoomVersion,
    events: Vec<Made>,
    order: usize,
    live_order: usize,
    /// One bit for each of eight events: which come as outliers first.
    outliers: u8,
    claims: Vec<Claim>,
}

/// An event before it is made.
struct Made {
    kind: Kind,
    /// Who sends it, and whom or what it is about.
    by: &'static str,
    about: usize,
    /// How far back the events are that it is put behind, of those that were made before it.
    behind: Vec<usize>,
    twist: Twist,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Message,
    Topic,
    Join,
    Leave,
    Kick,
    Ban,
    Invite,
    Power,
    JoinRule,
    Visibility,
    Redact,
}

const KINDS: [Kind; 16] = [
    Kind::Message,
    Kind::Topic,
    Kind::Message,
    Kind::Topic,
    Kind::Join,
    Kind::Leave,
    Kind::Kick,
    Kind::Ban,
    Kind::Invite,
    Kind::Power,
    Kind::Power,
    Kind::JoinRule,
    Kind::Visibility,
    Kind::Redact,
    Kind::Ban,
    Kind::Join,
];

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Twist {
    Nothing,
    LacksAuth,
    WrongAuth,
    UnknownParent,
    LyingDepth,
    NoAuth,
}

const TWISTS: [Twist; 12] = [
    Twist::Nothing,
    Twist::Nothing,
    Twist::Nothing,
    Twist::Nothing,
    Twist::Nothing,
    Twist::Nothing,
    Twist::Nothing,
    Twist::LacksAuth,
    Twist::WrongAuth,
    Twist::UnknownParent,
    Twist::LyingDepth,
    Twist::NoAuth,
];

/// A peer's word: the state before one event is the one before another.
#[derive(Clone, Copy, Debug)]
struct Claim {
    at: usize,
    state_of: usize,
}

impl<'a> Arbitrary<'a> for Receive {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        // The newest version first: it is the one that an empty tape gets.
        let versions: Vec<RoomVersion> = RoomVersion::all().collect();
        let version = versions[(versions.len() - 2 + below(u, versions.len())?) % versions.len()];
        let mut events = Vec::new();
        for place in 0..below(u, EVENTS_MAX + 1)? {
            let (kind, by, about) = (*pick(u, &KINDS)?, *pick(u, &HOSTS[..5])?, byte(u)?.into());
            let parents = [1, 1, 1, 2, 2, 3][below(u, 6)?];
            let behind = (0..parents).map(|_| below(u, place + 1)).collect::<Result<_>>()?;
            events.push(Made { kind, by, about, behind, twist: *pick(u, &TWISTS)? });
        }
        let (order, live_order, outliers) = (below(u, ORDERS)?, below(u, ORDERS)?, byte(u)?);
        let mut claims = Vec::new();
        if !events.is_empty() && seldom(u, 128)? {
            for _ in 0..=below(u, CLAIMS_MAX)? {
                claims.push(Claim { at: below(u, events.len())?, state_of: below(u, events.len())? });
            }
        }
        Ok(Self { version, events, order, live_order, outliers, claims })
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, None)
    }
}

impl Body for Receive {
    fn check(&self) -> Reached {
        let foundation = Realm::founded(self.version);
        let made = self.make(&foundation);
        let mut first = foundation.room.clone();
        for pdu in &made {
            first.receive(pdu.clone(), Arrival::Backfilled);
        }
        let truth = Snapshot::of(&first);
        check_reasons(&first);
        check_powers(&first);
        check_plausible_states(&mut first);

        let second = self.by_another_road(&foundation, &made, &first);
        truth.assert_same(&Snapshot::of(&second), "by another road");

        let live = self.live(&foundation, &made);
        let pushed = Snapshot::of(&live);
        truth.assert_same_but_for_order(&pushed);
        self.reached(&foundation, &first, &live, &truth)
    }
}

impl Receive {
    /// All events, each made by somebody who has those before it.
    fn make(&self, foundation: &Realm) -> Vec<Arc<Pdu>> {
        let mut realm = foundation.clone();
        for made in &self.events {
            let object = made.object(&realm);
            // Nothing here is malformed but for what two twists may lead to: then the event goes out without
            // them.
            if let Ok(pdu) = sign(object, self.version, &stand_in()) {
                realm.take(pdu);
            }
        }
        realm.pdus.split_off(foundation.pdus.len())
    }

    /// In another order, with outliers and claims, and all of them once more at the end.
    fn by_another_road(&self, foundation: &Realm, made: &[Arc<Pdu>], first: &Room) -> Room {
        let mut room = foundation.room.clone();
        room.take_up(planted::habits().room);
        // What waits for ever in the first room would be known here, and let others be judged that cite it.
        let complete = |pdu: &&Arc<Pdu>| first.state_before(pdu.event_id()).is_some();
        let early = made.iter().enumerate().filter(|(place, _)| self.outliers >> (place % 8) & 1 == 1);
        room.add_outliers(early.map(|(_, pdu)| pdu).filter(complete).cloned());
        let order = ordered(made, self.order);
        let (before, after) = order.split_at(order.len() / 2);
        for pdu in before {
            room.receive(pdu.clone(), Arrival::Backfilled);
        }
        for claim in &self.claims {
            let (Some(at), Some(of)) = (made.get(claim.at), made.get(claim.state_of)) else { continue };
            if complete(&at)
                && let Some(state) = first.state_before(of.event_id())
            {
                let state = ids_of(first, state);
                let waits = |room: &Room| room.wants(at.event_id());
                let is_allowed = waits(&room).is_some_and(|wants| wants.auth_events.is_empty());
                room.claim_state(at.event_id(), &state);
                let still_waits = is_allowed && waits(&room).is_some();
                assert!(!still_waits, "{} waits, though the state before it was told", at.event_id());
            }
        }
        for pdu in after.iter().chain(&order).chain(made) {
            room.receive(pdu.clone(), Arrival::Backfilled);
        }
        room
    }

    /// As if each were pushed; the second time must change nothing.
    fn live(&self, foundation: &Realm, made: &[Arc<Pdu>]) -> Room {
        let mut room = foundation.room.clone();
        room.take_up(planted::habits().room);
        for pdu in ordered(made, self.live_order) {
            room.receive(pdu, Arrival::Live);
        }
        for pdu in made {
            let again = room.receive(pdu.clone(), Arrival::Live);
            assert_eq!(again, [], "{} was taken twice", pdu.event_id());
        }
        room
    }

    fn reached(&self, foundation: &Realm, first: &Room, live: &Room, truth: &Snapshot) -> Reached {
        let is =
            |room: &Room, standing| room.graph().iter().any(|idx| room.graph().standing(idx) == standing);
        let graph = first.graph();
        let forks = graph.iter().any(|idx| graph.children(idx).len() > 1);
        let merges = graph.iter().any(|idx| graph.parents(idx).len() > 1);
        let resolved = graph.iter().any(|idx| {
            let parents = graph.parents(idx);
            let after: BTreeSet<_> = parents
                .iter()
                .filter_map(|idx| first.state_after(*idx))
                .map(|state| ids_of(first, &state))
                .collect();
            after.len() > 1
        });
        let reached = [
            ("accepted", graph.len() > foundation.pdus.len()),
            ("claim corrected", self.claims.iter().any(|claim| self.is_corrected(claim, foundation, first))),
            ("fork and merge", forks && merges),
            ("redacted", truth.events.values().any(|event| event.redacted)),
            ("rejected", is(first, Standing::Rejected)),
            ("soft-failed", is(live, Standing::SoftFailed)),
            ("states resolved", resolved),
            ("waits for ever", !truth.waiting.is_empty()),
        ];
        reached.into_iter().filter(|(_, is)| *is).map(|(mark, _)| mark.into()).collect()
    }

    /// Whether a claim was false, and is of an event that came to have its true state.
    fn is_corrected(&self, claim: &Claim, foundation: &Realm, first: &Room) -> bool {
        let made = self.make(foundation);
        let state = |place: usize| first.state_before(made.get(place)?.event_id());
        matches!((state(claim.at), state(claim.state_of)), (Some(at), Some(of)) if at != of)
    }
}

/// Who is refused has a reason, and nobody else; who cites what was rejected is rejected (rooms v1,
/// "Authorization rules").
fn check_reasons(room: &Room) {
    let is_rejected = |id: &OwnedEventId| room.standing(id) == Some(Standing::Rejected);
    for idx in room.graph().iter() {
        let id = room.graph().id(idx);
        let refused = matches!(room.graph().standing(idx), Standing::Rejected | Standing::SoftFailed);
        let told = room.refusal(id).is_some_and(|refusal| !refusal.rule.is_empty());
        assert_eq!(told, refused, "reason of {id}");
        let cites_rejected = room.event_at(idx).is_some_and(|pdu| pdu.auth_events().iter().any(is_rejected));
        assert!(
            !cites_rejected || room.graph().standing(idx) == Standing::Rejected,
            "{id} cites what was rejected"
        );
    }
}

/// What users may by the current power levels, read once more and plainly.
fn check_powers(room: &Room) {
    let state = room.current_state();
    let Some(event) = room.state_event(state, &StateEventType::RoomPowerLevels, "") else { return };
    let levels: Value = serde_json::from_str(event.content().get()).expect("it is canonical");
    let read = |level: &Value| match level {
        Value::String(text) => text.trim().parse().ok(),
        level => level.as_i64(),
    };
    // In room version 12 the creator stands above all of it.
    for host in &HOSTS[1..] {
        let user = UserId::parse(user(host)).expect("a user id");
        let own = [&levels["users"][user.as_str()], &levels["users_default"]].into_iter().find_map(read);
        assert_eq!(room.power(state, &user), own.unwrap_or(0), "power of {user}");
    }
    assert_eq!(room.power_to_invite(state), read(&levels["invite"]).unwrap_or(0), "power to invite");
}

/// A peer's word is plausible if it is true; and also where an event stands for another of its slot that was
/// rejected, since then nobody can say what the state has there.
fn check_plausible_states(room: &mut Room) {
    let slot = |pdu: &Pdu| pdu.state_slot().map(|(kind, key)| (kind.to_string(), key.to_owned()));
    let graph = room.graph();
    let of = |standing| graph.iter().filter(move |idx| graph.standing(*idx) == standing);
    let rejected: Vec<Arc<Pdu>> =
        of(Standing::Rejected).filter_map(|idx| room.event_at(idx).cloned()).collect();
    let accepted: Vec<OwnedEventId> = of(Standing::Accepted).map(|idx| graph.id(idx).to_owned()).collect();
    for id in accepted {
        let state = room.state_before(&id).expect("it was judged");
        let mut state = ids_of(room, state);
        // Who cites what its own branch doesn't have looks as if the state were false.
        let cited = room.event(&id).expect("it was judged").auth_events();
        if !cited.iter().all(|auth| state.contains(auth)) {
            continue;
        }
        assert!(room.is_plausible_state(&id, &state), "the true state before {id} is not plausible");
        let hole = state.iter_mut().find_map(|held| {
            let there = slot(room.event(held)?)?;
            let other = rejected.iter().find(|pdu| slot(pdu).as_ref() == Some(&there))?;
            *held = other.event_id().clone();
            Some(())
        });
        if hole.is_some() {
            assert!(room.is_plausible_state(&id, &state), "a state before {id} with a hole is not plausible");
        }
    }
}

fn ids_of(room: &Room, state: &StateMap) -> Vec<OwnedEventId> {
    room.list_state(state).into_iter().map(|(_, _, id)| id.to_owned()).collect()
}

fn ordered(made: &[Arc<Pdu>], order: usize) -> Vec<Arc<Pdu>> {
    let mut places: Vec<usize> = (0..made.len()).collect();
    places.sort_by_key(|place| (place + 1) * order % ORDERS);
    places.into_iter().map(|place| made[place].clone()).collect()
}

impl Made {
    fn object(&self, realm: &Realm) -> CanonicalJsonObject {
        // Some of those made before may have been malformed.
        let newest = realm.pdus.len() - 1;
        let back = |steps: &usize| realm.pdus[newest - steps.min(&newest)].event_id().clone();
        let mut parents: Vec<OwnedEventId> = Vec::new();
        for parent in self.behind.iter().map(back) {
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        if self.twist == Twist::UnknownParent {
            parents.push(EventId::parse("$nobody-has-it:f").expect("an event id"));
        }
        let mut object = realm.place(self.draft(realm), &parents);
        self.twist(&mut object, realm);
        object
    }

    fn draft(&self, realm: &Realm) -> Draft {
        let (by, other) = (user(self.by), user(HOSTS[self.about % HOSTS.len()]));
        let member =
            |user: &str, membership: &str| Draft::member(user, &by, json!({ "membership": membership }));
        match self.kind {
            Kind::Message => Draft::message_like("m.room.message", &by, json!({ "body": self.about })),
            Kind::Topic => Draft::state("m.room.topic", &by, json!({ "topic": self.about.to_string() })),
            Kind::Join => member(&by, "join"),
            Kind::Leave => member(&by, "leave"),
            Kind::Kick => member(&other, "leave"),
            Kind::Ban => member(&other, "ban"),
            Kind::Invite => member(&other, "invite"),
            Kind::Power => Draft::state("m.room.power_levels", &by, self.power_levels(realm, &other)),
            Kind::JoinRule => {
                let rule = ["public", "invite", "knock", "restricted"][self.about % 4];
                Draft::state("m.room.join_rules", &by, json!({ "join_rule": rule }))
            }
            Kind::Visibility => {
                let to = ["shared", "joined", "invited", "world_readable"][self.about % 4];
                Draft::state("m.room.history_visibility", &by, json!({ "history_visibility": to }))
            }
            Kind::Redact => {
                let target = &realm.pdus[realm.pdus.len() - 1 - self.about % realm.pdus.len()];
                let draft = Draft::message_like("m.room.redaction", &by, json!({}));
                Draft { redacts: Some(target.event_id().to_string()), ..draft }
            }
        }
    }

    fn power_levels(&self, realm: &Realm, other: &str) -> Value {
        let level = [50, 100, 0, 49][self.about / HOSTS.len() % 4];
        let mut users = json!({ other: level });
        if !realm.version.has_hash_room_ids() {
            users[user("a")] = 100.into();
        }
        json!({ "users": users, "events_default": self.about / 64 % 2 * 50, "invite": 0 })
    }

    fn twist(&self, object: &mut CanonicalJsonObject, realm: &Realm) {
        let any = realm.pdus[self.about % realm.pdus.len()].reference();
        let Some(CanonicalJsonValue::Array(auth)) = object.get_mut("auth_events") else { return };
        match self.twist {
            Twist::Nothing | Twist::UnknownParent => {}
            Twist::LacksAuth => drop((!auth.is_empty()).then(|| auth.remove(self.about % auth.len()))),
            Twist::WrongAuth => match rejected_instead(auth, realm) {
                Some((place, rejected)) => auth[place] = rejected,
                None => auth.push(any),
            },
            Twist::NoAuth => auth.clear(),
            Twist::LyingDepth => {
                object
                    .insert("depth".to_owned(), CanonicalJsonValue::Integer((self.about as u32 % 40).into()));
            }
        }
    }
}

/// A rejected event of the slot of one that is cited, and the place of that one.
fn rejected_instead(auth: &[CanonicalJsonValue], realm: &Realm) -> Option<(usize, CanonicalJsonValue)> {
    let is_rejected = |pdu: &&Arc<Pdu>| realm.room.standing(pdu.event_id()) == Some(Standing::Rejected);
    realm.pdus.iter().filter(is_rejected).filter(|pdu| pdu.state_slot().is_some()).find_map(|rejected| {
        let same_slot = realm.pdus.iter().filter(|pdu| pdu.state_slot() == rejected.state_slot());
        let cited = |pdu: &Arc<Pdu>| auth.iter().position(|cited| *cited == pdu.reference());
        Some((same_slot.into_iter().find_map(cited)?, rejected.reference()))
    })
}

/// What a server makes of a room.
#[derive(Debug, PartialEq)]
struct Snapshot {
    /// Everything that has a state or will never have one.
    events: BTreeMap<OwnedEventId, Stands>,
    waiting: Vec<OwnedEventId>,
    missing: Vec<OwnedEventId>,
    forward: Vec<OwnedEventId>,
    backward: Vec<OwnedEventId>,
    state: Vec<OwnedEventId>,
}

#[derive(Debug, PartialEq)]
struct Stands {
    standing: Standing,
    state_before: Vec<OwnedEventId>,
    redacted: bool,
}

impl Snapshot {
    fn of(room: &Room) -> Self {
        let graph = room.graph();
        let list = |state| ids_of(room, state);
        let stands = |id: &EventId| Stands {
            standing: room.standing(id).expect("it is of the graph"),
            state_before: room.state_before(id).map(list).unwrap_or_default(),
            redacted: room.redacted_by(id).is_some(),
        };
        let judged = graph.iter().filter(|idx| room.state_before(graph.id(*idx)).is_some());
        Self {
            events: judged.map(|idx| (graph.id(idx).to_owned(), stands(graph.id(idx)))).collect(),
            waiting: room.waiting().map(|pdu| pdu.event_id().clone()).collect(),
            missing: room.missing_events().map(|(id, _)| id.clone()).collect(),
            forward: room.forward_extremities(),
            backward: room.backward_extremities(),
            state: list(room.current_state()),
        }
    }

    fn assert_same(&self, other: &Self, case: &str) {
        for (id, stands) in &self.events {
            assert_eq!(Some(stands), other.events.get(id), "{case}: {id}");
        }
        assert_eq!(self, other, "{case}");
    }

    /// Live, the current state of the moment decides whether an event is soft-failed: so the tips and the
    /// state on top of them are the order's, all else is not.
    fn assert_same_but_for_order(&self, live: &Self) {
        for (id, stands) in &self.events {
            let pushed = live.events.get(id).unwrap_or_else(|| panic!("pushed, {id} is not judged"));
            assert_eq!(stands.state_before, pushed.state_before, "pushed: state before {id}");
            let rejected = |stands: &Stands| stands.standing == Standing::Rejected;
            assert_eq!(rejected(stands), rejected(pushed), "pushed: verdict on {id}");
        }
        assert_eq!(self.events.len(), live.events.len(), "pushed: events that are judged");
        assert_eq!(self.waiting, live.waiting, "pushed: events that wait");
        assert_eq!(self.missing, live.missing, "pushed: missing events");
        assert_eq!(self.backward, live.backward, "pushed: backward extremities");
    }
}

impl fmt::Debug for Receive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Receive of room version {} {{", self.version)?;
        let foundation = Realm::founded(self.version);
        for pdu in self.make(&foundation) {
            writeln!(f, "  {} {}", pdu.event_id(), pdu.json())?;
        }
        for Made { kind, by, about, behind, twist } in &self.events {
            writeln!(f, "  {kind:?} by {by} about {about}, {behind:?} back, {twist:?}")?;
        }
        let Self { order, live_order, outliers, claims, .. } = self;
        write!(f, "  order {order}, live {live_order}, outliers {outliers:#010b}, {claims:?}\n}}")
    }
}

pub(super) fn seeds() -> Seeds {
    // Version, count; for each event: kind, by, about, parents, how far back, twist.
    let line = |kind: u8, by: u8, about: u8| vec![kind, by, about, 0, 0, 0];
    let room = |events: &[Vec<u8>], rest: &[u8]| {
        [vec![0, events.len() as u8], events.concat(), rest.to_vec()].concat()
    };
    let fork = [vec![1, 0, 1, 0, 0, 0], vec![1, 0, 2, 0, 1, 0], vec![0, 1, 3, 3, 0, 1, 0]];
    let ban = [line(0, 0, 1), line(7, 0, 1), vec![0, 1, 9, 0, 1, 0], vec![4, 1, 0, 0, 1, 0]];
    let power = [line(9, 0, 1), vec![9, 0, 8, 0, 1, 0], vec![1, 1, 3, 3, 0, 1, 0], line(7, 1, 2)];
    vec![
        ("empty", vec![0]),
        ("line", room(&[line(0, 1, 1), line(1, 0, 2), line(0, 2, 3)], &[])),
        ("fork-and-merge-newest-first", room(&fork, &[250, 250])),
        ("banned-while-speaking", room(&ban, &[250, 120, 0xff])),
        ("power-on-two-branches", room(&power, &[7, 250, 0x55])),
        ("false-claim", room(&ban, &[250, 1, 0, 255, 0, 3, 0])),
        ("redaction", room(&[line(0, 1, 1), line(13, 0, 0)], &[250, 250])),
        ("unknown-parent", room(&[line(0, 1, 1), vec![0, 1, 1, 0, 0, 9], line(0, 2, 1)], &[250, 250])),
        ("cites-a-rejected-event", room(&[line(9, 1, 1), vec![1, 0, 1, 0, 0, 8]], &[250, 250])),
        (
            "bad-auth-events",
            room(&[vec![1, 1, 2, 0, 0, 7], vec![1, 0, 4, 0, 0, 8], vec![0, 0, 0, 0, 0, 11]], &[250, 3]),
        ),
    ]
}
