//! A request with what came of it, and what that was due to, in words.

use std::collections::BTreeMap;

use crate::{
    journal::{Journal, What},
    matrix::endpoint::{Endpoint, EndpointName},
    report::{
        faults::{Faults, Spell},
        text::{moment, seconds},
    },
};

/// A request with what came of it.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) t: i64,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) endpoint: &'a EndpointName,
    pub(super) cause: &'a str,
    pub(super) events: &'a [String],
    arrived: bool,
    answer: Option<Answer<'a>>,
    failed: Option<(i64, &'a str)>,
    /// What went wrong with its messages on the way.
    disturbed: Vec<&'a str>,
    /// The lies in its answer.
    lies: &'a [String],
}

#[derive(Debug)]
struct Answer<'a> {
    t: i64,
    status: u16,
    errcode: &'a str,
    events: &'a [String],
    auth_chain: &'a [String],
    redacted: &'a [String],
    refused: &'a [String],
}

/// The requests of a run by their numbers.
pub(super) fn exchanges(journal: &Journal) -> BTreeMap<u64, Exchange<'_>> {
    let mut exchanges: BTreeMap<u64, Exchange<'_>> = BTreeMap::new();
    for record in &journal.records {
        match &record.what {
            What::Request { id, to, endpoint, cause, events, .. } => {
                let from = record.server.as_deref().unwrap_or_default();
                let (arrived, answer, failed, disturbed, lies) = (false, None, None, Vec::new(), &[][..]);
                let t = record.t;
                let exchange = Exchange {
                    t,
                    from,
                    to,
                    endpoint,
                    cause,
                    events,
                    arrived,
                    answer,
                    failed,
                    disturbed,
                    lies,
                };
                exchanges.insert(*id, exchange);
            }
            What::Arrived { id } => {
                exchanges.entry(*id).and_modify(|exchange| exchange.arrived = true);
            }
            What::Disturbed { id, how } => {
                exchanges.entry(*id).and_modify(|exchange| exchange.disturbed.push(how));
            }
            What::Lied { id, lies } => {
                exchanges.entry(*id).and_modify(|exchange| exchange.lies = lies);
            }
            What::Answer { id, status, errcode, events, auth_chain, redacted, refused, .. } => {
                let errcode = errcode.as_deref().unwrap_or_default();
                let (t, status) = (record.t, *status);
                let answer = Answer { t, status, errcode, events, auth_chain, redacted, refused };
                exchanges.entry(*id).and_modify(|exchange| exchange.answer = Some(answer));
            }
            What::Failed { id, why } => {
                let failed = (record.t, why.as_str());
                exchanges.entry(*id).and_modify(|exchange| exchange.failed = Some(failed));
            }
            _ => {}
        }
    }
    exchanges
}

/// What came of a request, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// An answer with the event that is asked about.
    With,
    /// An answer without it.
    Without,
    /// An answer that is an error.
    Denied,
    /// No answer.
    Lost,
}

impl Outcome {
    /// How people count these: "3 lost".
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::With => "answered with it",
            Self::Without => "answered without it",
            Self::Denied => "denied",
            Self::Lost => "lost",
        }
    }
}

