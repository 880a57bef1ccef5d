//! The walks behind `/backfill` and `/get_missing_events`: which events a server answers with, and in what
//! order.
//!
//! The specification leaves traversal and order open (matrix-spec#1512), and servers differ. The rules here
//! are one deterministic choice that fits the text, SyTest and Complement. They know only the graph: who
//! asks, which room the ids belong to and what of the events may be shown is the caller's business.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ruma_common::EventId;

use super::graph::{EventGraph, EventIdx};

/// The most events that one answer to `/backfill` has (SS-API `/backfill` names no cap; this is Synapse's).
pub const BACKFILL_LIMIT_MAX: usize = 100;

/// The most events that one answer to `/get_missing_events` has (SS-API names no cap; this is Synapse's).
pub const MISSING_EVENTS_LIMIT_MAX: usize = 20;

/// The `limit` of a `/get_missing_events` request that names none (SS-API `/get_missing_events`).
pub const MISSING_EVENTS_LIMIT_DEFAULT: usize = 10;

/// The events that answer `/backfill` with `v` = `seeds`: the seeds themselves and what precedes them.
///
/// `limit` counts seeds too and is clamped to `1..=`[`BACKFILL_LIMIT_MAX`]. Seeds and parents that aren't
/// part of the history ([`Standing::is_history`](super::graph::Standing::is_history)) are skipped and not
/// walked through. Of the events reached, the one with the greatest claimed depth goes next, of equals the
/// one with the least event id. The answer has no duplicates and is ordered by depth descending, so newest
/// first; of equal depths a child comes before its parents, and else the least event id. Depths are claims:
/// with a lying one an inflated fork starves the others, and a parent of greater depth comes before its
/// child, even before the only seed.
///
/// Costs O(n log n) in the seeds plus the parents of what is returned, whatever the size of the room.
pub fn backfill(graph: &EventGraph, seeds: &[EventIdx], limit: usize) -> Vec<EventIdx> {
    let limit = limit.clamp(1, BACKFILL_LIMIT_MAX);
    let mut reached = BTreeSet::new();
    let mut queue = BinaryHeap::new();
    let mut reach = |queue: &mut BinaryHeap<_>, events: &[EventIdx]| {
        for &idx in events {
            if graph.standing(idx).is_history() && reached.insert(idx) {
                queue.push(newest_first(graph, idx));
            }
        }
    };

    reach(&mut queue, seeds);
    let mut answer = Vec::with_capacity(limit);
    while answer.len() < limit
        && let Some(next) = queue.pop()
    {
        let (_, _, idx) = next;
        answer.push(next);
        reach(&mut queue, graph.parents(idx));
    }
    answer.sort_unstable_by(|a, b| b.cmp(a));
    let mut answer: Vec<EventIdx> = answer.into_iter().map(|(_, _, idx)| idx).collect();
    for of_one_depth in answer.chunk_by_mut(|a, b| graph.depth(*a) == graph.depth(*b)) {
        children_first(graph, of_one_depth);
    }
    answer
}

/// Moves parents behind their children, and else keeps the order. In a cycle, the first of those that are
/// left goes first.
fn children_first(graph: &EventGraph, events: &mut [EventIdx]) {
    let places: BTreeMap<EventIdx, usize> =
        events.iter().enumerate().map(|(place, idx)| (*idx, place)).collect();
    let parents = |place: usize, events: &[EventIdx]| -> Vec<usize> {
        graph.parents(events[place]).iter().filter_map(|parent| places.get(parent).copied()).collect()
    };
    let mut children = vec![0_usize; events.len()];
    for place in 0..events.len() {
        parents(place, events).into_iter().for_each(|parent| children[parent] += 1);
    }
    let mut left: BTreeSet<usize> = (0..events.len()).collect();
    let mut free: BTreeSet<usize> = left.iter().copied().filter(|place| children[*place] == 0).collect();
    let mut order = Vec::with_capacity(events.len());
    while let Some(place) = free.pop_first().or_else(|| left.first().copied()) {
        left.remove(&place);
        order.push(events[place]);
        for parent in parents(place, events) {
            children[parent] -= 1;
            if children[parent] == 0 && left.contains(&parent) {
                free.insert(parent);
            }
        }
    }
    events.copy_from_slice(&order);
}

/// The greatest is the one to answer with first.
fn newest_first(graph: &EventGraph, idx: EventIdx) -> (u64, Reverse<&EventId>, EventIdx) {
    (graph.depth(idx), Reverse(graph.id(idx)), idx)
}

/// The events that answer `/get_missing_events`: what precedes `latest`, breadth first, up to `earliest`.
///
/// Neither `latest` nor `earliest` are returned, and `earliest` are not walked through, those that are in
/// `latest` too included: before what the asker has there is nothing that it misses. `limit` counts what is
/// returned and is clamped to `0..=`[`MISSING_EVENTS_LIMIT_MAX`]. Events that aren't part of the history
/// ([`Standing::is_history`](super::graph::Standing::is_history)) are skipped and not walked through, those
/// in `latest` included; so are events whose claimed depth is below `min_depth`. Within a level the walk
/// follows the order of `latest` and of `prev_events`, so a parent of a latest is preferred to what lies
/// deeper. The answer is the reverse of discovery: oldest first.
///
/// Costs O(n log n) in `latest`, `earliest` and the parents of what is returned, whatever the size of the
/// room.
pub fn missing_events(
    graph: &EventGraph,
    latest: &[EventIdx],
    earliest: &[EventIdx],
    limit: usize,
    min_depth: u64,
) -> Vec<EventIdx> {
    let limit = limit.min(MISSING_EVENTS_LIMIT_MAX);
    let mut seen: BTreeSet<EventIdx> = earliest.iter().chain(latest).copied().collect();
    let mut found = Vec::with_capacity(limit);
    let mut roots =
        latest.iter().copied().filter(|idx| graph.standing(*idx).is_history() && !earliest.contains(idx));
    let mut expanded = 0;

    while found.len() < limit {
        // What was found is the queue: it is expanded in the order of its discovery, after all the roots.
        let next = roots.next().or_else(|| {
            expanded += 1;
            found.get(expanded - 1).copied()
        });
        let Some(child) = next else { break };
        for &parent in graph.parents(child) {
            let wanted = graph.standing(parent).is_history() && graph.depth(parent) >= min_depth;
            if wanted && found.len() < limit && seen.insert(parent) {
                found.push(parent);
            }
        }
    }
    found.reverse();
    found
}
