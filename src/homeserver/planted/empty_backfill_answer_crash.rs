use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "empty-backfill-answer-crash",
    source: "Synapse #10123, #10133",
    year: "2021",
    does: "crashes on an empty answer to `/backfill`",
    caught_by: "no-crash",
    plant: |habits| habits.takes_empty_pages = false,
};
