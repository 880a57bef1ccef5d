use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "cross-room-auth-events",
    source: "Synapse #6472, #6524, #6530, Dendrite #2791",
    year: "2019, 2022",
    does: "lets an event be allowed by events of another room",
    caught_by: "auth-rules",
    follows: &["integrity", "verdicts-agree", "same-extremities"],
    plant: |habits| {
        habits.knows_rooms_apart = false;
        habits.room.knows_rooms_apart = false;
    },
};
