use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "acl-checks-only-transport-origin",
    source: "Synapse #3796, conduwuit 68fffe8e9, Palpo c45f2d77",
    year: "2018, 2024, 2026",
    does: "answers `/get_missing_events` of a server that the room's ACL shuts out",
    caught_by: "confidentiality",
    follows: &[],
    plant: |habits| habits.guards_missing_events = false,
};
