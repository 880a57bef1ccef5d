//! Closing gaps: an event that waits for others makes the server ask for them.
//!
//! Each hole, an event that is wanted and not held, is worked on by itself: first `/get_missing_events`, as often
//! as it brings something, then `/event`, from those who told of it and then from the others in the room; and where
//! the hole is the edge of a history too deep to fetch, the state there by `/state_ids`. What fails is tried again
//! later. Holes that different servers told of are worked on side by side, so that one bad server blocks nobody.

use std::{collections::BTreeSet, rc::Rc, sync::Arc, time::Duration};

use futures_util::future::select;
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName};

use super::{
    Homeserver,
    happening::{DropReason, Happening, Source},
    peers::backoff_ms,
};
use crate::{
    matrix::{pdu::Pdu, version::RoomVersion},
    ports::Cause,
    room::{Arrival, Room, Wants, walk::MISSING_EVENTS_LIMIT_MAX},
};

/// The most servers that are asked about one hole in one attempt: enough to get past a few that fail.
const SERVERS_PER_ATTEMPT: usize = 4;
/// The most events of a room that may wait to be judged before holes are no longer dug deeper but closed by the
/// state there: a gap of fifty full answers.
const WAITING_EVENTS_MAX: usize = 1_000;
/// At how many events the state is asked for in one attempt: at the hole, and at some that wait for it.
const STATES_PER_ATTEMPT: usize = 3;
/// The most `latest_events` and `earliest_events` named in one request.
const NAMED_EVENTS_MAX: usize = 20;
/// The most events of an auth chain that are fetched one by one.
const CHAIN_FETCHES_MAX: usize = 10;
/// The first and last back-off of a hole, in milliseconds.
const HOLE_RETRY_MS: (u64, u64) = (500, 20_000);
/// How long a hole below backfilled events rests first: the user's next page may fill it.
const BACKFILLED_HOLE_RESTS_MS: u64 = 1_000;
/// After so many failures, servers are asked that are not in the room.
const FAILURES_BEFORE_OTHERS: u32 = 2;
/// After so many failures, what waits for a hole is forgotten if too much waits: the hole is most likely a lie.
const FAILURES_BEFORE_FORGETTING: u32 = 8;

/// A hole that is known, and how the attempts to fill it went.
#[derive(Clone, Debug)]
pub(super) struct Hole {
    room: OwnedRoomId,
    failures: u32,
    retry_at: u64,
    /// The server that this attempt asks first, while one is under way.
    busy_with: Option<Option<OwnedServerName>>,
}

/// What is known of a hole when an attempt starts.
struct Plan {
    room: OwnedRoomId,
    version: RoomVersion,
    missing: OwnedEventId,
    /// The events that wait for it, deepest first.
    waiters: Vec<OwnedEventId>,
    earliest: Vec<OwnedEventId>,
    servers: Vec<OwnedServerName>,
    wanted_as_auth: bool,
    worth_filling: bool,
    /// Whether the way is to go round the hole instead of deeper into it.
    goes_round: bool,
    /// Servers whose word on the state there would be their word alone.
    interested: BTreeSet<OwnedServerName>,
}

/// Where there are more servers than an attempt asks, others come first in the next one: who alone has an event may be any of
/// them. The order shifts by one each time round, since some ways are gone at every other attempt only.
fn in_turn(mut servers: Vec<OwnedServerName>, failures: u32) -> Vec<OwnedServerName> {
    if servers.len() > SERVERS_PER_ATTEMPT {
        let asked = failures as usize * SERVERS_PER_ATTEMPT;
        let turn = asked + asked / servers.len();
        let first = turn % servers.len();
        servers.rotate_left(first);
    }
    servers
}

impl Homeserver {
    pub(super) async fn recover_forever(self: Rc<Self>) {
        loop {
            self.find_holes();
            while let Some(missing) = self.next_due_hole() {
                let server = self.clone();
                self.spawn_busy(async move {
                    server.work_on(&missing).await;
                    server.recovery_wanted.notify_one();
                });
            }
            let wait = self.next_retry_ms();
            let wanted = Box::pin(self.recovery_wanted.notified());
            match wait {
                Some(ms) => drop(select(wanted, self.clock.sleep(Duration::from_millis(ms))).await),
                None => wanted.await,
            }
        }
    }

