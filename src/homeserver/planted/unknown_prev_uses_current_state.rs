use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "unknown-prev-uses-current-state",
    source: "Palpo #117, #118",
    year: "2026",
    does: "judges an event after a gap by the room's current state and asks for nothing",
    caught_by: "same-events",
    follows: &["closed-history", "same-extremities"],
    plant: |habits| habits.room.waits_for_parents = false,
};
