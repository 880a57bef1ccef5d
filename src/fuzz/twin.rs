//! The event graph and its walks once more, slow and plain: written from the rules and not from the code.
//!
//! The twin works on a plain map, from scratch every time, with other algorithms than the graph: sets and levels
//! where it has queues, whole ancestries where it has covers. Tests and the fuzzer hold both against each other, so
//! it lives where both can reach it. Nothing of a run uses it.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::{EventId, OwnedEventId};

use crate::room::{
    graph::{EventGraph, EventIdx, Standing},
    walk::{self, BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_MAX},
};

/// The standings that an event can have that is held.
pub const HELD: [Standing; 4] =
    [Standing::Outlier, Standing::Rejected, Standing::SoftFailed, Standing::Accepted];

/// An event, as far as walks go.
#[derive(Clone, Debug)]
pub struct Event {
    /// The depth that it claims.
    pub depth: u64,
    /// Its `prev_events`.
    pub parents: Vec<OwnedEventId>,
    /// How the server stands to it.
    pub standing: Standing,
}

/// What a server holds, as plainly as can be. Missing events are those that are named and not in the map.
#[derive(Clone, Debug, Default)]
pub struct Plain(pub BTreeMap<OwnedEventId, Event>);

impl Plain {
    fn standing(&self, id: &EventId) -> Standing {
        self.0.get(id).map_or(Standing::Missing, |event| event.standing)
    }

    fn in_history(&self, id: &EventId) -> bool {
        matches!(self.standing(id), Standing::Accepted | Standing::SoftFailed)
    }

    fn depth(&self, id: &EventId) -> u64 {
        self.0.get(id).map_or(0, |event| event.depth)
    }

    fn parents(&self, id: &EventId) -> &[OwnedEventId] {
        self.0.get(id).map_or(&[], |event| &event.parents)
    }

    fn missing(&self) -> BTreeSet<OwnedEventId> {
        let named = self.0.values().flat_map(|event| &event.parents);
        named.filter(|id| !self.0.contains_key(*id)).cloned().collect()
    }

    /// Every event that is reached from `id` in one step or more.
    fn ancestors(&self, id: &EventId) -> BTreeSet<&EventId> {
        let mut found = BTreeSet::new();
        let mut level: Vec<&EventId> = vec![id];
        while !level.is_empty() {
            let parents = level.iter().flat_map(|id| self.parents(id)).map(|id| &**id);
            level = parents.filter(|parent| found.insert(*parent)).collect();
        }
        found
    }

    pub(super) fn forward_extremities(&self) -> Vec<OwnedEventId> {
        let accepted = || self.0.keys().filter(|id| self.standing(id) == Standing::Accepted);
        let mut tips: BTreeSet<&EventId> = accepted().map(|id| &**id).collect();
        for id in accepted() {
            let mut covered = self.ancestors(id);
            covered.remove(&**id);
            tips.retain(|tip| !covered.contains(tip));
        }
        tips.into_iter().map(ToOwned::to_owned).collect()
    }

    fn backward_extremities(&self) -> Vec<OwnedEventId> {
        let history = self.0.iter().filter(|(id, _)| self.in_history(id));
        let named: BTreeSet<&OwnedEventId> = history.flat_map(|(_, event)| &event.parents).collect();
        let gaps = [Standing::Missing, Standing::Outlier];
        named.into_iter().filter(|id| gaps.contains(&self.standing(id))).cloned().collect()
    }

