use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "redaction-arrives-before-target",
    source: "Synapse #5699, #5700, #5707, Dendrite 0.8.9",
    year: "2019-2025",
    does: "forgets a redaction whose target has not come yet",
    caught_by: "redactions",
    follows: &[],
    plant: |habits| habits.room.remembers_early_redactions = false,
};
