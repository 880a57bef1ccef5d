//! What the scenario itself asks for: answers to single questions, and how events stand in the end.

use std::collections::BTreeSet;

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
    kinds,
};
use crate::{
    journal::{Cause, Expectation},
    room::graph::Standing,
    scenario::Stands,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "expectations",
    code: "ANSWER",
    clause: "the steps' `expect` and the scenario's `expect.events`",
    holds: "answers are what the steps expect, and events stand as the scenario expects",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    /// The step was not played: who should ask is down, or what it is about was never made.
    NotPlayed "not-played",
    /// Of what the request came to, such as 404.
    OtherAnswer "other-answer",
    /// Of how the event stands, and how it should.
    OtherStanding "other-standing",
    NeverMade "never-made",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let unmet = evidence.expectations.iter().filter(|(_, expectation)| !expectation.met);
    let mut findings: Vec<Finding> =
        unmet.map(|(server, unmet)| unmet_step(evidence, server, unmet)).collect();
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

fn unmet_step(evidence: &Evidence<'_>, server: &str, unmet: &Expectation) -> Finding {
    let message = format!("timeline[{}]: {}", unmet.step, unmet.message);
    // A step that could not be played is no server's.
    if server.is_empty() {
        return Finding::on(server, Kind::NotPlayed, message);
    }
    Finding::on(server, Kind::OtherAnswer, message).of(came_to(evidence, unmet.step))
}

/// What the requests of a step came to: their statuses.
fn came_to(evidence: &Evidence<'_>, step: usize) -> String {
    let cause = Cause::Script { step };
    let answers = evidence.requests.values().filter(|asked| *asked.cause == cause);
    let statuses: BTreeSet<u16> = answers.filter_map(|asked| Some(asked.answer.as_ref()?.status)).collect();
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    if statuses.is_empty() { "nothing".to_owned() } else { statuses.join("+") }
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
        let message = format!("no step of this run made an event called `{reference}`");
        return Some(Finding::on(server, Kind::NeverMade, message));
    };
    let stands = standing(host, id);
    if is_met(stands, wanted) {
        return None;
    }
    let message =
        format!("`{reference}` is {} on {server}, the scenario expects {}", word(stands), word(wanted));
    let stands = format!("{} for {}", word(stands), word(wanted));
    Some(Finding::on(server, Kind::OtherStanding, message).of(stands).about(id))
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
