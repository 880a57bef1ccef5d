//! State resolution over the states of several branches: ruma's algorithm, fed from this room (rooms, "State
//! Resolution"; v2.1 from room version 12 on, MSC4297).
//!
//! Branches differ in little, and ruma compares whole states by their strings. So the room finds out by itself what
//! is in conflict, and hands on only that and what is needed to judge it.

use std::collections::BTreeSet;

use imbl::ordmap::DiffItem;
use ruma_common::{EventId, OwnedEventId};
use ruma_events::{StateEventType, TimelineEventType};
use ruma_state_res::{StateMap as RumaStateMap, utils::event_id_set::EventIdSet};

use super::{
    Held, Room,
    graph::EventIdx,
    state::{Slot, StateMap},
};
use crate::matrix::pdu::JudgedPdu;

/// What the rules may look at for any event, beside what the event says that it needs.
pub(super) const ALWAYS_NEEDED: [StateEventType; 2] =
    [StateEventType::RoomCreate, StateEventType::RoomPowerLevels];

/// A set of events of one room, by index.
struct Marks(Vec<bool>);

impl Marks {
    /// Whether the event was not in the set before.
    fn insert(&mut self, idx: EventIdx) -> bool {
        !std::mem::replace(&mut self.0[idx.index()], true)
    }

    fn contains(&self, idx: EventIdx) -> bool {
        self.0[idx.index()]
    }
}

impl Room {
    /// The state that several branches agree on. Without conflict it is the one that they all have.
    ///
    /// # Panics
    ///
    /// If `states` is empty.
    pub(super) fn resolve(&self, states: &[StateMap]) -> StateMap {
        let first = states.first().expect("there is a branch");
        let conflicted = conflicted_slots(states);
        if conflicted.is_empty() {
            return first.clone();
        }
        let chains = self.differing_auth_chains(states, &conflicted);
        let events = chains.iter().flatten().copied();
        let events: BTreeSet<EventIdx> = events.chain(events_in(states, &conflicted)).collect();
        let mut wanted = self.slots_to_judge(&events);
        wanted.extend(&conflicted);
        let maps: Vec<_> = states.iter().map(|state| self.to_ruma(state, &wanted)).collect();

        let rules = self.version.rules();
        let resolved = ruma_state_res::resolve(
            &rules.authorization,
            self.version.resolution(),
            &maps,
            chains.iter().map(|chain| self.ids(chain)).collect(),
            |id| self.judged(id),
            |conflicted| Some(self.conflicted_subgraph(conflicted.values().flatten())),
        );
        match resolved {
            Ok(map) => self.overlay(first, &conflicted, &map),
            // Every event of every branch is held, so ruma finds all that it asks for.
            Err(error) => unreachable!("state resolution over held events failed: {error}"),
        }
    }

    /// The slots that the rules may look at when they judge these events.
    fn slots_to_judge(&self, events: &BTreeSet<EventIdx>) -> BTreeSet<Slot> {
        let mut slots: BTreeSet<Slot> =
            ALWAYS_NEEDED.iter().filter_map(|kind| self.slots.find(kind, "")).collect();
        for idx in events {
            let held = self.held(*idx).expect("it is of a branch");
            match held.needs.get() {
                Some(known) => slots.extend(known),
                None => slots.extend(self.find_needs(held)),
            }
        }
        slots
    }

    /// Remembers them if all are there: what has a number keeps it, and finding it by name is the dearer part
    /// of a resolution.
    fn find_needs(&self, held: &Held) -> Vec<Slot> {
        let needs = held.pdu.needs();
        let found: Vec<Slot> = needs.iter().filter_map(|(kind, key)| self.slots.find(kind, key)).collect();
        if found.len() == needs.len() {
            let _ = held.needs.set(found.clone().into());
        }
        found
    }

    fn to_ruma(&self, state: &StateMap, wanted: &BTreeSet<Slot>) -> RumaStateMap<OwnedEventId> {
        let entry = |slot: &Slot| {
            let idx = state.get(slot)?;
            let (kind, key) = self.slots.pair(*slot);
            Some(((kind.clone(), key.to_owned()), self.graph.id(*idx).to_owned()))
        };
        wanted.iter().filter_map(entry).collect()
    }

    /// What the branches agree on, and for the rest what was decided.
    fn overlay(
        &self,
        branch: &StateMap,
        conflicted: &BTreeSet<Slot>,
        decided: &RumaStateMap<OwnedEventId>,
    ) -> StateMap {
        let mut state = branch.clone();
        for slot in conflicted {
            state.remove(slot);
        }
        for ((kind, key), id) in decided {
            let slot = self.slots.find(kind, key).expect("only events of the branches are chosen");
            let idx = self.graph.get(id).expect("only events of the branches are chosen");
            // The difference of the auth chains may hold other events for what is agreed: agreed it stays.
            state.entry(slot).or_insert(idx);
        }
        state
    }

