use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "backfill-past-create",
    source: "tuwunel 7c19d1e1f, Synapse #693, Dendrite 3f82bceb",
    year: "2016, 2022, 2025",
    does: "goes on asking for older events when it has the creation of the room",
    caught_by: "needless-requests",
    follows: &["request-budget"],
    plant: |habits| habits.stops_at_creation = false,
};
