use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "event-fetch-storm",
    source: "Synapse #1773, Dendrite #1444, #1477",
    year: "2017-2022",
    does: "fetches every event of a state by itself, held or not",
    caught_by: "needless-requests",
    follows: &[],
    plant: |habits| {
        habits.fetches_only_unknown = false;
        habits.single_fetches_max = usize::MAX;
    },
};
