//! The room's own state resolution against ruma's, over every merge of the rooms that real servers made. None
//! of them has a second create event, so that there ruma's order of a hash map can't matter.

use std::collections::BTreeSet;

use crate::support::{Recorded, listed};
use backfire::{
    matrix::pdu::JudgedPdu,
    room::{Room, state::StateMap},
};
use ruma_common::OwnedEventId;
use ruma_events::StateEventType;
use ruma_state_res::{StateMap as RumaState, resolve, utils::event_id_set::EventIdSet};

type Ids = EventIdSet<OwnedEventId>;

fn to_ruma(room: &Room, state: &StateMap) -> RumaState<OwnedEventId> {
    let list = room.list_state(state).into_iter();
    list.map(|(kind, key, id)| ((kind.clone(), key.to_owned()), id.to_owned())).collect()
}

/// Some events and all that they lead to over auth events.
fn with_auth_chain<'a>(room: &Room, of: impl Iterator<Item = &'a OwnedEventId>) -> BTreeSet<OwnedEventId> {
    let mut chain = BTreeSet::new();
    let mut open: Vec<OwnedEventId> = of.cloned().collect();
    while let Some(id) = open.pop() {
        if chain.insert(id.clone()) {
            open.extend(room.event(&id).into_iter().flat_map(|pdu| pdu.auth_events().to_vec()));
        }
    }
    chain
}

/// What lies on a path of auth events between two of these, ends included: below one of them and above
/// another.
fn between(room: &Room, ends: &BTreeSet<OwnedEventId>) -> Ids {
    let below = with_auth_chain(room, ends.iter());
    let leads_to_one = |id: &&OwnedEventId| !with_auth_chain(room, std::iter::once(*id)).is_disjoint(ends);
    below.iter().filter(leads_to_one).cloned().collect()
}

fn resolved_by_ruma(room: &Room, states: &[StateMap]) -> RumaState<OwnedEventId> {
    let maps: Vec<_> = states.iter().map(|state| to_ruma(room, state)).collect();
    let chains = maps.iter().map(|map| with_auth_chain(room, map.values()).into_iter().collect::<Ids>());
    resolve(
        &room.version().rules().authorization,
        room.version().resolution(),
        &maps,
        chains.collect(),
        |id| room.event(id).map(|pdu| JudgedPdu::good(pdu)),
        |conflicted| Some(between(room, &conflicted.values().flatten().cloned().collect())),
    )
    .expect("all events are held")
}

fn merges_agree(name: &'static str, least: usize) {
    let recorded = Recorded::load(name);
    let room = recorded.fed_as_they_came();
    let mut merges = 0;
    for pdu in recorded.pdus.iter().filter(|pdu| pdu.prev_events().len() > 1) {
        let parents: Vec<_> = pdu.prev_events().iter().map(|id| room.graph().get(id)).collect();
        let states: Option<Vec<StateMap>> = parents.iter().map(|idx| room.state_after((*idx)?)).collect();
        let (Some(states), Some(own)) = (states, room.state_after_all(pdu.prev_events())) else { continue };
        // Where there are none, the room has a default for them, and ruma has not.
        if !states.iter().all(|state| room.state_event(state, &StateEventType::RoomJoinRules, "").is_some()) {
            continue;
        }
        let ruma = resolved_by_ruma(&room, &states).into_iter();
        let ruma: BTreeSet<_> = ruma.map(|((kind, key), id)| (kind.to_string(), key, id)).collect();
        let own: BTreeSet<_> = listed(&room, &own).into_iter().collect();
        let differing: Vec<_> = own.symmetric_difference(&ruma).collect();
        assert!(differing.is_empty(), "{name}: before {}: {differing:?}", pdu.event_id());
        merges += 1;
    }
    assert!(merges >= least, "{name}: only {merges} merges were compared");
}

#[test]
fn merges_of_real_rooms_resolve_as_by_ruma() {
    for (name, least) in
        [("v2.a", 90), ("v6.a", 90), ("v10.a", 40), ("v11.a", 40), ("members60.a", 90), ("faulty.a", 15)]
    {
        merges_agree(name, least);
    }
}
