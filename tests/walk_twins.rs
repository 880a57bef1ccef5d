//! The event graph and its walks against naive twins, written from the rules and not from the code.
//!
//! The twins work on a plain map, from scratch every time, with other algorithms than the graph: sets and levels
//! where it has queues, whole ancestries where it has covers. On thousands of random graphs both must agree.

use std::collections::{BTreeMap, BTreeSet};

use backfire::room::graph::{EventGraph, EventIdx, Standing};
use backfire::room::walk::{self, BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_MAX};
use rand::rngs::ChaCha8Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use ruma_common::{EventId, OwnedEventId};

const HELD: [Standing; 4] = [Standing::Outlier, Standing::Rejected, Standing::SoftFailed, Standing::Accepted];

#[derive(Clone)]
struct Event {
    depth: u64,
    parents: Vec<OwnedEventId>,
    standing: Standing,
}

/// What a server holds, as plainly as can be. Missing events are those that are named and not in the map.
#[derive(Clone, Default)]
struct Plain(BTreeMap<OwnedEventId, Event>);

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

    fn forward_extremities(&self) -> Vec<OwnedEventId> {
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

    /// Picks the best of all that could come next, again and again.
    fn backfill(&self, seeds: &[OwnedEventId], limit: usize) -> Vec<OwnedEventId> {
        let best_first = |id: &OwnedEventId| (u64::MAX - self.depth(id), id.clone());
        let mut picked: BTreeSet<OwnedEventId> = BTreeSet::new();
        while picked.len() < limit.clamp(1, 100) {
            let parents = picked.iter().flat_map(|id| self.parents(id));
            let open = seeds.iter().chain(parents).filter(|id| self.in_history(id) && !picked.contains(*id));
            let Some(best) = open.min_by_key(|id| best_first(id)) else { break };
            picked.insert(best.clone());
        }
        let mut answer: Vec<OwnedEventId> = picked.into_iter().collect();
        answer.sort_by_key(best_first);
        answer
    }

    /// Lists all levels down to the roots of the room, and cuts afterwards.
    fn missing_events(&self, query: &Query) -> Vec<OwnedEventId> {
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

#[derive(Debug)]
struct Query {
    latest: Vec<OwnedEventId>,
    earliest: Vec<OwnedEventId>,
    limit: usize,
    min_depth: u64,
}

/// Both sides of the comparison, kept in step.
#[derive(Default)]
struct Pair {
    plain: Plain,
    graph: EventGraph,
}

impl Pair {
    fn insert(&mut self, id: &OwnedEventId, event: &Event) {
        let repeated = event.parents.iter().chain(event.parents.first()).map(|id| &**id);
        let idx = self.graph.insert(id, event.depth, repeated, event.standing);
        assert_eq!(self.graph.get(id), Some(idx));
        self.plain.0.insert(id.clone(), event.clone());
    }

    fn set_standing(&mut self, id: &EventId, standing: Standing) {
        self.graph.set_standing(self.idx(id), standing);
        self.plain.0.get_mut(id).expect("only what is held is judged").standing = standing;
    }

    fn idx(&self, id: &EventId) -> EventIdx {
        self.graph.get(id).expect("the graph knows what the twin knows")
    }

    fn idxs(&self, ids: &[OwnedEventId]) -> Vec<EventIdx> {
        ids.iter().filter_map(|id| self.graph.get(id)).collect()
    }

    fn ids(&self, idxs: impl IntoIterator<Item = EventIdx>) -> Vec<OwnedEventId> {
        idxs.into_iter().map(|idx| self.graph.id(idx).to_owned()).collect()
    }

    fn backfill(&self, seeds: &[OwnedEventId], limit: usize) -> Vec<OwnedEventId> {
        self.ids(walk::backfill(&self.graph, &self.idxs(seeds), limit))
    }

    fn missing_events(&self, query: &Query) -> Vec<OwnedEventId> {
        let (latest, earliest) = (self.idxs(&query.latest), self.idxs(&query.earliest));
        self.ids(walk::missing_events(&self.graph, &latest, &earliest, query.limit, query.min_depth))
    }

    fn check_extremities(&self, case: &str) {
        let (graph, plain) = (&self.graph, &self.plain);
        let forward = self.ids(graph.forward_extremities());
        assert_eq!(forward, plain.forward_extremities(), "{case}: forward extremities");
        let backward = self.ids(graph.backward_extremities());
        assert_eq!(backward, plain.backward_extremities(), "{case}: backward extremities");
    }

    fn check_events(&self, case: &str) {
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

    fn check_backfill(&self, case: &str, seeds: &[OwnedEventId], limit: usize) {
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

    fn check_missing_events(&self, case: &str, query: &Query) {
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

/// A kind of random graph. Each field is drawn anew for every graph, so that the plain kinds are met as well.
struct Kind {
    events: usize,
    /// How far back parents are looked for: 1 gives a line, much gives forks.
    reach: usize,
    parents: usize,
    gaps: f64,
    spoilt: f64,
    lying_depths: bool,
    cycles: bool,
}

impl Kind {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            events: if rng.random_bool(0.1) { rng.random_range(25..150) } else { rng.random_range(1..25) },
            reach: [1, 2, 4, 12, 60][rng.random_range(0..5)],
            parents: rng.random_range(1..5),
            gaps: [0.0, 0.05, 0.3][rng.random_range(0..3)],
            spoilt: [0.0, 0.1, 0.5, 0.9][rng.random_range(0..4)],
            lying_depths: rng.random_bool(0.3),
            cycles: rng.random_bool(0.2),
        }
    }

    /// All events of the room, those included that the server won't hold.
    fn events(&self, rng: &mut ChaCha8Rng) -> Vec<(OwnedEventId, Event)> {
        let mut ids: Vec<OwnedEventId> = (0..self.events).map(|n| id(&format!("e{n:03}"))).collect();
        ids.shuffle(rng);
        let mut depths: Vec<u64> = Vec::new();
        let mut events = Vec::new();
        for n in 0..self.events {
            let parents = self.parents_of(n, rng);
            let honest = 1 + parents.iter().filter_map(|&parent| depths.get(parent)).max().unwrap_or(&0);
            let lies = self.lying_depths && rng.random_bool(0.3);
            depths.push(if lies { rng.random_range(0..40) } else { honest });
            let standing =
                if rng.random_bool(self.spoilt) { *HELD.choose(rng).unwrap() } else { Standing::Accepted };
            let parents = parents.into_iter().map(|parent| ids[parent].clone()).collect();
            events.push((ids[n].clone(), Event { depth: depths[n], parents, standing }));
        }
        events
    }

    /// In no particular order, without repetitions.
    fn parents_of(&self, n: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let first = n.saturating_sub(self.reach);
        let end = if self.cycles { (n + 3).min(self.events) } else { n };
        let mut candidates: Vec<usize> = (first..end).collect();
        candidates.shuffle(rng);
        candidates.truncate(rng.random_range(1..=self.parents));
        candidates
    }
}

fn id(name: &str) -> OwnedEventId {
    EventId::parse(format!("${name}:hs")).expect("names in tests are fit for ids")
}

fn some(ids: &[OwnedEventId], most: usize, rng: &mut ChaCha8Rng) -> Vec<OwnedEventId> {
    let count = rng.random_range(0..=most);
    (0..count).filter_map(|_| ids.choose(rng)).cloned().collect()
}

fn check_random_graph(seed: u64) {
    let case = format!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let kind = Kind::draw(&mut rng);
    let mut events = kind.events(&mut rng);
    let all: Vec<OwnedEventId> = events.iter().map(|(id, _)| id.clone()).collect();
    if rng.random_bool(0.7) {
        events.shuffle(&mut rng);
    }
    // Checking from scratch after every step is cubic: only small graphs are watched all the way.
    let watched = kind.events < 12;

    let mut pair = Pair::default();
    for (id, event) in events.iter().filter(|_| !rng.random_bool(kind.gaps)) {
        pair.insert(id, event);
        if watched {
            pair.check_extremities(&case);
        }
    }
    pair.check_extremities(&case);
    pair.check_events(&case);
    check_random_walks(&case, &pair, &all, &mut rng);

    let held: Vec<OwnedEventId> = pair.plain.0.keys().cloned().collect();
    for id in some(&held, if watched { 10 } else { 3 }, &mut rng) {
        pair.set_standing(&id, *HELD.choose(&mut rng).unwrap());
        pair.check_extremities(&case);
    }
    check_random_walks(&case, &pair, &all, &mut rng);
}

fn check_random_walks(case: &str, pair: &Pair, all: &[OwnedEventId], rng: &mut ChaCha8Rng) {
    for limit in [0, 1, 5, 100, 1000] {
        pair.check_backfill(case, &some(all, 4, rng), limit);
        let query = Query {
            latest: some(all, 4, rng),
            earliest: some(all, 3, rng),
            limit,
            min_depth: if rng.random_bool(0.5) { 0 } else { rng.random_range(0..20) },
        };
        pair.check_missing_events(case, &query);
    }
}

#[test]
fn twins_agree_on_random_graphs() {
    for seed in 0..2500 {
        check_random_graph(seed);
    }
}

/// A room in one line an event: `name depth standing <- parents`, standings by their first letter.
fn room(text: &str) -> Pair {
    let mut pair = Pair::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, parents) = line.split_once("<-").unwrap_or((line, ""));
        let fields: Vec<&str> = event.split_whitespace().collect();
        let standing = match fields[2] {
            "a" => Standing::Accepted,
            "s" => Standing::SoftFailed,
            "r" => Standing::Rejected,
            "o" => Standing::Outlier,
            other => panic!("no standing is written {other}"),
        };
        let depth = fields[1].parse().expect("a depth is a number");
        pair.insert(&id(fields[0]), &Event { depth, parents: ids(parents), standing });
    }
    pair
}

fn ids(names: &str) -> Vec<OwnedEventId> {
    names.split_whitespace().map(id).collect()
}

struct Case {
    name: &'static str,
    room: &'static str,
    tips: &'static str,
    gaps: &'static str,
    /// `seeds`, limit, answer.
    backfill: &'static [(&'static str, usize, &'static str)],
    /// `latest`, `earliest`, limit, `min_depth`, answer.
    missing_events: &'static [(&'static str, &'static str, usize, u64, &'static str)],
}

