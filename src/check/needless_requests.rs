//! Nobody asks itself, nor for what it has.

use ruma_common::EventId;

use super::{Finding, Invariant, When, evidence::Evidence, kinds};
use crate::{journal::exchange::Exchange, matrix::endpoint::Endpoint, room::graph::Standing};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "needless-requests",
    code: "BOUND",
    clause: "SS-API \"Backfilling and retrieving missing events\": they are for events that a server lacks",
    holds: "a server asks others only, and only for what it lacks",
    when: When::Recovery,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    /// Of the endpoint.
    Itself "itself",
    /// Of the endpoint.
    Held "held",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What a step asks is the scenario's doing, not the server's.
    for asked in evidence.requests.values().filter(|asked| !asked.is_scripted()) {
        let (kind, problem) = if asked.from == asked.to {
            (Kind::Itself, "itself".to_owned())
        } else if let Some(id) = asks_for_what_it_has(evidence, asked) {
            (Kind::Held, format!("{} for {}, which it has, and all before it", asked.to, super::short(id)))
        } else {
            continue;
        };
        let message = format!("{} asked {problem} ({})", asked.from, asked.endpoint);
        findings.push(Finding::on(asked.from, kind, message).of(asked.endpoint));
    }
    findings
}

/// An event that is asked for, and of which the server has judged all that the answer could give.
fn asks_for_what_it_has<'e>(evidence: &'e Evidence<'_>, asked: &Exchange<'e>) -> Option<&'e EventId> {
    let host = evidence.hosts.get(asked.from)?;
    let mut named = asked.events.iter().filter_map(|id| <&EventId>::try_from(id.as_str()).ok());
    let endpoint = asked.endpoint.known().filter(|endpoint| endpoint.is_recovery())?;
    let has = |id: &EventId| match endpoint {
        Endpoint::Event => evidence.standing_at(host, id, asked.at).is_some_and(Standing::is_history),
        // Who has an event may still lack what allows it.
        Endpoint::EventAuth => false,
        _ => evidence.knows_all_before(host, id, asked.at),
    };
    let first = named.next().filter(|id| has(id))?;
    named.all(has).then_some(first)
}
