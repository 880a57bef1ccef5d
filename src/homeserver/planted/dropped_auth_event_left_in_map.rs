use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "dropped-auth-event-left-in-map",
    source: "Synapse #18746",
    year: "2025",
    does: "takes an event whose auth event came with it, even where that one was dropped",
    caught_by: "auth-rules",
    follows: &[],
    plant: |habits| habits.room.wants_whole_auth_chains = false,
};
