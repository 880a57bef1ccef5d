//! What is in conflict between branches: the conflicted slots and the full conflicted set (rooms v2,
//! "Definitions"; the subgraph since room version 12, MSC4297).

use std::collections::{BTreeMap, BTreeSet};

use imbl::ordmap::DiffItem;

use crate::room::{
    Room,
    graph::EventIdx,
    state::{Slot, StateMap},
};

/// The slots that some branches fill otherwise than others, or not at all.
pub(super) fn conflicted_slots(states: &[StateMap]) -> BTreeSet<Slot> {
    let first = &states[0];
    let differing = states[1..].iter().flat_map(|state| first.diff(state));
    differing
        .map(|difference| match difference {
            DiffItem::Add(slot, _) | DiffItem::Remove(slot, _) => *slot,
            DiffItem::Update { old: (slot, _), .. } => *slot,
        })
        .collect()
}

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
    /// The conflicted state set, the auth difference and, where the version has it, the conflicted state
    /// subgraph.
    pub(super) fn full_conflicted_set(
        &self,
        states: &[StateMap],
        conflicted: &BTreeSet<Slot>,
    ) -> BTreeSet<EventIdx> {
        let mut full: BTreeSet<EventIdx> = events_in(states, conflicted).collect();
        let subgraph = self.version.resolution().consider_conflicted_state_subgraph;
        let subgraph = if subgraph { self.conflicted_subgraph(&full) } else { BTreeSet::new() };
        full.extend(subgraph);
        full.extend(self.auth_difference(states, conflicted));
        full
    }

    /// Every event that is in the full auth chain of some branch and not in those of all.
    fn auth_difference(&self, states: &[StateMap], conflicted: &BTreeSet<Slot>) -> Vec<EventIdx> {
        let mut branches_with = BTreeMap::<EventIdx, usize>::new();
        for idx in self.differing_auth_chains(states, conflicted).into_iter().flatten() {
            *branches_with.entry(idx).or_default() += 1;
        }
        let differing = branches_with.into_iter().filter(|(_, branches)| *branches < states.len());
        differing.map(|(idx, _)| idx).collect()
    }

    /// The full auth chains of the branches, without what the agreed state leads to: an event in every chain
    /// is in no difference.
    ///
    /// By the text (rooms v2, "Definitions"; matrix-spec#1041) an event is not in its own auth chain. Synapse
    /// counts the events of a state as part of the state's chain, and that decides some conflicts: an event
    /// that all branches have in their state, but that only one of them cites, is in no difference. A room
    /// has one state if its servers agree, so this follows Synapse; `tests/real_rooms.rs` has states that
    /// come out otherwise by the letter.
    fn differing_auth_chains(
        &self,
        states: &[StateMap],
        conflicted: &BTreeSet<Slot>,
    ) -> Vec<BTreeSet<EventIdx>> {
        let agreed = states[0].iter().filter(|(slot, _)| !conflicted.contains(slot));
        let mut common = Marks(vec![false; self.graph.len()]);
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

    /// Every event on a path of auth events between two conflicted ones, ends included (MSC4297).
    fn conflicted_subgraph(&self, conflicted: &BTreeSet<EventIdx>) -> BTreeSet<EventIdx> {
        let behind = self.auth_chain(conflicted.iter().copied());
        let mut cited_by: Vec<Vec<EventIdx>> = vec![Vec::new(); self.graph.len()];
        for idx in &behind {
            for parent in self.auth_parents(*idx) {
                cited_by[parent.index()].push(*idx);
            }
        }
        // On a path is what a conflicted event reaches and what reaches one: among the first, walk up from
        // them.
        let mut on_path = BTreeSet::new();
        let mut open: Vec<EventIdx> = conflicted.iter().copied().collect();
        while let Some(idx) = open.pop() {
            if on_path.insert(idx) {
                open.extend(&cited_by[idx.index()]);
            }
        }
        on_path
    }
}

fn events_in<'a>(states: &'a [StateMap], slots: &'a BTreeSet<Slot>) -> impl Iterator<Item = EventIdx> + 'a {
    states.iter().flat_map(move |state| slots.iter().filter_map(|slot| state.get(slot).copied()))
}
