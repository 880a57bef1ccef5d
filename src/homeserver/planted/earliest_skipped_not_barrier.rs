use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "earliest-skipped-not-barrier",
    source: "matrix-spec #1513",
    year: "2023",
    does: "leaves `earliest_events` out of its answers and goes on below them",
    caught_by: "answers",
    follows: &[],
    plant: |habits| habits.stops_at_earliest = false,
};
