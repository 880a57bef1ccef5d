//! The event graph of one room, as one server holds it: events, `prev_events` edges, gaps and extremities.
//!
//! A module of its own because every recovery bug is in the end a wrong answer to "what are my tips, and
//! where is missing?", so both are kept exact here after every change, whatever the order of arrival. It
//! knows neither JSON nor state nor how a verdict was reached: callers tell it the [`Standing`].

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use ruma_common::{EventId, OwnedEventId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event of one [`EventGraph`], by dense index: the order in which the graph first heard of it.
///
/// Only meaningful for the graph that gave it out (or a clone of that graph).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventIdx(u32);

impl EventIdx {
    /// The index as a position, `0..graph.len()`, for side tables.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a server stands to an event (SS-API "Checks performed on receipt of a PDU").
///
/// Ordered from least to most trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Known only because a held event names it in its `prev_events`.
    Missing,
    /// Held without the state before it: never part of the history.
    Outlier,
    /// Failed the auth rules against its `auth_events` or against the state before it.
    Rejected,
    /// Passed those, but failed against the current state (SS-API "Soft failure"): part of the history, never
    /// a tip.
    SoftFailed,
    /// Passed every check.
    Accepted,
}

impl Standing {
    /// Whether the event has a state and belongs to the history, so that walks answer with it and pass
    /// through it.
    pub fn is_history(self) -> bool {
        matches!(self, Self::SoftFailed | Self::Accepted)
    }

    /// Whether the event passed or failed by its own merits: it is held, and not for its state alone.
    pub fn is_judged(self) -> bool {
        matches!(self, Self::Rejected | Self::SoftFailed | Self::Accepted)
    }

    /// Whether the server still has to ask for the event before what lies behind it can become history.
    fn is_gap(self) -> bool {
        matches!(self, Self::Missing | Self::Outlier)
    }
}

/// The event graph of one room.
///
/// `prev_events` are claims of other servers. Up to room version 2 event ids are chosen by the sender, so an
/// event can be its own ancestor; nothing here assumes otherwise.
#[derive(Clone, Debug, Default)]
pub struct EventGraph {
    nodes: IndexMap<OwnedEventId, Node, FixedState>,
    missing: BTreeSet<EventIdx>,
    forward: BTreeSet<EventIdx>,
    forward_changes: usize,
    backward: BTreeSet<EventIdx>,
    also_covering: &'static [Standing],
}

#[derive(Clone, Debug)]
struct Node {
    depth: u64,
    /// How many events were held when it was, itself included.
    arrival: u32,
    parents: Links,
    children: Links,
    cover: Cover,
    standing: Standing,
}

impl Node {
    const MISSING: Self = Self {
        depth: 0,
        arrival: 0,
        parents: Links::NONE,
        children: Links::NONE,
        cover: Cover::Nobody,
        standing: Standing::Missing,
    };
}

/// Neighbours of an event. Most events have one parent and one child: those cost no allocation.
#[derive(Clone, Debug)]
enum Links {
    One(EventIdx),
    Other(Vec<EventIdx>),
}

impl Links {
    const NONE: Self = Self::Other(Vec::new());

    fn as_slice(&self) -> &[EventIdx] {
        match self {
            Self::One(idx) => std::slice::from_ref(idx),
            Self::Other(list) => list,
        }
    }

    fn push(&mut self, idx: EventIdx) {
        match self {
            Self::One(first) => *self = Self::Other(vec![*first, idx]),
            Self::Other(list) if list.is_empty() => *self = Self::One(idx),
            Self::Other(list) => list.push(idx),
        }
    }
}

/// Which accepted events reach an event over events that are not accepted themselves, counted to two.
///
/// A flag would do if graphs had no cycles. But an accepted event that a soft-failed one leads back to must
/// not cover itself, so one coverer needs a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cover {
    Nobody,
    One(EventIdx),
    Several,
}

impl Cover {
    fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, cover) | (cover, Self::Nobody) => cover,
            (Self::One(a), Self::One(b)) if a == b => self,
            _ => Self::Several,
        }
    }
}

impl EventGraph {
    /// A room of which nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets events of these standings take tips away too, like accepted ones; from now on.
    pub(super) fn also_cover_by(&mut self, standings: &'static [Standing]) {
        self.also_covering = standings;
    }