impl Exchange<'_> {
    /// Whether the request itself brings its events to who is asked.
    pub(super) fn carries(&self) -> bool {
        self.endpoint.known().is_some_and(Endpoint::brings_events)
    }

    pub(super) fn gives(&self, event: &str) -> bool {
        let lists = self.answer.iter().flat_map(|answer| answer.events.iter().chain(answer.auth_chain));
        lists.into_iter().any(|id| id == event)
    }

    pub(super) fn outcome(&self, event: &str) -> Outcome {
        match &self.answer {
            Some(answer) if answer.status != 200 => Outcome::Denied,
            Some(answer) if answer.refused.iter().any(|id| id == event) => Outcome::Denied,
            Some(_) if self.gives(event) => Outcome::With,
            Some(_) => Outcome::Without,
            None => Outcome::Lost,
        }
    }

    /// What came of it, and by whose doing.
    pub(super) fn told(&self, event: &str, faults: &Faults<'_>) -> String {
        let told_by = self.told_by(faults).filter(|_| self.answer.is_some());
        let told_by = told_by.map(|spell| match spell.always {
            true => format!("; told so by {}", step(spell)),
            false => format!("; maybe told so by {}", step(spell)),
        });
        let disturbed = self.disturbed.iter().map(|how| format!("; disturbed on the way: {how}"));
        let lies = (!self.lies.is_empty()).then(|| format!("; {} lied: {}", self.to, self.lies.join(", ")));
        let asides: String = told_by.into_iter().chain(disturbed).chain(lies).collect();
        let told = match (&self.answer, self.failed) {
            (Some(answer), _) if answer.status != 200 => {
                format!("denied with {} {}", answer.status, answer.errcode).trim_end().to_owned()
            }
            (Some(answer), _) if answer.refused.iter().any(|id| id == event) => {
                format!("refused, answered after {}", self.took(answer.t))
            }
            (Some(answer), _) if self.carries() => {
                format!("taken, answered after {}", self.took(answer.t))
            }
            (Some(answer), _) => self.events_told(event, answer),
            (None, Some((t, why))) => self.failure(t, why, faults),
            (None, None) => "no answer before the end of the run".to_owned(),
        };
        told + &asides
    }

    fn events_told(&self, event: &str, answer: &Answer<'_>) -> String {
        let count = answer.events.len() + answer.auth_chain.len();
        let after = self.took(answer.t);
        let redacted = answer.redacted.iter().any(|id| id == event);
        let form = if redacted { ", redacted: its content is not what was hashed" } else { "" };
        match (count, self.gives(event)) {
            (0, _) => format!("answered with nothing after {after}"),
            (1, true) => format!("answered with it after {after}{form}"),
            (_, true) => format!("answered with {count} events after {after}, it among them{form}"),
            (1, false) => format!("answered with another event after {after}"),
            (_, false) => format!("answered with {count} events after {after}, it not among them"),
        }
    }

    /// The step that told the server what to answer.
    fn told_by<'f>(&self, faults: &'f Faults<'_>) -> Option<&'f Spell<'f>> {
        faults.told(self.to, self.endpoint.as_str(), self.events, self.t)
    }

    fn took(&self, t: i64) -> String {
        seconds(u64::try_from(t - self.t).unwrap_or(0))
    }

    fn failure(&self, t: i64, why: &str, faults: &Faults<'_>) -> String {
        let way = faults.on_the_way(self.from, self.to, self.t, t);
        let back = faults.on_the_way(self.to, self.from, self.t, t);
        let (what, spell) = match why {
            "refused" => (format!("refused: {} could not be reached", self.to), way),
            "request_lost" => ("lost on its way".to_owned(), way),
            "answer_lost" => (format!("reached {}, but the answer was lost", self.to), back),
            "broken" => ("the connection broke".to_owned(), faults.down(self.to, self.t, t).or(way)),
            "abandoned" => {
                let gave_up = format!("no answer within {}, given up", self.took(t));
                let told = self.told_by(faults);
                (gave_up, faults.down(self.from, self.t, t).or(way).or(back).or(told))
            }
            other => (other.replace('_', " "), way.or(back)),
        };
        let reached = if self.arrived && why == "abandoned" { " (it had arrived)" } else { "" };
        match spell {
            Some(spell) => format!("{what}{reached}, by {}", fault(spell)),
            None => format!("{what}{reached}"),
        }
    }
}

/// A fault as a person finds it in the scenario: its step, and when it held.
fn fault(spell: &Spell<'_>) -> String {
    let until = spell.until.map_or("to the end".to_owned(), |until| format!("to {}", moment(until)));
    format!("{} in force from {} {until}", step(spell), moment(spell.since))
}

fn step(spell: &Spell<'_>) -> String {
    match spell.step {
        Some(step) => format!("step {step} ({})", spell.words),
        None => format!("a {}", spell.words),
    }
}
