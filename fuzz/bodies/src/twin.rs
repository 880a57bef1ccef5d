//! The event graph and its walks once more, slow and plain: written from the rules and not from the code.
//!
//! The twin works from scratch every time, with other algorithms than the graph: sets and levels where it has
//! queues, whole ancestries where it has covers. Tests and the fuzzer hold both against each other, so it
//! lives where both can reach it. Nothing of a run uses it.

use std::collections::BTreeMap;

use ruma_common::{EventId, OwnedEventId};

use backfire::room::{
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

/// What a server holds, as plainly as can be: everything that was ever named, by number.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    numbers: BTreeMap<OwnedEventId, usize>,
    known: Vec<Known>,
}

/// An event that is held, or named by one that is.
#[derive(Clone, Debug)]
struct Known {
    id: OwnedEventId,
    depth: u64,
    parents: Vec<usize>,
    standing: Standing,
}

/// Some of the events, by number.
#[derive(Clone, Debug, PartialEq)]
struct Set(Vec<u64>);

impl Set {
    fn has(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }

    /// Whether it is new.
    fn add(&mut self, number: usize) -> bool {
        let is_new = !self.has(number);
        self.0[number / 64] |= 1 << (number % 64);
        is_new
    }

    fn remove(&mut self, number: usize) {
        self.0[number / 64] &= !(1 << (number % 64));
    }

    fn add_all(&mut self, others: &Self) {
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word |= other;
        }
    }

    fn first(&self) -> Option<usize> {
        let word = self.0.iter().position(|word| *word != 0)?;
        Some(word * 64 + self.0[word].trailing_zeros() as usize)
    }
}

