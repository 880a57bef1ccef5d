//! What is judged again because something that it was judged by is another than before, upwards until nothing changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma_common::EventId;
use ruma_events::StateEventType;

use crate::{
    matrix::pdu::Pdu,
    room::{
        Against, Judgement, NamedState, Room, Verdict, Wants,
        graph::{EventIdx, Standing},
        state::StateMap,
    },
};

/// How often an event may change sides in one go. Depths may lie, and then what is below comes later; but ids
/// that servers choose (room versions 1 and 2) can make events that allow each other, and for these there is
/// no end.
const TURNS_MAX: usize = 16;

impl Room {
    /// What others may have been judged by of an event that is about to be judged: it was an outlier so far.
    pub(super) fn held_before(&self, id: &EventId) -> Option<Before> {
        let idx = self.graph.get(id)?;
        let held = self.held(idx)?;
        Some(Before { idx, rejected: held.rejected.is_some(), state_after: self.state_after(idx) })
    }

    fn is_rejected(&self, idx: EventIdx) -> bool {
        self.held(idx).is_some_and(|held| held.rejected.is_some())
    }

    /// What was built on what an event was taken for, as far as that was wrong.
    pub(super) fn built_on(&mut self, before: Before) -> Vec<EventIdx> {
        let Before { idx, rejected, state_after } = before;
        let mut built = Vec::new();
        if rejected != self.is_rejected(idx) {
            built.extend(self.swayed_by(idx));
        }
        if state_after.is_some() && state_after != self.state_after(idx) {
            built.extend(self.judged_on(idx));
        }
        built
    }

    /// The events that may come out otherwise now that an event is rejected or no longer so: those that cite
    /// it for what allows them, and those before which states were resolved, with what may be its auth chain.
    fn swayed_by(&mut self, idx: EventIdx) -> Vec<EventIdx> {
        self.resolutions.clear();
        let sways = |other: &EventIdx| {
            let Some(held) = self.held(*other) else { return false };
            let resolved = self.graph.parents(*other).len() > 1 && held.state_before.is_some();
            resolved || held.auth_events.contains(&idx)
        };
        self.graph.iter().filter(sways).collect()
    }

    /// The events that may come out otherwise now that a redaction has changed what state events say: those
    /// that cite one, those before which it is the state, and those before which states were resolved.
    pub(super) fn judged_by_reworded(&mut self) -> Vec<EventIdx> {
        let mut events = Vec::new();
        for idx in std::mem::take(&mut self.reworded) {
            events.extend(self.swayed_by(idx));
            events.extend(self.graph.iter().filter(|other| self.looks_at(*other, idx)));
            self.update_current(idx);
        }
        events
    }

    /// Whether the rules look at a state event when they judge another by the state before it.
    fn looks_at(&self, event: EventIdx, idx: EventIdx) -> bool {
        let Some((held, slot)) = self.held(event).zip(self.held(idx).and_then(|held| self.slot_of(held)))
        else {
            return false;
        };
        let fills = held.state_before.as_ref().is_some_and(|state| state.get(&slot) == Some(&idx));
        let needs = |(kind, key): &(StateEventType, String)| self.slots.find(kind, key) == Some(slot);
        fills && held.pdu.needs().iter().any(needs)
    }

    /// The events behind another whose states were computed from the one after it.
    fn judged_on(&self, idx: EventIdx) -> Vec<EventIdx> {
        let computed = |child: &EventIdx| {
            self.held(*child).is_some_and(|held| held.state_before.is_some() && !held.claimed)
        };
        self.graph.children(idx).iter().copied().filter(computed).collect()
    }

    /// Computes the states before events anew, judges them again where that or the verdict on what they cite
    /// differs, and so on upwards.
    pub(super) fn rejudge(&mut self, events: impl IntoIterator<Item = EventIdx>) -> Vec<Judgement> {
        let mut judgements = Vec::new();
        let mut open: BTreeSet<(u64, EventIdx)> =
            events.into_iter().map(|idx| (self.graph.depth(idx), idx)).collect();
        let Some((_, from)) = open.first().copied() else { return judgements };
        let mut turns: BTreeMap<EventIdx, usize> = BTreeMap::new();
        while let Some((_, idx)) = open.pop_first() {
            let before = self.held_before(self.graph.id(idx)).expect("only held events are queued");
            let was = before.rejected;
            if let Some(judgement) = self.judge_again(idx) {
                judgements.push(judgement);
            }
            let mut built = self.claims_on(idx);
            let reworded = self.judged_by_reworded();
            let turned = was != self.is_rejected(idx) || !reworded.is_empty();
            let times = turns.entry(idx).or_default();
            *times += usize::from(turned);
            if *times <= TURNS_MAX {
                built.extend(self.built_on(before));
                built.extend(reworded);
            }
            open.extend(built.into_iter().map(|idx| (self.graph.depth(idx), idx)));
        }
        self.update_current(from);
        judgements
    }

    /// Judges an event once more by what is known now. Gives the verdict on history, if that changes.
    fn judge_again(&mut self, idx: EventIdx) -> Option<Judgement> {
        let held = self.held(idx).expect("only held events are judged again");
        let (pdu, was, soft_failed) = (held.pdu.clone(), held.rejected.is_some(), held.soft_failed.clone());
        let (old, claimed) = (held.state_before.clone(), held.claimed);
        if old.is_none() || self.graph.standing(idx) == Standing::Outlier || claimed && was {
            self.judge_outlier_again(idx, pdu);
            return None;
        }
        let stays_claimed = claimed && self.wants_of(&pdu) != Wants::default();
        let new = match old.clone() {
            Some(state) if stays_claimed => NamedState { name: self.name_state(), state },
            _ => self.state_before_of(&pdu),
        };
        let rejected = self
            .check_auth_events(&pdu)
            .and_then(|()| self.check_state(&pdu, &new.state, Against::StateBefore))
            .err();
        if old.as_ref() == Some(&new.state) && rejected.is_some() == was {
            self.held[idx.index()].as_mut().expect("held").claimed = stays_claimed;
            return None;
        }
        let is = rejected.is_some();
        let verdict = match (rejected, soft_failed) {
            (Some(refusal), _) => Verdict::Rejected(refusal),
            (None, Some(refusal)) => Verdict::SoftFailed(refusal),
            (None, None) => Verdict::Accepted,
        };
        self.place(pdu.clone(), new, &verdict, stays_claimed);
        (is != was).then(|| Judgement { event_id: pdu.event_id().clone(), verdict })
    }

    fn judge_outlier_again(&mut self, idx: EventIdx, pdu: Arc<Pdu>) {
        let was = self.is_rejected(idx);
        if self.check_auth_events(&pdu).is_err() == was {
            return;
        }
        let after = self.name_state();
        self.add_outlier(pdu);
        let held = self.held[idx.index()].as_mut().expect("it was just stored");
        held.after = held.after.map(|_| after);
    }
}

/// What others were judged by of an event.
pub(super) struct Before {
    pub(super) idx: EventIdx,
    rejected: bool,
    state_after: Option<StateMap>,
}
