//! The event graph and its walks against their slow twins (`fuzz/bodies/src/twin.rs`): on thousands of random
//! graphs both must agree, and on named ones with what is written here.

use backfire::room::graph::Standing;
use backfire_fuzz_bodies::twin::{Event, HELD, Pair, Query};
use rand::rngs::ChaCha8Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use ruma_common::{EventId, OwnedEventId};

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

    let held: Vec<OwnedEventId> = pair.plain.held().cloned().collect();
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
    Case {
        name: "a depth that is never counted up: children come before their parents all the same",
        room: "B 0 a
               C 0 a <- B
               A 0 a <- C
               E 0 a <- B
               D 0 a <- A E",
        tips: "D",
        gaps: "",
        backfill: &[
            ("D", 100, "D A C E B"),
            ("D", 3, "D A C"),
            ("A", 100, "A C B"),
            ("E D", 100, "D A C E B"),
        ],
        ..EMPTY
    },
    Case {
        name: "events of one depth that are each other's parents: the least id first",
        room: "B 0 a <- A
               A 0 a <- B
               C 0 a <- B",
        tips: "C",
        gaps: "",
        backfill: &[("C", 100, "C A B")],
        ..EMPTY
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
