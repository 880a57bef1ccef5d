//! State resolution over the states of several branches: ruma's algorithm, fed from this room (rooms, "State
//! Resolution"; v2.1 from room version 12 on, MSC4297).

use std::collections::BTreeSet;

use ruma_common::{EventId, OwnedEventId};
use ruma_events::TimelineEventType;
use ruma_state_res::{StateMap as RumaStateMap, utils::event_id_set::EventIdSet};

use super::{
    Room,
    graph::EventIdx,
    state::{Slot, StateMap},
};
use crate::matrix::pdu::{JudgedPdu, Pdu};

impl Room {
    /// The state that several branches agree on. Without conflict it is the one that they all have.
    ///
    /// # Panics
    ///
    /// If `states` is empty.
    pub(super) fn resolve(&self, states: &[StateMap]) -> StateMap {
        let first = states.first().expect("there is a branch");
        if states.iter().all(|state| state.ptr_eq(first) || state == first) {
            return first.clone();
        }
        let maps: Vec<RumaStateMap<OwnedEventId>> = states.iter().map(|state| self.to_ruma(state)).collect();
        let rules = self.version.rules();
        let resolved = ruma_state_res::resolve(
            &rules.authorization,
            self.version.resolution(),
            &maps,
            self.differing_auth_chains(states),
            |id| self.judged(id),
            |conflicted| Some(self.conflicted_subgraph(conflicted.values().flatten())),
        );
        match resolved {
            Ok(map) => self.from_ruma(&map),
            // Every event of every branch is held, so ruma finds all that it asks for.
            Err(error) => unreachable!("state resolution over held events failed: {error}"),
        }
    }

    fn to_ruma(&self, state: &StateMap) -> RumaStateMap<OwnedEventId> {
        let entry = |(slot, idx): (&_, &EventIdx)| {
            let (kind, key) = self.slots.pair(*slot);
            ((kind.clone(), key.to_owned()), self.graph.id(*idx).to_owned())
        };
        state.iter().map(entry).collect()
    }

    fn from_ruma(&self, map: &RumaStateMap<OwnedEventId>) -> StateMap {
        map.iter()
            .map(|((kind, key), id)| {
                let slot = self.slots.find(kind, key).expect("only events of the branches are chosen");
                (slot, self.graph.get(id).expect("only events of the branches are chosen"))
            })
            .collect()
    }

    /// The full auth chains of the branches, without what is in all of them: an event in every chain is in no
    /// difference.
    ///
    /// By the text (rooms v2, "Definitions"; matrix-spec#1041) an event is not in its own auth chain. Synapse counts
    /// the events of a state as part of the state's chain, and that decides some conflicts: an event that all branches
    /// have in their state, but that only one of them cites, is in no difference. A room has one state if its servers
    /// agree, so this follows Synapse; `tests/real_rooms.rs` has states that come out otherwise by the letter.
    fn differing_auth_chains(&self, states: &[StateMap]) -> Vec<EventIdSet<OwnedEventId>> {
        let agreed = |slot: &Slot, idx: &EventIdx| states.iter().all(|state| state.get(slot) == Some(idx));
        let common: Vec<EventIdx> =
            states[0].iter().filter(|entry| agreed(entry.0, entry.1)).map(|(_, idx)| *idx).collect();
        let common = self.with_auth_chain(common);
        states
            .iter()
            .map(|state| {
                let own = state.iter().filter(|entry| !agreed(entry.0, entry.1)).map(|(_, idx)| *idx);
                let chain = self.with_auth_chain(own.collect());
                chain.difference(&common).map(|idx| self.graph.id(*idx).to_owned()).collect()
            })
            .collect()
    }

    fn with_auth_chain(&self, events: Vec<EventIdx>) -> BTreeSet<EventIdx> {
        let mut chain = self.auth_chain(events.iter().copied());
        chain.extend(events);
        chain
    }

    /// All events reached over auth events, the given ones excluded unless another reaches them. Events that are
    /// not held end the chain.
    pub fn auth_chain(&self, of: impl Iterator<Item = EventIdx>) -> BTreeSet<EventIdx> {
        let mut chain = BTreeSet::new();
        let mut open: Vec<EventIdx> = of.collect();
        while let Some(idx) = open.pop() {
            for parent in self.auth_parents(idx) {
                if chain.insert(parent) {
                    open.push(parent);
                }
            }
        }
        chain
    }

    fn auth_parents(&self, idx: EventIdx) -> impl Iterator<Item = EventIdx> {
        let held = self.held(idx);
        held.into_iter().flat_map(|held| held.pdu.auth_events()).filter_map(|id| self.graph.get(id))
    }

    /// Every event on a path of auth events between two conflicted ones, ends included (MSC4297).
    fn conflicted_subgraph<'a>(
        &self,
        conflicted: impl Iterator<Item = &'a OwnedEventId>,
    ) -> EventIdSet<OwnedEventId> {
        let conflicted: BTreeSet<EventIdx> = conflicted.filter_map(|id| self.graph.get(id)).collect();
        let mut backwards: BTreeSet<EventIdx> = conflicted.clone();
        backwards.extend(self.auth_chain(conflicted.iter().copied()));
        // An event is on a path when a conflicted one reaches it and it reaches a conflicted one; auth events are
        // older, so by rising index (order of arrival) is not enough: repeat until nothing changes.
        let mut on_path = conflicted.clone();
        loop {
            let more: Vec<EventIdx> = backwards
                .difference(&on_path)
                .copied()
                .filter(|idx| self.auth_parents(*idx).any(|parent| on_path.contains(&parent)))
                .collect();
            if more.is_empty() {
                break;
            }
            on_path.extend(more);
        }
        on_path.into_iter().map(|idx| self.graph.id(idx).to_owned()).collect()
    }

    fn judged(&self, id: &EventId) -> Option<JudgedPdu<'_>> {
        let default = &self.default_join_rules;
        if *id == **default.event_id() {
            return Some(JudgedPdu::good(default));
        }
        let held = self.held(self.graph.get(id)?)?;
        let lacks_join_rules =
            *held.pdu.kind() == TimelineEventType::RoomMember && !self.cites_join_rules(&held.pdu);
        // Where neither the partial state nor the event itself has join rules, ruma would look no further.
        let implied_auth = lacks_join_rules.then(|| default.event_id());
        Some(JudgedPdu { implied_auth, ..held.judged() })
    }

    fn cites_join_rules(&self, pdu: &Pdu) -> bool {
        let mut cited = pdu.auth_events().iter().filter_map(|id| self.held_by_id(id));
        cited.any(|held| *held.pdu.kind() == TimelineEventType::RoomJoinRules)
    }
}
