//! Requests with what came of them: the one reading that checks, explanations and studies share.

use std::collections::BTreeMap;

use super::{Cause, Journal, Record, What};
use crate::matrix::endpoint::{Endpoint, EndpointName};

/// A request with what came of it.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// When it left.
    pub t: i64,
    /// The number of the record.
    pub at: usize,
    /// Its number.
    pub id: u64,
    /// Who asked.
    pub from: &'a str,
    /// Who was asked.
    pub to: &'a str,
    /// The endpoint.
    pub endpoint: &'a EndpointName,
    /// Method and path with query.
    pub line: &'a str,
    /// Why it was made.
    pub cause: &'a Cause,
    /// The events that it names or carries.
    pub events: &'a [String],
    /// Its `limit`.
    pub limit: Option<u64>,
    /// Its `earliest_events`.
    pub earliest: &'a [String],
    /// Its `min_depth`.
    pub min_depth: Option<u64>,
    /// The number of the record that says that it arrived.
    pub arrived: Option<usize>,
    /// The answer, if one came.
    pub answer: Option<Answered<'a>>,
    /// That it came to nothing.
    pub failed: Option<Failed<'a>>,
    /// What went wrong with its messages on the way.
    pub disturbed: Vec<Disturbed<'a>>,
    /// The lies in its answer.
    pub lies: &'a [String],
}

/// An answer.
#[derive(Debug)]
pub struct Answered<'a> {
    /// When it came.
    pub t: i64,
    /// The number of its record.
    pub at: usize,
    /// The HTTP status.
    pub status: u16,
    /// The `errcode` of an error, or nothing.
    pub errcode: &'a str,
    /// The events in it, in order.
    pub events: &'a [String],
    /// The events of the auth chain in it.
    pub auth_chain: &'a [String],
    /// Which of all these are redacted.
    pub redacted: &'a [String],
    /// Of an answer to `/send`: the events that were not taken.
    pub refused: &'a [String],
    /// Bytes of its body.
    pub bytes: usize,
}

/// That a request came to nothing.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// When that was known.
    pub t: i64,
    /// The number of the record.
    pub at: usize,
    /// How, as [`What::Failed`] has it.
    pub why: &'a str,
}

/// What went wrong with a message on its way.
#[derive(Clone, Copy, Debug)]
pub struct Disturbed<'a> {
    /// How, as [`What::Disturbed`] has it.
    pub how: &'a str,
    /// Whether the message is the answer, and not the request.
    pub is_answer: bool,
}

/// The requests of a run by their numbers.
pub fn exchanges(journal: &Journal) -> BTreeMap<u64, Exchange<'_>> {
    let mut exchanges = BTreeMap::new();
    for (at, record) in journal.records.iter().enumerate() {
        take(&mut exchanges, at, record);
    }
    exchanges
}

fn take<'a>(exchanges: &mut BTreeMap<u64, Exchange<'a>>, at: usize, record: &'a Record) {
    let (t, server) = (record.t, record.server.as_deref().unwrap_or_default());
    match &record.what {
        What::Request { id, to, endpoint, line, cause, events, limit, earliest, min_depth, .. } => {
            let exchange = Exchange {
                t,
                at,
                id: *id,
                from: server,
                to,
                endpoint,
                line,
                cause,
                events,
                limit: *limit,
                earliest,
                min_depth: *min_depth,
                arrived: None,
                answer: None,
                failed: None,
                disturbed: Vec::new(),
                lies: &[],
            };
            exchanges.insert(*id, exchange);
        }
        What::Arrived { id } => {
            exchanges.entry(*id).and_modify(|exchange| exchange.arrived = Some(at));
        }
        What::Answer { id, status, errcode, events, auth_chain, redacted, refused, bytes } => {
            let errcode = errcode.as_deref().unwrap_or_default();
            let (status, bytes) = (*status, *bytes);
            let answer = Answered { t, at, status, errcode, events, auth_chain, redacted, refused, bytes };
            exchanges.entry(*id).and_modify(|exchange| exchange.answer = Some(answer));
        }
        What::Failed { id, why } => {
            exchanges.entry(*id).and_modify(|exchange| exchange.failed = Some(Failed { t, at, why }));
        }
        What::Disturbed { id, how } => {
            exchanges.entry(*id).and_modify(|exchange| {
                exchange.disturbed.push(Disturbed { how, is_answer: server == exchange.to });
            });
        }
        What::Lied { id, lies } => {
            exchanges.entry(*id).and_modify(|exchange| exchange.lies = lies);
        }
        _ => {}
    }
}

impl Exchange<'_> {
    /// Whether a step of the scenario made it; the server would not have.
    pub fn is_scripted(&self) -> bool {
        matches!(self.cause, Cause::Script { .. })
    }

    /// Whether a server made it by itself to recover: what a step asks is the scenario's doing, not the
    /// server's.
    pub fn is_own_recovery(&self) -> bool {
        !self.is_scripted() && self.endpoint.known().is_some_and(Endpoint::is_recovery)
    }

    /// Whether what came is not what the server said: it was cut short, or something on the way answered.
    pub fn is_spoilt(&self) -> bool {
        let spoils = |way: &Disturbed<'_>| way.how == "status" || way.how == "truncate" && way.is_answer;
        self.disturbed.iter().any(spoils)
    }

    /// Whether the request itself brings its events to who is asked.
    pub fn carries(&self) -> bool {
        self.endpoint.known().is_some_and(Endpoint::brings_events)
    }

    /// Whether the answer has an event in it.
    pub fn gives(&self, event: &str) -> bool {
        let lists = self.answer.iter().flat_map(|answer| answer.events.iter().chain(answer.auth_chain));
        lists.into_iter().any(|id| id == event)
    }
}
