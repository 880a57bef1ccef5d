//! State resolution over the states of several branches (rooms v2, "State resolution"; v2.1 from room version
//! 12 on, MSC4297).
//!
//! The rules by which single events are allowed are ruma's. The algorithm around them is written here, over
//! the numbers of a room's events: ruma's own `resolve` takes the creators of a room from whichever event a
//! `HashMap` gives first, so that a room with two create events came out otherwise from one process to the
//! next. `tests/resolution.rs` holds both against each other where that can't matter.

mod conflict;
mod order;

use std::collections::BTreeSet;

use ruma_events::StateEventType;
use ruma_state_res::check_state_dependent_auth_rules;

use super::{
    Held, Room,
    graph::EventIdx,
    state::{Slot, StateMap},
};
use crate::matrix::pdu::JudgedPdu;
use conflict::conflicted_slots;

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
        let agreed = without(first, &conflicted);
        let full = self.full_conflicted_set(states, &conflicted);
        let power = self.power_order(&full);
        let starts_empty = self.version.resolution().begin_iterative_auth_checks_with_empty_state_map;
        let start = if starts_empty { StateMap::new() } else { agreed.clone() };
        let partial = self.iterative_auth_checks(&power, start);
        let picked: BTreeSet<EventIdx> = power.into_iter().collect();
        let rest = self.mainline_order(full.difference(&picked).copied(), &partial);
        let resolved = self.iterative_auth_checks(&rest, partial);
        // What the branches agree on stays, whatever the auth difference has for it.
        agreed.union(resolved)
    }

    /// Applies each event that is allowed by what was applied before it. What the rules need and the state
    /// lacks is taken from the event's auth events.
    fn iterative_auth_checks(&self, events: &[EventIdx], mut state: StateMap) -> StateMap {
        for idx in events {
            let held = self.held(*idx).expect("events of branches are held");
            let Some(slot) = self.slot_of(held) else { continue };
            if self.is_allowed_by(held, &state) {
                state.insert(slot, *idx);
            }
        }
        state
    }

    fn is_allowed_by(&self, event: &Held, state: &StateMap) -> bool {
        let find = |kind: &StateEventType, key: &str| {
            let from_state = self.needed_from(state, event, kind, key);
            from_state.or_else(|| self.cited_for(event, kind, key)).or_else(|| self.default_for(kind))
        };
        let rules = &self.version.rules().authorization;
        check_state_dependent_auth_rules(rules, JudgedPdu::good(&event.pdu), find).is_ok()
    }

    /// What a state has for an event, if it is of those that the rules look at and was not rejected.
    fn needed_from(
        &self,
        state: &StateMap,
        event: &Held,
        kind: &StateEventType,
        key: &str,
    ) -> Option<JudgedPdu<'_>> {
        let mut needs = event.pdu.needs().iter();
        if !needs.any(|(needed, at)| needed == kind && at == key) {
            return None;
        }
        let held = self.held(*state.get(&self.slots.find(kind, key)?)?)?;
        held.rejected.is_none().then(|| held.judged())
    }

    /// What an event cites for a slot, unless it was rejected; of several the last.
    fn cited_for(&self, event: &Held, kind: &StateEventType, key: &str) -> Option<JudgedPdu<'_>> {
        if *kind == StateEventType::RoomCreate && self.version.has_hash_room_ids() {
            return self.create_by_room_id(event);
        }
        let slot = Some(self.slots.find(kind, key)?);
        let cited = event.auth_events.iter().rev().filter_map(|idx| self.held(*idx));
        let mut good = cited.filter(|held| held.rejected.is_none());
        good.find(|held| self.slot_of(held) == slot).map(Held::judged)
    }

    /// The create event that the room's id names (room version 12).
    fn create_by_room_id(&self, event: &Held) -> Option<JudgedPdu<'_>> {
        let id = event.pdu.room_id().as_str().replacen('!', "$", 1);
        Some(self.held_by_id(id.as_str().try_into().ok()?)?.judged())
    }

    pub(super) fn slot_of(&self, held: &Held) -> Option<Slot> {
        let (kind, key) = held.pdu.state_slot()?;
        self.slots.find(&kind.to_string().into(), key)
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

    /// All events reached over auth events, the given ones excluded unless another reaches them. Events that
    /// are not held end the chain.
    ///
    /// From room version 12 on `auth_events` never has the create event, which the room's id names instead
    /// (rooms v12, "Event format", from MSC4291), and neither says that it leaves the chain. It allows every
    /// other event as before, and an auth chain is all that allows (SS-API, "Auth chain"); Synapse gives it
    /// out in each.
    pub fn auth_chain(&self, of: impl Iterator<Item = EventIdx>) -> BTreeSet<EventIdx> {
        let mut chain = BTreeSet::new();
        for idx in of {
            let implied = self.held(idx).and_then(|held| self.graph.get(&self.implied_create(&held.pdu)?));
            chain.extend(implied.filter(|create| self.held(*create).is_some()));
            self.walk_auth_chain(self.auth_parents(idx), |idx| chain.insert(idx));
        }
        chain
    }

    fn auth_parents(&self, idx: EventIdx) -> impl Iterator<Item = EventIdx> {
        self.held(idx).into_iter().flat_map(|held| held.auth_events.iter().copied())
    }
}

fn without(state: &StateMap, slots: &BTreeSet<Slot>) -> StateMap {
    let mut rest = state.clone();
    for slot in slots {
        rest.remove(slot);
    }
    rest
}