    /// Compares the holes of all rooms with those that are known.
    fn find_holes(&self) {
        let now = self.clock.steady();
        let durable = self.store.read();
        let mut known = self.holes.borrow_mut();
        let mut open = BTreeSet::new();
        let mut opened = Vec::new();
        for room in durable.rooms.values() {
            for (missing, waiters) in room.holes() {
                open.insert(missing.clone());
                if !known.contains_key(missing) {
                    let backfilled =
                        |id: &OwnedEventId| room.arrival_of_waiting(id) == Some(Arrival::Backfilled);
                    let rest = if waiters.iter().all(backfilled) { BACKFILLED_HOLE_RESTS_MS } else { 0 };
                    let hole = Hole {
                        room: room.room_id().to_owned(),
                        failures: 0,
                        retry_at: now + rest,
                        busy_with: None,
                    };
                    known.insert(missing.clone(), hole);
                    opened.push((missing.clone(), waiters.iter().next().cloned()));
                }
            }
        }
        let closed: Vec<_> =
            known.iter().filter(|(id, hole)| !open.contains(*id) && hole.busy_with.is_none()).collect();
        let closed: Vec<OwnedEventId> = closed.into_iter().map(|(id, _)| id.clone()).collect();
        for id in &closed {
            known.remove(id);
        }
        drop((durable, known));
        for (missing, wanted_by) in opened {
            let wanted_by = wanted_by.expect("a hole has somebody who waits for it");
            self.see(Happening::GapOpened { missing, wanted_by });
        }
        for missing in closed {
            self.see(Happening::GapClosed { missing });
        }
    }

    /// A hole whose time has come and that no other attempt with the same server is in the way of. Holes of a room that this
    /// server has left stay until it is back: nobody would answer.
    fn next_due_hole(&self) -> Option<OwnedEventId> {
        let now = self.clock.steady();
        let busy: BTreeSet<_> =
            self.holes.borrow().values().filter_map(|hole| hole.busy_with.clone()).collect();
        let due: Vec<OwnedEventId> = {
            let (holes, durable) = (self.holes.borrow(), self.store.read());
            let is_in =
                |room: &OwnedRoomId| durable.rooms.get(room).is_some_and(|room| room.is_joined(&self.name));
            let is_due = |hole: &Hole| hole.busy_with.is_none() && hole.retry_at <= now && is_in(&hole.room);
            holes.iter().filter(|(_, hole)| is_due(hole)).map(|(id, _)| id.clone()).collect()
        };
        for missing in due {
            let first = self.plan(&missing).map(|plan| plan.servers.first().cloned());
            let Some(first) = first else { continue };
            if !busy.contains(&first) {
                self.holes.borrow_mut().get_mut(&missing)?.busy_with = Some(first);
                return Some(missing);
            }
        }
        None
    }

    fn next_retry_ms(&self) -> Option<u64> {
        let now = self.clock.steady();
        let holes = self.holes.borrow();
        let waiting = holes.values().filter(|hole| hole.busy_with.is_none() && hole.retry_at > now);
        waiting.map(|hole| hole.retry_at - now).min()
    }

