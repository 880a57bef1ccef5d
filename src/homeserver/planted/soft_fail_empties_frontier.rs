use super::Planted;
use crate::room::graph::Standing;

pub(super) const BUG: Planted = Planted {
    id: "soft-fail-empties-frontier",
    source: "Synapse #5090, #5146, tuwunel e0f10343e",
    year: "2019, 2026",
    does: "counts a tip as built upon when a soft-failed event cites it",
    caught_by: "frontier",
    follows: &[],
    plant: |habits| habits.room.also_covering = &[Standing::SoftFailed],
};
