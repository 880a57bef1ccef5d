use super::Planted;
use crate::matrix::version::RoomVersion;

pub(super) const BUG: Planted = Planted {
    id: "create-event-redactable",
    source: "Synapse #5701, conduwuit 74c5bfd31",
    year: "2019, 2024",
    does: "lets the create event be redacted, and takes the room's version from what is left of it",
    caught_by: "same-events",
    follows: &["same-extremities"],
    // Without a name it would be version 1; the oldest that is played comes nearest.
    plant: |habits| habits.room.redacted_create = |_| RoomVersion::all().next(),
};
