//! What came of a request, and what that was due to, in words.

use super::blame::{self, Blamed, Message};
use crate::{
    journal::{
        exchange::{Answered, Exchange, Failed},
        fault::Fault,
    },
    report::{
        step::fault_line,
        text::{moment, seconds},
    },
};

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

/// Whether the answer brought an event.
pub(super) fn outcome(exchange: &Exchange<'_>, event: &str) -> Outcome {
    match &exchange.answer {
        Some(answer) if answer.status != 200 => Outcome::Denied,
        Some(answer) if answer.refused.iter().any(|id| id == event) => Outcome::Denied,
        Some(_) if exchange.gives(event) => Outcome::With,
        Some(_) => Outcome::Without,
        None => Outcome::Lost,
    }
}

/// What came of it, and by whose doing.
pub(super) fn told(exchange: &Exchange<'_>, event: &str, faults: &[Fault<'_>]) -> String {
    let told_by = blame::of_answer(faults, exchange).filter(|_| exchange.answer.is_some());
    let told_by = told_by.map(|told| match told.fault.answers_all() {
        true => format!("; told so by {}", named(told.fault)),
        false => format!("; maybe told so by {}", named(told.fault)),
    });
    let disturbed = exchange.disturbed.iter().map(|way| format!("; disturbed on the way: {}", way.how));
    let lies = exchange.lies.join(", ");
    let lies = (!lies.is_empty()).then(|| format!("; {} lied: {lies}", exchange.to));
    let asides: String = told_by.into_iter().chain(disturbed).chain(lies).collect();
    let told = match (&exchange.answer, exchange.failed) {
        (Some(answer), _) if answer.status != 200 => {
            format!("denied with {} {}", answer.status, answer.errcode).trim_end().to_owned()
        }
        (Some(answer), _) if answer.refused.iter().any(|id| id == event) => {
            format!("refused, answered after {}", took(exchange, answer.t))
        }
        (Some(answer), _) if exchange.carries() => {
            format!("taken, answered after {}", took(exchange, answer.t))
        }
        (Some(answer), _) => events_told(exchange, event, answer),
        (None, Some(failed)) => failure(exchange, failed, faults),
        (None, None) => "no answer before the end of the run".to_owned(),
    };
    told + &asides
}

fn events_told(exchange: &Exchange<'_>, event: &str, answer: &Answered<'_>) -> String {
    let count = answer.events.len() + answer.auth_chain.len();
    let after = took(exchange, answer.t);
    let redacted = answer.redacted.iter().any(|id| id == event);
    let form = if redacted { ", redacted: its content is not what was hashed" } else { "" };
    match (count, exchange.gives(event)) {
        (0, _) => format!("answered with nothing after {after}"),
        (1, true) => format!("answered with it after {after}{form}"),
        (_, true) => format!("answered with {count} events after {after}, it among them{form}"),
        (1, false) => format!("answered with another event after {after}"),
        (_, false) => format!("answered with {count} events after {after}, it not among them"),
    }
}

fn took(exchange: &Exchange<'_>, t: i64) -> String {
    seconds(u64::try_from(t - exchange.t).unwrap_or(0))
}

fn failure(exchange: &Exchange<'_>, failed: Failed<'_>, faults: &[Fault<'_>]) -> String {
    let Exchange { from, to, .. } = *exchange;
    let lost = |message: Message| blame::of_loss(faults, exchange, failed, message);
    let stopped = |server: &str| blame::of_stop(faults, exchange, failed, server);
    let (way, back) = (lost(Message::Request), lost(Message::Answer));
    let (what, blamed) = match failed.why {
        "refused" => (format!("refused: {to} could not be reached"), way),
        "request_lost" => ("lost on its way".to_owned(), way),
        "answer_lost" => (format!("reached {to}, but the answer was lost"), back),
        "broken" => ("the connection broke".to_owned(), stopped(to).or(way)),
        "abandoned" => {
            let gave_up = format!("no answer within {}, given up", took(exchange, failed.t));
            let told_by = blame::of_answer(faults, exchange);
            (gave_up, stopped(from).or(way).or(back).or(told_by))
        }
        other => (other.replace('_', " "), way.or(back)),
    };
    let had_arrived = exchange.arrived.is_some() && failed.why == "abandoned";
    let reached = if had_arrived { " (it had arrived)" } else { "" };
    match blamed {
        Some(blamed) => format!("{what}{reached}, by {}", in_force(blamed)),
        None => format!("{what}{reached}"),
    }
}

/// A fault as a person finds it in the scenario: its step, and when it held there.
fn in_force(Blamed { fault, hit }: Blamed<'_, '_>) -> String {
    let until = hit.until.map_or("to the end".to_owned(), |until| format!("to {}", moment(until.t)));
    format!("{} in force from {} {until}", named(fault), moment(fault.since.t))
}

fn named(fault: &Fault<'_>) -> String {
    match fault.step {
        Some(cause) => format!("step {} ({})", cause.step, fault_line(fault)),
        None => format!("a {}", fault_line(fault)),
    }
}
