use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "min-depth-zero-is-falsy",
    source: "Synapse #6651, #6652",
    year: "2020",
    does: "drops what comes after a gap if it has the room from its creation on",
    caught_by: "same-events",
    follows: &["same-extremities", "acknowledged"],
    plant: |habits| habits.fills_gaps = |horizon| horizon > 0,
};