    fn plan(&self, missing: &EventId) -> Option<Plan> {
        let durable = self.store.read();
        let hole = self.holes.borrow().get(missing)?.clone();
        let room = durable.rooms.get(&hole.room)?;
        let (missing, waiters) = room.holes().find(|(id, _)| **id == *missing)?;
        let mut waiters: Vec<OwnedEventId> = waiters.iter().cloned().collect();
        let depth = |id: &OwnedEventId| room.event(id).map_or(0, |pdu| pdu.depth());
        waiters.sort_by_key(|id| std::cmp::Reverse(depth(id)));
        let told_by = self.told_by.borrow();
        let tellers: BTreeSet<_> =
            waiters.iter().filter_map(|id| told_by.get(id)).flatten().cloned().collect();
        let senders = waiters.iter().filter_map(|id| Some(room.event(id)?.sender().server_name().to_owned()));
        let senders: BTreeSet<OwnedServerName> = senders.collect();
        // Who wrote what waits has what is before it, in the room or not; after a restart nobody remembers who told of it.
        let others = match self.habits.asks_around {
            true if hole.failures < FAILURES_BEFORE_OTHERS => {
                &room.joined_servers(room.current_state()) | &senders
            }
            // Then also whoever wrote anything that waits: they know the history that this server lacks.
            true => {
                let writers = room.waiting().map(|pdu| pdu.sender().server_name().to_owned());
                &room.joined_servers(room.current_state()) | &writers.collect()
            }
            false => BTreeSet::new(),
        };
        let wanted_as_auth =
            waiters.iter().filter_map(|id| room.wants(id)).any(|wants| wants.auth_events.contains(missing));
        let below_horizon = waiters.iter().all(|id| depth(id) <= room.horizon());
        let backfilled = waiters.iter().all(|id| room.arrival_of_waiting(id) == Some(Arrival::Backfilled));
        let crowded = room.waiting().count() > WAITING_EVENTS_MAX;
        // Below the horizon nobody may know a state, or nobody whose word would do: then the two ways take turns.
        let round_in_turn = below_horizon && hole.failures.is_multiple_of(2);
        Some(Plan {
            room: hole.room.clone(),
            version: room.version(),
            missing: missing.clone(),
            earliest: room.forward_extremities().into_iter().take(NAMED_EVENTS_MAX).collect(),
            servers: in_turn(self.candidates(&tellers, &others), hole.failures),
            wanted_as_auth,
            worth_filling: (self.habits.fills_gaps)(room.horizon()),
            goes_round: round_in_turn || backfilled || crowded,
            interested: senders,
            waiters,
        })
    }

    /// One attempt at one hole.
    async fn work_on(&self, missing: &EventId) {
        if let Some(plan) = self.plan(missing).filter(|plan| plan.wanted_as_auth) {
            self.fetch_auth(&plan).await;
        }
        // What was wanted for what it allows may be wanted as history too.
        if let Some(plan) = self.plan(missing).filter(|plan| !plan.wanted_as_auth) {
            if !plan.worth_filling {
                self.forget_waiters(&plan.room, missing);
            } else if plan.goes_round {
                self.go_round(&plan).await;
            } else {
                self.dig(&plan).await;
            }
        }
        self.end_attempt(missing);
    }

    /// Whether an event is still missed for what it allows.
    fn is_wanted_as_auth(&self, plan: &Plan) -> bool {
        let durable = self.store.read();
        durable.rooms.get(&plan.room).is_some_and(|room| {
            let wants = plan.waiters.iter().filter_map(|id| room.wants(id));
            wants.into_iter().any(|wants| wants.auth_events.contains(&plan.missing))
        })
    }

    /// Whether an event is held, judged or waiting.
    fn holds(&self, plan: &Plan, id: &EventId) -> bool {
        self.store.read().rooms.get(&plan.room).is_some_and(|room| room.event(id).is_some())
    }

    /// Whether a hole is still one.
    fn is_open(&self, plan: &Plan) -> bool {
        let durable = self.store.read();
        durable.rooms.get(&plan.room).is_some_and(|room| room.holes().any(|(id, _)| *id == plan.missing))
    }

    fn end_attempt(&self, missing: &EventId) {
        let now = self.clock.steady();
        let still_open = {
            let durable = self.store.read();
            durable.rooms.values().any(|room| room.holes().any(|(id, _)| **id == *missing))
        };
        let mut holes = self.holes.borrow_mut();
        let Some(hole) = holes.get_mut(missing) else { return };
        hole.busy_with = None;
        if !still_open {
            return;
        }
        hole.failures += 1;
        let (failures, room) = (hole.failures, hole.room.clone());
        let wait = backoff_ms(failures, HOLE_RETRY_MS.0, HOLE_RETRY_MS.1, &mut *self.random.borrow_mut());
        let wait = (self.habits.hole_rests)(wait);
        hole.retry_at = now + wait;
        drop(holes);
        self.see(Happening::GapStuck { missing: missing.to_owned(), failures, retry_in_ms: wait });
        let crowded = {
            let durable = self.store.read();
            durable.rooms.get(&room).is_some_and(|room| room.waiting().count() > WAITING_EVENTS_MAX)
        };
        if (crowded && failures >= FAILURES_BEFORE_FORGETTING) || !self.habits.asks_around {
            self.forget_waiters(&room, missing);
        }
    }

