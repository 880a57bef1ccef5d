use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "backfilled-event-marked-outlier",
    source: "Synapse #4718, #11632, #13320",
    year: "2019-2022",
    does: "leaves an outlier one when history brings it, and judges what follows by the state of today",
    caught_by: "verdicts-agree",
    follows: &[],
    plant: |habits| habits.room.revives_outliers = false,
};
