//! A study of matrix-spec#1512: what the order of `/backfill` and `/get_missing_events` answers costs who
//! recovers.
//!
//! One server holds a room of some shape and answers in some order; another recovers it, once by closing the
//! gap below a pushed event, once by paging back after a join. The same rooms for every order, over many
//! seeds. What is counted comes from the journal.

mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;

pub use shapes::Shape;

use crate::{
    journal::{
        Journal, What,
        exchange::{Answered, Exchange, exchanges},
    },
    matrix::endpoint::Endpoint,
    room::{answer_order::AnswerOrder, graph::Standing},
    scenario::Scenario,
    simulation::{Fabric, Options, SimulationError, simulate},
};

/// The server that answers, and the one that recovers.
const ANSWERS: &str = "a";
const RECOVERS: &str = "b";

/// How the room is recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A new event is pushed, and what is missing below it is asked for by `/get_missing_events`.
    GetMissingEvents,
    /// The server joins, and a user there scrolls back to the beginning by `/backfill`.
    Backfill,
}

impl Way {
    /// Both.
    pub const ALL: [Self; 2] = [Self::GetMissingEvents, Self::Backfill];

    /// The name of its endpoint.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetMissingEvents => Endpoint::GetMissingEvents.name(),
            Self::Backfill => Endpoint::Backfill.name(),
        }
    }
}

/// What is studied.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many seeds, from 0: each gives every shape another form.
    pub seeds: u64,
    /// How many events are missing.
    pub events: usize,
    /// The limit of a page of `/backfill`; of `/get_missing_events` it is 20, as all servers have it.
    pub page: usize,
}

/// What one recovery cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Recovery {
    /// The shape of the room.
    pub shape: Shape,
    /// How it was recovered.
    #[serde(rename = "road")]
    pub way: Way,
    /// In which order it was answered.
    pub order: AnswerOrder,
    /// The seed.
    pub seed: u64,
    /// Whether everything came, and was accepted.
    pub whole: bool,
    /// Requests of the recovering server, those for keys left out.
    pub requests: usize,
    /// Bytes of the answers to them.
    pub bytes: usize,
    /// Events in the answers.
    pub answered: usize,
    /// Those of them that it had got before.
    pub duplicates: usize,
    /// Simulated milliseconds until it was whole, or until the end.
    pub ms: u64,
}

/// Plays every recovery of a plan; `done` hears of each.
///
/// # Errors
///
/// When a recovery can't be played to its end.
pub fn study(plan: &Plan, mut done: impl FnMut(&Recovery)) -> Result<Vec<Recovery>, SimulationError> {
    let mut recoveries = Vec::new();
    for shape in Shape::ALL {
        for way in Way::ALL {
            for order in AnswerOrder::ALL {
                for seed in 0..plan.seeds {
                    let scenario = scenario(plan, shape, way, order, seed);
                    let options = Options { seed, fabric: Fabric::Direct, ..Options::default() };
                    let journal = simulate(&scenario, &options)?.journal;
                    let recovery = measure(&journal, plan, shape, way, order, seed);
                    done(&recovery);
                    recoveries.push(recovery);
                }
            }
        }
    }
    Ok(recoveries)
}

/// The scenario of one recovery, which can be written to a file and played by itself.
pub fn scenario(plan: &Plan, shape: Shape, way: Way, order: AnswerOrder, seed: u64) -> Scenario {
    let mut timeline = shapes::steps(shape, plan.events, seed, ANSWERS);
    let (members, then) = match way {
        Way::GetMissingEvents => {
            let push =
                json!({ "at": "1s", "push": { "from": ANSWERS, "to": RECOVERS, "events": [shapes::TOP] } });
            (json!([ANSWERS, RECOVERS]), vec![push])
        }
        Way::Backfill => {
            let page = json!({ "server": RECOVERS, "limit": plan.page, "pages": "all" });
            let steps = vec![
                json!({ "at": "1s", "join": { "by": RECOVERS, "via": ANSWERS } }),
                json!({ "at": "2s", "page_back": page }),
            ];
            (json!([ANSWERS]), steps)
        }
    };
    timeline.extend(then);
    let scenario = json!({
        "why": format!("{} recovered by {} that is answered {}, seed {seed}", shape.name(), way.name(), order.name()),
        "servers": { ANSWERS: { "answer_order": order.name() }, RECOVERS: {} },
        "room": { "created_by": ANSWERS, "members": members },
        "timeline": timeline,
        "settle": "10m",
    });
    Scenario::parse(&scenario.to_string(), "study.json").expect("the study writes scenarios that can be read")
}

fn measure(
    journal: &Journal,
    plan: &Plan,
    shape: Shape,
    way: Way,
    order: AnswerOrder,
    seed: u64,
) -> Recovery {
    let start = match way {
        Way::GetMissingEvents => 1_000,
        Way::Backfill => 2_000,
    };
    let made = exchanges(journal);
    let is_own = |exchange: &&Exchange<'_>| exchange.from == RECOVERS && exchange.t >= start;
    let recovers =
        |exchange: &&Exchange<'_>| !matches!(exchange.endpoint.known(), Some(Endpoint::Key | Endpoint::Send));
    let own: Vec<_> = made.values().filter(is_own).filter(recovers).collect();
    let answers: Vec<_> = own.iter().filter_map(|exchange| exchange.answer.as_ref()).collect();
    let (had, last) = got(journal, &answers);
    let again =
        |answer: &&Answered<'_>| answer.events.iter().filter(|id| had[id.as_str()] < answer.at).count();
    Recovery {
        shape,
        way,
        order,
        seed,
        whole: is_whole(journal, plan),
        requests: own.len(),
        bytes: answers.iter().map(|answer| answer.bytes).sum(),
        answered: answers.iter().map(|answer| answer.events.len()).sum(),
        duplicates: answers.iter().map(again).sum(),
        ms: last.map_or(0, |t| u64::try_from(t - start).unwrap_or(0)),
    }
}

/// The records by which the recovering server got each event for the first time, in an answer or otherwise;
/// and when it took the last.
fn got<'a>(journal: &'a Journal, answers: &[&Answered<'a>]) -> (BTreeMap<&'a str, usize>, Option<i64>) {
    let mut had: BTreeMap<&str, usize> = BTreeMap::new();
    let mut get = |id: &'a str, at: usize| {
        had.entry(id).and_modify(|first| *first = at.min(*first)).or_insert(at);
    };
    for answer in answers {
        answer.events.iter().for_each(|id| get(id, answer.at));
    }
    let mut last = None;
    for (at, record) in journal.records.iter().enumerate() {
        if let (Some(RECOVERS), What::Received { event, .. }) = (record.server.as_deref(), &record.what) {
            get(event.as_str(), at);
            last = Some(record.t);
        }
    }
    (had, last)
}

/// Whether the recovering server accepted all that was made.
fn is_whole(journal: &Journal, plan: &Plan) -> bool {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut accepted: BTreeSet<&str> = BTreeSet::new();
    for record in &journal.records {
        match &record.what {
            What::Crafted { event, .. } => drop(wanted.insert(event.as_str())),
            What::End(end) if record.server.as_deref() == Some(RECOVERS) => {
                let held = end.events.iter().filter(|(_, standing)| *standing == Standing::Accepted);
                accepted = held.map(|(event, _)| event.as_str()).collect();
            }
            _ => {}
        }
    }
    wanted.len() == plan.events + 1 && wanted.is_subset(&accepted)
}