fn check(case: &Case) {
    let name = case.name;
    let pair = room(case.room);
    assert_eq!(pair.ids(pair.graph.forward_extremities()), ids(case.tips), "{name}: forward extremities");
    assert_eq!(pair.ids(pair.graph.backward_extremities()), ids(case.gaps), "{name}: backward extremities");
    pair.check_extremities(name);
    pair.check_events(name);
    for &(seeds, limit, answer) in case.backfill {
        assert_eq!(pair.backfill(&ids(seeds), limit), ids(answer), "{name}: backfill from {seeds}");
        pair.check_backfill(name, &ids(seeds), limit);
    }
    for &(latest, earliest, limit, min_depth, answer) in case.missing_events {
        let query = Query { latest: ids(latest), earliest: ids(earliest), limit, min_depth };
        assert_eq!(pair.missing_events(&query), ids(answer), "{name}: missing events before {latest}");
        pair.check_missing_events(name, &query);
    }
}

const DIAMOND: &str = "A 1 a
                       B 2 a <- A
                       C 2 a <- A
                       D 3 a <- C B";

const LINE: &str = "A 1 a
                    B 2 a <- A
                    C 3 a <- B
                    D 4 a <- C";

const CASES: &[Case] = &[
    Case {
        name: "diamond: both ways are served, their common root once",
        room: DIAMOND,
        tips: "D",
        gaps: "",
        backfill: &[("D", 100, "D B C A"), ("D", 2, "D B"), ("B C", 100, "B C A")],
        missing_events: &[("D", "", 10, 0, "A B C"), ("D", "", 10, 2, "B C")],
    },
    Case {
        name: "worked example: A <- B, A <- C, {B, C} <- D",
        room: "A 1 a
               B 2 a <- A
               C 2 a <- A
               D 3 a <- B C",
        tips: "D",
        gaps: "",
        backfill: &[],
        missing_events: &[("D", "A", 10, 0, "C B"), ("D", "A", 1, 0, "B")],
    },
    Case {
        name: "duplicate seeds count once",
        room: LINE,
        tips: "D",
        gaps: "",
        backfill: &[("D D D", 2, "D C"), ("D nowhere", 2, "D C"), ("nowhere", 2, "")],
        missing_events: &[("D D", "", 2, 0, "B C"), ("nowhere", "", 2, 0, "")],
    },
    Case {
        name: "a seed or latest that is the ancestor of another",
        room: LINE,
        tips: "D",
        gaps: "",
        backfill: &[("B D", 100, "D C B A"), ("B D", 2, "D C")],
        missing_events: &[("B D", "", 10, 0, "C A"), ("D B", "", 10, 0, "A C")],
    },
    Case {
        name: "limits at their ends",
        room: LINE,
        tips: "D",
        gaps: "",
        backfill: &[("D", 0, "D"), ("", 100, "")],
        missing_events: &[
            ("D", "", 0, 0, ""),
            ("D", "C", 10, 0, ""),
            ("", "", 10, 0, ""),
            ("D", "", 9, 9, ""),
        ],
    },
    Case {
        name: "what isn't history is neither served nor walked through",
        room: "A 1 a
               B 2 r <- A
               C 3 o <- A
               D 4 s <- A
               E 5 a <- B C D gone",
        tips: "E",
        gaps: "C gone",
        backfill: &[("E", 100, "E D A"), ("B", 100, ""), ("C gone", 100, ""), ("D", 100, "D A")],
        missing_events: &[("E", "", 10, 0, "A D"), ("B C gone", "", 10, 0, "")],
    },
    Case {
        name: "a cycle, possible up to room version 2: each covers the other, nothing hangs",
        room: "A 1 a <- C
               B 2 a <- A
               C 3 a <- B",
        tips: "",
        gaps: "",
        backfill: &[("C", 100, "C B A")],
        missing_events: &[("C", "", 10, 0, "A B")],
    },
    Case {
        name: "an accepted event that a soft-failed one leads back to doesn't cover itself",
        room: "A 1 a <- S
               S 2 s <- A",
        tips: "A",
        gaps: "",
        backfill: &[("A", 100, "S A")],
        missing_events: &[("A", "", 10, 0, "S")],
    },
    Case {
        name: "but another accepted event above the soft-failed one does cover it",
        room: "A 1 a <- S
               S 2 s <- A
               B 3 a <- S",
        tips: "B",
        gaps: "",
        ..EMPTY
    },
    Case {
        name: "an event that is its own parent",
        room: "A 1 a <- A
               B 2 a <- B A",
        tips: "B",
        gaps: "",
        backfill: &[("B", 100, "B A")],
        missing_events: &[("B", "", 10, 0, "A")],
    },
    Case {
        name: "a soft-failed event that cites the only tip leaves it a tip",
        room: "A 1 a
               B 2 a <- A
               S 3 s <- B",
        tips: "B",
        gaps: "",
        ..EMPTY
    },
    Case {
        name: "an outlier child leaves its parent a tip",
        room: "A 1 a
               B 2 a <- A
               O 3 o <- B",
        tips: "B",
        gaps: "",
        ..EMPTY
    },
    Case {
        name: "SyTest 50no-deextrem-outliers: an outlier below two rejected events",
        room: "A 1 a
               B 2 a <- A
               E 5 r <- D
               D 4 r <- C
               C 3 o <- B",
        tips: "B",
        gaps: "",
        ..EMPTY
    },
    Case {
        name: "the same, and then an accepted event on top",
        room: "A 1 a
               B 2 a <- A
               F 6 a <- E
               E 5 r <- D
               D 4 r <- C
               C 3 o <- B",
        tips: "F",
        gaps: "",
        backfill: &[("F", 100, "F")],
        missing_events: &[("F", "", 10, 0, "")],
    },
    Case {
        name: "a lying depth: an inflated fork comes first, a parent before its child",
        room: "A 1 a
               B 900 a <- A
               C 2 a <- B
               D 2 a <- A",
        tips: "C D",
        gaps: "",
        backfill: &[("C", 100, "B C A"), ("C D", 2, "B C")],
        missing_events: &[("C", "", 10, 2, "B")],
    },
];

