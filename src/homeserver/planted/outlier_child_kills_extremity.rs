use super::Planted;
use crate::room::graph::Standing;

pub(super) const BUG: Planted = Planted {
    id: "outlier-child-kills-extremity",
    source: "Synapse #3883, Dendrite #1556",
    year: "2018, 2020",
    does: "counts a tip as built upon when an outlier or a rejected event cites it",
    caught_by: "frontier",
    follows: &[],
    plant: |habits| habits.room.also_covering = &[Standing::SoftFailed, Standing::Rejected, Standing::Outlier],
};
