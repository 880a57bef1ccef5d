//! Receipt of an event: from "verified" to accepted, soft-failed or rejected (SS-API, "Checks performed on
//! receipt of a PDU", steps 4 to 6).
//!
//! Unknown is not rejected: an event that can't be judged for want of another waits, and is judged when that
//! one is there. A state that is only a peer's word is computed anew when the events below it arrive, and
//! what was built on it is judged again if it differs.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma_common::{EventId, OwnedEventId};
use ruma_events::{StateEventType, TimelineEventType};
use ruma_state_res::{check_state_dependent_auth_rules, check_state_independent_auth_rules};

use super::{
    Against, Arrival, Held, Judgement, NamedState, Refusal, Room, StateName, Verdict, Waiting, Wants,
    graph::{EventIdx, Standing},
    state::StateMap,
};
use crate::matrix::{
    by_rules::BrokenRule,
    pdu::{JudgedPdu, Pdu},
};

/// What the rules may look at for any event, beside what the event says that it needs.
const ALWAYS_NEEDED: [StateEventType; 2] = [StateEventType::RoomCreate, StateEventType::RoomPowerLevels];

/// How many resolutions a room remembers before it starts over: the events of one moment cite the same
/// branches.
const REMEMBERED_RESOLUTIONS: usize = 256;

