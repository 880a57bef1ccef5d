//! Servers that have the same events stand at the same place in the room.

use std::collections::BTreeSet;

use ruma_common::EventId;

use super::{Finding, Invariant, When, count, evidence::Evidence, kinds};
use crate::room::graph::Standing;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "same-extremities",
    code: "STATE-CONV",
    clause: "SS-API \"PDUs\", `prev_events`; \"Soft failure\": a soft-failed event is no extremity",
    holds: "all joined servers have the same forward extremities, but for events that are soft-failed or not to be had",
    when: When::AtRest,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    OtherExtremities "other-extremities",
}

/// How far the forward extremities of the servers agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They are equal.
    Equal,
    /// They differ only where one server soft-failed what another accepted, which the specification allows:
    /// soft failure depends on what a server knew when. Or by events that some of them can't get.
    SoftFailures,
    /// They differ.
    Different,
}

/// How far the forward extremities of the servers that should agree do.
pub fn extremities_agree(evidence: &Evidence<'_>) -> Agreement {
    let mut all = evidence.agreeing().map(|(_, host)| host.extremities());
    let first = all.next();
    if all.all(|other| Some(other) == first) {
        Agreement::Equal
    } else if without_soft_failed(evidence).windows(2).all(|pair| pair[0] == pair[1]) {
        Agreement::SoftFailures
    } else {
        Agreement::Different
    }
}

/// Where the servers would stand, had each soft-failed all that any of them did, and none what some can't
/// get; as far as the history goes that all of them may be asked for.
fn without_soft_failed<'a>(evidence: &Evidence<'a>) -> Vec<BTreeSet<&'a EventId>> {
    let mut out: BTreeSet<&EventId> = evidence
        .agreeing()
        .flat_map(|(_, host)| &host.held)
        .filter(|(_, standing)| **standing == Standing::SoftFailed)
        .map(|(id, _)| *id)
        .collect();
    // Who was lied to about the state may have rejected what others stand on.
    out.extend(evidence.agreeing().flat_map(|(_, host)| {
        let rejected = host.held.iter().filter(|(_, standing)| **standing == Standing::Rejected);
        rejected.map(|(id, _)| *id).filter(|id| evidence.may_be_misled_about(host, id, evidence.last))
    }));
    let excused = evidence
        .recoveries()
        .iter()
        .flat_map(|recovery| recovery.lost.iter().chain(&recovery.not_yet).chain(&recovery.unheard));
    out.extend(excused.map(|id| &**id));
    let counts = |id: &EventId, standing: Standing| standing == Standing::Accepted && !out.contains(id);
    let beyond: BTreeSet<&EventId> =
        evidence.agreeing().flat_map(|(_, host)| evidence.beyond_edges(host)).collect();
    let tips = evidence.agreeing().map(|(_, host)| evidence.tips(host, counts));
    tips.map(|tips| tips.into_iter().filter(|id| !beyond.contains(*id)).collect()).collect()
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    if extremities_agree(evidence) != Agreement::Different {
        return Vec::new();
    }
    let mut hosts = evidence.agreeing();
    let Some((first, reference)) = hosts.next() else { return Vec::new() };
    let reference = reference.extremities();
    let mut findings = Vec::new();
    for (name, host) in hosts {
        let own = host.extremities();
        if own == reference {
            continue;
        }
        let only_own: Vec<_> = own.difference(&reference).collect();
        let only_there: Vec<_> = reference.difference(&own).collect();
        let message = format!(
            "{name} and {first} stand at different places: {} only on {name}, {} only on {first}",
            count(only_own.len(), "extremity", "extremities"),
            only_there.len(),
        );
        let finding = Finding::on(name, Kind::OtherExtremities, message);
        let event = only_own.first().or(only_there.first());
        findings.push(match event {
            Some(event) => finding.about(event),
            None => finding,
        });
    }
    findings
}
