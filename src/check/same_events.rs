//! Nothing is lost: what one server has in its history, all have in the end.

use std::collections::BTreeMap;

use ruma_common::EventId;

use super::{Finding, Invariant, When, count, evidence::Evidence, list};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "same-events",
    code: "NO-LOSS",
    clause: "SS-API \"Backfilling and retrieving missing events\": what a server lacks, it asks for",
    holds: "all joined servers have the same events in their history, but for what lies before they joined",
    when: When::AtRest,
    check,
};

/// One finding a server, with the oldest event that it lacks: the younger ones mostly follow from it.
fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut holders: BTreeMap<&EventId, Vec<&str>> = BTreeMap::new();
    for (name, host) in evidence.agreeing() {
        for id in host.history() {
            holders.entry(id).or_default().push(name);
        }
    }
    let mut findings = Vec::new();
    for (name, host) in evidence.agreeing() {
        let mut lacking: Vec<&EventId> =
            holders.keys().copied().filter(|id| !host.held.get(id).is_some_and(|s| s.is_judged())).collect();
        if lacking.is_empty() {
            continue;
        }
        let excused = evidence.beyond_edges(host);
        lacking.retain(|id| !excused.contains(id));
        let oldest = lacking.iter().min_by_key(|id| (evidence.depth(id), **id));
        if let Some(oldest) = oldest {
            let whole = list(holders[oldest].iter().copied());
            let more = match lacking.len() - 1 {
                0 => String::new(),
                more => format!(", and {} more after it", count(more, "event")),
            };
            let message = format!("{name} lacks an event that is history on {whole}{more}");
            findings.push(Finding::on(name, message).about(oldest));
        }
    }
    findings
}
