//! Receipt of an event: from "verified" to accepted, soft-failed or rejected (SS-API, "Checks performed on
//! receipt of a PDU", steps 4 to 6).
//!
//! Unknown is not rejected: an event that can't be judged for want of another waits, and is judged when that
//! one is there. What was judged by something that turns out otherwise is judged again (`again`).

mod again;
mod claim;
mod outlier;
mod redact;
mod rules;
mod states;

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use ruma_common::{EventId, OwnedEventId};

use super::{Against, Arrival, Held, Judgement, NamedState, Room, Verdict, Waiting, Wants, graph::Standing};
use crate::matrix::pdu::Pdu;

impl Room {
    /// Takes a verified event of this room, in any order. Gives the verdicts that it leads to, in the order
    /// in which they were reached: none while the event waits for others, several when others waited for it.
    pub fn receive(&mut self, pdu: Arc<Pdu>, arrival: Arrival) -> Vec<Judgement> {
        if self.is_settled(pdu.event_id()) {
            return Vec::new();
        }
        let id = pdu.event_id().clone();
        self.waiting.insert(id.clone(), Waiting { pdu, arrival });
        self.settle([id])
    }

    /// Takes many events at once, as [`receive`](Self::receive) would one by one. The current state is worked
    /// out where an event is judged by it, and not after each.
    pub fn receive_all(&mut self, pdus: impl IntoIterator<Item = Arc<Pdu>>, arrival: Arrival) {
        self.defers_current = true;
        for pdu in pdus {
            self.receive(pdu, arrival);
        }
        self.defers_current = false;
        self.catch_up();
    }

    /// Judges waiting events and whatever then becomes judgeable, older first.
    fn settle(&mut self, ids: impl IntoIterator<Item = OwnedEventId>) -> Vec<Judgement> {
        let reworded = self.judged_by_reworded();
        let mut judgements = self.rejudge(reworded);
        let mut open: BTreeSet<(u64, OwnedEventId)> = BTreeSet::new();
        let push = |room: &Self, open: &mut BTreeSet<_>, id: OwnedEventId| {
            if let Some(waiting) = room.waiting.get(&id) {
                open.insert((waiting.pdu.depth(), id));
            }
        };
        for id in ids {
            push(self, &mut open, id);
        }
        let past = self.waiting_below_history();
        while let Some((_, id)) = open.pop_first() {
            let waiting = &self.waiting[&id];
            let wants = self.wants_of(&waiting.pdu);
            if wants != Wants::default() {
                for wanted in wants.auth_events.into_iter().chain(wants.prev_events) {
                    self.blocked.entry(wanted).or_default().insert(id.clone());
                }
                continue;
            }
            let Waiting { pdu, arrival } = self.waiting.remove(&id).expect("it was just seen");
            let arrival = if past.contains(&id) { Arrival::Backfilled } else { arrival };
            let before = self.held_before(&id);
            let verdict = self.judge(pdu, arrival);
            judgements.push(Judgement { event_id: id.clone(), verdict });
            if let Some(before) = before {
                let above = self.built_on(before);
                judgements.extend(self.rejudge(above));
            }
            let reworded = self.judged_by_reworded();
            judgements.extend(self.rejudge(reworded));
            judgements.extend(self.recheck_claims_above(&id));
            let revived = self.revive_outliers_above(&id);
            for woken in self.blocked.remove(&id).into_iter().flatten().chain(revived) {
                push(self, &mut open, woken);
            }
        }
        judgements
    }

    fn wake(&mut self, id: &EventId) -> Vec<Judgement> {
        let woken = self.blocked.remove(id).unwrap_or_default();
        self.settle(woken)
    }

    fn judge(&mut self, pdu: Arc<Pdu>, arrival: Arrival) -> Verdict {
        let state_before = self.state_before_of(&pdu);
        let rejected = self
            .check_auth_events(&pdu)
            .and_then(|()| self.check_after(&pdu, &state_before.state, Against::StateBefore))
            .err();
        let verdict = match rejected {
            Some(refusal) => Verdict::Rejected(refusal),
            None => match self.check_current(&pdu, arrival) {
                Ok(()) => Verdict::Accepted,
                Err(refusal) => Verdict::SoftFailed(refusal),
            },
        };
        self.place(pdu, state_before, &verdict, false);
        verdict
    }

