use std::collections::BTreeSet;

use super::Planted;
use crate::room::{
    answer_order::AnswerOrder,
    graph::{EventGraph, EventIdx},
    walk::MISSING_EVENTS_LIMIT_MAX,
};

pub(super) const BUG: Planted = Planted {
    id: "gme-truncates-wrong-end",
    source: "Synapse #4045",
    year: "2018",
    does: "answers `/get_missing_events` with the oldest events of the gap instead of the newest",
    caught_by: "answers",
    follows: &[],
    plant: |habits| habits.missing_events = oldest_of_all,
};

/// The whole gap, whatever its size; then the shallow end of it.
fn oldest_of_all(
    _: AnswerOrder,
    graph: &EventGraph,
    latest: &[EventIdx],
    earliest: &[EventIdx],
    limit: usize,
    min_depth: u64,
) -> Vec<EventIdx> {
    let mut seen: BTreeSet<EventIdx> = earliest.iter().chain(latest).copied().collect();
    let (mut open, mut found) = (latest.to_vec(), Vec::new());
    while let Some(child) = open.pop() {
        for &parent in graph.parents(child) {
            let wanted = graph.standing(parent).is_history() && graph.depth(parent) >= min_depth;
            if wanted && seen.insert(parent) {
                found.push(parent);
                open.push(parent);
            }
        }
    }
    found.sort_by_key(|idx| (graph.depth(*idx), graph.id(*idx)));
    found.truncate(limit.min(MISSING_EVENTS_LIMIT_MAX));
    found
}
