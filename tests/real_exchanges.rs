//! Our answers to `/backfill` and `/get_missing_events` against those of a real server in the same room.
//!
//! The graph is the recorded server's own, verdicts included, so that only the walks are compared.

use std::collections::{BTreeMap, BTreeSet};

use backfire::room::{
    graph::{EventGraph, EventIdx, Standing},
    walk::{self, BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_MAX},
};
use ruma_common::OwnedEventId;
use serde::Deserialize;

use crate::support::{Recorded, read_json};

const ROOMS: [&str; 6] = ["v2.a", "v6.a", "v10.a", "v11.a", "members60.a", "faulty.a"];

#[derive(Deserialize)]
struct Exchange {
    uri: String,
    body: Option<MissingEvents>,
    status: u16,
    event_ids: Vec<OwnedEventId>,
}

#[derive(Deserialize)]
struct MissingEvents {
    limit: usize,
    min_depth: u64,
    earliest_events: Vec<OwnedEventId>,
    latest_events: Vec<OwnedEventId>,
}

/// What an answer may be: all that must be in it, what it may choose from where the limit cuts, and how many
/// in all.
struct Allowed {
    forced: BTreeSet<EventIdx>,
    free: BTreeSet<EventIdx>,
    count: usize,
}

impl Allowed {
    /// Takes whole groups while they fit; the first that doesn't is where a server may choose.
    fn from_groups(groups: impl IntoIterator<Item = BTreeSet<EventIdx>>, limit: usize) -> Self {
        let mut allowed = Self { forced: BTreeSet::new(), free: BTreeSet::new(), count: 0 };
        for group in groups {
            allowed.count = limit.min(allowed.count + group.len());
            if allowed.count < allowed.forced.len() + group.len() {
                allowed.free = group;
                break;
            }
            allowed.forced.extend(group);
        }
        allowed
    }

    fn has(&self, idx: EventIdx) -> bool {
        self.forced.contains(&idx) || self.free.contains(&idx)
    }

    fn problem(&self, answer: &[EventIdx]) -> Option<String> {
        let set: BTreeSet<EventIdx> = answer.iter().copied().collect();
        let lacks = self.forced.difference(&set).count();
        let alien = set.iter().filter(|idx| !self.has(**idx)).count();
        let good = lacks == 0 && alien == 0 && set.len() == answer.len() && set.len() == self.count;
        let problem = format!("{} of {} events, lacks {lacks}, {alien} alien", answer.len(), self.count);
        (!good).then_some(problem)
    }
}

/// Everything that the seeds lead to, by depth, deepest first: whatever the tie-break, no event goes before a
/// deeper one. Only events at the depth where the limit cuts are a matter of choice.
fn allowed_backfill(graph: &EventGraph, seeds: &[EventIdx], limit: usize) -> Allowed {
    let mut by_depth: BTreeMap<u64, BTreeSet<EventIdx>> = BTreeMap::new();
    let mut open = seeds.to_vec();
    while let Some(idx) = open.pop() {
        if graph.standing(idx).is_history() && by_depth.entry(graph.depth(idx)).or_default().insert(idx) {
            open.extend(graph.parents(idx));
        }
    }
    Allowed::from_groups(by_depth.into_values().rev(), limit.clamp(1, BACKFILL_LIMIT_MAX))
}

/// Level after level of ancestors (SS-API `/get_missing_events`: breadth first). Only events of the level
/// that the limit cuts are a matter of choice.
fn allowed_missing(graph: &EventGraph, latest: &[EventIdx], earliest: &[EventIdx], limit: usize) -> Allowed {
    let mut seen: BTreeSet<EventIdx> = latest.iter().chain(earliest).copied().collect();
    let mut level: BTreeSet<EventIdx> = latest.iter().copied().collect();
    let mut levels = Vec::new();
    while !level.is_empty() {
        let parents = level.iter().filter(|idx| graph.standing(**idx).is_history());
        let parents = parents.flat_map(|idx| graph.parents(*idx)).copied();
        let next = parents.filter(|idx| graph.standing(*idx).is_history() && !seen.contains(idx));
        level = next.collect();
        seen.extend(&level);
        levels.push(level.clone());
    }
    Allowed::from_groups(levels, limit.min(MISSING_EVENTS_LIMIT_MAX))
}

/// Where the real server answers otherwise than the text or its own limit leave room for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Choice {
    /// `/get_missing_events`: the limit is taken from each level before what was seen is taken out, so an
    /// event that fits the limit can be missing, in favour of deeper ones or of none.
    LimitCutsBeforeSeen,
    /// `/get_missing_events`: outliers are walked and returned. Their state is not known, so who may see them
    /// isn't either: ours ends there, as `/backfill` of the same server does.
    WalksOutliers,
    /// `/get_missing_events`: a latest event that another one leads to is returned, though whoever asks has
    /// it.
    ReturnsLatest,
    /// `/backfill`: rejected events are not returned but counted, so that a full answer lacks an event.
    CountsRejected,
}

const CHOICES: [(&str, usize, Choice); 10] = [
    ("v2.a", 35, Choice::LimitCutsBeforeSeen),
    ("v6.a", 27, Choice::LimitCutsBeforeSeen),
    ("v6.a", 31, Choice::LimitCutsBeforeSeen),
    ("members60.a", 34, Choice::LimitCutsBeforeSeen),
    ("v10.a", 29, Choice::WalksOutliers),
    ("v11.a", 26, Choice::WalksOutliers),
    ("faulty.a", 29, Choice::ReturnsLatest),
    ("faulty.a", 30, Choice::ReturnsLatest),
    ("faulty.a", 0, Choice::CountsRejected),
    ("faulty.a", 19, Choice::CountsRejected),
];

