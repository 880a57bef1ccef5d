//! The state before an event and the current state, computed from the states after the events before.

use std::collections::BTreeMap;

use ruma_common::OwnedEventId;
use ruma_events::StateEventType;

use crate::{
    matrix::pdu::Pdu,
    room::{NamedState, Room, StateName, graph::EventIdx, state::StateMap},
};

/// What the rules may look at for any event, beside what the event says that it needs.
const ALWAYS_NEEDED: [StateEventType; 2] = [StateEventType::RoomCreate, StateEventType::RoomPowerLevels];

/// How many resolutions a room remembers before it starts over: the events of one moment cite the same
/// branches.
const REMEMBERED_RESOLUTIONS: usize = 256;

impl Room {
    /// The state before an event, all of whose `prev_events` have one: who does not wait for that can only
    /// guess.
    pub(super) fn state_before_of(&mut self, pdu: &Pdu) -> NamedState {
        let has_state = |id: &OwnedEventId| self.held_by_id(id).is_some_and(|held| held.after.is_some());
        if !pdu.prev_events().iter().all(has_state) {
            return NamedState { name: self.name_state(), state: self.current.clone() };
        }
        let heads: Vec<EventIdx> = pdu.prev_events().iter().filter_map(|id| self.graph.get(id)).collect();
        self.state_after_heads(&heads)
    }

    /// The state after several events; resolution runs only where their states may differ.
    fn state_after_heads(&mut self, heads: &[EventIdx]) -> NamedState {
        if let [only] = heads
            && let Some(name) = self.held(*only).and_then(|held| held.after)
            && let Some(state) = self.state_after(*only)
        {
            return NamedState { name, state };
        }
        let name = |idx: &EventIdx| Some((self.held(*idx)?.after?, *idx));
        let branches: BTreeMap<StateName, EventIdx> = heads.iter().filter_map(name).collect();
        let names: Vec<StateName> = branches.keys().copied().collect();
        if let Some(known) = self.resolutions.get(&names) {
            return known.clone();
        }
        let states: Vec<StateMap> = branches.values().filter_map(|idx| self.state_after(*idx)).collect();
        match (&names[..], &states[..]) {
            ([], _) | (_, []) => NamedState { name: self.name_state(), state: StateMap::new() },
            ([name], [only]) => NamedState { name: *name, state: only.clone() },
            (_, several) => {
                let state = self.resolve(several);
                let same = several.iter().position(|branch| *branch == state);
                let name = same.map_or_else(|| self.name_state(), |nth| names[nth]);
                let resolved = NamedState { name, state };
                if self.resolutions.len() >= REMEMBERED_RESOLUTIONS {
                    self.resolutions.clear();
                }
                self.resolutions.insert(names, resolved.clone());
                resolved
            }
        }
    }

    pub(super) fn name_state(&mut self) -> StateName {
        self.states_named += 1;
        StateName(self.states_named)
    }

    /// What the current state has for an event to be judged by, if that is clear without resolving it: the
    /// states after all forward extremities have the same there.
    pub(super) fn agreed_by_extremities(&self, pdu: &Pdu) -> Option<StateMap> {
        let states: Option<Vec<StateMap>> =
            self.graph.forward_extremities().map(|idx| self.state_after(idx)).collect();
        let states = states?;
        let (first, others) = states.split_first()?;
        let own = pdu.needs().iter().map(|(kind, key)| (kind, key.as_str()));
        let needs = own.chain(ALWAYS_NEEDED.iter().map(|kind| (kind, "")));
        let agreed = needs.filter_map(|(kind, key)| self.slots.find(kind, key)).map(|slot| {
            // What no branch has, their resolution can still bring.
            let fills = first.get(&slot)?;
            others.iter().all(|state| state.get(&slot) == Some(fills)).then_some((slot, *fills))
        });
        if pdu.needs().is_empty() { None } else { agreed.collect() }
    }

    /// Works out the current state, if that was put off.
    pub(super) fn catch_up(&mut self) {
        if std::mem::take(&mut self.current_is_stale) {
            let heads: Vec<EventIdx> = self.graph.forward_extremities().collect();
            if !heads.is_empty() {
                self.current = self.state_after_heads(&heads).state;
            }
        }
    }

    pub(super) fn update_current(&mut self, changed: EventIdx) {
        if self.defers_current {
            self.current_is_stale = true;
            return;
        }
        let mut heads: Vec<EventIdx> = self.graph.forward_extremities().collect();
        // Only a server with a bug has history and no tip; what it took for the state it goes on to take for
        // it.
        if heads.is_empty() {
            return;
        }
        if !self.habits.resolves_all_extremities && heads.contains(&changed) {
            heads = vec![changed];
        }
        self.current = self.state_after_heads(&heads).state;
    }
}
