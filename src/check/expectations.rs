//! What the scenario itself asks for: answers to single questions, and how events stand in the end.

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
};
use crate::{room::graph::Standing, scenario::Stands};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "expectations",
    code: "ANSWER",
    clause: "the steps' `expect` and the scenario's `expect.events`",
    holds: "answers are what the steps expect, and events stand as the scenario expects",
    when: When::Always,
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let unmet = evidence.expectations.iter().filter(|(_, expectation)| !expectation.met);
    let mut findings: Vec<Finding> = unmet
        .map(|(server, unmet)| Finding::on(server, format!("timeline[{}]: {}", unmet.step, unmet.message)))
        .collect();
    for (server, events) in &evidence.expect.events {
        // How events stand is known at the end only.
        let host = evidence.hosts.get(server.as_str()).filter(|host| host.end.is_some());
        let Some(host) = host else { continue };
        for (reference, wanted) in events {
            findings.extend(standing_problem(evidence, server, host, reference, *wanted));
        }
    }
    findings
}

fn standing_problem(
    evidence: &Evidence<'_>,
    server: &str,
    host: &Host<'_>,
    reference: &str,
    wanted: Stands,
) -> Option<Finding> {
    let labelled = evidence.labels.get(reference).copied();
    let Some(id) = labelled.or_else(|| <&EventId>::try_from(reference).ok()) else {
        return Some(Finding::on(server, format!("no step of this run made an event called `{reference}`")));
    };
    let stands = standing(host, id);
    if is_met(stands, wanted) {
        return None;
    }
    let message =
        format!("`{reference}` is {} on {server}, the scenario expects {}", word(stands), word(wanted));
    Some(Finding::on(server, message).about(id))
}

fn standing(host: &Host<'_>, id: &EventId) -> Stands {
    match host.held.get(id) {
        Some(Standing::Accepted) => Stands::Accepted,
        Some(Standing::SoftFailed) => Stands::SoftFailed,
        Some(Standing::Rejected) => Stands::Rejected,
        _ if host.end.is_some_and(|end| end.waiting.iter().any(|waiting| waiting == id)) => Stands::Waiting,
        Some(Standing::Outlier) => Stands::Outlier,
        Some(Standing::Missing) | None => Stands::Absent,
    }
}

fn is_met(stands: Stands, wanted: Stands) -> bool {
    let is_history = matches!(stands, Stands::Accepted | Stands::SoftFailed);
    match wanted {
        Stands::History => is_history,
        Stands::NotHistory => !is_history,
        exactly => stands == exactly,
    }
}

fn word(stands: Stands) -> &'static str {
    match stands {
        Stands::Accepted => "accepted",
        Stands::SoftFailed => "soft-failed",
        Stands::Rejected => "rejected",
        Stands::Outlier => "an outlier",
        Stands::Waiting => "waiting",
        Stands::Absent => "absent",
        Stands::History => "history",
        Stands::NotHistory => "anything but history",
    }
}
