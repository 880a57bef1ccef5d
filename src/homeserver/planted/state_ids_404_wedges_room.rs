use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "state-ids-404-wedges-room",
    source: "Synapse #18881",
    year: "2025",
    does: "asks only who sent an event for what it lacks, and drops the event if that one can't help",
    caught_by: "same-events",
    follows: &["same-extremities", "acknowledged"],
    plant: |habits| habits.asks_around = false,
};
