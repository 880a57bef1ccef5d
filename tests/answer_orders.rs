//! The other orders of answers against slow twins of their own: plain recursion, plain levels, and the best
//! of all that could come next picked again and again, over thousands of random rooms.

use std::collections::BTreeSet;

use backfire::room::{
    answer_order::AnswerOrder,
    graph::{EventGraph, EventIdx, Standing},
    walk,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use ruma_common::{EventId, OwnedEventId};

/// A room as plainly as can be: events by their places, which stand for their ids.
struct Plain {
    events: Vec<Event>,
    graph: EventGraph,
}

struct Event {
    id: OwnedEventId,
    depth: u64,
    parents: Vec<usize>,
    standing: Standing,
    /// When it came; nothing for one that never did.
    arrival: Option<usize>,
}

impl Plain {
    fn draw(random: &mut ChaCha8Rng) -> Self {
        let count = random.random_range(1..30);
        let (reach, most) = ([1, 3, 30][random.random_range(0..3)], random.random_range(1..4));
        let (gaps, spoilt, lies) =
            (random.random_bool(0.3), random.random_bool(0.3), random.random_bool(0.3));
        let cycles = random.random_bool(0.1);
        let mut names: Vec<usize> = (0..count).collect();
        names.shuffle(random);
        let mut arrivals: Vec<usize> = (0..count).collect();
        if random.random_bool(0.6) {
            arrivals.shuffle(random);
        }
        let mut events: Vec<Event> = Vec::new();
        for place in 0..count {
            let end = if cycles { (place + 3).min(count) } else { place };
            let mut parents: Vec<usize> = (place.saturating_sub(reach)..end).collect();
            parents.shuffle(random);
            parents.truncate(random.random_range(1..=most));
            let deepest = parents.iter().filter_map(|parent| events.get(*parent)).map(|event| event.depth);
            let honest = 1 + deepest.max().unwrap_or(0);
            let standing = match random.random_range(0..8) {
                0 if spoilt => Standing::Rejected,
                1 if spoilt => Standing::SoftFailed,
                2 if spoilt => Standing::Outlier,
                _ => Standing::Accepted,
            };
            events.push(Event {
                id: EventId::parse(format!("$e{:02}:hs", names[place])).unwrap(),
                depth: if lies && random.random_bool(0.3) { random.random_range(0..40) } else { honest },
                parents,
                standing,
                arrival: (!gaps || random.random_bool(0.9)).then_some(arrivals[place]),
            });
        }
        let mut graph = EventGraph::new();
        let mut order: Vec<&Event> = events.iter().filter(|event| event.arrival.is_some()).collect();
        order.sort_by_key(|event| event.arrival);
        for event in order {
            let parents = event.parents.iter().map(|parent| &*events[*parent].id);
            graph.insert(&event.id, event.depth, parents, event.standing);
        }
        Self { events, graph }
    }

    fn is_history(&self, place: usize) -> bool {
        let event = &self.events[place];
        event.arrival.is_some() && matches!(event.standing, Standing::Accepted | Standing::SoftFailed)
    }

    fn parents(&self, place: usize) -> &[usize] {
        &self.events[place].parents
    }

    /// Everything that the walk comes to from `start`, in its order, to the roots of the room.
    fn discovered(&self, order: AnswerOrder, start: &[usize], wanted: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let mut found = Vec::new();
        match order {
            AnswerOrder::Customary => unreachable!("it has a twin of its own"),
            AnswerOrder::DepthFirst => {
                start.iter().for_each(|place| self.descend(*place, wanted, &mut found));
            }
            AnswerOrder::BreadthFirst => {
                let mut level = start.to_vec();
                while !level.is_empty() {
                    let mut next = Vec::new();
                    for place in level {
                        if wanted(place) && !found.contains(&place) {
                            found.push(place);
                            next.extend_from_slice(self.parents(place));
                        }
                    }
                    level = next;
                }
            }
            AnswerOrder::ByDepth => {
                self.pick(start, wanted, &mut found, |event| (u64::MAX - event.depth, event.id.to_string()));
            }
            AnswerOrder::NewestArrival => {
                self.pick(start, wanted, &mut found, |event| usize::MAX - event.arrival.unwrap());
            }
        }
        found
    }

    fn descend(&self, place: usize, wanted: &dyn Fn(usize) -> bool, found: &mut Vec<usize>) {
        if wanted(place) && !found.contains(&place) {
            found.push(place);
            self.parents(place).iter().for_each(|parent| self.descend(*parent, wanted, found));
        }
    }

    fn pick<K: Ord>(
        &self,
        start: &[usize],
        wanted: &dyn Fn(usize) -> bool,
        found: &mut Vec<usize>,
        key: impl Fn(&Event) -> K,
    ) {
        loop {
            let reached: BTreeSet<usize> =
                start.iter().chain(found.iter().flat_map(|place| self.parents(*place))).copied().collect();
            let open = reached.into_iter().filter(|place| wanted(*place) && !found.contains(place));
            let Some(best) = open.min_by_key(|place| key(&self.events[*place])) else { return };
            found.push(best);
        }
    }

    fn sort(&self, order: AnswerOrder, answer: &mut [usize]) {
        match order {
            AnswerOrder::ByDepth => answer.sort_by_key(|place| {
                (u64::MAX - self.events[*place].depth, self.events[*place].id.to_string())
            }),
            AnswerOrder::NewestArrival => {
                answer.sort_by_key(|place| usize::MAX - self.events[*place].arrival.unwrap());
            }
            _ => {}
        }
    }

    fn backfill(&self, order: AnswerOrder, seeds: &[usize], limit: usize) -> Vec<usize> {
        let mut answer = self.discovered(order, seeds, &|place| self.is_history(place));
        answer.truncate(limit.clamp(1, 100));
        self.sort(order, &mut answer);
        if order == AnswerOrder::ByDepth { self.children_first(answer) } else { answer }
    }

    /// Of the events of one depth, the first of which no child of that depth is left; where all have one, the
    /// first.
    fn children_first(&self, mut left: Vec<usize>) -> Vec<usize> {
        let mut ordered = Vec::new();
        while let Some(first) = left.first() {
            let depth = self.events[*first].depth;
            let equals: Vec<usize> =
                left.iter().copied().filter(|place| self.events[*place].depth == depth).collect();
            let is_childless =
                |place: &usize| !equals.iter().any(|child| self.parents(*child).contains(place));
            ordered.push(left.remove(equals.iter().position(is_childless).unwrap_or(0)));
        }
        ordered
    }

    fn missing_events(
        &self,
        order: AnswerOrder,
        latest: &[usize],
        earliest: &[usize],
        (limit, min_depth): (usize, u64),
    ) -> Vec<usize> {
        let asks = |place: &&usize| self.is_history(**place) && !earliest.contains(place);
        let roots = latest.iter().filter(asks);
        let start: Vec<usize> = roots.flat_map(|place| self.parents(*place)).copied().collect();
        let wanted = |place: usize| {
            let named = latest.contains(&place) || earliest.contains(&place);
            self.is_history(place) && self.events[place].depth >= min_depth && !named
        };
        let mut answer = self.discovered(order, &start, &wanted);
        answer.truncate(limit.min(20));
        self.sort(order, &mut answer);
        answer.reverse();
        answer
    }

    fn idxs(&self, places: &[usize]) -> Vec<EventIdx> {
        places.iter().filter_map(|place| self.graph.get(&self.events[*place].id)).collect()
    }

    fn ids(&self, places: &[usize]) -> Vec<OwnedEventId> {
        places.iter().map(|place| self.events[*place].id.clone()).collect()
    }

    fn ids_of(&self, idxs: Vec<EventIdx>) -> Vec<OwnedEventId> {
        idxs.into_iter().map(|idx| self.graph.id(idx).to_owned()).collect()
    }
}

const OTHERS: [AnswerOrder; 4] =
    [AnswerOrder::BreadthFirst, AnswerOrder::DepthFirst, AnswerOrder::ByDepth, AnswerOrder::NewestArrival];

#[test]
fn every_order_answers_as_its_twin() {
    for seed in 0..3_000 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let room = Plain::draw(&mut random);
        let some = |most: usize, random: &mut ChaCha8Rng| -> Vec<usize> {
            let count = random.random_range(0..=most);
            (0..count).map(|_| random.random_range(0..room.events.len())).collect()
        };
        for order in OTHERS {
            let (named, earliest) = (some(4, &mut random), some(3, &mut random));
            let limit = [0, 1, 3, 7, 100, 1_000][random.random_range(0..6)];
            let min_depth = if random.random_bool(0.5) { 0 } else { random.random_range(0..15) };
            let case = format!("seed {seed}, {order:?}, from {named:?}, limit {limit}");

            let answer = room.ids_of(order.backfill(&room.graph, &room.idxs(&named), limit));
            assert_eq!(answer, room.ids(&room.backfill(order, &named, limit)), "backfill: {case}");

            let (latest, known) = (room.idxs(&named), room.idxs(&earliest));
            let answer = order.missing_events(&room.graph, &latest, &known, limit, min_depth);
            let plain = room.missing_events(order, &named, &earliest, (limit, min_depth));
            assert_eq!(room.ids_of(answer), room.ids(&plain), "missing events: {case}, but {earliest:?}");
        }
    }
}

/// What is customary stays what `walk` says, whose twin is tested elsewhere.
#[test]
fn the_customary_order_is_that_of_the_walks() {
    for seed in 0..200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let room = Plain::draw(&mut random);
        let tips: Vec<EventIdx> = room.graph.forward_extremities().collect();
        let order = AnswerOrder::default();
        assert_eq!(order.backfill(&room.graph, &tips, 5), walk::backfill(&room.graph, &tips, 5));
        let answer = order.missing_events(&room.graph, &tips, &[], 5, 0);
        assert_eq!(answer, walk::missing_events(&room.graph, &tips, &[], 5, 0));
    }
}

/// A server of a scenario answers in the order that the scenario gives it.
#[test]
fn orders_that_differ_give_answers_that_differ() {
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    let differ = (0..300).filter(|_| {
        let room = Plain::draw(random);
        let tips: Vec<EventIdx> = room.graph.forward_extremities().collect();
        let answers: BTreeSet<_> =
            OTHERS.iter().map(|order| room.ids_of(order.backfill(&room.graph, &tips, 6))).collect();
        answers.len() >= 3
    });
    assert!(differ.count() > 30, "the random rooms hardly tell the orders apart");
}
