//! The state of a room at one point: which event fills each (type, state key), shared between the events of a
//! room.
//!
//! A map is persistent: the state after an event shares all but a few nodes with the state before it, so that
//! a room keeps one for every event. It knows events only by their index in the graph.

use foldhash::fast::FixedState;
use indexmap::{Equivalent, IndexSet};
use ruma_common::OwnedEventId;
use ruma_events::StateEventType;

use super::graph::EventIdx;

/// The number of a (type, state key) in its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(u32);

/// Which event fills each slot.
pub type StateMap = imbl::OrdMap<Slot, EventIdx>;

/// A slot that is filled otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event type.
    pub kind: StateEventType,
    /// The state key.
    pub key: String,
    /// The event that fills it now; nothing if none does any more.
    pub event: Option<OwnedEventId>,
}

/// The (type, state key) pairs that a room has seen, numbered as they came.
#[derive(Clone, Debug, Default)]
pub struct Slots(IndexSet<(StateEventType, String), FixedState>);

#[derive(Hash)]
struct Key<'a>(&'a StateEventType, &'a str);

impl Equivalent<(StateEventType, String)> for Key<'_> {
    fn equivalent(&self, other: &(StateEventType, String)) -> bool {
        *self.0 == other.0 && self.1 == other.1
    }
}

impl Slots {
    /// The slot of a pair, numbered now if it is new.
    pub fn number(&mut self, kind: &StateEventType, state_key: &str) -> Slot {
        match self.find(kind, state_key) {
            Some(slot) => slot,
            None => {
                let (index, _) = self.0.insert_full((kind.clone(), state_key.to_owned()));
                Slot(u32::try_from(index).expect("a room has fewer than 2^32 slots"))
            }
        }
    }

    /// The slot of a pair that an event has filled before.
    pub fn find(&self, kind: &StateEventType, state_key: &str) -> Option<Slot> {
        let index = self.0.get_index_of(&Key(kind, state_key))?;
        Some(Slot(u32::try_from(index).expect("checked when it was numbered")))
    }

    /// The pair of a slot.
    pub fn pair(&self, slot: Slot) -> (&StateEventType, &str) {
        let (kind, state_key) = &self.0[slot.0 as usize];
        (kind, state_key)
    }
}
