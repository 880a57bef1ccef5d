use super::Planted;
use crate::room::graph::Standing;

pub(super) const BUG: Planted = Planted {
    id: "state-served-for-outlier",
    source: "Synapse #12087",
    year: "2022",
    does: "tells its current state as the state at an event that it holds as an outlier",
    caught_by: "answers",
    follows: &[],
    plant: |habits| habits.tells_states_at.push(Standing::Outlier),
};