impl Plain {
    /// Takes an event that is held from now on.
    pub fn insert(&mut self, id: &EventId, event: &Event) {
        let number = self.number_of(id);
        let mut parents: Vec<usize> = Vec::with_capacity(event.parents.len());
        for parent in &event.parents {
            let parent = self.number_of(parent);
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        self.known[number] =
            Known { id: id.to_owned(), depth: event.depth, parents, standing: event.standing };
    }

    fn number_of(&mut self, id: &EventId) -> usize {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        let number = self.known.len();
        let standing = Standing::Missing;
        self.known.push(Known { id: id.to_owned(), depth: 0, parents: Vec::new(), standing });
        self.numbers.insert(id.to_owned(), number);
        number
    }

    /// How the server stands to an event, of which it may never have heard.
    pub fn standing(&self, id: &EventId) -> Standing {
        self.numbers.get(id).map_or(Standing::Missing, |number| self.known[*number].standing)
    }

    /// Judges a held event anew.
    ///
    /// # Panics
    ///
    /// If the event is not held.
    pub fn set_standing(&mut self, id: &EventId, standing: Standing) {
        let known = &mut self.known[self.numbers[id]];
        assert_ne!(known.standing, Standing::Missing, "only what is held is judged");
        known.standing = standing;
    }

    /// The events that are held.
    pub fn held(&self) -> impl Iterator<Item = &OwnedEventId> {
        self.known.iter().filter(|known| known.standing != Standing::Missing).map(|known| &known.id)
    }

    fn none(&self) -> Set {
        Set(vec![0; self.known.len().div_ceil(64)])
    }

    fn numbers(&self, ids: &[OwnedEventId]) -> Vec<usize> {
        ids.iter().filter_map(|id| self.numbers.get(id).copied()).collect()
    }

    fn in_history(&self, number: usize) -> bool {
        matches!(self.known[number].standing, Standing::Accepted | Standing::SoftFailed)
    }

    /// Those of the set, sorted by id.
    fn sorted(&self, set: &Set) -> Vec<&EventId> {
        self.numbers.iter().filter(|(_, number)| set.has(**number)).map(|(id, _)| &**id).collect()
    }

    /// For each event all that is reached from it in one step or more: adds the parents' until nothing is
    /// added.
    fn ancestries(&self) -> Vec<Set> {
        let mut ancestries = vec![self.none(); self.known.len()];
        loop {
            let before = ancestries.clone();
            for (number, known) in self.known.iter().enumerate() {
                for parent in &known.parents {
                    let of_parent = ancestries[*parent].clone();
                    ancestries[number].add_all(&of_parent);
                    ancestries[number].add(*parent);
                }
            }
            if ancestries == before {
                return ancestries;
            }
        }
    }

    /// All that is reached from some events in one step or more.
    fn ancestors(&self, of: &[usize]) -> Set {
        let mut found = self.none();
        let mut level = of.to_vec();
        while !level.is_empty() {
            let parents = level.iter().flat_map(|number| &self.known[*number].parents).copied();
            level = parents.filter(|parent| found.add(*parent)).collect();
        }
        found
    }

    /// Every accepted event that no other accepted one has among its ancestors.
    pub(super) fn forward_extremities(&self) -> Vec<&EventId> {
        let (mut accepted, mut covered) = (self.none(), self.none());
        for (number, mut ancestry) in self.ancestries().into_iter().enumerate() {
            if self.known[number].standing == Standing::Accepted {
                accepted.add(number);
                ancestry.remove(number);
                covered.add_all(&ancestry);
            }
        }
        let mut tips = self.sorted(&accepted);
        tips.retain(|id| !covered.has(self.numbers[*id]));
        tips
    }

    fn backward_extremities(&self) -> Vec<&EventId> {
        let mut gaps = self.none();
        for (number, known) in self.known.iter().enumerate() {
            let open = known.parents.iter().filter(|_| self.in_history(number));
            for parent in open {
                if matches!(self.known[*parent].standing, Standing::Missing | Standing::Outlier) {
                    gaps.add(*parent);
                }
            }
        }
        self.sorted(&gaps)
    }

    /// Lays out all of history from its best event on, and takes the first that is open, again and again.
    pub(super) fn backfill(&self, seeds: &[OwnedEventId], limit: usize) -> Vec<&EventId> {
        let mut history: Vec<usize> =
            (0..self.known.len()).filter(|number| self.in_history(*number)).collect();
        history.sort_by(|a, b| {
            let (a, b) = (&self.known[*a], &self.known[*b]);
            b.depth.cmp(&a.depth).then_with(|| a.id.cmp(&b.id))
        });
        let mut places = vec![None; self.known.len()];
        for (place, number) in history.iter().enumerate() {
            places[*number] = Some(place);
        }
        let (mut open, mut picked) = (self.none(), self.none());
        for place in self.numbers(seeds).into_iter().filter_map(|number| places[number]) {
            open.add(place);
        }
        for _ in 0..limit.clamp(1, 100) {
            let Some(best) = open.first() else { break };
            open.remove(best);
            picked.add(best);
            let parents = self.known[history[best]].parents.iter().filter_map(|parent| places[*parent]);
            for parent in parents.filter(|parent| !picked.has(*parent)) {
                open.add(parent);
            }
        }
        let answer = history.iter().enumerate().filter(|(place, _)| picked.has(*place));
        self.children_first(answer.map(|(_, number)| *number).collect())
    }

    /// Takes again and again the first event that has no child of its own depth among those that are left;
    /// where all have one, the first.
    fn children_first(&self, mut left: Vec<usize>) -> Vec<&EventId> {
        let mut ordered = Vec::new();
        while let Some(first) = left.first() {
            let depth = self.known[*first].depth;
            let equals = || left.iter().take_while(|number| self.known[**number].depth == depth);
            let has_child =
                |number: &usize| equals().any(|child| self.known[*child].parents.contains(number));
            let next = equals().position(|number| !has_child(number)).unwrap_or(0);
            ordered.push(&*self.known[left.remove(next)].id);
        }
        ordered
    }

    /// Lists all levels down to the roots of the room, and cuts afterwards.
    pub(super) fn missing_events(&self, query: &Query) -> Vec<&EventId> {
        let (mut done, mut listed) = (self.none(), Vec::new());
        let mut level = self.numbers(&query.latest);
        let earliest = self.numbers(&query.earliest);
        for number in level.iter().chain(&earliest) {
            done.add(*number);
        }
        level.retain(|number| !earliest.contains(number));
        while !level.is_empty() {
            let expanded = level.iter().filter(|number| self.in_history(**number));
            let parents = expanded.flat_map(|number| &self.known[*number].parents).copied();
            let served =
                |number: &usize| self.in_history(*number) && self.known[*number].depth >= query.min_depth;
            level = parents.filter(served).filter(|number| done.add(*number)).collect();
            listed.extend(level.iter().map(|number| &*self.known[*number].id));
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
    pub fn insert(&mut self, id: &EventId, event: &Event) {
        let repeated = event.parents.iter().chain(event.parents.first()).map(|id| &**id);
        let idx = self.graph.insert(id, event.depth, repeated, event.standing);
        assert_eq!(self.graph.get(id), Some(idx));
        self.plain.insert(id, event);
    }

    /// Judges a held event anew on both sides.
    ///
    /// # Panics
    ///
    /// If the event is not held.
    pub fn set_standing(&mut self, id: &EventId, standing: Standing) {
        let idx = self.graph.get(id).expect("the graph knows what the twin knows");
        self.graph.set_standing(idx, standing);
        self.plain.set_standing(id, standing);
    }

    fn idxs(&self, ids: &[OwnedEventId]) -> Vec<EventIdx> {
        ids.iter().filter_map(|id| self.graph.get(id)).collect()
    }

    /// The ids of some events.
    pub fn ids(&self, idxs: impl IntoIterator<Item = EventIdx>) -> Vec<&EventId> {
        idxs.into_iter().map(|idx| self.graph.id(idx)).collect()
    }

    /// What the graph answers to `/backfill`.
    pub fn backfill(&self, seeds: &[OwnedEventId], limit: usize) -> Vec<&EventId> {
        self.ids(walk::backfill(&self.graph, &self.idxs(seeds), limit))
    }

    /// What the graph answers to `/get_missing_events`.
    pub fn missing_events(&self, query: &Query) -> Vec<&EventId> {
        let (latest, earliest) = (self.idxs(&query.latest), self.idxs(&query.earliest));
        self.ids(walk::missing_events(&self.graph, &latest, &earliest, query.limit, query.min_depth))
    }

    /// Compares the tips and the gaps.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_extremities(&self, case: &str) {
        let forward = self.ids(self.graph.forward_extremities());
        assert_eq!(forward, self.plain.forward_extremities(), "{case}: forward extremities");
        let backward = self.ids(self.graph.backward_extremities());
        assert_eq!(backward, self.plain.backward_extremities(), "{case}: backward extremities");
    }

    /// Compares everything that is kept of each event.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_events(&self, case: &str) {
        let (graph, known) = (&self.graph, &self.plain.known);
        assert_eq!(graph.len(), known.len(), "{case}: number of events");
        let missing = known.iter().filter(|known| known.standing == Standing::Missing).count();
        assert_eq!(graph.missing().count(), missing, "{case}: number of missing events");
        let number = |idx: EventIdx| self.plain.numbers.get(graph.id(idx)).copied();
        let numbers: Vec<Option<usize>> = graph.iter().map(number).collect();
        let numbers_of = |idxs: &[EventIdx]| idxs.iter().map(|idx| numbers[idx.index()]).collect::<Vec<_>>();
        let mut children = vec![self.plain.none(); known.len()];
        for (child, known) in known.iter().enumerate() {
            for parent in &known.parents {
                children[*parent].add(child);
            }
        }
        for idx in graph.iter() {
            let number =
                numbers[idx.index()].unwrap_or_else(|| panic!("{case}: {} was never named", graph.id(idx)));
            let Known { id, depth, parents, standing } = &known[number];
            assert_eq!(graph.standing(idx), *standing, "{case}: standing of {id}");
            assert_eq!(graph.depth(idx), *depth, "{case}: depth of {id}");
            let parents: Vec<_> = parents.iter().copied().map(Some).collect();
            assert_eq!(numbers_of(graph.parents(idx)), parents, "{case}: parents of {id}");
            let mut listed = self.plain.none();
            for child in numbers_of(graph.children(idx)).into_iter().flatten() {
                assert!(listed.add(child), "{case}: children of {id}, once each");
            }
            assert_eq!(listed, children[number], "{case}: children of {id}");
        }
    }

    /// Compares one answer to `/backfill`, and holds it against what is true of every answer.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_backfill(&self, case: &str, seeds: &[OwnedEventId], limit: usize) {
        let answer = self.backfill(seeds, limit);
        let case = || format!("{case}: backfill from {seeds:?}, limit {limit}");
        assert_eq!(answer, self.plain.backfill(seeds, limit), "{}", case());

        assert!(answer.len() <= limit.clamp(1, BACKFILL_LIMIT_MAX), "{}: limit", case());
        let numbers: Vec<usize> = answer.iter().map(|id| self.plain.numbers[*id]).collect();
        let depth = |number: &usize| self.plain.known[*number].depth;
        assert!(numbers.is_sorted_by_key(|number| u64::MAX - depth(number)), "{}: order", case());
        let seeds = self.plain.numbers(seeds);
        let mut allowed = self.plain.ancestors(&seeds);
        for seed in seeds {
            allowed.add(seed);
        }
        self.check_served(&numbers, allowed, case);
    }

    /// Compares one answer to `/get_missing_events`, and holds it against what is true of every answer.
    ///
    /// # Panics
    ///
    /// If the two differ.
    pub fn check_missing_events(&self, case: &str, query: &Query) {
        let answer = self.missing_events(query);
        let case = || format!("{case}: {query:?}");
        assert_eq!(answer, self.plain.missing_events(query), "{}", case());

        assert!(answer.len() <= query.limit.min(MISSING_EVENTS_LIMIT_MAX), "{}: limit", case());
        let numbers: Vec<usize> = answer.iter().map(|id| self.plain.numbers[*id]).collect();
        let latest = self.plain.numbers(&query.latest);
        let mut allowed = self.plain.ancestors(&latest);
        for end in latest.into_iter().chain(self.plain.numbers(&query.earliest)) {
            allowed.remove(end);
        }
        self.check_served(&numbers, allowed, case);
    }

    /// That nothing is served twice, and nothing that was not asked for.
    fn check_served(&self, served: &[usize], mut allowed: Set, case: impl Fn() -> String) {
        for number in served {
            let id = &self.plain.known[*number].id;
            assert!(allowed.has(*number), "{}: {id} is served twice, or was not asked for", case());
            allowed.remove(*number);
        }
    }
}
