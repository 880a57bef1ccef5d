use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "no-power-levels-takeover",
    source: "CVE-2018-12423 (Synapse #3397)",
    year: "2018",
    does: "lets anybody set power levels where a state has none",
    caught_by: "auth-rules",
    follows: &[],
    plant: |habits| habits.room.guards_first_power_levels = false,
};