#[test]
fn answers_agree_wherever_there_is_no_choice() {
    for name in ROOMS {
        let graph = graph(&Recorded::load(name));
        let exchanges: Vec<Exchange> = read_json(&format!("{name}.exchanges.json"));
        for (nth, exchange) in exchanges.iter().enumerate() {
            assert_eq!(exchange.status, 200, "{name} {nth}");
            let theirs = indexes(&graph, &exchange.event_ids);
            let choice = CHOICES.iter().find(|case| (case.0, case.1) == (name, nth)).map(|case| case.2);
            check(&graph, exchange, &theirs, choice, &format!("{name} exchange {nth}"));
        }
    }
}

fn check(graph: &EventGraph, exchange: &Exchange, theirs: &[EventIdx], choice: Option<Choice>, what: &str) {
    let (ours, allowed) = match &exchange.body {
        None => {
            let (seeds, limit) = backfill_request(graph, &exchange.uri);
            let ours = walk::backfill(graph, &seeds, limit);
            check_backfill_order(graph, &seeds, &ours, what);
            (ours, allowed_backfill(graph, &seeds, limit))
        }
        Some(body) => {
            let latest = indexes(graph, &body.latest_events);
            let earliest = indexes(graph, &body.earliest_events);
            let above = walk::missing_events(graph, &latest, &earliest, body.limit, body.min_depth);
            assert!(above.iter().all(|idx| graph.depth(*idx) >= body.min_depth), "{what}");
            // The real server ignores `min_depth`, so what is compared does too.
            let ours = walk::missing_events(graph, &latest, &earliest, body.limit, 0);
            assert!(ours.iter().all(|idx| !latest.contains(idx) && !earliest.contains(idx)), "{what}");
            check_missing_events_order(graph, &ours, what);
            check_missing_events_order(graph, theirs, what);
            (ours, allowed_missing(graph, &latest, &earliest, body.limit))
        }
    };
    assert_eq!(allowed.problem(&ours), None, "{what}: ours");
    match (choice, allowed.problem(theirs)) {
        (None, problem) => assert_eq!(problem, None, "{what}: theirs"),
        (Some(choice), problem) => {
            assert!(problem.is_some(), "{what}: {choice:?} no longer needs a name");
            assert!(explains(choice, graph, exchange, theirs, &allowed), "{what}: {choice:?}, {problem:?}");
        }
    }
}

fn explains(
    choice: Choice,
    graph: &EventGraph,
    exchange: &Exchange,
    theirs: &[EventIdx],
    allowed: &Allowed,
) -> bool {
    let aliens: Vec<EventIdx> = theirs.iter().copied().filter(|idx| !allowed.has(*idx)).collect();
    let lacking = allowed.forced.iter().filter(|idx| !theirs.contains(idx)).count();
    match choice {
        Choice::LimitCutsBeforeSeen => aliens.is_empty() && lacking == 1,
        Choice::WalksOutliers => {
            !aliens.is_empty() && aliens.iter().all(|idx| graph.standing(*idx) == Standing::Outlier)
        }
        Choice::ReturnsLatest => {
            let body = exchange.body.as_ref().unwrap();
            aliens.iter().all(|idx| body.latest_events.iter().any(|id| *id == *graph.id(*idx)))
        }
        Choice::CountsRejected => aliens.is_empty() && theirs.len() + 1 == allowed.count,
    }
}

/// Newest first, and with one seed that seed first of all (SyTest, "Inbound federation can backfill events").
fn check_backfill_order(graph: &EventGraph, seeds: &[EventIdx], answer: &[EventIdx], what: &str) {
    assert!(answer.is_sorted_by_key(|idx| std::cmp::Reverse(graph.depth(*idx))), "{what}");
    if let [seed] = seeds
        && graph.standing(*seed).is_history()
    {
        assert_eq!(answer.first(), Some(seed), "{what}");
    }
}

/// In a chain without forks no child goes before its parent (Complement, "Inbound federation can return
/// missing events").
fn check_missing_events_order(graph: &EventGraph, answer: &[EventIdx], what: &str) {
    let position = |idx: &EventIdx| answer.iter().position(|other| other == idx);
    for child in answer {
        if let [parent] = graph.parents(*child)
            && graph.children(*parent).len() == 1
            && let Some(parent) = position(parent)
        {
            assert!(Some(parent) < position(child), "{what}");
        }
    }
}

fn graph(recorded: &Recorded) -> EventGraph {
    let mut graph = EventGraph::new();
    for pdu in &recorded.pdus {
        let (id, meta) = (pdu.event_id(), &recorded.meta);
        let standing = match () {
            () if meta.rejected.contains(id) => Standing::Rejected,
            () if meta.outlier.contains(id) => Standing::Outlier,
            () if meta.soft_failed.contains(id) => Standing::SoftFailed,
            () => Standing::Accepted,
        };
        graph.insert(id, pdu.depth(), pdu.prev_events().iter().map(|id| &**id), standing);
    }
    graph
}

fn indexes(graph: &EventGraph, ids: &[OwnedEventId]) -> Vec<EventIdx> {
    ids.iter().filter_map(|id| graph.get(id)).collect()
}

fn backfill_request(graph: &EventGraph, uri: &str) -> (Vec<EventIdx>, usize) {
    let (_, query) = uri.split_once('?').unwrap();
    let (mut seeds, mut limit) = (Vec::new(), None);
    for pair in query.split('&') {
        match pair.split_once('=').unwrap() {
            ("v", id) => {
                seeds.push(OwnedEventId::try_from(id.replace("%24", "$").replace("%3A", ":")).unwrap());
            }
            ("limit", number) => limit = Some(number.parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    (indexes(graph, &seeds), limit.unwrap())
}
