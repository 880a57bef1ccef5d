use serde_json::value::RawValue;

use super::Planted;

pub(super) const BUG: Planted = Planted {
    id: "empty-backfill-answer-crash",
    source: "Synapse #10133",
    year: "2021",
    does: "takes for granted that an answer to `/backfill` has an event in it",
    caught_by: "no-crash",
    follows: &[],
    plant: |habits| habits.page = from_the_first,
};

fn from_the_first(events: &[Box<RawValue>], limit: usize) -> &[Box<RawValue>] {
    assert!(!events.is_empty(), "an answer to /backfill has a first event");
    &events[..events.len().min(limit)]
}
