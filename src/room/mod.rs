//! One room as one server has it: the event graph, the verdict on each event, the state before each, and what
//! is still missing.
//!
//! Pure: no I/O, no clock, no randomness. It takes verified events in any order and says what became of them;
//! who to ask for what is missing is the homeserver's business.

mod access;
pub mod answer_order;
pub mod dump;
pub mod graph;
pub mod habits;
mod judge;
mod refusal;
mod resolve;
pub mod state;
pub mod walk;

pub use refusal::{Against, Refusal};

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::ordmap::DiffItem;
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId};
use ruma_events::StateEventType;

use crate::matrix::{
    pdu::{JudgedPdu, Pdu},
    version::RoomVersion,
};
use graph::{EventGraph, EventIdx, Standing};
use habits::Habits;
use state::{Change, Slots, StateMap};

/// How an event reached this server; it decides whether the soft-failure check applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Sent by an own user, pushed by `/send`, or pulled to close the gap below a pushed event.
    Live,
    /// Older history, asked for by `/backfill`: never soft-failed, since it is judged by the state of its
    /// time.
    Backfilled,
}

/// What became of an event (SS-API, "Checks performed on receipt of a PDU", steps 4 to 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passed all checks.
    Accepted,
    /// It is not allowed by the current state of the room: kept, but not built upon.
    SoftFailed(Refusal),
    /// It is not allowed by its auth events or by the state before it.
    Rejected(Refusal),
}

/// A verdict that was just reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The event.
    pub event_id: OwnedEventId,
    /// What became of it.
    pub verdict: Verdict,
}

/// What keeps an event from being judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Events before it whose state is not known.
    pub prev_events: Vec<OwnedEventId>,
    /// Auth events of it that are not held.
    pub auth_events: Vec<OwnedEventId>,
}

/// An event that this server holds and has judged at least by its auth events.
#[derive(Clone, Debug)]
struct Held {
    pdu: Arc<Pdu>,
    /// Its auth events, all of which are held.
    auth_events: Box<[EventIdx]>,
    rejected: Option<Refusal>,
    soft_failed: Option<Refusal>,
    /// The state before the event, once it is known.
    state_before: Option<StateMap>,
    /// Names the state after the event, once that is known.
    after: Option<StateName>,
    /// Whether `state_before` is a peer's word instead of being computed from the events before.
    claimed: bool,
    /// The redaction that applies to it.
    redacted_by: Option<OwnedEventId>,
    /// What that redaction leaves of a state event, if it takes anything.
    outline: Option<Arc<Pdu>>,
}

impl Held {
    /// What others are judged by. An event *is* what is left of it once a redaction holds: who joins later is
    /// given no more, and must come to the same verdicts as those who saw the whole.
    fn in_force(&self) -> &Arc<Pdu> {
        self.outline.as_ref().unwrap_or(&self.pdu)
    }

    fn judged(&self) -> JudgedPdu<'_> {
        JudgedPdu { rejected: self.rejected.is_some(), ..JudgedPdu::good(self.in_force()) }
    }
}

/// The name of one state of the room, never given to another: events that change nothing share it, which
/// tells without a look at the states that there is nothing to resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct StateName(u64);

/// A state with its name.
#[derive(Clone, Debug)]
struct NamedState {
    name: StateName,
    state: StateMap,
}

/// An event that is held but can't be judged yet.
#[derive(Clone, Debug)]
struct Waiting {
    pdu: Arc<Pdu>,
    arrival: Arrival,
}

/// One room as one server has it.
#[derive(Clone, Debug)]
pub struct Room {
    version: RoomVersion,
    room_id: OwnedRoomId,
    graph: EventGraph,
    /// By index in the graph.
    held: Vec<Option<Held>>,
    slots: Slots,
    /// Stands in for the join rules where a state has none.
    default_join_rules: Arc<Pdu>,
    current: StateMap,
    /// Whether the current state is worked out only where it is looked at.
    defers_current: bool,
    /// Whether the forward extremities have changed since it was.
    current_is_stale: bool,
    /// Events that can't be judged yet.
    waiting: BTreeMap<OwnedEventId, Waiting>,
    /// For each event that somebody waits for, who.
    blocked: BTreeMap<OwnedEventId, BTreeSet<OwnedEventId>>,
    /// Events that are known to be of other rooms: whoever cites one for what it allows is rejected.
    foreign: BTreeSet<OwnedEventId>,
    /// For each event that is to be redacted, held or not, the redactions that are or were history.
    redactions: BTreeMap<OwnedEventId, BTreeSet<OwnedEventId>>,
    /// State events that say otherwise than before, since a redaction came to hold or ceased to: what stands
    /// on them is still to be judged again.
    reworded: BTreeSet<EventIdx>,
    /// Resolutions over the states of several branches: the events of one moment have the same.
    resolutions: BTreeMap<Vec<StateName>, NamedState>,
    states_named: u64,
    habits: Habits,
}