/// How often an event may change sides in one go. Depths may lie, and then what is below comes later; but ids
/// that servers choose (room versions 1 and 2) can make events that allow each other, and for these there is
/// no end.
const TURNS_MAX: usize = 16;

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

    fn add_outlier(&mut self, pdu: Arc<Pdu>) {
        let rejected = self.check_auth_events(&pdu).err();
        let standing = if rejected.is_some() { Standing::Rejected } else { Standing::Outlier };
        let id = pdu.event_id().clone();
        self.store(pdu, standing, |held| held.rejected = rejected);
        self.redact(&id);
    }

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

    /// Notes that an event is of another room, and judges what waited for it.
    pub fn note_foreign(&mut self, id: &EventId) -> Vec<Judgement> {
        if !self.foreign.insert(id.to_owned()) {
            return Vec::new();
        }
        self.wake(id)
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

    fn wake(&mut self, id: &EventId) -> Vec<Judgement> {
        let woken = self.blocked.remove(id).unwrap_or_default();
        self.settle(woken)
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

    fn auth_events_with_implied<'p>(&self, pdu: &'p Pdu) -> impl Iterator<Item = Cow<'p, EventId>> {
        let listed = pdu.auth_events().iter().map(|id| Cow::Borrowed(&**id));
        listed.chain(self.implied_create(pdu).map(Cow::Owned))
    }

    /// In room version 12 the create event allows every other, without being listed (MSC4291).
    pub(super) fn implied_create(&self, pdu: &Pdu) -> Option<OwnedEventId> {
        if !self.version.has_hash_room_ids() || pdu.is_create() {
            return None;
        }
        EventId::parse(pdu.room_id().as_str().replacen('!', "$", 1)).ok()
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

    /// The state before an event, all of whose `prev_events` have one: who does not wait for that can only
    /// guess.
    fn state_before_of(&mut self, pdu: &Pdu) -> NamedState {
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

    fn name_state(&mut self) -> StateName {
        self.states_named += 1;
        StateName(self.states_named)
    }

    /// Step 4: against the event's own auth events.
    fn check_auth_events(&self, pdu: &Pdu) -> Result<(), Refusal> {
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
    fn check_after(&self, pdu: &Pdu, state: &StateMap, by: Against) -> Result<(), Refusal> {
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
    fn check_state(&self, pdu: &Pdu, state: &StateMap, by: Against) -> Result<(), Refusal> {
        let find = |kind: &StateEventType, key: &str| {
            let idx = self.slots.find(kind, key).and_then(|slot| state.get(&slot));
            idx.and_then(|idx| self.held(*idx)).map(Held::judged).or_else(|| self.default_for(kind))
        };
        self.check_rules(pdu, find).map_err(|rule| Refusal { by, rule })
    }

    /// Against whatever set of state events.
    pub(super) fn check_rules<'a>(
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
    pub(super) fn default_for(&self, kind: &StateEventType) -> Option<JudgedPdu<'_>> {
        (*kind == StateEventType::RoomJoinRules).then(|| JudgedPdu::good(&self.default_join_rules))
    }

    fn check_current(&mut self, pdu: &Pdu, arrival: Arrival) -> Result<(), Refusal> {
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

    /// What the current state has for an event to be judged by, if that is clear without resolving it: the
    /// states after all forward extremities have the same there.
    fn agreed_by_extremities(&self, pdu: &Pdu) -> Option<StateMap> {
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
    fn catch_up(&mut self) {
        if std::mem::take(&mut self.current_is_stale) {
            let heads: Vec<EventIdx> = self.graph.forward_extremities().collect();
            if !heads.is_empty() {
                self.current = self.state_after_heads(&heads).state;
            }
        }
    }

    fn update_current(&mut self, changed: EventIdx) {
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

    /// An event has its true state now: do the claims that stand directly on it hold?
    fn recheck_claims_above(&mut self, id: &EventId) -> Vec<Judgement> {
        let idx = self.graph.get(id).expect("it was just placed");
        self.rejudge(self.claims_on(idx))
    }

    /// Lets outliers wait to be judged that stand on an event, have a peer's word for the state before them,
    /// and need it no more. Gives them.
    fn revive_outliers_above(&mut self, id: &EventId) -> Vec<OwnedEventId> {
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

    /// The judged events behind another that have a peer's word for the state before them, and need it no
    /// more.
    fn claims_on(&self, idx: EventIdx) -> Vec<EventIdx> {
        let judged = self.needless_claims_on(idx).filter(|(_, standing)| *standing != Standing::Outlier);
        judged.map(|(child, _)| child).collect()
    }

    /// The events behind another that have a peer's word for the state before them, and need it no more.
    fn needless_claims_on(&self, idx: EventIdx) -> impl Iterator<Item = (EventIdx, Standing)> {
        let needless = |held: &Held| held.claimed && self.wants_of(&held.pdu) == Wants::default();
        let children = self.graph.children(idx).iter().copied();
        children
            .filter(move |child| self.held(*child).is_some_and(needless))
            .map(|child| (child, self.graph.standing(child)))
    }

    /// What others may have been judged by of an event that is about to be judged: it was an outlier so far.
    fn held_before(&self, id: &EventId) -> Option<Before> {
        let idx = self.graph.get(id)?;
        let held = self.held(idx)?;
        Some(Before { idx, rejected: held.rejected.is_some(), state_after: self.state_after(idx) })
    }

    fn is_rejected(&self, idx: EventIdx) -> bool {
        self.held(idx).is_some_and(|held| held.rejected.is_some())
    }

    /// What was built on what an event was taken for, as far as that was wrong.
    fn built_on(&mut self, before: Before) -> Vec<EventIdx> {
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
    fn judged_by_reworded(&mut self) -> Vec<EventIdx> {
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
    fn rejudge(&mut self, events: impl IntoIterator<Item = EventIdx>) -> Vec<Judgement> {
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

    /// A redaction takes effect when it is history, its target is not rejected, and the sender may (rooms v3,
    /// "Handling redactions"): in whichever order they come, and for as long as that is so.
    fn apply_redactions(&mut self, id: &EventId) {
        let pdu = self.held_by_id(id).expect("it was just placed").pdu.clone();
        if *pdu.kind() == TimelineEventType::RoomRedaction
            && let Some(target) = pdu.redacts()
        {
            self.redactions.entry(target.to_owned()).or_default().insert(id.to_owned());
            self.redact(target);
            let is_held = self.graph.get(target).is_some_and(|idx| self.graph.standing(idx).is_history());
            if !is_held && !self.habits.remembers_early_redactions {
                self.redactions.remove(target);
            }
        }
        self.redact(id);
    }

    fn redact(&mut self, target: &EventId) {
        let Some(redactions) = self.redactions.get(target) else { return };
        let Some(idx) = self.graph.get(target) else { return };
        let Some(held) = self.held(idx) else { return };
        // A newcomer is given the state as outliers: what is redacted of it later is so there too.
        let is_good = held.rejected.is_none();
        let applies = |redaction: &&OwnedEventId| {
            let by = self.graph.get(redaction).filter(|by| self.graph.standing(*by).is_history());
            let by = by.and_then(|by| self.held(by));
            is_good && by.is_some_and(|by| self.may_redact(&by.pdu, &held.pdu))
        };
        let mut redacted_by = held.redacted_by.iter().chain(redactions).find(applies).cloned();
        let had_outline = held.outline.is_some();
        if held.pdu.is_create() && redacted_by.is_some() {
            match (self.habits.redacted_create)(self.version) {
                Some(version) => self.version = version,
                None => redacted_by = None,
            }
        }
        let held = self.held[idx.index()].as_mut().expect("it was just seen");
        let takes = redacted_by.is_some() && held.pdu.state_key().is_some() && !held.pdu.is_create();
        let outline = match held.outline.take().filter(|_| takes) {
            None if takes => held.pdu.outline(),
            known => known,
        };
        if outline.is_some() != had_outline {
            self.reworded.insert(idx);
        }
        held.redacted_by = redacted_by;
        held.outline = outline;
    }
}

/// What others were judged by of an event.
struct Before {
    idx: EventIdx,
    rejected: bool,
    state_after: Option<StateMap>,
}
