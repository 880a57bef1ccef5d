use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "backfilled-event-marked-outlier",
    source: "Synapse #4718, #11632, #13320",
    year: "2019-2022",
    does: "leaves an event that it holds for the state's sake as it is when history brings it, and builds on it without a state",
    caught_by: "verdicts-agree",
    plant: |habits| habits.room.revives_outliers = false,
};
