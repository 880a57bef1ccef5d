//! States by the word of a peer: taken where what is before an event can't be had, and computed anew when the events
//! below arrive.

use std::{collections::BTreeSet, sync::Arc};

use ruma_common::{EventId, OwnedEventId};

use crate::{
    matrix::pdu::Pdu,
    room::{
        Against, Held, Judgement, NamedState, Room, Verdict, Wants,
        graph::{EventIdx, Standing},
        state::StateMap,
    },
};

impl Room {
    /// Believes a peer's word on the state before an event that is held, and judges what waited for it.
    ///
    /// Events of `state` that are not held or were rejected are left out.
    pub fn claim_state(&mut self, id: &EventId, state: &[OwnedEventId]) -> Vec<Judgement> {
        self.stop_waiting(id);
        let Some(idx) = self.graph.get(id) else { return Vec::new() };
        let claimed = self.state_of(state);
        let after = self.name_state();
        let Some(held) = self.held[idx.index()].as_mut() else { return Vec::new() };
        if held.state_before.is_some() {
            return Vec::new();
        }
        held.state_before = Some(claimed);
        held.after = Some(after);
        held.claimed = true;
        let woken = self.blocked.remove(id).unwrap_or_default();
        self.settle(woken)
    }

    /// Adds to the state before an event what the peer named too whose word it is, and what came later;
    /// judges again what was built on the less that was known.
    pub fn complete_claim(&mut self, id: &EventId, late: &EventId) -> Vec<Judgement> {
        let Some(before) = self.held_before(id) else { return Vec::new() };
        let (idx, more, after) = (before.idx, self.state_of(&[late.to_owned()]), self.name_state());
        let Some(held) = self.held[idx.index()].as_mut().filter(|held| held.claimed) else {
            return Vec::new();
        };
        let Some(state) = held.state_before.as_mut() else { return Vec::new() };
        for (slot, event) in more {
            state.insert(slot, event);
        }
        held.after = Some(after);
        let built = self.built_on(before);
        let judgements = self.rejudge(built);
        self.update_current(idx);
        judgements
    }

    /// Whether a peer's word on the state before a held event can be true. Servers tell a state only where
    /// they accepted the event; so the state must allow it, and fill each slot that the event cites as what
    /// allows it.
    pub fn is_plausible_state(&mut self, id: &EventId, state: &[OwnedEventId]) -> bool {
        let Some(pdu) = self.event(id).cloned() else { return false };
        let claimed = self.state_of(state);
        // A rejected event is left out of the state, but whoever names it does not hide its slot.
        let slot = |id: &OwnedEventId| {
            let held = self.held_by_id(id)?;
            held.pdu.state_slot().map(|(kind, key)| (kind.to_string(), key.to_owned()))
        };
        let named: BTreeSet<(String, String)> = state.iter().filter_map(slot).collect();
        let fills = |auth: &OwnedEventId| slot(auth).is_none_or(|slot| named.contains(&slot));
        let is_whole = claimed.len() == state.len();
        pdu.auth_events().iter().all(fills)
            && (!is_whole || self.check_state(&pdu, &claimed, Against::StateBefore).is_ok())
    }

    /// Starts the room from a join: the join event stands on the resident server's word for the state before
    /// it (SS-API, "Joining Rooms"). The events of that state must have been added as outliers.
    pub fn start_from_join(&mut self, join: Arc<Pdu>, state: &[OwnedEventId]) -> Vec<Judgement> {
        let claimed = NamedState { name: self.name_state(), state: self.state_of(state) };
        let id = join.event_id().clone();
        let rejected = self
            .check_auth_events(&join)
            .and_then(|()| self.check_state(&join, &claimed.state, Against::StateBefore))
            .err();
        let verdict = rejected.map_or(Verdict::Accepted, Verdict::Rejected);
        self.place(join, claimed, &verdict, true);
        let mut judgements = vec![Judgement { event_id: id.clone(), verdict }];
        judgements.extend(self.wake(&id));
        judgements
    }

    /// Takes an event above a gap with somebody's word for the state before it, and judges it by that. The
    /// events of that state must have been added as outliers. An event that lacks what allows it goes on
    /// waiting.
    pub fn receive_with_state(&mut self, pdu: Arc<Pdu>, state: &[OwnedEventId]) -> Vec<Judgement> {
        let id = pdu.event_id().clone();
        self.stop_waiting(&id);
        if self.waiting.contains_key(&id) {
            return Vec::new();
        }
        let before = self.held_before(&id);
        let mut judgements = self.start_from_join(pdu, state);
        if let Some(before) = before {
            let above = self.built_on(before);
            judgements.extend(self.rejudge(above));
        }
        judgements
    }

    fn state_of(&mut self, ids: &[OwnedEventId]) -> StateMap {
        let mut state = StateMap::new();
        for id in ids {
            let Some(idx) = self.graph.get(id) else { continue };
            let bars = |held: &&Held| held.rejected.is_none() || !self.habits.bars_rejected_from_state;
            let Some(held) = self.held(idx).filter(bars) else { continue };
            let pdu = held.pdu.clone();
            if let Some((kind, key)) = pdu.state_slot() {
                state.insert(self.slots.number(&kind.to_string().into(), key), idx);
            }
        }
        state
    }

    /// An event has its true state now: do the claims that stand directly on it hold?
    pub(super) fn recheck_claims_above(&mut self, id: &EventId) -> Vec<Judgement> {
        let idx = self.graph.get(id).expect("it was just placed");
        self.rejudge(self.claims_on(idx))
    }

    /// The judged events behind another that have a peer's word for the state before them, and need it no
    /// more.
    pub(super) fn claims_on(&self, idx: EventIdx) -> Vec<EventIdx> {
        let judged = self.needless_claims_on(idx).filter(|(_, standing)| *standing != Standing::Outlier);
        judged.map(|(child, _)| child).collect()
    }

    /// The events behind another that have a peer's word for the state before them, and need it no more.
    pub(super) fn needless_claims_on(&self, idx: EventIdx) -> impl Iterator<Item = (EventIdx, Standing)> {
        let needless = |held: &Held| held.claimed && self.wants_of(&held.pdu) == Wants::default();
        let children = self.graph.children(idx).iter().copied();
        children
            .filter(move |child| self.held(*child).is_some_and(needless))
            .map(|child| (child, self.graph.standing(child)))
    }
}
