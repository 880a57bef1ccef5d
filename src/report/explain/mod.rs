//! Why an event is missing, waits, was rejected or soft-failed on a server: the way of one event to one
//! server, told from the journal alone.
//!
//! It knows what was recorded and nothing of how servers work inside: who sent the event and what became of
//! that, which fault of the scenario was in force then, who was asked and what came back, which check failed.

mod blame;
mod exchange;
mod print;
mod room_state;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::text::{moment, shortened as short};
use crate::{
    check::list,
    journal::{
        Because, Journal, Record, Source, What,
        exchange::{Exchange, exchanges},
        fault::{Fault, faults},
        names::{self, LookupError, Names},
    },
    room::graph::Standing,
};
use exchange::{Outcome, outcome};

/// How deep what is waited for is followed.
const DEPTH_MAX: usize = 6;
/// How many of the events that one waits for are followed.
const FOLLOWED_MAX: usize = 3;

/// Why an event stands on a server as it does.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The event.
    pub event_id: String,
    /// The name that a step gave it.
    pub label: Option<String>,
    /// The server, by its name in the scenario.
    pub server: String,
    /// `accepted`, `soft_failed`, `rejected`, `outlier`, `waiting`, `dropped`, `missing` or `unknown`.
    pub standing: &'static str,
    /// The answer in a sentence.
    pub answer: String,
    /// What the event is, if any server ever stored it.
    pub event: Option<About>,
    /// The servers that hold it at the end.
    pub held_by: Vec<String>,
    /// Of a state event: whose state it is in at the end, in words.
    pub in_state: Option<String>,
    /// Its way to the server, in order.
    pub story: Vec<Moment>,
    /// The events that it waits for, or that its rejection comes from, explained alike.
    pub behind: Vec<Explanation>,
}

/// What an event is and where it comes from.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its state key, if it is a state event.
    pub state_key: Option<String>,
    /// Its sender.
    pub sender: String,
    /// The depth that it claims.
    pub depth: u64,
    /// When the run first saw it, in milliseconds of the timeline.
    pub t: i64,
    /// Where.
    pub server: String,
    /// The step that made it.
    pub step: Option<usize>,
    /// Where it comes from, in words.
    pub origin: String,
}

/// Something that happened on the way.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// When, in milliseconds of the timeline.
    pub t: i64,
    /// When it happened for the last time.
    pub until: i64,
    /// How often.
    pub times: usize,
    /// What happened.
    pub text: String,
    /// The number of the request that it was, or that it follows from.
    pub request: Option<u64>,
}

/// Explains how an event, given by its id, the beginning of it, or its label, stands on a server.
///
/// # Errors
///
/// When the run has no such event or server, or the beginning of an id fits several.
pub fn explain(journal: &Journal, event: &str, server: &str) -> Result<Explanation, LookupError> {
    let case = Case::of(journal);
    let server = names::server(journal, server)?;
    let event = case.names.event(event)?;
    Ok(case.explain(event, server, &mut BTreeSet::new(), 0))
}

/// The journal, read once for all questions.
struct Case<'a> {
    journal: &'a Journal,
    names: Names<'a>,
    faults: Vec<Fault<'a>>,
    exchanges: BTreeMap<u64, Exchange<'a>>,
    /// The actions of the steps.
    actions: BTreeMap<usize, &'a str>,
    /// The events themselves.
    pdus: BTreeMap<&'a str, Value>,
    /// Which event each redaction is about.
    redactions: BTreeMap<&'a str, String>,
}

/// What the last records say of an event on a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Judged(Standing),
    Waiting,
    Dropped,
    Missing,
    Unknown,
}

impl Stands {
    fn word(self) -> &'static str {
        match self {
            Self::Judged(Standing::Accepted) => "accepted",
            Self::Judged(Standing::SoftFailed) => "soft_failed",
            Self::Judged(Standing::Rejected) => "rejected",
            Self::Judged(Standing::Outlier) => "outlier",
            Self::Judged(Standing::Missing) | Self::Missing => "missing",
            Self::Waiting => "waiting",
            Self::Dropped => "dropped",
            Self::Unknown => "unknown",
        }
    }
}

