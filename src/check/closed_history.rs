//! In the end nothing waits, and history breaks off only where the server knows that it does.

use ruma_common::EventId;

use super::{
    Finding, Invariant, When, count,
    evidence::{Evidence, Host},
    kinds,
};
use crate::{journal::End, room::graph::Standing};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "closed-history",
    code: "LIVENESS",
    clause: "SS-API \"Backfilling and retrieving missing events\": a gap is closed, or known as a backward extremity",
    holds: "no event waits to be judged for what was to be had, what history cites is held or is a backward extremity at its edge, and who scrolls back asks at each of these",
    when: When::AtRest,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    Waits "waits",
    LacksUnawares "lacks-unawares",
    /// A break where the server was in the room already.
    BreaksOff "breaks-off",
    NeverAsked "never-asked",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let ends = evidence.agreeing().filter_map(|(name, host)| Some((name, host, host.end?)));
    ends.flat_map(|(name, host, end)| {
        let in_vain = evidence.waits_in_vain(name, host);
        let waiting = end.waiting.first().filter(|_| !in_vain).map(|first| waits(name, end, first));
        let abandoned = abandoned(evidence, name, host, end);
        waiting.into_iter().chain(undue_break(evidence, name, host, end)).chain(abandoned)
    })
    .collect()
}

fn waits(name: &str, end: &End, first: &EventId) -> Finding {
    let waiting = count(end.waiting.len(), "event", "events");
    let message = format!("{name} is idle, but {waiting} still waits to be judged");
    Finding::on(name, Kind::Waits, message).about(first)
}

/// The first event of the history that cites what is neither held nor an edge.
fn undue_break(evidence: &Evidence<'_>, name: &str, host: &Host<'_>, end: &End) -> Option<Finding> {
    for id in host.history() {
        for parent in evidence.parents(id) {
            let is_there = host.held.get(&**parent).is_some_and(|standing| *standing > Standing::Outlier);
            if is_there {
                continue;
            }
            let (short, by) = (super::short(parent), super::short(id));
            if end.backward_extremities.binary_search(parent).is_err() {
                let message =
                    format!("{name} lacks {short}, which {by} cites, and does not know that it does");
                return Some(Finding::on(name, Kind::LacksUnawares, message).about(parent));
            }
            if !evidence.is_edge(host, parent) {
                let message =
                    format!("the history of {name} breaks off at {short}, which is younger than its join");
                return Some(Finding::on(name, Kind::BreaksOff, message).about(parent));
            }
        }
    }
    None
}

/// A break that was never asked about, though a user scrolled back to the beginning, the server had given up,
/// and the event is to be had. What came of the asking is for the faults of the run to say.
fn abandoned(evidence: &Evidence<'_>, name: &str, host: &Host<'_>, end: &End) -> Option<Finding> {
    let (began, gave_up) = host.scrolled_in_vain?;
    // Whose user has left is answered by nobody, and asks nobody.
    if !evidence.takes_for_joined(host, host.matrix_name, gave_up) {
        return None;
    }
    let was_there = |id: &EventId| {
        let citing = host.history().filter(|child| evidence.parents(child).iter().any(|parent| parent == id));
        let since = citing.filter_map(|child| host.received_at.get(child)).min();
        since.is_some_and(|since| *since <= gave_up)
    };
    let asked_for = |id: &EventId| {
        let mut own = evidence.requests.values().filter(|asked| asked.from == name && asked.at > began);
        own.any(|asked| asked.events.iter().any(|named| id == named))
    };
    let mut breaks = end.backward_extremities.iter();
    let forgotten = breaks
        .find(|id| was_there(id) && !asked_for(id) && evidence.can_be_had(name, id, Standing::is_history))?;
    let message = format!(
        "the users of {name} scrolled back, and it gave up without a question about {}, where its history breaks off",
        super::short(forgotten)
    );
    Some(Finding::on(name, Kind::NeverAsked, message).about(forgotten))
}
