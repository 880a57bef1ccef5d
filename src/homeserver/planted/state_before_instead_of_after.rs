use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "state-before-instead-of-after",
    source: "Synapse #3968",
    year: "2018",
    does: "takes the state before an event, which a peer tells, for the state after it",
    caught_by: "same-state",
    follows: &["explained-state"],
    plant: |habits| habits.room.counts_the_told_event = false,
};
