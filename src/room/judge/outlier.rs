//! Outliers: events that are held for what they allow, and not as history.

use std::{collections::BTreeSet, sync::Arc};

use ruma_common::{EventId, OwnedEventId};

use crate::{
    matrix::pdu::Pdu,
    room::{Arrival, Judgement, Room, Waiting, graph::Standing},
};

impl Room {
    /// Takes verified events that are needed for what they allow or are, not as history: the state at some
    /// event and its auth chain. Gives the verdicts on events that waited for them.
    ///
    /// Those whose auth events are neither held nor among them are left out.
    pub fn add_outliers(&mut self, pdus: impl IntoIterator<Item = Arc<Pdu>>) -> Vec<Judgement> {
        let mut left: Vec<Arc<Pdu>> =
            pdus.into_iter().filter(|pdu| self.held_by_id(pdu.event_id()).is_none()).collect();
        let mut woken = BTreeSet::new();
        loop {
            let before = left.len();
            left.retain(|pdu| {
                let judgeable = self.missing_auth(pdu).next().is_none();
                if judgeable && self.held_by_id(pdu.event_id()).is_none() {
                    self.add_outlier(pdu.clone());
                    woken.extend(self.blocked.remove(pdu.event_id()).into_iter().flatten());
                }
                !judgeable
            });
            if left.len() == before || left.is_empty() {
                if !self.habits.wants_whole_auth_chains {
                    woken.extend(self.add_by_name(&left));
                }
                return self.settle(woken);
            }
        }
    }

    /// Takes those whose auth events came too, whatever became of these. Gives what waited for them.
    fn add_by_name(&mut self, pdus: &[Arc<Pdu>]) -> BTreeSet<OwnedEventId> {
        let came = |id: &OwnedEventId| pdus.iter().any(|pdu| pdu.event_id() == id);
        let named = |pdu: &&Arc<Pdu>| self.missing_auth(pdu).all(|id| came(&id));
        let named: Vec<Arc<Pdu>> = pdus.iter().filter(named).cloned().collect();
        let mut woken = BTreeSet::new();
        for pdu in named {
            woken.extend(self.blocked.remove(pdu.event_id()).into_iter().flatten());
            self.store(pdu, Standing::Outlier, |_| {});
        }
        woken
    }

    pub(super) fn add_outlier(&mut self, pdu: Arc<Pdu>) {
        let rejected = self.check_auth_events(&pdu).err();
        let standing = if rejected.is_some() { Standing::Rejected } else { Standing::Outlier };
        let id = pdu.event_id().clone();
        self.store(pdu, standing, |held| held.rejected = rejected);
        self.redact(&id);
    }

    /// Notes that an event is of another room, and judges what waited for it.
    pub fn note_foreign(&mut self, id: &EventId) -> Vec<Judgement> {
        if !self.foreign.insert(id.to_owned()) {
            return Vec::new();
        }
        self.wake(id)
    }

    /// Lets outliers wait to be judged that stand on an event, have a peer's word for the state before them,
    /// and need it no more. Gives them.
    pub(super) fn revive_outliers_above(&mut self, id: &EventId) -> Vec<OwnedEventId> {
        let idx = self.graph.get(id).expect("it was just placed");
        let outliers = self.needless_claims_on(idx).filter(|(_, standing)| *standing == Standing::Outlier);
        let outliers: Vec<Arc<Pdu>> =
            outliers.filter_map(|(child, _)| Some(self.held(child)?.pdu.clone())).collect();
        let ids = outliers.iter().map(|pdu| pdu.event_id().clone()).collect();
        for pdu in outliers {
            let id = pdu.event_id().clone();
            self.waiting.insert(id, Waiting { pdu, arrival: Arrival::Backfilled });
        }
        ids
    }
}
