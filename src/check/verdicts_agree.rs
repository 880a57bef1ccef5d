//! Whether an event is allowed does not depend on who judges it, nor on how it came.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
    kinds, list,
};
use crate::room::{Refusal, graph::Standing};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "verdicts-agree",
    code: "VERDICT",
    clause: "SS-API \"Checks performed on receipt of a PDU\", steps 4 and 5: they know the event and what is before it",
    holds: "an event is rejected on all servers or on none, as it is by the events before it",
    when: When::AtRest,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    Divided "divided",
    WronglyRejected "wrongly-rejected",
    /// Of the event's type: each has rules of its own.
    NotRejected "not-rejected",
}

/// A soft failure is not a rejection: it depends on what a server knew when the event came.
fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut verdicts: BTreeMap<&EventId, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for (name, host) in evidence.agreeing().filter(|_| anything_rejected(evidence)) {
        for (id, standing) in last_verdicts(evidence, name, host) {
            if evidence.may_be_misled_about(host, id, evidence.last) {
                continue;
            }
            let (rejecting, others) = verdicts.entry(id).or_default();
            if standing == Standing::Rejected { rejecting.push(name) } else { others.push(name) }
        }
    }
    verdicts.retain(|_, (rejecting, others)| !rejecting.is_empty() && !others.is_empty());
    let split: BTreeSet<&EventId> = verdicts.keys().copied().collect();
    let mut findings: Vec<_> = verdicts
        .into_iter()
        .map(|(id, (rejecting, others))| {
            let message = format!("rejected by {} but not by {}", list(rejecting.clone()), list(others));
            (evidence.depth(id), Finding::on(rejecting[0], Kind::Divided, message).about(id))
        })
        .collect();
    findings.extend(against_the_reference(evidence, &split));
    findings.sort_by_key(|(depth, _)| *depth);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

fn anything_rejected(evidence: &Evidence<'_>) -> bool {
    let held = evidence.hosts.values().flat_map(|host| host.held.values().copied());
    held.chain(evidence.judged.iter().map(|judged| judged.verdict)).any(|it| it == Standing::Rejected)
}

/// Events on which a server that knows all that is before them judges otherwise than what is before them
/// does. Those on which the servers are divided are told already.
fn against_the_reference(evidence: &Evidence<'_>, told: &BTreeSet<&EventId>) -> Vec<(u64, Finding)> {
    let reference = evidence.reference_room();
    let mut findings: BTreeMap<&EventId, Finding> = BTreeMap::new();
    for (name, host) in evidence.agreeing().filter(|(_, host)| !evidence.may_be_deceived(host)) {
        for (id, standing) in host.held.iter().filter(|(id, s)| s.is_judged() && !told.contains(*id)) {
            let Some(right) = reference.standing(id).filter(|right| right.is_judged()) else { continue };
            let is_rejected = *standing == Standing::Rejected;
            if is_rejected == (right == Standing::Rejected)
                || !evidence.knows_all_before(host, id, evidence.last)
            {
                continue;
            }
            let finding = if is_rejected {
                let message = format!("rejected by {name}, though what is before it allows it");
                Finding::on(name, Kind::WronglyRejected, message)
            } else {
                let why =
                    reference.refusal(id).map_or_else(|| "it is not allowed".to_owned(), Refusal::to_string);
                let message = format!("not rejected by {name}: {why}");
                Finding::on(name, Kind::NotRejected, message).of(evidence.event_type(id))
            };
            findings.entry(id).or_insert(finding.about(id));
        }
    }
    findings.into_iter().map(|(id, finding)| (evidence.depth(id), finding)).collect()
}

/// The verdicts of a server as they stand at the end.
fn last_verdicts<'a>(
    evidence: &Evidence<'a>,
    name: &str,
    host: &Host<'a>,
) -> BTreeMap<&'a EventId, Standing> {
    let on_the_way = evidence.judged.iter().filter(|judged| judged.server == name);
    let mut last: BTreeMap<_, _> = on_the_way.map(|judged| (judged.event, judged.verdict)).collect();
    last.extend(host.held.iter().filter(|(_, standing)| standing.is_judged()).map(|(id, s)| (*id, *s)));
    last
}
