use ruma_common::EventId;

use super::Planted;
use crate::room::Room;

pub(super) const BUG: Planted = Planted {
    id: "redaction-cycle",
    source: "Synapse 0f2ecb961e (1.2.1)",
    year: "2019",
    does: "counts a redaction unless it is redacted itself, and asks so for ever where redactions form a circle",
    caught_by: "no-crash",
    follows: &[],
    plant: |habits| habits.room.is_redacted = |room, id| is_redacted(room, id, 0),
};

/// Where the stack of a real server would end. The end of ours would be the end of the run, and of all others
/// beside it.
const DEEPEST: u32 = 1_000;

fn is_redacted(room: &Room, id: &EventId, depth: u32) -> bool {
    assert!(depth < DEEPEST, "redactions of redactions without end");
    room.redacted_by(id).is_some_and(|redaction| !is_redacted(room, redaction, depth + 1))
}
