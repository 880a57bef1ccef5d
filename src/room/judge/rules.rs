//! The authorization rules, asked of one event: by its auth events, by a state, by the current state.

use std::borrow::Cow;

use ruma_common::{EventId, OwnedEventId};
use ruma_events::{StateEventType, TimelineEventType};
use ruma_state_res::{check_state_dependent_auth_rules, check_state_independent_auth_rules};

use crate::{
    matrix::{
        by_rules::BrokenRule,
        pdu::{JudgedPdu, Pdu},
    },
    room::{Against, Arrival, Held, Refusal, Room, state::StateMap},
};

impl Room {
    pub(super) fn auth_events_with_implied<'p>(
        &self,
        pdu: &'p Pdu,
    ) -> impl Iterator<Item = Cow<'p, EventId>> {
        let listed = pdu.auth_events().iter().map(|id| Cow::Borrowed(&**id));
        listed.chain(self.implied_create(pdu).map(Cow::Owned))
    }

    /// In room version 12 the create event allows every other, without being listed (MSC4291).
    pub(in crate::room) fn implied_create(&self, pdu: &Pdu) -> Option<OwnedEventId> {
        if !self.version.has_hash_room_ids() || pdu.is_create() {
            return None;
        }
        EventId::parse(pdu.room_id().as_str().replacen('!', "$", 1)).ok()
    }

    /// Step 4: against the event's own auth events.
    pub(super) fn check_auth_events(&self, pdu: &Pdu) -> Result<(), Refusal> {
        let auth: Option<Vec<&Held>> =
            self.auth_events_with_implied(pdu).map(|id| self.held_by_id(&id)).collect();
        let auth = auth.filter(|auth| auth.iter().all(|held| held.rejected.is_none()));
        let allowed = match auth {
            Some(auth) if self.habits.judges_by_the_rules() => {
                let auth = auth.iter().map(|held| held.in_force());
                pdu.judged_by(auth, || self.check_auth_events_anew(pdu))
            }
            _ => self.check_auth_events_anew(pdu),
        };
        allowed.map_err(Refusal::from)
    }

    fn check_auth_events_anew(&self, pdu: &Pdu) -> Result<(), BrokenRule> {
        let listed = (self.habits.listed)(self, pdu);
        let event = JudgedPdu { auth_events: &listed, ..JudgedPdu::good(pdu) };
        let held = |id: &EventId| {
            let auth = self.held_by_id(id)?.judged();
            let room_id = if self.habits.knows_rooms_apart { auth.room_id } else { pdu.room_id() };
            Some(JudgedPdu { room_id, ..auth })
        };
        check_state_independent_auth_rules(&self.version.rules().authorization, event, held)
            .map_err(BrokenRule::OfList)?;
        let auth: Vec<&Held> =
            self.auth_events_with_implied(pdu).filter_map(|id| self.held_by_id(&id)).collect();
        let find = |kind: &StateEventType, key: &str| {
            let name = kind.to_string();
            let fills =
                |held: &&&Held| held.pdu.state_key() == Some(key) && held.pdu.kind().to_string() == name;
            auth.iter().find(fills).map(|held| held.judged()).or_else(|| self.default_for(kind))
        };
        self.check_rules(pdu, find).map_err(BrokenRule::OfEvents)
    }

    /// Steps 5 and 6 for an event that passed step 4: a state that has for it what it cites allows it like
    /// that.
    pub(super) fn check_after(&self, pdu: &Pdu, state: &StateMap, by: Against) -> Result<(), Refusal> {
        if self.allows_as_cited(pdu, state) { Ok(()) } else { self.check_state(pdu, state, by) }
    }

    /// Whether a state has in the slots that the rules look at just the events that an event cites.
    fn allows_as_cited(&self, pdu: &Pdu, state: &StateMap) -> bool {
        let needs = pdu.needs().iter();
        let fills = needs.filter_map(|(kind, key)| state.get(&self.slots.find(kind, key)?));
        let fills: Vec<&EventId> = fills.map(|idx| self.graph.id(*idx)).collect();
        let cited: Vec<Cow<'_, EventId>> = self.auth_events_with_implied(pdu).collect();
        fills.len() == cited.len() && fills.iter().all(|id| cited.iter().any(|auth| **auth == **id))
    }

    /// Steps 5 and 6: against a state.
    pub(super) fn check_state(&self, pdu: &Pdu, state: &StateMap, by: Against) -> Result<(), Refusal> {
        let find = |kind: &StateEventType, key: &str| {
            let idx = self.slots.find(kind, key).and_then(|slot| state.get(&slot));
            idx.and_then(|idx| self.held(*idx)).map(Held::judged).or_else(|| self.default_for(kind))
        };
        self.check_rules(pdu, find).map_err(|rule| Refusal { by, rule })
    }

    /// Against whatever set of state events.
    pub(in crate::room) fn check_rules<'a>(
        &self,
        pdu: &Pdu,
        find: impl Fn(&StateEventType, &str) -> Option<JudgedPdu<'a>>,
    ) -> Result<(), String> {
        let sets_levels = *pdu.kind() == TimelineEventType::RoomPowerLevels;
        if !self.habits.guards_first_power_levels
            && sets_levels
            && find(&StateEventType::RoomPowerLevels, "").is_none()
        {
            return Ok(());
        }
        check_state_dependent_auth_rules(&self.version.rules().authorization, JudgedPdu::good(pdu), find)
    }

    /// What stands in for an event that a state lacks: ruma knows no default for the join rules.
    pub(in crate::room) fn default_for(&self, kind: &StateEventType) -> Option<JudgedPdu<'_>> {
        (*kind == StateEventType::RoomJoinRules).then(|| JudgedPdu::good(&self.default_join_rules))
    }

    pub(super) fn check_current(&mut self, pdu: &Pdu, arrival: Arrival) -> Result<(), Refusal> {
        if arrival == Arrival::Backfilled || self.cites_all_extremities(pdu) {
            return Ok(());
        }
        let agreed = if self.current_is_stale { self.agreed_by_extremities(pdu) } else { None };
        if agreed.is_none() {
            self.catch_up();
        }
        let current = agreed.as_ref().unwrap_or(&self.current);
        if current.is_empty() {
            return Ok(());
        }
        self.check_after(pdu, current, Against::CurrentState)
    }

    fn cites_all_extremities(&self, pdu: &Pdu) -> bool {
        let mut count = 0;
        let cited = self.graph.forward_extremities().all(|idx| {
            count += 1;
            pdu.prev_events().iter().any(|id| id == self.graph.id(idx))
        });
        cited && count == pdu.prev_events().len()
    }
}