    fn forget_waiters(&self, room: &OwnedRoomId, missing: &EventId) {
        self.store.write(|durable| {
            let Some(room) = durable.rooms.get_mut(room) else { return };
            let waiters: Vec<OwnedEventId> = room
                .holes()
                .filter(|(id, _)| **id == *missing)
                .flat_map(|(_, waiters)| waiters.clone())
                .collect();
            for id in waiters {
                room.forget_waiting(&id);
            }
        });
    }

    /// Deeper into the gap: `/get_missing_events` from one server after the other until the hole is filled, and
    /// where nobody fills it, the event itself.
    async fn dig(&self, plan: &Plan) {
        let cause = Cause::MissingEvent(plan.missing.clone());
        let latest: Vec<_> = plan.waiters.iter().take(NAMED_EVENTS_MAX).cloned().collect();
        for server in plan.servers.iter().take(SERVERS_PER_ATTEMPT) {
            let answer = self
                .ask_missing_events(
                    server,
                    &plan.room,
                    &latest,
                    &plan.earliest,
                    MISSING_EVENTS_LIMIT_MAX,
                    &cause,
                )
                .await;
            if let Ok(answer) = answer {
                let source = Source::Peer { server: server.clone(), endpoint: "get_missing_events" };
                let pdus = &answer.pdus[..answer.pdus.len().min(MISSING_EVENTS_LIMIT_MAX)];
                for pdu in self.verify_all(&plan.room, plan.version, pdus, &source, &[]).await {
                    self.take(&plan.room, pdu, Arrival::Live, &source);
                }
            }
            if !self.is_open(plan) {
                return;
            }
        }
        if let Some(own) = self.own_copy(plan) {
            self.take(&plan.room, own, Arrival::Live, &Source::OwnStore);
            return;
        }
        for server in plan.servers.iter().take(SERVERS_PER_ATTEMPT) {
            if let Some((pdu, source)) = self.fetch_event(plan, server, &plan.missing).await {
                self.take(&plan.room, pdu, Arrival::Live, &source);
                return;
            }
            // While one server kept silent, the event may have come by itself.
            if !self.is_open(plan) {
                return;
            }
        }
        // Nobody gives the event out under its own name, but somebody may tell the state there.
        if self.holes.borrow().get(&plan.missing).is_some_and(|hole| hole.failures > 0) {
            self.go_round(plan).await;
        }
    }

    /// Auth events that are missing: `/event_auth` of an event that waits, then the event itself.
    async fn fetch_auth(&self, plan: &Plan) {
        let cause = Cause::AuthEvent(plan.missing.clone());
        for server in plan.servers.iter().take(SERVERS_PER_ATTEMPT) {
            for waiter in plan.waiters.iter().take(1) {
                let answer = self.ask_event_auth(server, &plan.room, waiter, &cause).await;
                let Ok(answer) = answer else { continue };
                let source = Source::Peer { server: server.clone(), endpoint: "event_auth" };
                let new = self.not_held(plan, &answer.pdus, &source).await;
                self.add_outliers(plan, new, &source);
            }
            if !self.is_wanted_as_auth(plan) {
                return;
            }
            let mut left = CHAIN_FETCHES_MAX;
            self.fetch_with_auth(plan, server, &plan.missing, &mut left).await;
            if !self.is_wanted_as_auth(plan) {
                return;
            }
        }
        if !self.habits.auth_events_may_come_late {
            self.judge_without(plan);
        }
    }

    /// Judges what waits for an auth event as if there were no such event.
    fn judge_without(&self, plan: &Plan) {
        let judgements = self.store.write(|durable| {
            let room = durable.rooms.get_mut(&plan.room);
            room.map(|room| room.note_foreign(&plan.missing)).unwrap_or_default()
        });
        self.tell(judgements);
    }