    /// Puts in an event that the server holds, in any order relative to its parents and children.
    ///
    /// `depth` is the event's own claim. Parents that the graph doesn't know become [`Standing::Missing`]; an
    /// id that was missing is filled. Repeated `prev_events` count once, where they came first. If the event
    /// is held already, depth and parents stay as they were, and only an outlier takes the new standing: a
    /// verdict is changed by [`set_standing`](Self::set_standing) alone.
    ///
    /// Costs O(parents) where the parents are accepted, as at the tip of a room.
    ///
    /// # Panics
    ///
    /// If `standing` is [`Standing::Missing`], which no held event can be.
    pub fn insert<'a>(
        &mut self,
        id: &EventId,
        depth: u64,
        prev_events: impl Iterator<Item = &'a EventId>,
        standing: Standing,
    ) -> EventIdx {
        assert_ne!(standing, Standing::Missing, "an event that is put in is not missing");
        let idx = self.intern(id);
        match self.standing(idx) {
            Standing::Missing => self.fill(idx, depth, prev_events, standing),
            Standing::Outlier => self.set_standing(idx, standing),
            Standing::Rejected | Standing::SoftFailed | Standing::Accepted => {}
        }
        idx
    }

    /// Changes the verdict on an event that the server holds: an outlier got its state, or a verdict was
    /// revised.
    ///
    /// Costs O(edges) of the region below the event that is not accepted, down to the first accepted events.
    ///
    /// # Panics
    ///
    /// If the event is missing, or shall become so: only [`insert`](Self::insert) fills a gap, and nothing
    /// that was held is forgotten.
    pub fn set_standing(&mut self, idx: EventIdx, standing: Standing) {
        let old = self.standing(idx);
        assert_ne!(old, Standing::Missing, "a missing event has no standing to change");
        assert_ne!(standing, Standing::Missing, "a held event doesn't go missing");
        self.node_mut(idx).standing = standing;

        self.refresh_backward(idx);
        if old.is_history() != standing.is_history() {
            self.refresh_backward_below(idx);
        }
        if (old == Standing::Accepted) != (standing == Standing::Accepted) {
            self.recover_region_below(idx);
            self.refresh_forward(idx);
        }
    }

    /// The index of an event, held or missing; `None` if the graph never heard of it.
    pub fn get(&self, id: &EventId) -> Option<EventIdx> {
        self.nodes.get_index_of(id).map(to_idx)
    }

    /// The event's id.
    pub fn id(&self, idx: EventIdx) -> &EventId {
        let (id, _) = self.nodes.get_index(idx.index()).expect("an index comes from its own graph");
        id
    }

    /// How the server stands to the event.
    pub fn standing(&self, idx: EventIdx) -> Standing {
        self.node(idx).standing
    }

    /// The depth that the event claims, which may be a lie; 0 if it is missing.
    pub fn depth(&self, idx: EventIdx) -> u64 {
        self.node(idx).depth
    }

    /// The event's place in the order in which the server got its events, from 1; 0 if it is missing.
    pub fn arrival(&self, idx: EventIdx) -> u32 {
        self.node(idx).arrival
    }

    /// The event's `prev_events` in their own order, without repetitions; none if it is missing.
    pub fn parents(&self, idx: EventIdx) -> &[EventIdx] {
        self.node(idx).parents.as_slice()
    }

    /// The held events that name this one in their `prev_events`, in order of insertion.
    pub fn children(&self, idx: EventIdx) -> &[EventIdx] {
        self.node(idx).children.as_slice()
    }

    /// The number of events that the graph knows of, missing ones included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the graph knows of no event at all.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Every event, missing ones included, in the order in which the graph first heard of them.
    pub fn iter(&self) -> impl Iterator<Item = EventIdx> + use<> {
        (0..self.nodes.len()).map(to_idx)
    }

    /// The missing events, in the order in which the graph first heard of them.
    pub fn missing(&self) -> impl Iterator<Item = EventIdx> {
        self.missing.iter().copied()
    }

    /// The forward extremities, by event id: what a new event of this server has to name as `prev_events`
    /// (SS-API "PDUs").
    ///
    /// An accepted event is one unless another accepted event descends from it, over whatever held events.
    /// What is soft-failed, rejected or an outlier neither is one nor takes a tip away by itself.
    pub fn forward_extremities(&self) -> impl Iterator<Item = EventIdx> {
        self.by_id(&self.forward)
    }

    /// How often the forward extremities have changed so far, one event at a time.
    pub fn forward_changes(&self) -> usize {
        self.forward_changes
    }

    /// The backward extremities, by event id: the missing events and outliers that an event of the history
    /// names in its `prev_events`; where `/backfill` would go on.
    pub fn backward_extremities(&self) -> impl Iterator<Item = EventIdx> {
        self.by_id(&self.backward)
    }

    /// Indexes tell the order of arrival, which must not leak into what a server says or authors.
    fn by_id(&self, set: &BTreeSet<EventIdx>) -> impl Iterator<Item = EventIdx> + use<> {
        let mut sorted: Vec<EventIdx> = set.iter().copied().collect();
        sorted.sort_unstable_by_key(|&idx| self.id(idx));
        sorted.into_iter()
    }

    fn node(&self, idx: EventIdx) -> &Node {
        &self.nodes[idx.index()]
    }

    fn node_mut(&mut self, idx: EventIdx) -> &mut Node {
        &mut self.nodes[idx.index()]
    }

    fn intern(&mut self, id: &EventId) -> EventIdx {
        if let Some(known) = self.get(id) {
            return known;
        }
        let (position, _) = self.nodes.insert_full(id.to_owned(), Node::MISSING);
        let idx = to_idx(position);
        self.missing.insert(idx);
        idx
    }

    fn fill<'a>(
        &mut self,
        idx: EventIdx,
        depth: u64,
        prev_events: impl Iterator<Item = &'a EventId>,
        standing: Standing,
    ) {
        self.missing.remove(&idx);
        let held = self.nodes.len() - self.missing.len();
        let node = self.node_mut(idx);
        node.depth = depth;
        node.arrival = u32::try_from(held).expect("indexes are as small");
        node.standing = standing;
        for prev in prev_events {
            self.link(idx, prev);
        }

        self.refresh_backward(idx);
        if standing.is_history() {
            self.refresh_backward_below(idx);
        }
        self.spread_cover(idx);
        self.refresh_forward(idx);
    }

    fn link(&mut self, child: EventIdx, prev: &EventId) {
        let parent = self.intern(prev);
        // An event's edges are made in one go, so a repeated parent has this child as its newest.
        if self.children(parent).last() != Some(&child) {
            self.node_mut(parent).children.push(child);
            self.node_mut(child).parents.push(parent);
        }
    }

    /// What an event adds to the cover of its parents.
    fn offer(&self, idx: EventIdx) -> Cover {
        match self.standing(idx) {
            Standing::Accepted => Cover::One(idx),
            standing if self.also_covering.contains(&standing) => Cover::One(idx),
            _ => self.node(idx).cover,
        }
    }

    /// Hands an event's offer down until it changes nothing more. A cover grows at most twice, which bounds
    /// the work of all insertions together by the number of edges.
    fn spread_cover(&mut self, from: EventIdx) {
        let mut grown = vec![from];
        while let Some(idx) = grown.pop() {
            let offer = self.offer(idx);
            for nth in 0..self.parents(idx).len() {
                let parent = self.parents(idx)[nth];
                let joined = self.node(parent).cover.join(offer);
                if joined == self.node(parent).cover {
                    continue;
                }
                self.node_mut(parent).cover = joined;
                match self.standing(parent) {
                    Standing::Accepted => self.refresh_forward(parent),
                    _ => grown.push(parent),
                }
            }
        }
    }

    /// Covers can shrink when an event starts or ceases to be accepted, which
    /// [`spread_cover`](Self::spread_cover) can't express: forget those that it had a part in, and gather
    /// them anew.
    fn recover_region_below(&mut self, idx: EventIdx) {
        let region = self.region_below(idx);
        for &member in &region {
            self.node_mut(member).cover = Cover::Nobody;
        }
        for &member in &region {
            let offers = self.children(member).iter().map(|&child| self.offer(child));
            self.node_mut(member).cover = offers.fold(Cover::Nobody, Cover::join);
        }
        for &member in &region {
            match self.standing(member) {
                Standing::Accepted => self.refresh_forward(member),
                _ => self.spread_cover(member),
            }
        }
    }

    /// The events whose cover depends on `idx`: reached from it over events that are not accepted.
    fn region_below(&self, idx: EventIdx) -> BTreeSet<EventIdx> {
        let mut region = BTreeSet::new();
        let mut passed = vec![idx];
        while let Some(child) = passed.pop() {
            for &parent in self.parents(child) {
                if region.insert(parent) && self.standing(parent) != Standing::Accepted {
                    passed.push(parent);
                }
            }
        }
        region
    }

    fn refresh_forward(&mut self, idx: EventIdx) {
        let node = self.node(idx);
        let uncovered = node.cover == Cover::Nobody || node.cover == Cover::One(idx);
        let changes = if node.standing == Standing::Accepted && uncovered {
            self.forward.insert(idx)
        } else {
            self.forward.remove(&idx)
        };
        self.forward_changes += usize::from(changes);
    }

    fn refresh_backward_below(&mut self, idx: EventIdx) {
        for nth in 0..self.parents(idx).len() {
            self.refresh_backward(self.parents(idx)[nth]);
        }
    }

    fn refresh_backward(&mut self, idx: EventIdx) {
        // Newest first: after an insertion into the history the answer is the last child.
        let mut children = self.children(idx).iter().rev();
        if self.standing(idx).is_gap() && children.any(|&child| self.standing(child).is_history()) {
            self.backward.insert(idx);
        } else {
            self.backward.remove(&idx);
        }
    }
}

fn to_idx(position: usize) -> EventIdx {
    EventIdx(u32::try_from(position).expect("a room has fewer than 2^32 events"))
}