impl<'a> Case<'a> {
    fn of(journal: &'a Journal) -> Self {
        let actions = journal.records.iter().filter_map(|record| match &record.what {
            What::Step { step, action, .. } => Some((*step, action.as_str())),
            _ => None,
        });
        let pdus = pdus(journal);
        let exchanges = exchanges(journal);
        Self {
            journal,
            names: Names::of(journal),
            faults: faults(journal, &exchanges),
            exchanges,
            actions: actions.collect(),
            redactions: pdus.iter().filter_map(|(id, pdu)| Some((*id, redacts(pdu)?))).collect(),
            pdus,
        }
    }

    fn explain(&self, event: &str, server: &str, told: &mut BTreeSet<String>, depth: usize) -> Explanation {
        told.insert(event.to_owned());
        let stands = self.stands(event, server);
        let story = self.story(event, server);
        let next = if depth < DEPTH_MAX { self.behind(event, server, stands) } else { Vec::new() };
        let next: Vec<&str> = next.into_iter().filter(|id| !told.contains(*id)).take(FOLLOWED_MAX).collect();
        Explanation {
            event_id: event.to_owned(),
            label: self.names.label(event).map(str::to_owned),
            server: server.to_owned(),
            standing: stands.word(),
            answer: self.answer(event, server, stands),
            event: self.about(event),
            held_by: self.holders(event),
            in_state: self.in_state(event, server),
            story,
            behind: next.into_iter().map(|id| self.explain(id, server, told, depth + 1)).collect(),
        }
    }

