use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "batch-fetch-one-failure-spoils-all",
    source: "Synapse #5342, #1107, #1043",
    year: "2016, 2019",
    does: "throws away all that it fetched of a state when one event can't be had",
    caught_by: "recovered-in-time",
    follows: &[],
    plant: |habits| habits.keeps_partial_fetches = false,
};
