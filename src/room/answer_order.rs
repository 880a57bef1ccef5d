//! The other orders in which servers answer `/backfill` and `/get_missing_events`, beside the one that is
//! customary here ([`walk`]).
//!
//! The specification says which events may be in an answer and not which come first (matrix-spec#1512). Where
//! an answer is cut by its limit, that decides what the asker gets, and so how often it has to ask.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use ruma_common::EventId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    graph::{EventGraph, EventIdx},
    walk::{self, BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_MAX},
};

/// The order in which a server walks back through history when it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerOrder {
    /// `/backfill` by depth, `/get_missing_events` breadth first.
    #[default]
    Customary,
    /// Level by level, within a level in the order of the children and of their `prev_events`.
    BreadthFirst,
    /// Down the first of the `prev_events` as far as it goes, then down the next.
    DepthFirst,
    /// The greatest claimed depth of all events reached so far goes next; of equals the one with the least
    /// id.
    ByDepth,
    /// What came to the server last, of all events reached so far, goes next.
    NewestArrival,
}

impl AnswerOrder {
    /// All orders.
    pub const ALL: [Self; 5] =
        [Self::Customary, Self::BreadthFirst, Self::DepthFirst, Self::ByDepth, Self::NewestArrival];

    /// The name, as in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Self::Customary => "customary",
            Self::BreadthFirst => "breadth_first",
            Self::DepthFirst => "depth_first",
            Self::ByDepth => "by_depth",
            Self::NewestArrival => "newest_arrival",
        }
    }

    /// Whether it is the customary one.
    pub fn is_customary(&self) -> bool {
        *self == Self::Customary
    }

    /// The events that answer `/backfill`, by the rules of [`walk::backfill`] except for what goes next.
    ///
    /// Breadth first and depth first, the answer is in the order of discovery; by depth and by arrival it is
    /// sorted, greatest first.
    pub fn backfill(self, graph: &EventGraph, seeds: &[EventIdx], limit: usize) -> Vec<EventIdx> {
        if matches!(self, Self::Customary | Self::ByDepth) {
            return walk::backfill(graph, seeds, limit);
        }
        let limit = limit.clamp(1, BACKFILL_LIMIT_MAX);
        let wanted = |idx: EventIdx| graph.standing(idx).is_history();
        let mut answer = self.discover(graph, seeds, limit, wanted);
        if self == Self::NewestArrival {
            answer.sort_unstable_by_key(|idx| Reverse(graph.arrival(*idx)));
        }
        answer
    }

    /// The events that answer `/get_missing_events`, by the rules of [`walk::missing_events`] except for what
    /// goes next; oldest first, which is the reverse of the order of discovery, or for depth and arrival the
    /// least first.
    pub fn missing_events(
        self,
        graph: &EventGraph,
        latest: &[EventIdx],
        earliest: &[EventIdx],
        limit: usize,
        min_depth: u64,
    ) -> Vec<EventIdx> {
        if matches!(self, Self::Customary | Self::BreadthFirst) {
            return walk::missing_events(graph, latest, earliest, limit, min_depth);
        }
        let named: BTreeSet<EventIdx> = earliest.iter().chain(latest).copied().collect();
        let history = |idx: EventIdx| graph.standing(idx).is_history();
        let wanted = |idx: EventIdx| history(idx) && graph.depth(idx) >= min_depth && !named.contains(&idx);
        let roots = latest.iter().filter(|idx| history(**idx) && !earliest.contains(idx));
        let start: Vec<EventIdx> = roots.flat_map(|idx| graph.parents(*idx)).copied().collect();
        let mut answer = self.discover(graph, &start, limit.min(MISSING_EVENTS_LIMIT_MAX), wanted);
        match self {
            Self::ByDepth => answer.sort_unstable_by_key(|idx| by_depth(graph, *idx)),
            Self::NewestArrival => answer.sort_unstable_by_key(|idx| graph.arrival(*idx)),
            _ => answer.reverse(),
        }
        answer
    }

    /// The first events that the walk comes to, in the order in which it does.
    fn discover(
        self,
        graph: &EventGraph,
        start: &[EventIdx],
        limit: usize,
        wanted: impl Fn(EventIdx) -> bool,
    ) -> Vec<EventIdx> {
        let mut frontier = Frontier::new(self);
        let mut taken = BTreeSet::new();
        let mut found = Vec::with_capacity(limit);
        frontier.add(graph, start, &wanted);
        while found.len() < limit
            && let Some(next) = frontier.next()
        {
            if taken.insert(next) {
                found.push(next);
                frontier.add(graph, graph.parents(next), &wanted);
            }
        }
        found
    }
}

fn by_depth(graph: &EventGraph, idx: EventIdx) -> (u64, Reverse<&EventId>) {
    (graph.depth(idx), Reverse(graph.id(idx)))
}

/// What was reached and not taken yet. An event may be in it several times.
enum Frontier<'g> {
    Queue(VecDeque<EventIdx>),
    Stack(Vec<EventIdx>),
    Deepest(BinaryHeap<(u64, Reverse<&'g EventId>, EventIdx)>),
    Newest(BinaryHeap<(u32, EventIdx)>),
}

impl<'g> Frontier<'g> {
    fn new(order: AnswerOrder) -> Self {
        match order {
            AnswerOrder::Customary | AnswerOrder::BreadthFirst => Self::Queue(VecDeque::new()),
            AnswerOrder::DepthFirst => Self::Stack(Vec::new()),
            AnswerOrder::ByDepth => Self::Deepest(BinaryHeap::new()),
            AnswerOrder::NewestArrival => Self::Newest(BinaryHeap::new()),
        }
    }

    fn add(&mut self, graph: &'g EventGraph, events: &[EventIdx], wanted: impl Fn(EventIdx) -> bool) {
        let events = events.iter().copied().filter(|idx| wanted(*idx));
        match self {
            Self::Queue(queue) => queue.extend(events),
            Self::Stack(stack) => {
                let first = stack.len();
                stack.extend(events);
                stack[first..].reverse();
            }
            Self::Deepest(heap) => heap.extend(events.map(|idx| {
                let (depth, id) = by_depth(graph, idx);
                (depth, id, idx)
            })),
            Self::Newest(heap) => heap.extend(events.map(|idx| (graph.arrival(idx), idx))),
        }
    }

    fn next(&mut self) -> Option<EventIdx> {
        match self {
            Self::Queue(queue) => queue.pop_front(),
            Self::Stack(stack) => stack.pop(),
            Self::Deepest(heap) => heap.pop().map(|(_, _, idx)| idx),
            Self::Newest(heap) => heap.pop().map(|(_, idx)| idx),
        }
    }
}
