use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "rejected-event-re-enters-state",
    source: "CVE-2022-39374 (Synapse #13723)",
    year: "2022",
    does: "lets rejected events into the state that a peer tells",
    caught_by: "explained-state",
    follows: &[],
    plant: |habits| habits.room.bars_rejected_from_state = false,
};
