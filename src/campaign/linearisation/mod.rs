//! A study of matrix-spec#1512: what the order of `/backfill` and `/get_missing_events` answers costs who recovers.
//!
//! One server holds a room of some shape and answers in some order; another recovers it, once by closing the gap
//! below a pushed event, once by paging back after a join. The same rooms for every order, over many seeds. What is
//! counted comes from the journal.

mod shapes;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;

pub use shapes::Shape;

use crate::{
    journal::{Journal, What},
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
pub enum Road {
    /// A new event is pushed, and what is missing below it is asked for by `/get_missing_events`.
    GetMissingEvents,
    /// The server joins, and a user there scrolls back to the beginning by `/backfill`.
    Backfill,
}

impl Road {
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
    pub road: Road,
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
        for road in Road::ALL {
            for order in AnswerOrder::ALL {
                for seed in 0..plan.seeds {
                    let scenario = scenario(plan, shape, road, order, seed);
                    let options = Options { seed, fabric: Fabric::Direct, ..Options::default() };
                    let journal = simulate(&scenario, &options)?.journal;
                    let recovery = measure(&journal, plan, shape, road, order, seed);
                    done(&recovery);
                    recoveries.push(recovery);
                }
            }
        }
    }
    Ok(recoveries)
}

/// The scenario of one recovery, which can be written to a file and played by itself.
pub fn scenario(plan: &Plan, shape: Shape, road: Road, order: AnswerOrder, seed: u64) -> Scenario {
    let mut timeline = shapes::steps(shape, plan.events, seed, ANSWERS);
    let (members, then) = match road {
        Road::GetMissingEvents => {
            let push =
                json!({ "at": "1s", "push": { "from": ANSWERS, "to": RECOVERS, "events": [shapes::TOP] } });
            (json!([ANSWERS, RECOVERS]), vec![push])
        }
        Road::Backfill => {
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
        "why": format!("{} recovered by {} that is answered {}, seed {seed}", shape.name(), road.name(), order.name()),
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
    road: Road,
    order: AnswerOrder,
    seed: u64,
) -> Recovery {
    let wanted: BTreeSet<&str> = journal
        .records
        .iter()
        .filter_map(|record| match &record.what {
            What::Crafted { event, .. } => Some(event.as_str()),
            _ => None,
        })
        .collect();
    let start = match road {
        Road::GetMissingEvents => 1_000,
        Road::Backfill => 2_000,
    };
    let mut recovery = Recovery {
        shape,
        road,
        order,
        seed,
        whole: false,
        requests: 0,
        bytes: 0,
        answered: 0,
        duplicates: 0,
        ms: 0,
    };
    let mut had: BTreeSet<&str> = BTreeSet::new();
    let mut asked = BTreeSet::new();
    for record in journal.records.iter().filter(|record| record.server.as_deref() == Some(RECOVERS)) {
        match &record.what {
            What::Request { id, endpoint, .. }
                if record.t >= start && *endpoint != Endpoint::Key && *endpoint != Endpoint::Send =>
            {
                recovery.requests += 1;
                asked.insert(*id);
            }
            What::Answer { id, events, bytes, .. } if asked.contains(id) => {
                recovery.bytes += bytes;
                recovery.answered += events.len();
                recovery.duplicates += events.iter().filter(|event| had.contains(event.as_str())).count();
                had.extend(events.iter().map(String::as_str));
            }
            What::Received { event, .. } => {
                had.insert(event.as_str());
                recovery.ms = u64::try_from(record.t - start).unwrap_or(0);
            }
            What::End(end) => {
                let accepted = end.events.iter().filter(|(_, standing)| *standing == Standing::Accepted);
                let held = accepted.filter(|(event, _)| wanted.contains(event.as_str())).count();
                recovery.whole = held == wanted.len() && held == plan.events + 1;
            }
            _ => {}
        }
    }
    recovery
}