impl Room {
    /// A room of which nothing is known yet.
    pub fn new(room_id: &RoomId, version: RoomVersion) -> Self {
        Self {
            version,
            room_id: room_id.to_owned(),
            graph: EventGraph::new(),
            held: Vec::new(),
            slots: Slots::default(),
            default_join_rules: Arc::new(Pdu::default_join_rules(room_id, version)),
            current: StateMap::new(),
            defers_current: false,
            current_is_stale: false,
            waiting: BTreeMap::new(),
            blocked: BTreeMap::new(),
            foreign: BTreeSet::new(),
            redactions: BTreeMap::new(),
            reworded: BTreeSet::new(),
            resolutions: BTreeMap::new(),
            states_named: 0,
            habits: habits::HONEST,
        }
    }

    /// Decides otherwise from now on.
    pub fn take_up(&mut self, habits: Habits) {
        self.graph.also_cover_by(habits.also_covering);
        self.habits = habits;
    }

    /// The room's version.
    pub fn version(&self) -> RoomVersion {
        self.version
    }

    /// The room's id.
    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// The event graph.
    pub fn graph(&self) -> &EventGraph {
        &self.graph
    }

    fn held(&self, idx: EventIdx) -> Option<&Held> {
        self.held.get(idx.index())?.as_ref()
    }

    fn held_by_id(&self, id: &EventId) -> Option<&Held> {
        self.held(self.graph.get(id)?)
    }

    /// An event that is held, judged or waiting.
    pub fn event(&self, id: &EventId) -> Option<&Arc<Pdu>> {
        let judged = self.held_by_id(id).map(|held| &held.pdu);
        judged.or_else(|| self.waiting.get(id).map(|waiting| &waiting.pdu))
    }

    /// The event at an index.
    pub fn event_at(&self, idx: EventIdx) -> Option<&Arc<Pdu>> {
        self.held(idx).map(|held| &held.pdu)
    }

    /// How an event stands; nothing for one that is not known or waits to be judged.
    pub fn standing(&self, id: &EventId) -> Option<Standing> {
        self.graph.get(id).map(|idx| self.graph.standing(idx))
    }

    /// Why an event was rejected or soft-failed.
    pub fn refusal(&self, id: &EventId) -> Option<&Refusal> {
        let held = self.held_by_id(id)?;
        held.rejected.as_ref().or(held.soft_failed.as_ref())
    }

    /// The redaction that applies to an event.
    pub fn redacted_by(&self, id: &EventId) -> Option<&EventId> {
        self.held_by_id(id)?.redacted_by.as_deref()
    }

    /// Ids of the forward extremities, sorted.
    pub fn forward_extremities(&self) -> Vec<OwnedEventId> {
        let mut ids: Vec<_> =
            self.graph.forward_extremities().map(|idx| self.graph.id(idx).to_owned()).collect();
        ids.sort();
        ids
    }

    /// Ids of the events that history cites and that are not history themselves, sorted.
    pub fn backward_extremities(&self) -> Vec<OwnedEventId> {
        let mut ids: Vec<_> =
            self.graph.backward_extremities().map(|idx| self.graph.id(idx).to_owned()).collect();
        ids.sort();
        ids
    }

    /// Whether a later [`receive`](Self::receive) of this event would change nothing.
    pub fn is_settled(&self, id: &EventId) -> bool {
        self.waiting.contains_key(id)
            || self.held_by_id(id).is_some_and(|held| {
                let idx = self.graph.get(id).expect("it is held");
                let is_outlier = self.graph.standing(idx) == Standing::Outlier;
                let only_claimed = held.claimed && held.rejected.is_some();
                (held.state_before.is_some() && !is_outlier && !only_claimed)
                    || (is_outlier && !self.habits.revives_outliers)
            })
    }

    /// The least depth of the history that this server has: gaps below it are for who pages back.
    pub fn horizon(&self) -> u64 {
        let open = self.graph.backward_extremities().flat_map(|idx| self.graph.children(idx));
        let history = open.filter(|idx| self.graph.standing(**idx).is_history());
        history.map(|idx| self.graph.depth(*idx)).min().unwrap_or(0)
    }

    // --- What is missing.

