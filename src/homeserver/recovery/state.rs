//! Fetching the state at a gap, where the events in it can't be had or are too many: `/state_ids` and
//! `/state`, and the event at its edge as an outlier.

use std::{collections::BTreeSet, sync::Arc};

use ruma_common::{EventId, OwnedEventId, OwnedServerName};

use super::{Attempt, SERVERS_PER_ATTEMPT};
use crate::{
    homeserver::{
        Homeserver,
        observation::{Observation, Source},
    },
    matrix::{endpoint::Endpoint, pdu::Pdu},
    ports::Cause,
    room::{Arrival, Wants},
};

/// At how many events the state is asked for in one attempt: at the missing event, and at some that wait for
/// it.
const STATES_PER_ATTEMPT: usize = 3;

impl Homeserver {
    /// The missing event itself as an outlier, and the state there by a server's word.
    ///
    /// Never by the word of the server alone that sent what waits for it: it could invent both.
    pub(super) async fn fetch_state(&self, attempt: &Attempt) {
        let others = attempt.servers.iter().filter(|server| !attempt.interested.contains(*server));
        let own_word = attempt.servers.iter().filter(|server| attempt.interested.contains(*server));
        let pulled = self.pulled_waiters(attempt);
        let trusted = pulled.len() == attempt.waiters.len();
        let servers: Vec<_> = others.chain(own_word.filter(|_| trusted)).take(SERVERS_PER_ATTEMPT).collect();
        let mut without_edge = BTreeSet::new();
        // Where nobody knows the missing event, somebody may know the state at the one that waits for it.
        for at in [attempt.missing.clone()].into_iter().chain(pulled).take(STATES_PER_ATTEMPT) {
            for server in &servers {
                if self.take_state_from(attempt, server, &at, &mut without_edge).await
                    || !self.is_open(attempt)
                {
                    return;
                }
            }
        }
    }

    /// The state at an event, by a server's word. `without_edge` are those that have no good copy of the
    /// missing event, without which a state is of no use.
    async fn take_state_from(
        &self,
        attempt: &Attempt,
        server: &OwnedServerName,
        at: &EventId,
        without_edge: &mut BTreeSet<OwnedServerName>,
    ) -> bool {
        if without_edge.contains(server) && self.own_copy(attempt).is_none() {
            return false;
        }
        let cause = Cause::StateAt(at.to_owned());
        if let Some(own) = self.own_copy(attempt).filter(|_| *at == *attempt.missing)
            && self.take_if_judgeable(attempt, own, &Source::OwnStore)
        {
            return true;
        }
        let Ok(ids) = self.ask_state_ids(server, &attempt.room, at, &cause).await else {
            return false;
        };
        let unknown: Vec<OwnedEventId> = {
            let durable = self.store.read();
            let Some(room) = durable.rooms.get(&attempt.room) else { return false };
            let all: BTreeSet<_> = ids.pdu_ids.iter().chain(&ids.auth_chain_ids).collect();
            let wanted = |id: &&OwnedEventId| !self.habits.fetches_only_unknown || room.event(id).is_none();
            all.into_iter().filter(wanted).cloned().collect()
        };
        let source = Source::Peer { server: server.clone(), endpoint: Endpoint::State };
        let mut new = if unknown.len() > self.habits.single_fetches_max {
            let Ok(state) = self.ask_state(server, &attempt.room, at, &cause).await else {
                return false;
            };
            let texts: Vec<_> = state.pdus.into_iter().chain(state.auth_chain).collect();
            self.not_held(attempt, &texts, &source).await
        } else {
            let mut fetched = Vec::new();
            for id in &unknown {
                // While others were asked for, it may have come by itself.
                if self.habits.fetches_only_unknown && self.holds(attempt, id) {
                    continue;
                }
                match self.fetch_event(attempt, server, id).await {
                    Some((pdu, _)) => fetched.push(pdu),
                    None if self.habits.keeps_partial_fetches => {}
                    None => return false,
                }
            }
            fetched
        };
        if self.own_copy(attempt).is_none() {
            let edge = self.fetch_event(attempt, server, &attempt.missing).await;
            let Some((edge, source)) = edge else {
                without_edge.insert(server.clone());
                return false;
            };
            if self.take_if_judgeable(attempt, edge.clone(), &source) {
                return true;
            }
            new.push(edge);
        }
        self.add_outliers(attempt, new, &source);
        self.claim(attempt, server, at, &ids.pdu_ids)
    }

    /// Takes the missing event as history if all before it is held: then nobody's word on the state is
    /// needed.
    pub(super) fn take_if_judgeable(&self, attempt: &Attempt, edge: Arc<Pdu>, source: &Source) -> bool {
        let wants = self.store.read().rooms.get(&attempt.room).map(|room| room.wants_of(&edge));
        if wants != Some(Wants::default()) {
            return false;
        }
        self.take(&attempt.room, edge, Arrival::Live, source)
    }

    /// Believes that the state at an event, the missing one or one that waits for it, is that before the
    /// missing one.
    fn claim(
        &self,
        attempt: &Attempt,
        server: &OwnedServerName,
        at: &EventId,
        state: &[OwnedEventId],
    ) -> bool {
        let judgements = self.store.write(|durable| {
            let room = durable.rooms.get_mut(&attempt.room)?;
            let held = |id: &OwnedEventId| room.graph().get(id).is_some_and(|i| room.event_at(i).is_some());
            // A state that lacks some would be another state: then rather none.
            let whole = held(&attempt.missing) && state.iter().all(held);
            (whole && room.is_plausible_state(at, state)).then(|| room.claim_state(&attempt.missing, state))
        });
        let Some(judgements) = judgements else { return false };
        self.see(Observation::StateTaken {
            event_id: attempt.missing.clone(),
            from: server.clone(),
            events: state.len(),
        });
        self.tell(judgements);
        true
    }
}
