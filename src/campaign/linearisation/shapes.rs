//! The rooms of the study: events made to measure, by arithmetic and a seed, the same for every order.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde::Serialize;
use serde_json::{Value, json};

/// The label of the event on top, which cites all tips.
pub(super) const TOP: &str = "top";
/// How many branches a forked room has, and how many tips a merged one may have at once.
const BRANCHES: usize = 5;
/// How much deeper than they are the events of an inflated branch say they are.
const INFLATED_BY: u64 = 10_000;

/// The shape of a room's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Each event has the one before as its parent.
    Linear,
    /// Five branches from one root, of random lengths, grown in random turns and merged by the event on top
    /// alone.
    Forked,
    /// Forks and merges all along, as in a busy room of several servers: up to five tips at once.
    Merged,
    /// As forked, but the events of one branch claim depths far beyond the truth.
    Inflated,
}

impl Shape {
    /// All shapes.
    pub const ALL: [Self; 4] = [Self::Linear, Self::Forked, Self::Merged, Self::Inflated];

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Forked => "forked",
            Self::Merged => "merged",
            Self::Inflated => "inflated",
        }
    }
}

/// An event by the places of its parents; none for one on what the room was before.
struct Event {
    parents: Vec<usize>,
    depth: Option<u64>,
}

/// The steps that make a room of `count` events and one on top of them.
pub(super) fn steps(shape: Shape, count: usize, seed: u64, by: &str) -> Vec<Value> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // A draw for each shape, so that shapes of one seed are not alike by accident.
    random.set_stream(shape as u64 + 1);
    let events = events(shape, count, &mut random);
    let mut has_child = vec![false; events.len()];
    events.iter().flat_map(|event| &event.parents).for_each(|parent| has_child[*parent] = true);
    let tips: Vec<usize> = (0..events.len()).filter(|place| !has_child[*place]).collect();

    let label = |place: &usize| format!("e{place}");
    let mut steps: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(place, event)| {
            let mut craft = craft(by, &format!("event {place}"));
            if !event.parents.is_empty() {
                craft["prev"] = event.parents.iter().map(label).collect();
            }
            if let Some(depth) = event.depth {
                craft["fields"] = json!({ "depth": depth });
            }
            json!({ "at": "0ms", "as": label(&place), "craft": craft })
        })
        .collect();
    let mut top = craft(by, "the event on top");
    top["prev"] = tips.iter().map(label).collect();
    steps.push(json!({ "at": "0ms", "as": TOP, "craft": top }));
    steps
}

fn craft(by: &str, text: &str) -> Value {
    json!({
        "by": by, "type": "m.room.message", "keep": true, "content": { "msgtype": "m.text", "body": text }
    })
}

fn events(shape: Shape, count: usize, random: &mut ChaCha8Rng) -> Vec<Event> {
    match shape {
        Shape::Linear => (0..count)
            .map(|place| Event { parents: place.checked_sub(1).into_iter().collect(), depth: None })
            .collect(),
        Shape::Forked => forked(count, random, None),
        Shape::Inflated => forked(count, random, Some(INFLATED_BY)),
        Shape::Merged => merged(count, random),
    }
}

fn forked(count: usize, random: &mut ChaCha8Rng, inflated_by: Option<u64>) -> Vec<Event> {
    // The tip and the length of each branch; all begin at the first event.
    let mut branches = [(0, 0_u64); BRANCHES];
    let mut events = vec![Event { parents: Vec::new(), depth: None }];
    for place in 1..count {
        let turn = random.random_range(0..BRANCHES);
        let (tip, length) = &mut branches[turn];
        *length += 1;
        let depth = inflated_by.filter(|_| turn == 0).map(|by| by + *length);
        events.push(Event { parents: vec![*tip], depth });
        *tip = place;
    }
    events
}

fn merged(count: usize, random: &mut ChaCha8Rng) -> Vec<Event> {
    let mut events = vec![Event { parents: Vec::new(), depth: None }];
    let mut tips = vec![0];
    for place in 1..count {
        let mut parents = Vec::new();
        // An event of a server that has not seen the newest ones forks off; others merge what is there.
        if tips.len() < BRANCHES && random.random_range(0..3) == 0 {
            let back = random.random_range(1..=place.min(BRANCHES));
            parents.push(place - back);
        } else {
            for _ in 0..random.random_range(1..=3.min(tips.len())) {
                let tip = tips[random.random_range(0..tips.len())];
                if !parents.contains(&tip) {
                    parents.push(tip);
                }
            }
        }
        tips.retain(|tip| !parents.contains(tip));
        tips.push(place);
        events.push(Event { parents, depth: None });
    }
    events
}
