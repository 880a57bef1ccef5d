//! The decisions of a room in which real homeservers have erred, each under a name.
//!
//! The room asks its habits at these few places and is otherwise free of anybody's mistakes. [`HONEST`] is
//! what the specification wants; whoever changes a habit changes one decision and nothing else. Why somebody
//! would, the room doesn't know.

use std::borrow::Cow;

use ruma_common::{EventId, OwnedEventId};

use super::{Room, graph::Standing};
use crate::matrix::{pdu::Pdu, version::RoomVersion};

/// How a room decides where it could err.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Besides accepted events, those of which standing take what they descend from out of the forward
    /// extremities.
    pub also_covering: &'static [Standing],
    /// Whether an event waits until the state after all events before it is known.
    pub waits_for_parents: bool,
    /// Whether an outlier that comes as history is taken anew, and what follows it waits for that.
    pub revives_outliers: bool,
    /// Whether an event is only taken when all of its auth events are held.
    pub wants_whole_auth_chains: bool,
    /// Which of an event's auth events are held against the rules on the list as such.
    pub listed: for<'a> fn(&'a Room, &'a Pdu) -> Cow<'a, [OwnedEventId]>,
    /// Whether an auth event has to be of the same room.
    pub knows_rooms_apart: bool,
    /// Whether the first power levels of a room need power like all later ones.
    pub guards_first_power_levels: bool,
    /// Whether the state after an event whose state before it a peer told has the event itself in it.
    pub counts_the_told_event: bool,
    /// Whether rejected events are kept out of a state that a peer told.
    pub bars_rejected_from_state: bool,
    /// Whether the current state is resolved over all forward extremities, and not taken from the newest one.
    pub resolves_all_extremities: bool,
    /// Whether a redaction that comes before its target is remembered.
    pub remembers_early_redactions: bool,
    /// What becomes of the room's version when its create event is redacted; nothing where that can't be.
    pub redacted_create: fn(RoomVersion) -> Option<RoomVersion>,
    /// Whether an event is given out redacted.
    pub is_redacted: fn(&Room, &EventId) -> bool,
}

impl Habits {
    /// Whether a verdict by the auth events alone is what every honest room would reach.
    pub(super) fn judges_by_the_rules(&self) -> bool {
        std::ptr::fn_addr_eq(self.listed, HONEST.listed)
            && self.knows_rooms_apart
            && self.guards_first_power_levels
    }
}

/// As the specification has it.
pub const HONEST: Habits = Habits {
    also_covering: &[],
    waits_for_parents: true,
    revives_outliers: true,
    wants_whole_auth_chains: true,
    listed: |_, pdu| Cow::Borrowed(pdu.auth_events()),
    knows_rooms_apart: true,
    guards_first_power_levels: true,
    counts_the_told_event: true,
    bars_rejected_from_state: true,
    resolves_all_extremities: true,
    remembers_early_redactions: true,
    redacted_create: |_| None,
    is_redacted: |room, id| room.redacted_by(id).is_some(),
};
