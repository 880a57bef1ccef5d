//! A server builds upon the newest events that it accepted, all of them and no others.

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
};
use crate::room::graph::Standing;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "frontier",
    code: "FRONTIER",
    clause: "SS-API \"PDUs\": new events cite the forward extremities; \"Soft failure\" and \"Rejection\": which are none",
    holds: "the forward extremities are the accepted events that no other accepted event descends from, at least one",
    when: When::Always,
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let joined = evidence.hosts.iter().filter(|(_, host)| host.is_joined());
    joined.flat_map(|(name, host)| check_host(evidence, name, host)).collect()
}

fn check_host(evidence: &Evidence<'_>, name: &str, host: &Host<'_>) -> Vec<Finding> {
    let claimed = host.extremities();
    if claimed.is_empty() && host.history().next().is_some() {
        return vec![Finding::on(name, format!("{name} has history and no forward extremity"))];
    }
    let tips = evidence.tips(host, |_, standing| standing == Standing::Accepted);
    let wrong = claimed.difference(&tips).map(|id| (*id, what_is_wrong(host, id)));
    let forgotten = tips.difference(&claimed).map(|id| {
        (*id, "is accepted and nothing accepted descends from it, and yet is no extremity".to_owned())
    });
    let findings = wrong.chain(forgotten);
    findings.map(|(id, message)| Finding::on(name, format!("on {name} it {message}")).about(id)).collect()
}

fn what_is_wrong(host: &Host<'_>, id: &EventId) -> String {
    match host.held.get(id) {
        Some(Standing::Accepted) => "is an extremity, but an accepted event descends from it".to_owned(),
        Some(Standing::SoftFailed) => "is an extremity, but soft-failed".to_owned(),
        Some(Standing::Rejected) => "is an extremity, but rejected".to_owned(),
        Some(Standing::Outlier) => "is an extremity, but no part of history".to_owned(),
        Some(Standing::Missing) | None => "is an extremity, but is not held".to_owned(),
    }
}
