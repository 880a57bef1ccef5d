use ruma_common::EventId;

use super::Planted;
use crate::room::Room;

/// A real one overflows its stack, or spins until somebody stops it; this one ends where others can see it.
const DEEPEST: usize = 1_000;

pub(super) const BUG: Planted = Planted {
    id: "redaction-cycle",
    source: "Synapse 0f2ecb961e (1.2.1)",
    year: "2019",
    does: "asks of each redaction whether it is redacted itself, without end",
    caught_by: "no-crash",
    plant: |habits| habits.room.is_redacted = |room, id| is_redacted(room, id, 0),
};

fn is_redacted(room: &Room, id: &EventId, depth: usize) -> bool {
    assert!(depth < DEEPEST, "the redaction of {id} is asked for without end");
    room.redacted_by(id).is_some_and(|redaction| !is_redacted(room, redaction, depth + 1))
}
