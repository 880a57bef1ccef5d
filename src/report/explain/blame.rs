//! Which fault explains what became of a request.

use crate::journal::{
    exchange::{Exchange, Failed},
    fault::{Fault, Hit, Kind, Stamp, Target},
};

/// The fault that explains it, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blamed<'f, 'a> {
    pub(super) fault: &'f Fault<'a>,
    pub(super) hit: &'f Hit<'a>,
}

/// The request, or the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Request,
    Answer,
}

/// The fault that explains why a message came to nothing: what breaks its link or stops who gets it before
/// what may only have delayed it, and of several the last.
pub(super) fn of_loss<'f, 'a>(
    faults: &'f [Fault<'a>],
    exchange: &Exchange<'_>,
    failed: Failed<'_>,
    message: Message,
) -> Option<Blamed<'f, 'a>> {
    let (from, to) = match message {
        Message::Request => (exchange.from, exchange.to),
        Message::Answer => (exchange.to, exchange.from),
    };
    let (first, last) = span(exchange, failed);
    let on_link = |fault: &'f Fault<'a>| {
        fault.hit(Target::Link(from, to), first, last).map(|hit| Blamed { fault, hit })
    };
    let breaks = |fault: &'f Fault<'a>| match fault.kind {
        Kind::Breaks => on_link(fault),
        _ => stops(fault, exchange, failed, to),
    };
    let is_answer = message == Message::Answer;
    let may_hit = |fault: &Fault<'_>| {
        let mut disturbed = exchange.disturbed.iter().filter(|way| way.is_answer == is_answer);
        fault.kind == Kind::Slows || disturbed.any(|way| fault.disturbs(exchange, *way))
    };
    let latest = || faults.iter().rev();
    latest().find_map(breaks).or_else(|| latest().filter(|fault| may_hit(fault)).find_map(on_link))
}

/// The fault by which a server was down meanwhile.
pub(super) fn of_stop<'f, 'a>(
    faults: &'f [Fault<'a>],
    exchange: &Exchange<'_>,
    failed: Failed<'_>,
    server: &str,
) -> Option<Blamed<'f, 'a>> {
    faults.iter().rev().find_map(|fault| stops(fault, exchange, failed, server))
}

/// The step that told a server what to answer.
pub(super) fn of_answer<'f, 'a>(faults: &'f [Fault<'a>], exchange: &Exchange<'_>) -> Option<Blamed<'f, 'a>> {
    let asked = Stamp { at: exchange.at, t: exchange.t };
    let told = faults.iter().rev().filter(|fault| fault.answers(exchange));
    let holds = |fault: &'f Fault<'a>| {
        fault.hit(Target::Server(exchange.to), asked, asked).map(|hit| Blamed { fault, hit })
    };
    told.into_iter().find_map(holds)
}

fn stops<'f, 'a>(
    fault: &'f Fault<'a>,
    exchange: &Exchange<'_>,
    failed: Failed<'_>,
    server: &str,
) -> Option<Blamed<'f, 'a>> {
    let (first, last) = span(exchange, failed);
    let hit = fault.hit(Target::Server(server), first, last).filter(|_| fault.kind == Kind::Stops)?;
    Some(Blamed { fault, hit })
}

/// From when a request left to when it was known that it came to nothing.
fn span(exchange: &Exchange<'_>, failed: Failed<'_>) -> (Stamp, Stamp) {
    (Stamp { at: exchange.at, t: exchange.t }, Stamp { at: failed.at, t: failed.t })
}
