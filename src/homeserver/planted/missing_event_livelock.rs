use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "missing-event-livelock",
    source: "RocketChat/homeserver #246, #278",
    year: "2025",
    does: "asks again at once for an event that nobody gave",
    caught_by: "request-budget",
    follows: &[],
    plant: |habits| {
        // Not at once: without a little time each the run would never end.
        habits.missing_event_rests = |_| 10;
    },
};