    /// Fetches one event as an outlier, with the auth events that it needs itself.
    async fn fetch_with_auth(&self, plan: &Plan, server: &OwnedServerName, id: &EventId, left: &mut usize) {
        let mut wanted = vec![id.to_owned()];
        let mut fetched = Vec::new();
        while let Some(id) = wanted.pop() {
            // While others were asked for, it may have come by itself.
            if self.holds(plan, &id) {
                continue;
            }
            if *left == 0 {
                return;
            }
            *left -= 1;
            let Some((pdu, _)) = self.fetch_event(plan, server, &id).await else { return };
            let durable = self.store.read();
            let room = &durable.rooms[&plan.room];
            let unknown = |id: &&OwnedEventId| {
                room.event(id).is_none() && !fetched.iter().any(|pdu: &Arc<Pdu>| pdu.event_id() == *id)
            };
            wanted.extend(pdu.auth_events().iter().filter(unknown).cloned());
            fetched.push(pdu);
        }
        let source = Source::Peer { server: server.clone(), endpoint: "event" };
        self.add_outliers(plan, fetched, &source);
    }

    async fn fetch_event(
        &self,
        plan: &Plan,
        server: &OwnedServerName,
        id: &EventId,
    ) -> Option<(Arc<Pdu>, Source)> {
        let answer = self.ask_event(server, id, &Cause::MissingEvent(plan.missing.clone())).await.ok()?;
        let source = Source::Peer { server: server.clone(), endpoint: "event" };
        let pdu = self.verify_one(&plan.room, plan.version, answer.pdus.first()?, &source).await.ok()?;
        if pdu.event_id() != id {
            let reason = DropReason::Unasked { asked: id.to_owned() };
            let event_id = Some(pdu.event_id().clone());
            self.see(Happening::Dropped { event_id, source: source.clone(), reason });
            return None;
        }
        Some((pdu, source))
    }

    /// Round the hole: the missing event itself as an outlier, and the state there by a server's word.
    ///
    /// Never by the word of the server alone that sent what waits for it: it could invent both.
    async fn go_round(&self, plan: &Plan) {
        let others = plan.servers.iter().filter(|server| !plan.interested.contains(*server));
        let own_word = plan.servers.iter().filter(|server| plan.interested.contains(*server));
        let pulled = self.pulled_waiters(plan);
        let trusted = pulled.len() == plan.waiters.len();
        let servers: Vec<_> = others.chain(own_word.filter(|_| trusted)).take(SERVERS_PER_ATTEMPT).collect();
        let mut without_edge = BTreeSet::new();
        // Where nobody knows the missing event, somebody may know the state at the one that waits for it.
        for at in [plan.missing.clone()].into_iter().chain(pulled).take(STATES_PER_ATTEMPT) {
            for server in &servers {
                if self.take_state_from(plan, server, &at, &mut without_edge).await || !self.is_open(plan) {
                    return;
                }
            }
        }
    }

    /// What waits for the hole and was itself asked for, or is cited by history: a gap in what is known, not a fresh event
    /// with an invented past.
    fn pulled_waiters(&self, plan: &Plan) -> Vec<OwnedEventId> {
        let pushed = self.pushed.borrow();
        let durable = self.store.read();
        let past = durable.rooms.get(&plan.room).map(Room::waiting_below_history).unwrap_or_default();
        let is_gap = |id: &&OwnedEventId| !pushed.contains(*id) || past.contains(*id);
        plan.waiters.iter().filter(is_gap).cloned().collect()
    }

    /// The missing event itself, if it is held as an outlier and only lacks its state.
    fn own_copy(&self, plan: &Plan) -> Option<Arc<Pdu>> {
        self.store.read().rooms.get(&plan.room)?.event(&plan.missing).cloned()
    }