    fn on<'b>(&'b self, server: &'b str) -> impl DoubleEndedIterator<Item = &'a Record> + 'b {
        self.journal.records.iter().filter(move |record| record.server.as_deref() == Some(server))
    }

    fn stands(&self, event: &str, server: &str) -> Stands {
        let end = self.on(server).rev().find_map(|record| match &record.what {
            What::End(end) => Some(end),
            _ => None,
        });
        let Some(end) = end else { return self.stood(event, server) };
        if end.waiting.iter().any(|id| id == event) {
            return Stands::Waiting;
        }
        let held = end.events.iter().find(|(id, _)| id == event).map(|(_, standing)| *standing);
        match held {
            Some(standing) => Stands::Judged(standing),
            None => match self.stood(event, server) {
                // What was judged once and is not held at the end was lost, or forgotten.
                Stands::Dropped => Stands::Dropped,
                _ if end.missing.iter().any(|id| id == event) => Stands::Missing,
                _ => Stands::Unknown,
            },
        }
    }

    /// The same from the records before the end, for a run that was broken off.
    fn stood(&self, event: &str, server: &str) -> Stands {
        let last = self.on(server).rev().find_map(|record| match &record.what {
            What::Judged { event: id, verdict, .. } if id == event => Some(Stands::Judged(*verdict)),
            What::Waits { event: id, .. } if id == event => Some(Stands::Waiting),
            What::Received { event: id, .. } if id == event => Some(Stands::Judged(Standing::Outlier)),
            What::Dropped { event: Some(id), .. } if id == event => Some(Stands::Dropped),
            What::GapOpened { missing, .. } if missing == event => Some(Stands::Missing),
            _ => None,
        });
        last.unwrap_or(Stands::Unknown)
    }

    fn holders(&self, event: &str) -> Vec<String> {
        let held = self.ends().filter(|(_, end)| {
            end.events.iter().any(|(id, _)| id == event) || end.waiting.iter().any(|id| id == event)
        });
        held.map(|(server, _)| server.to_owned()).collect()
    }

    fn about(&self, event: &str) -> Option<About> {
        let first = self.journal.records.iter().find_map(|record| match &record.what {
            What::Received { event: id, from, pdu: Some(_) } if id == event => Some((record, Some(from))),
            What::Crafted { event: id, .. } if id == event => Some((record, None)),
            _ => None,
        });
        let (record, from) = first?;
        let pdu = self.pdus.get(event)?;
        let text = |key: &str| pdu[key].as_str().map(str::to_owned);
        let server = record.server.clone().unwrap_or_default();
        let step = match record.because {
            Some(Because::Step(step)) => Some(step),
            _ => None,
        };
        let by = step.map(|step| format!(" by step {step} ({})", self.actions.get(&step).unwrap_or(&"?")));
        let by = by.unwrap_or_else(|| if record.t < 0 { " during set-up".to_owned() } else { String::new() });
        let origin = match from {
            None => format!("made to measure and signed by {server} at {}{by}", moment(record.t)),
            Some(Source::User) => format!("made on {server} at {}{by}", moment(record.t)),
            Some(Source::Import) => "imported with the room".to_owned(),
            Some(Source::Store | Source::Peer { .. }) => {
                format!("first seen on {server} at {}; nobody in this run made it", moment(record.t))
            }
        };
        Some(About {
            kind: text("type").unwrap_or_default(),
            state_key: text("state_key"),
            sender: text("sender").unwrap_or_default(),
            depth: pdu["depth"].as_u64().unwrap_or(0),
            t: record.t,
            server,
            step,
            origin,
        })
    }

    // --- The answer.

    fn answer(&self, event: &str, server: &str, stands: Stands) -> String {
        match stands {
            Stands::Judged(Standing::Accepted) => {
                format!("{server} accepted it{}", self.arrival(event, server))
            }
            Stands::Judged(Standing::SoftFailed) => {
                let why = self.reason(event, server);
                format!("{server} keeps it and builds nothing on it: {why}")
            }
            Stands::Judged(Standing::Rejected) => {
                format!("{server} rejected it: {}", self.reason(event, server))
            }
            Stands::Judged(Standing::Outlier) => format!(
                "{server} holds it as an outlier, for what it allows or as part of a state, and not as history: the state before it is not known there"
            ),
            Stands::Waiting => {
                let waits = self.waits(event, server);
                let waits: Vec<String> = waits.iter().map(|id| short(id)).collect();
                let waits = list(waits.iter().map(String::as_str));
                format!("{server} holds it and can't judge it: it waits for {waits}")
            }
            Stands::Dropped => format!("{server} got it and dropped it: {}", self.dropped(event, server)),
            Stands::Missing | Stands::Judged(Standing::Missing) => {
                let wanted = self.on(server).find_map(|record| match &record.what {
                    What::GapOpened { missing, wanted_by } if missing == event => Some(wanted_by.as_str()),
                    _ => None,
                });
                let wanted = wanted.map(|id| format!(", since {} cites it,", short(id))).unwrap_or_default();
                let asked = self.asked(event, server);
                format!("{server} knows that there is such an event{wanted} and never got it: {asked}")
            }
            Stands::Unknown => format!("{server} does not hold it: {}", self.pushed(event, server)),
        }
    }

    /// How it came at last.
    fn arrival(&self, event: &str, server: &str) -> String {
        let source = self.on(server).find_map(|record| match &record.what {
            What::Received { event: id, from, .. } if id == event => Some((record.t, from)),
            _ => None,
        });
        match source {
            Some((t, Source::User)) => format!("; its own user made it at {}", moment(t)),
            Some((_, Source::Import)) => "; it was there from the start".to_owned(),
            Some((t, Source::Peer { server, endpoint })) => {
                format!("; it came from {server} by {endpoint} at {}", moment(t))
            }
            Some((_, Source::Store)) | None => String::new(),
        }
    }

    fn reason(&self, event: &str, server: &str) -> &'a str {
        let reason = self.on(server).rev().find_map(|record| match &record.what {
            What::Judged { event: id, reason, .. } if id == event => Some(reason.as_deref()),
            _ => None,
        });
        reason.flatten().unwrap_or("the journal does not say why")
    }

    fn dropped(&self, event: &str, server: &str) -> &'a str {
        let reason = self.on(server).rev().find_map(|record| match &record.what {
            What::Dropped { event: Some(id), reason, .. } if id == event => Some(reason.as_str()),
            _ => None,
        });
        reason.unwrap_or("the journal does not say why")
    }

    /// What an event waits for at last.
    fn waits(&self, event: &str, server: &str) -> Vec<&'a str> {
        let last = self.on(server).rev().find_map(|record| match &record.what {
            What::Waits { event: id, prev_events, auth_events } if id == event => {
                Some(auth_events.iter().chain(prev_events).map(|id| id.as_str()).collect::<Vec<_>>())
            }
            _ => None,
        });
        let open =
            |id: &&str| !matches!(self.stands(id, server), Stands::Judged(standing) if standing.is_judged());
        last.unwrap_or_default().into_iter().filter(open).collect()
    }

    /// The events that explain why this one stands as it does.
    fn behind(&self, event: &str, server: &str, stands: Stands) -> Vec<&'a str> {
        match stands {
            Stands::Waiting => self.waits(event, server),
            Stands::Judged(Standing::Rejected) => {
                let reason = self.reason(event, server);
                let ids = reason.split_whitespace().filter(|word| word.starts_with('$'));
                ids.filter(|id| !matches!(self.stands(id, server), Stands::Judged(Standing::Accepted)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// What came of the questions for an event.
    fn asked(&self, event: &str, server: &str) -> String {
        let asked = self.exchanges.values().filter(|exchange| exchange.from == server);
        let is_after = |exchange: &&Exchange<'_>| exchange.cause.event().is_some_and(|id| id == event);
        let asked: Vec<_> = asked.filter(is_after).collect();
        if asked.is_empty() {
            return format!("{server} asked nobody for it");
        }
        format!("{server} asked for it {}", self.count(&asked, event))
    }

    /// What came of the transactions with an event.
    fn pushed(&self, event: &str, server: &str) -> String {
        let to = self.exchanges.values().filter(|exchange| exchange.to == server && exchange.carries());
        let to: Vec<_> = to.filter(|exchange| exchange.events.iter().any(|id| id == event)).collect();
        if to.is_empty() {
            return format!("nobody ever sent it there, and nothing that {server} holds cites it");
        }
        format!("it was sent there {}", self.count(&to, event))
    }

    /// "3 times: 2 lost, 1 denied".
    fn count(&self, exchanges: &[&Exchange<'_>], event: &str) -> String {
        let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
        for exchange in exchanges {
            *outcomes.entry(outcome(exchange, event)).or_default() += 1;
        }
        let times = match exchanges.len() {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        let carried = exchanges.iter().all(|exchange| exchange.carries());
        let word = |outcome: Outcome| match outcome {
            Outcome::Without if carried => "taken",
            outcome => outcome.word(),
        };
        let counts: Vec<String> =
            outcomes.iter().map(|(outcome, count)| format!("{count} {}", word(*outcome))).collect();
        format!("{times}: {}", counts.join(", "))
    }
}

/// The events of a journal, as they were first seen.
fn pdus(journal: &Journal) -> BTreeMap<&str, Value> {
    let mut pdus = BTreeMap::new();
    for record in &journal.records {
        let (event, pdu) = match &record.what {
            What::Received { event, pdu: Some(pdu), .. } => (event.as_str(), pdu),
            What::Crafted { event, pdu } => (event.as_str(), pdu),
            _ => continue,
        };
        if let Ok(pdu) = serde_json::from_str(pdu.get()) {
            pdus.entry(event).or_insert(pdu);
        }
    }
    pdus
}

/// The event that a redaction is about; from room version 11 on its content says so.
fn redacts(pdu: &Value) -> Option<String> {
    let is_redaction = pdu["type"] == "m.room.redaction";
    let id = pdu["redacts"].as_str().or_else(|| pdu["content"]["redacts"].as_str());
    id.filter(|_| is_redaction).map(str::to_owned)
}