    /// Looks through all of history from its best event on for one that is open, again and again.
    pub(super) fn backfill(&self, seeds: &[OwnedEventId], limit: usize) -> Vec<OwnedEventId> {
        let mut history: Vec<(&OwnedEventId, &Event)> =
            self.0.iter().filter(|(id, _)| self.in_history(id)).collect();
        history.sort_by(|(a, x), (b, y)| y.depth.cmp(&x.depth).then(a.cmp(b)));
        let places: BTreeMap<&OwnedEventId, usize> =
            history.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
        let (mut open, mut picked) = (vec![false; history.len()], vec![false; history.len()]);
        for place in seeds.iter().filter_map(|seed| places.get(seed)) {
            open[*place] = true;
        }
        for _ in 0..limit.clamp(1, 100) {
            let Some(best) = (0..history.len()).find(|place| open[*place] && !picked[*place]) else { break };
            picked[best] = true;
            for parent in history[best].1.parents.iter().filter_map(|parent| places.get(parent)) {
                open[*parent] = true;
            }
        }
        let answer = history.iter().zip(picked).filter(|(_, picked)| *picked);
        answer.map(|((id, _), _)| (*id).clone()).collect()
    }

    /// Lists all levels down to the roots of the room, and cuts afterwards.
    pub(super) fn missing_events(&self, query: &Query) -> Vec<OwnedEventId> {
        let mut listed: Vec<OwnedEventId> = Vec::new();
        let mut level: Vec<OwnedEventId> = query.latest.clone();
        while !level.is_empty() {
            let expanded = level.iter().filter(|id| self.in_history(id));
            let mut next: Vec<OwnedEventId> = expanded.flat_map(|id| self.parents(id)).cloned().collect();
            next.retain(|id| self.in_history(id) && self.depth(id) >= query.min_depth);
            next.retain(|id| ![&query.latest, &query.earliest, &listed].iter().any(|ids| ids.contains(id)));
            level = Vec::new();
            for id in next {
                if !level.contains(&id) {
                    level.push(id);
                }
            }
            listed.extend_from_slice(&level);
        }
        listed.truncate(query.limit.min(20));
        listed.reverse();
        listed
    }
}

/// A request to `/get_missing_events`.
#[derive(Clone, Debug)]
pub struct Query {
    /// `latest_events`.
    pub latest: Vec<OwnedEventId>,
    /// `earliest_events`.
    pub earliest: Vec<OwnedEventId>,
    /// `limit`.
    pub limit: usize,
    /// `min_depth`.
    pub min_depth: u64,
}

/// Both sides of the comparison, kept in step.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// The slow side.
    pub plain: Plain,
    /// The side under test.
    pub graph: EventGraph,
}

