//! Nothing is lost: what one server has in its history, all have in the end.

use ruma_common::EventId;

use super::{
    Finding, Invariant, When, count,
    evidence::{Evidence, Recovery},
    kinds, list,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "same-events",
    code: "NO-LOSS",
    clause: "SS-API \"Backfilling and retrieving missing events\": what a server lacks, it asks for",
    holds: "all joined servers have what any of them has in its history, if it was to be known of, to be had, and not before their time",
    when: When::AtRest,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    LacksHistory "lacks-history",
}

/// One finding a server, with the oldest event that it lacks: the younger ones mostly follow from it.
fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let holders = |id: &EventId| {
        let holding =
            evidence.agreeing().filter(|(_, host)| host.held.get(id).is_some_and(|s| s.is_history()));
        list(holding.map(|(name, _)| name))
    };
    let mut findings = Vec::new();
    for Recovery { server: name, not_recovered, .. } in evidence.recoveries() {
        if let Some(oldest) = not_recovered.first() {
            let whole = holders(oldest);
            let more = match not_recovered.len() - 1 {
                0 => String::new(),
                more => format!(", and {} more after it", count(more, "event", "events")),
            };
            let message = format!("{name} lacks an event that is history on {whole}{more}");
            findings.push(Finding::on(name, Kind::LacksHistory, message).about(oldest));
        }
    }
    findings
}