    fn place(&mut self, pdu: Arc<Pdu>, before: NamedState, verdict: &Verdict, claimed: bool) {
        let (standing, rejected, soft_failed) = match verdict {
            Verdict::Accepted => (Standing::Accepted, None, None),
            Verdict::SoftFailed(refusal) => (Standing::SoftFailed, None, Some(refusal.clone())),
            Verdict::Rejected(refusal) => (Standing::Rejected, Some(refusal.clone()), None),
        };
        let id = pdu.event_id().clone();
        let changes_state = rejected.is_none() && pdu.state_key().is_some();
        let after = if changes_state { self.name_state() } else { before.name };
        self.store(pdu, standing, |held| {
            held.rejected = rejected;
            held.soft_failed = soft_failed;
            held.state_before = Some(before.state);
            held.after = Some(after);
            held.claimed = claimed;
        });
        self.apply_redactions(&id);
    }

    fn store(&mut self, pdu: Arc<Pdu>, standing: Standing, fill: impl FnOnce(&mut Held)) {
        let forward_changes = self.graph.forward_changes();
        if let Some((kind, key)) = pdu.state_slot() {
            self.slots.number(&kind.to_string().into(), key);
        }
        let idx = self.graph.insert(
            pdu.event_id(),
            pdu.depth(),
            pdu.prev_events().iter().map(|id| &**id),
            standing,
        );
        self.held.resize_with(self.graph.len(), || None);
        let auth_events = pdu.auth_events().iter().filter_map(|id| self.graph.get(id)).collect();
        let held = self.held[idx.index()].get_or_insert(Held {
            pdu,
            auth_events,
            rejected: None,
            soft_failed: None,
            state_before: None,
            after: None,
            claimed: false,
            redacted_by: None,
            outline: None,
        });
        fill(held);
        self.graph.set_standing(idx, standing);
        // What is not accepted is no tip, but can show that one descends from another.
        if standing == Standing::Accepted || self.graph.forward_changes() != forward_changes {
            self.update_current(idx);
        }
    }

    /// An event that waits for what is before it becomes an outlier, if what allows it is held.
    fn stop_waiting(&mut self, id: &EventId) {
        let Some(waiting) = self.waiting.get(id) else { return };
        if self.missing_auth(&waiting.pdu).next().is_some() {
            return;
        }
        let pdu = self.waiting.remove(id).expect("it was just seen").pdu;
        for waiters in self.blocked.values_mut() {
            waiters.remove(id);
        }
        self.blocked.retain(|_, waiters| !waiters.is_empty());
        if self.held_by_id(id).is_none() {
            self.add_outlier(pdu);
        }
    }

    /// Waiting events that history is built on: by whatever road they come, they are its past, not news.
    pub fn waiting_below_history(&self) -> BTreeSet<OwnedEventId> {
        let mut past = BTreeSet::new();
        let mut open: Vec<OwnedEventId> =
            self.graph.backward_extremities().map(|idx| self.graph.id(idx).to_owned()).collect();
        while let Some(id) = open.pop() {
            if let Some(waiting) = self.waiting.get(&id)
                && past.insert(id)
            {
                open.extend(waiting.pdu.prev_events().iter().cloned());
            }
        }
        past
    }

    /// What would keep an event from being judged, held or not.
    pub fn wants_of(&self, pdu: &Pdu) -> Wants {
        let lacks = |id: &&OwnedEventId| self.habits.waits_for_parents && !self.knows_state_at(id);
        Wants {
            prev_events: pdu.prev_events().iter().filter(lacks).cloned().collect(),
            auth_events: self.missing_auth(pdu).collect(),
        }
    }

    fn knows_state_at(&self, id: &EventId) -> bool {
        let known = |held: &Held| held.state_before.is_some() || !self.habits.revives_outliers;
        self.held_by_id(id).is_some_and(known)
    }

    fn missing_auth(&self, pdu: &Pdu) -> impl Iterator<Item = OwnedEventId> {
        let missing = self
            .auth_events_with_implied(pdu)
            .filter(|id| self.held_by_id(id).is_none() && !self.foreign.contains(&**id));
        missing.map(Cow::into_owned)
    }
}