const EMPTY: Case = Case { name: "", room: "", tips: "", gaps: "", backfill: &[], missing_events: &[] };

#[test]
fn named_cases() {
    CASES.iter().for_each(check);
}

#[test]
fn a_second_insertion_fills_gaps_and_judges_outliers_but_overturns_nothing() {
    let mut pair = room(
        "A 1 a
                         B 2 o <- A",
    );
    let insert = |pair: &mut Pair, name: &str, standing| {
        let other = id("other");
        pair.graph.insert(&id(name), 7, [&*other].into_iter(), standing)
    };
    let b = insert(&mut pair, "B", Standing::Accepted);
    assert_eq!((pair.graph.standing(b), pair.graph.depth(b)), (Standing::Accepted, 2));
    assert_eq!(pair.ids(pair.graph.parents(b).iter().copied()), ids("A"));
    assert_eq!(pair.ids(pair.graph.forward_extremities()), ids("B"));

    insert(&mut pair, "B", Standing::Rejected);
    assert_eq!(pair.graph.standing(b), Standing::Accepted);
    assert_eq!(pair.graph.get(&id("other")), None);
}

#[test]
fn a_revised_verdict_moves_the_tips() {
    let mut pair = room(
        "A 1 a
                         B 2 a <- A
                         S 3 s <- B
                         T 4 s <- S",
    );
    let steps = [
        ("S", Standing::Accepted, "S"),
        ("T", Standing::Accepted, "T"),
        ("S", Standing::Rejected, "T"),
        ("T", Standing::Rejected, "B"),
        ("B", Standing::Rejected, "A"),
        ("A", Standing::SoftFailed, ""),
        ("S", Standing::Accepted, "S"),
    ];
    for (event, standing, tips) in steps {
        pair.set_standing(&id(event), standing);
        assert_eq!(pair.ids(pair.graph.forward_extremities()), ids(tips), "after {event} is {standing:?}");
        pair.check_extremities("revised");
    }
}
