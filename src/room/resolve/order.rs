//! The two orders in which events in conflict are tried: reverse topological power ordering, and mainline
//! ordering (rooms v2, "State resolution").
//!
//! Each is a total order, since ids break the last tie: nothing here may depend on how a set is walked.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, btree_map::Entry},
};

use ruma_events::{StateEventType, TimelineEventType, room::power_levels::UserPowerLevel};
use ruma_state_res::events::{RoomCreateEvent, RoomPowerLevelsEvent};

use crate::{
    matrix::pdu::Pdu,
    room::{Held, Room, graph::EventIdx, state::StateMap},
};

/// What a creator may do where nobody has set power levels.
const DEFAULT_CREATOR_LEVEL: i32 = 100;

/// Events with what they cite.
type AuthGraph = BTreeMap<EventIdx, BTreeSet<EventIdx>>;

impl Room {
    /// The power events of a set, with those of their auth chains that are in it, from the earliest to the
    /// latest.
    pub(super) fn power_order(&self, full: &BTreeSet<EventIdx>) -> Vec<EventIdx> {
        let power = full.iter().copied().filter(|idx| is_power_event(self.pdu_at(*idx)));
        let mut graph = self.auth_graph(power, full);
        let mut cited_by: BTreeMap<EventIdx, Vec<EventIdx>> = BTreeMap::new();
        for (idx, cited) in &graph {
            for auth in cited {
                cited_by.entry(*auth).or_default().push(*idx);
            }
        }
        let roots = graph.iter().filter(|(_, cited)| cited.is_empty());
        let mut ready: BinaryHeap<_> = roots.map(|(idx, _)| Reverse(self.by_power(*idx))).collect();
        let mut order = Vec::new();
        while let Some(Reverse((.., idx))) = ready.pop() {
            order.push(idx);
            for citing in cited_by.get(&idx).into_iter().flatten() {
                let open = graph.get_mut(citing).expect("it is in the graph");
                open.remove(&idx);
                if open.is_empty() {
                    ready.push(Reverse(self.by_power(*citing)));
                }
            }
        }
        order
    }

    /// Events, and all that they lead to over auth events without leaving a set.
    fn auth_graph(&self, of: impl Iterator<Item = EventIdx>, within: &BTreeSet<EventIdx>) -> AuthGraph {
        let mut graph = AuthGraph::new();
        let mut open: Vec<EventIdx> = of.collect();
        while let Some(idx) = open.pop() {
            if let Entry::Vacant(place) = graph.entry(idx) {
                let cited = self.auth_parents(idx).filter(|auth| within.contains(auth)).collect();
                open.extend(place.insert(cited).iter());
            }
        }
        graph
    }

    /// By what a power ordering compares: who has the greater level goes first, then the earlier time, then
    /// the id.
    fn by_power(&self, idx: EventIdx) -> (Reverse<UserPowerLevel>, u64, &str, EventIdx) {
        let held = self.held(idx).expect("events of branches are held");
        let level = Reverse(self.level_of_sender(held));
        (level, held.pdu.timestamp(), held.pdu.event_id().as_str(), idx)
    }

    /// The level of an event's sender by the event's own auth events.
    fn level_of_sender(&self, event: &Held) -> UserPowerLevel {
        let rules = &self.version.rules().authorization;
        let sender = event.pdu.sender();
        let creates = self.creates(event);
        if creates && rules.explicitly_privilege_room_creators {
            return UserPowerLevel::Infinite;
        }
        let mut cited = event.auth_events.iter().filter_map(|idx| self.held(*idx));
        let level = match cited.find(|held| is_power_levels(&held.pdu)) {
            Some(levels) => RoomPowerLevelsEvent::new(levels.judged()).user_power_level(sender, rules),
            None if creates => Ok(DEFAULT_CREATOR_LEVEL.into()),
            None => Ok(0.into()),
        };
        // Contents of which no level can be read were rejected when they came.
        level.unwrap_or_default().into()
    }

    /// Whether the sender of an event is a creator by the create event that it cites, or that the room's id
    /// names.
    fn creates(&self, event: &Held) -> bool {
        let mut cited = event.auth_events.iter().filter_map(|idx| self.held(*idx));
        let create = match self.version.has_hash_room_ids() {
            true => self.create_by_room_id(event),
            false => cited.find(|held| held.pdu.is_create()).map(Held::judged),
        };
        let rules = &self.version.rules().authorization;
        let creators = create.and_then(|create| RoomCreateEvent::new(create).creators(rules).ok());
        creators.is_some_and(|creators| creators.contains(event.pdu.sender()))
    }

    /// Events in the order of the power levels that they go back to, as seen from those of a state.
    pub(super) fn mainline_order(
        &self,
        events: impl Iterator<Item = EventIdx>,
        state: &StateMap,
    ) -> Vec<EventIdx> {
        let mainline = self.mainline(state);
        // Closer to the levels in force is later; what goes back to none of them is first.
        let distance = |idx| {
            let on_mainline = self.levels_behind(idx).find_map(|levels| mainline.get(&levels).copied());
            Reverse(on_mainline.unwrap_or(usize::MAX))
        };
        let mut order: Vec<EventIdx> = events.collect();
        order.sort_by_cached_key(|idx| {
            let pdu = self.pdu_at(*idx);
            (distance(*idx), pdu.timestamp(), pdu.event_id().clone())
        });
        order
    }

    /// The power levels in force, those that they cite, and so on, each with its distance.
    fn mainline(&self, state: &StateMap) -> BTreeMap<EventIdx, usize> {
        let slot = self.slots.find(&StateEventType::RoomPowerLevels, "");
        let levels = slot.and_then(|slot| state.get(&slot).copied());
        let line = levels.into_iter().flat_map(|idx| self.levels_behind(idx));
        line.enumerate().map(|(distance, idx)| (idx, distance)).collect()
    }

    /// An event, the power levels that it cites, those that they cite, and so on. Events of room versions 1
    /// and 2 can cite each other in a circle: each is visited once.
    fn levels_behind(&self, idx: EventIdx) -> impl Iterator<Item = EventIdx> {
        let mut seen = BTreeSet::new();
        let cited = |idx: &EventIdx| self.auth_parents(*idx).find(|auth| is_power_levels(self.pdu_at(*auth)));
        std::iter::successors(Some(idx), cited).take_while(move |idx| seen.insert(*idx))
    }

    fn pdu_at(&self, idx: EventIdx) -> &Pdu {
        &self.held(idx).expect("events of branches are held").pdu
    }
}

fn is_power_levels(pdu: &Pdu) -> bool {
    *pdu.kind() == TimelineEventType::RoomPowerLevels && pdu.state_key() == Some("")
}

/// Whether it might take from somebody what they could do. The text doesn't name the create event; Synapse
/// and ruma count it.
fn is_power_event(pdu: &Pdu) -> bool {
    match pdu.kind() {
        TimelineEventType::RoomPowerLevels
        | TimelineEventType::RoomJoinRules
        | TimelineEventType::RoomCreate => pdu.state_key() == Some(""),
        TimelineEventType::RoomMember => {
            matches!(pdu.membership(), Some("leave" | "ban"))
                && pdu.state_key() != Some(pdu.sender().as_str())
        }
        _ => false,
    }
}