    /// The state at an event, by a server's word. `without_edge` are those that have no good copy of the missing event,
    /// without which a state is of no use.
    async fn take_state_from(
        &self,
        plan: &Plan,
        server: &OwnedServerName,
        at: &EventId,
        without_edge: &mut BTreeSet<OwnedServerName>,
    ) -> bool {
        if without_edge.contains(server) && self.own_copy(plan).is_none() {
            return false;
        }
        let cause = Cause::StateAt(at.to_owned());
        if let Some(own) = self.own_copy(plan).filter(|_| *at == *plan.missing)
            && self.take_if_judgeable(plan, own, &Source::OwnStore)
        {
            return true;
        }
        let Ok(ids) = self.ask_state_ids(server, &plan.room, at, &cause).await else {
            return false;
        };
        let unknown: Vec<OwnedEventId> = {
            let durable = self.store.read();
            let Some(room) = durable.rooms.get(&plan.room) else { return false };
            let all: BTreeSet<_> = ids.pdu_ids.iter().chain(&ids.auth_chain_ids).collect();
            let wanted = |id: &&OwnedEventId| !self.habits.fetches_only_unknown || room.event(id).is_none();
            all.into_iter().filter(wanted).cloned().collect()
        };
        let source = Source::Peer { server: server.clone(), endpoint: "state" };
        let mut new = if unknown.len() > self.habits.single_fetches_max {
            let Ok(state) = self.ask_state(server, &plan.room, at, &cause).await else {
                return false;
            };
            let texts: Vec<_> = state.pdus.into_iter().chain(state.auth_chain).collect();
            self.not_held(plan, &texts, &source).await
        } else {
            let mut fetched = Vec::new();
            for id in &unknown {
                // While others were asked for, it may have come by itself.
                if self.habits.fetches_only_unknown && self.holds(plan, id) {
                    continue;
                }
                match self.fetch_event(plan, server, id).await {
                    Some((pdu, _)) => fetched.push(pdu),
                    None if self.habits.keeps_partial_fetches => {}
                    None => return false,
                }
            }
            fetched
        };
        if self.own_copy(plan).is_none() {
            let edge = self.fetch_event(plan, server, &plan.missing).await;
            let Some((edge, source)) = edge else {
                without_edge.insert(server.clone());
                return false;
            };
            if self.take_if_judgeable(plan, edge.clone(), &source) {
                return true;
            }
            new.push(edge);
        }
        self.add_outliers(plan, new, &source);
        self.claim(plan, server, at, &ids.pdu_ids)
    }

    /// Takes the missing event as history if all before it is held: then nobody's word on the state is needed.
    fn take_if_judgeable(&self, plan: &Plan, edge: Arc<Pdu>, source: &Source) -> bool {
        let wants = self.store.read().rooms.get(&plan.room).map(|room| room.wants_of(&edge));
        if wants != Some(Wants::default()) {
            return false;
        }
        self.take(&plan.room, edge, Arrival::Live, source)
    }

    /// Believes that the state at an event, the missing one or one that waits for it, is that before the missing one.
    fn claim(&self, plan: &Plan, server: &OwnedServerName, at: &EventId, state: &[OwnedEventId]) -> bool {
        let judgements = self.store.write(|durable| {
            let room = durable.rooms.get_mut(&plan.room)?;
            let held = |id: &OwnedEventId| room.graph().get(id).is_some_and(|i| room.event_at(i).is_some());
            // A state with holes would be another state: then rather none.
            let whole = held(&plan.missing) && state.iter().all(held);
            (whole && room.is_plausible_state(at, state)).then(|| room.claim_state(&plan.missing, state))
        });
        let Some(judgements) = judgements else { return false };
        self.see(Happening::StateTaken {
            event_id: plan.missing.clone(),
            from: server.clone(),
            events: state.len(),
        });
        self.tell(judgements);
        true
    }

    async fn not_held(
        &self,
        plan: &Plan,
        pdus: &[Box<serde_json::value::RawValue>],
        source: &Source,
    ) -> Vec<Arc<Pdu>> {
        let verified = self.verify_all(&plan.room, plan.version, pdus, source, &[]).await;
        let durable = self.store.read();
        let held = |room: &Room, pdu: &Pdu| {
            room.graph().get(pdu.event_id()).is_some_and(|idx| room.event_at(idx).is_some())
        };
        let Some(room) = durable.rooms.get(&plan.room) else { return Vec::new() };
        verified.into_iter().filter(|pdu| !held(room, pdu)).collect()
    }

    fn add_outliers(&self, plan: &Plan, pdus: Vec<Arc<Pdu>>, source: &Source) {
        for pdu in &pdus {
            self.see(Happening::Received { pdu: pdu.clone(), source: source.clone() });
        }
        let judgements = self.store.write(|durable| {
            durable.rooms.get_mut(&plan.room).map(|room| room.add_outliers(pdus)).unwrap_or_default()
        });
        self.tell(judgements);
    }
}
