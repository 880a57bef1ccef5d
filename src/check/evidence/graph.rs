//! The graph of all events that the run saw, whoever has them, and the room that they make.

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use ruma_common::{EventId, OwnedEventId, RoomId};

use super::{Evidence, Host};
use crate::{
    matrix::pdu::Pdu,
    room::{Arrival, Room, graph::Standing},
};

impl<'a> Evidence<'a> {
    /// The room as one would have it who got every event of the run in a good order: what the events alone
    /// say.
    ///
    /// Nothing in it is soft-failed, since that depends on what a server knew when.
    pub fn reference_room(&self) -> &Room {
        self.reference_room.get_or_init(|| {
            let trusted = self.seen.values().filter_map(|seen| seen.pdu.as_ref().ok()?.trust().ok());
            let pdus: Vec<_> = trusted.collect();
            let create = pdus.iter().find(|pdu| pdu.is_create()).or(pdus.first());
            let nowhere = || RoomId::parse("!nowhere").expect("a room id");
            let room_id = create.map_or_else(nowhere, |pdu| pdu.room_id().to_owned());
            let mut room = Room::new(&room_id, self.version);
            for pdu in pdus {
                if pdu.room_id() == room_id {
                    room.receive(pdu, Arrival::Backfilled);
                }
            }
            room
        })
    }

    /// The parents of each event, by places in [`seen`](Self::seen).
    pub(crate) fn edges(&self) -> &[Vec<usize>] {
        self.edges.get_or_init(|| {
            let place = |id: &OwnedEventId| self.seen.get_index_of(&**id);
            self.seen.values().map(|seen| seen.parents.iter().filter_map(place).collect()).collect()
        })
    }

    /// An event that the run saw, if what was stored is well-formed.
    pub fn pdu(&self, id: &EventId) -> Option<&Pdu> {
        Some(self.seen.get(id)?.pdu.as_ref().ok()?.claims())
    }

    /// The type of an event; nothing for one that can't be read.
    pub fn event_type(&self, id: &EventId) -> String {
        self.pdu(id).map(|pdu| pdu.kind().to_string()).unwrap_or_default()
    }

    /// The `prev_events` of an event; none if the run never saw it.
    pub fn parents(&self, id: &EventId) -> &[OwnedEventId] {
        self.seen.get(id).map_or(&[], |seen| &seen.parents)
    }

    /// The depth that an event claims.
    pub fn depth(&self, id: &EventId) -> u64 {
        self.pdu(id).map_or(0, Pdu::depth)
    }

    /// The events reached from some by `prev_events`, themselves included, walking through those that
    /// `passes` lets through.
    pub fn reach<'b>(
        &'b self,
        from: impl Iterator<Item = &'b EventId>,
        passes: impl Fn(&EventId) -> bool,
    ) -> BTreeSet<&'b EventId> {
        let mut reached: BTreeSet<&EventId> = BTreeSet::new();
        let mut open: Vec<&EventId> = from.collect();
        while let Some(id) = open.pop() {
            if reached.insert(id) && passes(id) {
                open.extend(self.parents(id).iter().map(|id| &**id));
            }
        }
        reached
    }

    /// The tips of a server's graph: accepted events that no other accepted event descends from, over
    /// whatever held events. Worked out from the events alone, whatever the server says of itself.
    pub fn tips(
        &self,
        host: &Host<'a>,
        accepted: impl Fn(&EventId, Standing) -> bool,
    ) -> BTreeSet<&'a EventId> {
        let held = host.held.iter().map(|(id, standing)| (*id, accepted(id, *standing)));
        let held: IndexMap<&'a EventId, bool, FixedState> = held.collect();
        let mut covered = vec![false; held.len()];
        let mut open: Vec<&EventId> = held.iter().filter(|(_, top)| **top).map(|(id, _)| *id).collect();
        while let Some(child) = open.pop() {
            for parent in self.parents(child) {
                let Some((place, id, top)) = held.get_full(&**parent) else { continue };
                // Below an accepted event the walk starts anew by itself, so it may stop there.
                if !std::mem::replace(&mut covered[place], true) && !top {
                    open.push(id);
                }
            }
        }
        held.into_iter()
            .zip(covered)
            .filter(|((_, top), covered)| *top && !covered)
            .map(|((id, _), _)| id)
            .collect()
    }
}
