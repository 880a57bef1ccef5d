use super::Planted;
use crate::room::graph::Standing;

pub(super) const BUG: Planted = Planted {
    id: "state-served-for-rejected",
    source: "Dendrite #2371, Synapse #6320",
    year: "2019, 2022",
    does: "tells the state at a rejected event",
    caught_by: "answers",
    follows: &[],
    plant: |habits| habits.tells_states_at.push(Standing::Rejected),
};
