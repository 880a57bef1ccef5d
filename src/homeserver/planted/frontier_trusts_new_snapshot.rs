use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "frontier-trusts-new-snapshot",
    source: "Dendrite #2457, Synapse #10794",
    year: "2021-2022",
    does: "takes the state after the newest event for the state of the room",
    caught_by: "explained-state",
    follows: &["same-state"],
    plant: |habits| habits.room.resolves_all_extremities = false,
};