    /// The events that wait to be judged, by id.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<Pdu>> {
        self.waiting.values().map(|waiting| &waiting.pdu)
    }

    /// How an event that waits came.
    pub fn arrival_of_waiting(&self, id: &EventId) -> Option<Arrival> {
        self.waiting.get(id).map(|waiting| waiting.arrival)
    }

    /// What keeps a waiting event from being judged, itself not held: following wants of waiting events leads
    /// on.
    pub fn wants(&self, id: &EventId) -> Option<Wants> {
        let waiting = self.waiting.get(id)?;
        Some(self.wants_of(&waiting.pdu))
    }

    /// The events that are wanted by waiting ones and are not even waiting themselves, each with those
    /// who wait for it, by id.
    pub fn missing_events(&self) -> impl Iterator<Item = (&OwnedEventId, &BTreeSet<OwnedEventId>)> {
        self.blocked.iter().filter(|(id, _)| !self.waiting.contains_key(*id))
    }

    /// Forgets events that wait, with all that waits for them; gives how many.
    pub fn forget_waiting(&mut self, id: &EventId) -> usize {
        let mut open = vec![id.to_owned()];
        let mut forgotten = 0;
        while let Some(id) = open.pop() {
            if self.waiting.remove(&id).is_none() {
                continue;
            }
            forgotten += 1;
            for waiters in self.blocked.values_mut() {
                waiters.remove(&id);
            }
            open.extend(self.blocked.remove(&id).into_iter().flatten());
        }
        self.blocked.retain(|_, waiters| !waiters.is_empty());
        forgotten
    }

    // --- State.

    /// The current state: resolved over the states after the forward extremities.
    pub fn current_state(&self) -> &StateMap {
        &self.current
    }

    /// How the current state differs from what it was.
    pub fn state_changes_since(&self, then: &StateMap) -> Vec<Change> {
        let slots = then.diff(&self.current).map(|difference| match difference {
            DiffItem::Add(slot, _) | DiffItem::Remove(slot, _) => *slot,
            DiffItem::Update { new: (slot, _), .. } => *slot,
        });
        let change = |slot| {
            let (kind, key) = self.slots.pair(slot);
            let event = self.current.get(&slot).map(|idx| self.graph.id(*idx).to_owned());
            Change { kind: kind.clone(), key: key.to_owned(), event }
        };
        slots.map(change).collect()
    }

    /// The state before an event, if it is known and the event is not an outlier.
    pub fn state_before(&self, id: &EventId) -> Option<&StateMap> {
        let idx = self.graph.get(id)?;
        if self.graph.standing(idx) == Standing::Outlier {
            return None;
        }
        self.held(idx)?.state_before.as_ref()
    }

    /// Whether the state before an event is somebody's word instead of being computed from the events before.
    pub fn stands_on_claim(&self, id: &EventId) -> bool {
        self.held_by_id(id).is_some_and(|held| held.claimed)
    }

    /// The state after an event.
    pub fn state_after(&self, idx: EventIdx) -> Option<StateMap> {
        let held = self.held(idx)?;
        let mut state = held.state_before.clone()?;
        let is_told = held.claimed && self.graph.standing(idx) == Standing::Outlier;
        if is_told && !self.habits.counts_the_told_event {
            return Some(state);
        }
        if let (None, Some((kind, key))) = (&held.rejected, held.pdu.state_slot()) {
            let slot = self.slots.find(&kind.to_string().into(), key).expect("numbered when it was held");
            state.insert(slot, idx);
        }
        Some(state)
    }

    /// The state resolved over the states after several events.
    pub fn state_after_all(&self, ids: &[OwnedEventId]) -> Option<StateMap> {
        let states: Option<Vec<_>> = ids.iter().map(|id| self.state_after(self.graph.get(id)?)).collect();
        let states = states.filter(|states| !states.is_empty())?;
        Some(self.resolve(&states))
    }

    /// A state as (type, state key, event id), sorted.
    pub fn list_state<'a>(&'a self, state: &'a StateMap) -> Vec<(&'a StateEventType, &'a str, &'a EventId)> {
        let mut list: Vec<_> = state
            .iter()
            .map(|(slot, idx)| {
                let (kind, key) = self.slots.pair(*slot);
                (kind, key, self.graph.id(*idx))
            })
            .collect();
        list.sort();
        list
    }

    /// What a redaction that holds leaves of a state event.
    pub fn outline(&self, id: &EventId) -> Option<&Arc<Pdu>> {
        self.held_by_id(id)?.outline.as_ref()
    }

    /// The state events of which a redaction took something.
    pub fn outlines(&self) -> impl Iterator<Item = &Arc<Pdu>> {
        self.held.iter().flatten().filter_map(|held| held.outline.as_ref())
    }

    /// The event in one slot of a state, or what a redaction has left of it.
    pub fn state_event(&self, state: &StateMap, kind: &StateEventType, key: &str) -> Option<&Arc<Pdu>> {
        let idx = state.get(&self.slots.find(kind, key)?)?;
        self.held(*idx).map(Held::in_force)
    }

    /// The membership of a user in a state.
    pub fn membership<'a>(&'a self, state: &StateMap, user: &str) -> Option<&'a str> {
        self.state_event(state, &StateEventType::RoomMember, user)?.membership()
    }

    /// The servers with a joined user in a state, sorted.
    pub fn joined_servers(&self, state: &StateMap) -> BTreeSet<OwnedServerName> {
        self.members(state, "join").map(|user| user.server_name().to_owned()).collect()
    }

    /// The users with a membership in a state.
    pub fn members<'a>(
        &'a self,
        state: &'a StateMap,
        membership: &'a str,
    ) -> impl Iterator<Item = &'a ruma_common::UserId> + 'a {
        state.iter().filter_map(move |(slot, idx)| {
            let (kind, user) = self.slots.pair(*slot);
            if *kind != StateEventType::RoomMember || self.event_at(*idx)?.membership() != Some(membership) {
                return None;
            }
            <&ruma_common::UserId>::try_from(user).ok()
        })
    }
}