impl Pair {
    /// Takes an event on both sides; names its first parent twice, which must change nothing.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn insert(&mut self, id: &OwnedEventId, event: &Event) {
        let repeated = event.parents.iter().chain(event.parents.first()).map(|id| &**id);
        let idx = self.graph.insert(id, event.depth, repeated, event.standing);
        assert_eq!(self.graph.get(id), Some(idx));
        self.plain.0.insert(id.clone(), event.clone());
    }

    /// Judges a held event anew on both sides.
    ///
    /// # Panics
    ///
    /// If the event is not held.
    pub fn set_standing(&mut self, id: &EventId, standing: Standing) {
        self.graph.set_standing(self.idx(id), standing);
        self.plain.0.get_mut(id).expect("only what is held is judged").standing = standing;
    }

    fn idx(&self, id: &EventId) -> EventIdx {
        self.graph.get(id).expect("the graph knows what the twin knows")
    }

    fn idxs(&self, ids: &[OwnedEventId]) -> Vec<EventIdx> {
        ids.iter().filter_map(|id| self.graph.get(id)).collect()
    }

    /// The ids of some events.
    pub fn ids(&self, idxs: impl IntoIterator<Item = EventIdx>) -> Vec<OwnedEventId> {
        idxs.into_iter().map(|idx| self.graph.id(idx).to_owned()).collect()
    }

    /// What the graph answers to `/backfill`.
    pub fn backfill(&self, seeds: &[OwnedEventId], limit: usize) -> Vec<OwnedEventId> {
        self.ids(walk::backfill(&self.graph, &self.idxs(seeds), limit))
    }

    /// What the graph answers to `/get_missing_events`.
    pub fn missing_events(&self, query: &Query) -> Vec<OwnedEventId> {
        let (latest, earliest) = (self.idxs(&query.latest), self.idxs(&query.earliest));
        self.ids(walk::missing_events(&self.graph, &latest, &earliest, query.limit, query.min_depth))
    }

    /// Compares the tips and the gaps.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_extremities(&self, case: &str) {
        let (graph, plain) = (&self.graph, &self.plain);
        let forward = self.ids(graph.forward_extremities());
        assert_eq!(forward, plain.forward_extremities(), "{case}: forward extremities");
        let backward = self.ids(graph.backward_extremities());
        assert_eq!(backward, plain.backward_extremities(), "{case}: backward extremities");
    }

    /// Compares everything that is kept of each event.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_events(&self, case: &str) {
        let missing: BTreeSet<OwnedEventId> = self.ids(self.graph.missing()).into_iter().collect();
        assert_eq!(missing, self.plain.missing(), "{case}: missing");
        assert_eq!(self.graph.len(), self.plain.0.len() + missing.len(), "{case}: number of events");
        let mut children: BTreeMap<OwnedEventId, BTreeSet<OwnedEventId>> = BTreeMap::new();
        for idx in self.graph.iter() {
            let id = self.graph.id(idx);
            assert_eq!(self.graph.standing(idx), self.plain.standing(id), "{case}: standing of {id}");
            assert_eq!(self.graph.depth(idx), self.plain.depth(id), "{case}: depth of {id}");
            let parents = self.ids(self.graph.parents(idx).iter().copied());
            assert_eq!(parents, self.plain.parents(id), "{case}: parents of {id}");
            for parent in parents {
                children.entry(parent).or_default().insert(id.to_owned());
            }
        }
        for idx in self.graph.iter() {
            let listed = self.ids(self.graph.children(idx).iter().copied());
            let expected = children.remove(self.graph.id(idx)).unwrap_or_default();
            assert_eq!(listed.len(), expected.len(), "{case}: children, once each");
            assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected, "{case}: children");
        }
    }

    /// Compares one answer to `/backfill`, and holds it against what is true of every answer.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_backfill(&self, case: &str, seeds: &[OwnedEventId], limit: usize) {
        let answer = self.backfill(seeds, limit);
        let case = format!("{case}: backfill from {seeds:?}, limit {limit}");
        assert_eq!(answer, self.plain.backfill(seeds, limit), "{case}");

        let served: BTreeSet<&EventId> = answer.iter().map(|id| &**id).collect();
        assert_eq!(served.len(), answer.len(), "{case}: duplicates");
        assert!(answer.len() <= limit.clamp(1, BACKFILL_LIMIT_MAX), "{case}: limit");
        assert!(answer.is_sorted_by_key(|id| u64::MAX - self.plain.depth(id)), "{case}: order");
        let mut allowed: BTreeSet<&EventId> = seeds.iter().map(|id| &**id).collect();
        allowed.extend(seeds.iter().flat_map(|seed| self.plain.ancestors(seed)));
        assert!(served.is_subset(&allowed), "{case}: only seeds and their ancestors");
    }

    /// Compares one answer to `/get_missing_events`, and holds it against what is true of every answer.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_missing_events(&self, case: &str, query: &Query) {
        let answer = self.missing_events(query);
        let case = format!("{case}: {query:?}");
        assert_eq!(answer, self.plain.missing_events(query), "{case}");

        let served: BTreeSet<&EventId> = answer.iter().map(|id| &**id).collect();
        assert_eq!(served.len(), answer.len(), "{case}: duplicates");
        assert!(answer.len() <= query.limit.min(MISSING_EVENTS_LIMIT_MAX), "{case}: limit");
        let ends = query.latest.iter().chain(&query.earliest);
        assert!(!ends.into_iter().any(|id| answer.contains(id)), "{case}: latest or earliest in the answer");
        let allowed: BTreeSet<_> = query.latest.iter().flat_map(|id| self.plain.ancestors(id)).collect();
        assert!(served.is_subset(&allowed), "{case}: only ancestors of a latest");
    }
}
