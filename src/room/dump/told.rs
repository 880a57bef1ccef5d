//! States at events by a peer's word: the answers to `/state_ids` and `/state`. Above a gap of a dump they
//! stand in for the events below it; elsewhere they are compared with what the events say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma_common::{EventId, OwnedEventId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    DumpError, Verified,
    error::said_by,
    place::{Item, Pages, Place},
    read::{Fields, Found, events_of, values},
};
use crate::{
    matrix::pdu::Pdu,
    room::{Room, graph::Standing},
};

/// A file that tells states, and at which event if the file doesn't say it.
#[derive(Clone, Copy, Debug)]
pub struct StateFile<'a> {
    /// The event.
    pub at: Option<&'a EventId>,
    /// The name of the file.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// The state before an event, as somebody told it.
#[derive(Clone, Debug)]
pub(super) struct ToldState {
    pub(super) event_id: OwnedEventId,
    pub(super) place: Place,
    pub(super) state: Vec<OwnedEventId>,
}

/// What became of a told state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateUse {
    /// The event before which it is the state.
    pub event_id: OwnedEventId,
    /// Where it is told.
    #[serde(flatten)]
    pub place: Place,
    /// What it was good for.
    #[serde(flatten)]
    pub became: Became,
}

/// What a told state was good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "became", rename_all = "snake_case")]
pub enum Became {
    /// The event was judged by it.
    Taken,
    /// It is the state that the events below give as well.
    Agrees,
    /// The events below give another state.
    Differs {
        /// Events of the told state only.
        only_told: Vec<OwnedEventId>,
        /// Events of the computed state only.
        only_computed: Vec<OwnedEventId>,
    },
    /// Some of its events are not in the dump.
    Incomplete {
        /// Those.
        missing: Vec<OwnedEventId>,
    },
    /// The event is not in the dump, or waits for auth events.
    Unused,
}

/// A told state, with its events if these were told as well; these are read like all others, and then the
/// state is known.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) told: ToldState,
    pub(super) events: Vec<Found<'a>>,
}

#[derive(Deserialize)]
struct State {
    event_id: Option<OwnedEventId>,
    #[serde(alias = "pdu_ids")]
    state_ids: Option<Vec<OwnedEventId>>,
}

/// Reads a file of states.
pub(super) fn told_in<'a>(pages: &Pages<'a>, at: Option<&EventId>) -> Result<Vec<Read<'a>>, DumpError> {
    let mut told = Vec::new();
    for value in values(pages) {
        let value = value?;
        if !value.get().starts_with('[') {
            told.extend(state_in(pages, value, pages.place(value.get(), None), at)?);
            continue;
        }
        let records: Vec<&RawValue> = parse(value, &pages.place(value.get(), None))?;
        for (nth, record) in records.into_iter().enumerate() {
            let place = pages.place(record.get(), Some(Item { list: "", nth }));
            told.extend(state_in(pages, record, place, None)?);
        }
    }
    Ok(told)
}

/// One state; nothing where the server had none to tell.
fn state_in<'a>(
    pages: &Pages<'a>,
    value: &'a RawValue,
    place: Place,
    at: Option<&EventId>,
) -> Result<Option<Read<'a>>, DumpError> {
    let fields: Fields<'_> = parse(value, &place)?;
    let has = |key: &str| fields.contains_key(key);
    if !["event_id", "pdu_ids", "pdus"].iter().any(|key| has(key)) {
        let problem = "it has neither `pdu_ids` nor `pdus` nor `event_id`".to_owned();
        return Err(DumpError::State { place, problem });
    }
    let State { event_id, state_ids } = parse(value, &place)?;
    let Some(event_id) = at.map(ToOwned::to_owned).or(event_id) else {
        let problem = "it doesn't say at which event this is the state: give it as EVENT=FILE".to_owned();
        return Err(DumpError::State { place, problem });
    };
    let events = if has("pdus") { events_of(pages, value)? } else { Vec::new() };
    let told = state_ids.or(has("pdus").then(Vec::new));
    Ok(told.map(|state| Read { told: ToldState { event_id, place, state }, events }))
}

fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue, place: &Place) -> Result<T, DumpError> {
    serde_json::from_str(value.get())
        .map_err(|error| DumpError::State { place: place.clone(), problem: said_by(&error) })
}

impl Verified {
    /// Judges what waits above a gap by the states that were told.
    pub(super) fn believe(&self, room: &mut Room) {
        let held: BTreeMap<&EventId, &Arc<Pdu>> =
            self.pdus.iter().chain(&self.outliers).map(|pdu| (&**pdu.event_id(), pdu)).collect();
        let mut told: Vec<(&ToldState, &Arc<Pdu>)> =
            self.told.iter().filter_map(|told| Some((told, *held.get(&*told.event_id)?))).collect();
        // What lies below may make a claim above needless.
        told.sort_by_key(|(_, pdu)| pdu.depth());
        for (told, pdu) in told {
            let is_whole = told.state.iter().all(|id| held.contains_key(&**id));
            if is_whole && room.wants(&told.event_id).is_some() {
                room.add_outliers(unheld_with_auth(room, &held, told.state.iter().chain(pdu.auth_events())));
                room.receive_with_state(pdu.clone(), &told.state);
            }
        }
    }

    /// What became of each told state in a room that was judged with them.
    pub fn state_uses(&self, room: &Room) -> Vec<StateUse> {
        let held: BTreeSet<&EventId> =
            self.pdus.iter().chain(&self.outliers).map(|pdu| &**pdu.event_id()).collect();
        let of = |told: &ToldState| {
            let missing: Vec<OwnedEventId> =
                told.state.iter().filter(|id| !held.contains(&***id)).cloned().collect();
            match room.state_before(&told.event_id) {
                Some(_) if room.stands_on_claim(&told.event_id) => Became::Taken,
                Some(state) => compared(told, room.list_state(state).into_iter().map(|(_, _, id)| id)),
                None if held.contains(&*told.event_id) && !missing.is_empty() => {
                    Became::Incomplete { missing }
                }
                None => Became::Unused,
            }
        };
        let uses = self.told.iter().map(|told| StateUse {
            event_id: told.event_id.clone(),
            place: told.place.clone(),
            became: of(told),
        });
        uses.collect()
    }
}

fn compared<'a>(told: &ToldState, computed: impl Iterator<Item = &'a EventId>) -> Became {
    let told: BTreeSet<&EventId> = told.state.iter().map(|id| &**id).collect();
    let computed: BTreeSet<&EventId> = computed.collect();
    let only = |one: &BTreeSet<&EventId>, other: &BTreeSet<&EventId>| {
        one.difference(other).map(|id| (*id).to_owned()).collect::<Vec<_>>()
    };
    match (only(&told, &computed), only(&computed, &told)) {
        (told, computed) if told.is_empty() && computed.is_empty() => Became::Agrees,
        (only_told, only_computed) => Became::Differs { only_told, only_computed },
    }
}

/// Events with all that allows them, as far as the room doesn't have them as more than waiting: oldest first,
/// since each needs those that it cites.
fn unheld_with_auth<'a>(
    room: &Room,
    held: &BTreeMap<&EventId, &Arc<Pdu>>,
    ids: impl Iterator<Item = &'a OwnedEventId>,
) -> Vec<Arc<Pdu>> {
    let mut chain = BTreeMap::new();
    let mut open: Vec<OwnedEventId> = ids.cloned().collect();
    while let Some(id) = open.pop() {
        let Some(pdu) = held.get(&*id) else { continue };
        let is_new = room.standing(&id).is_none_or(|standing| standing == Standing::Missing);
        if is_new && chain.insert((pdu.depth(), id), (*pdu).clone()).is_none() {
            open.extend(pdu.auth_events().iter().cloned());
        }
    }
    chain.into_values().collect()
}
