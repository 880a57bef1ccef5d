use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "missing-auth-means-rejected",
    source: "Synapse #10439, #10907",
    year: "2021",
    does: "rejects for good what is allowed by an event that it can't get just now",
    caught_by: "verdicts-agree",
    follows: &["same-extremities"],
    plant: |habits| habits.auth_events_may_come_late = false,
};
