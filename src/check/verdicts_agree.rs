//! Whether an event is allowed does not depend on who judges it, nor on how it came.

use std::collections::BTreeMap;

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
    list,
};
use crate::room::graph::Standing;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "verdicts-agree",
    code: "VERDICT",
    clause: "SS-API \"Checks performed on receipt of a PDU\", steps 4 and 5: they know the event and what is before it",
    holds: "an event is rejected on all servers or on none",
    when: When::AtRest,
    check,
};

/// A soft failure is not a rejection: it depends on what a server knew when the event came.
fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut verdicts: BTreeMap<&EventId, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for (name, host) in evidence.agreeing() {
        for (id, standing) in last_verdicts(evidence, name, host) {
            let (rejecting, others) = verdicts.entry(id).or_default();
            if standing == Standing::Rejected { rejecting.push(name) } else { others.push(name) }
        }
    }
    let split =
        verdicts.into_iter().filter(|(_, (rejecting, others))| !rejecting.is_empty() && !others.is_empty());
    let mut findings: Vec<_> = split
        .map(|(id, (rejecting, others))| {
            let message = format!("rejected by {} but not by {}", list(rejecting.clone()), list(others));
            (evidence.depth(id), Finding::on(rejecting[0], message).about(id))
        })
        .collect();
    findings.sort_by_key(|(depth, _)| *depth);
    findings.into_iter().map(|(_, finding)| finding).collect()
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