    /// The full auth chains of the branches, without what is in all of them: an event in every chain is in no
    /// difference.
    ///
    /// By the text (rooms v2, "Definitions"; matrix-spec#1041) an event is not in its own auth chain. Synapse counts
    /// the events of a state as part of the state's chain, and that decides some conflicts: an event that all branches
    /// have in their state, but that only one of them cites, is in no difference. A room has one state if its servers
    /// agree, so this follows Synapse; `tests/real_rooms.rs` has states that come out otherwise by the letter.
    fn differing_auth_chains(
        &self,
        states: &[StateMap],
        conflicted: &BTreeSet<Slot>,
    ) -> Vec<BTreeSet<EventIdx>> {
        let agreed = states[0].iter().filter(|(slot, _)| !conflicted.contains(slot));
        let mut common = self.no_marks();
        self.walk_auth_chain(agreed.map(|(_, idx)| *idx), |idx| common.insert(idx));
        states
            .iter()
            .map(|state| {
                let mut chain = BTreeSet::new();
                let own = events_in(std::slice::from_ref(state), conflicted);
                // What lies behind an event that is common to all chains is so as well.
                self.walk_auth_chain(own, |idx| !common.contains(idx) && chain.insert(idx));
                chain
            })
            .collect()
    }

    fn no_marks(&self) -> Marks {
        Marks(vec![false; self.graph.len()])
    }

    /// Visits events and, over those for which `enter` says so, their auth events.
    fn walk_auth_chain(&self, from: impl Iterator<Item = EventIdx>, mut enter: impl FnMut(EventIdx) -> bool) {
        let mut open: Vec<EventIdx> = from.collect();
        while let Some(idx) = open.pop() {
            if enter(idx) {
                open.extend(self.auth_parents(idx));
            }
        }
    }

    /// All events reached over auth events, the given ones excluded unless another reaches them. Events that are
    /// not held end the chain.
    pub fn auth_chain(&self, of: impl Iterator<Item = EventIdx>) -> BTreeSet<EventIdx> {
        let mut chain = BTreeSet::new();
        self.walk_auth_chain(of.flat_map(|idx| self.auth_parents(idx)), |idx| chain.insert(idx));
        chain
    }

    fn auth_parents(&self, idx: EventIdx) -> impl Iterator<Item = EventIdx> {
        self.held(idx).into_iter().flat_map(|held| held.auth_events.iter().copied())
    }

    /// Every event on a path of auth events between two conflicted ones, ends included (MSC4297).
    fn conflicted_subgraph<'a>(
        &self,
        conflicted: impl Iterator<Item = &'a OwnedEventId>,
    ) -> EventIdSet<OwnedEventId> {
        let conflicted: BTreeSet<EventIdx> = conflicted.filter_map(|id| self.graph.get(id)).collect();
        let behind = self.auth_chain(conflicted.iter().copied());
        let mut cited_by: Vec<Vec<EventIdx>> = vec![Vec::new(); self.graph.len()];
        for idx in &behind {
            for parent in self.auth_parents(*idx) {
                cited_by[parent.index()].push(*idx);
            }
        }
        // On a path is what a conflicted event reaches and what reaches one: among the first, walk up from them.
        let mut on_path = BTreeSet::new();
        let mut open: Vec<EventIdx> = conflicted.into_iter().collect();
        while let Some(idx) = open.pop() {
            if on_path.insert(idx) {
                open.extend(&cited_by[idx.index()]);
            }
        }
        self.ids(&on_path)
    }

    fn ids(&self, events: &BTreeSet<EventIdx>) -> EventIdSet<OwnedEventId> {
        events.iter().map(|idx| self.graph.id(*idx).to_owned()).collect()
    }

    fn judged(&self, id: &EventId) -> Option<JudgedPdu<'_>> {
        let default = &self.default_join_rules;
        if *id == **default.event_id() {
            return Some(JudgedPdu::good(default));
        }
        let idx = self.graph.get(id)?;
        let held = self.held(idx)?;
        let is = |idx, kind| self.held(idx).is_some_and(|held| *held.pdu.kind() == kind);
        let has_join_rules = || self.auth_parents(idx).any(|auth| is(auth, TimelineEventType::RoomJoinRules));
        // Where neither the partial state nor the event itself has join rules, ruma would look no further.
        let needs_default = is(idx, TimelineEventType::RoomMember) && !has_join_rules();
        Some(JudgedPdu { implied_auth: needs_default.then(|| default.event_id()), ..held.judged() })
    }
}

/// The slots that some branches fill otherwise than others, or not at all.
fn conflicted_slots(states: &[StateMap]) -> BTreeSet<Slot> {
    let first = &states[0];
    let differing = states[1..].iter().flat_map(|state| first.diff(state));
    differing
        .map(|difference| match difference {
            DiffItem::Add(slot, _) | DiffItem::Remove(slot, _) => *slot,
            DiffItem::Update { old: (slot, _), .. } => *slot,
        })
        .collect()
}

fn events_in<'a>(states: &'a [StateMap], slots: &'a BTreeSet<Slot>) -> impl Iterator<Item = EventIdx> + 'a {
    states.iter().flat_map(move |state| slots.iter().filter_map(|slot| state.get(slot).copied()))
}
