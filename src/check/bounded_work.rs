//! What recovery moves about is a matter of what was missing, and not of what others choose to give.

use ruma_common::EventId;

use super::{
    Finding, Invariant, When, count,
    evidence::{Evidence, Host},
    kinds,
    request_budget::{pulled, rounds},
};
use crate::{
    journal::exchange::{Answered, Exchange},
    matrix::endpoint::Endpoint,
    room::walk::MISSING_EVENTS_LIMIT_MAX,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "bounded-work",
    code: "BOUND",
    clause: "SS-API `/backfill`, `/get_missing_events`: `limit` is the most to return; so many for each event that was missing",
    holds: "the events that a server is given, looks at, and the bytes that carry them are bounded by what it lacked and asked for",
    when: When::Recovery,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    GivenTooMuch "given-too-much",
    /// Of the endpoint.
    LookedAtTooMuch "looked-at-too-much",
    /// Of the endpoint.
    TooManyBytes "too-many-bytes",
}

/// Events that a server may be given without lacking anything: a page that it had already, when it entered
/// the room and when its user scrolled back.
const FREE: usize = 200;
/// How many servers are asked in one round for one missing event.
const SERVERS: usize = 4;
/// Rounds that may be needed before it is clear that nobody has more to give.
const FIRST_ROUNDS: usize = 2;
/// What an answer may have besides its events, in bytes.
const FRAME_BYTES: usize = 1_024;
/// What an event may have besides what its sender signed (`unsigned`), and what an id alone takes, in bytes.
const EVENT_BYTES: usize = 512;

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in &evidence.hosts {
        findings.extend(given_too_much(evidence, name, host));
        findings.extend(looked_at_too_much(evidence, name, host));
    }
    let own = evidence.requests.values().filter(|asked| asked.is_own_recovery());
    findings.extend(own.filter_map(|asked| too_many_bytes(evidence, asked)));
    findings
}

/// An answer that the server which gave it is to blame for: nobody can keep a liar from sending much.
fn honest<'e, 'a>(evidence: &Evidence<'_>, asked: &'e Exchange<'a>) -> Option<&'e Answered<'a>> {
    let is_own = !asked.is_spoilt() && !evidence.is_told(asked);
    asked.answer.as_ref().filter(|answer| is_own && answer.status == 200)
}

fn given_too_much(evidence: &Evidence<'_>, name: &str, host: &Host<'_>) -> Option<Finding> {
    let own = evidence.requests.values().filter(|asked| asked.from == name && asked.is_own_recovery());
    let answers = own.filter_map(|asked| honest(evidence, asked));
    let given: usize = answers.map(|answer| answer.events.len() + answer.auth_chain.len()).sum();
    // Where a gap can't be filled, the state on its far side is told, and what allows it.
    let states = evidence.hosts.values().filter_map(|host| host.end).map(|end| end.state.len());
    let round = SERVERS * (MISSING_EVENTS_LIMIT_MAX + states.max().unwrap_or(0));
    let allowed = FREE + 2 * pulled(host) + rounds(evidence, name, FIRST_ROUNDS) * round;
    (given > allowed).then(|| {
        let given = count(given, "event", "events");
        let message = format!("{name} was given {given} to recover; what it lacked explains {allowed}");
        Finding::on(name, Kind::GivenTooMuch, message)
    })
}

/// A server that looks at all that it is sent does as much work as others like.
fn looked_at_too_much(evidence: &Evidence<'_>, name: &str, host: &Host<'_>) -> Option<Finding> {
    let asked_for = |endpoint: Endpoint| -> usize {
        let mine = |asked: &&Exchange<'_>| asked.from == name && *asked.endpoint == endpoint;
        let own = evidence.requests.values().filter(mine);
        let limits = own.map(|asked| asked.limit.and_then(|limit| usize::try_from(limit).ok()));
        limits.map(|limit| limit.unwrap_or(MISSING_EVENTS_LIMIT_MAX)).sum()
    };
    let mut looked_at = host.looked_at.iter().filter(|(endpoint, _)| endpoint.has_limit());
    let (&endpoint, &events) = looked_at.find(|(endpoint, events)| **events > asked_for(**endpoint))?;
    let message = format!(
        "{name} looked at {} of answers to {endpoint}; it asked for {}",
        count(events, "event", "events"),
        asked_for(endpoint)
    );
    Some(Finding::on(name, Kind::LookedAtTooMuch, message).of(endpoint))
}

/// An answer whose bytes its events don't explain.
fn too_many_bytes(evidence: &Evidence<'_>, asked: &Exchange<'_>) -> Option<Finding> {
    let answer = honest(evidence, asked)?;
    let ids = answer.events.iter().chain(answer.auth_chain);
    let known: Option<Vec<usize>> = ids
        .map(|id| {
            let id = <&EventId>::try_from(id.as_str()).ok()?;
            Some(evidence.pdu(id)?.json().get().len() + EVENT_BYTES)
        })
        .collect();
    let explained = FRAME_BYTES + known?.into_iter().sum::<usize>();
    (answer.bytes > explained).then(|| {
        let message = format!(
            "{} answered {} of {} with {} bytes; its events explain {explained}",
            asked.to, asked.endpoint, asked.from, answer.bytes
        );
        Finding::on(asked.to, Kind::TooManyBytes, message).of(asked.endpoint)
    })
}
