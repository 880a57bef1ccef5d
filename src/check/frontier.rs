//! A server builds upon the newest events that it accepted, all of them and no others: at the end, and with
//! each event that it makes on the way.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::EventId;

use super::{
    Finding, Invariant, When, count,
    evidence::{Evidence, Host, Moment, OwnEvent},
    kinds,
};
use crate::{matrix::pdu::MAX_PREV_EVENTS, room::graph::Standing};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "frontier",
    code: "FRONTIER",
    clause: "SS-API \"PDUs\": new events cite the forward extremities; \"Soft failure\" and \"Rejection\": which are none",
    holds: "the forward extremities are the accepted events that no other accepted event descends from, and new events cite them",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    Empty "empty",
    /// An accepted event that is left out.
    Forgotten "forgotten",
    Covered "covered",
    SoftFailed "soft-failed",
    Rejected "rejected",
    Outlier "outlier",
    NotHeld "not-held",
    /// A new event on what was no extremity.
    CitesAnother "cites-another",
    CitesTooFew "cites-too-few",
    WrongDepth "wrong-depth",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let joined = evidence.hosts.iter().filter(|(_, host)| host.is_joined());
    let at_the_end = joined.flat_map(|(name, host)| check_host(evidence, name, host));
    let mut moments = BTreeMap::new();
    let on_the_way = evidence.own_events().filter_map(|own| {
        let moment = moments.entry(own.server).or_insert_with(|| Moment::new(evidence, own.host));
        misplaced(evidence, &own, moment)
    });
    at_the_end.chain(on_the_way).collect()
}

fn check_host(evidence: &Evidence<'_>, name: &str, host: &Host<'_>) -> Vec<Finding> {
    let claimed = host.extremities();
    if claimed.is_empty() && host.history().next().is_some() {
        let message = format!("{name} has history and no forward extremity");
        return vec![Finding::on(name, Kind::Empty, message)];
    }
    let tips = evidence.tips(host, |_, standing| standing == Standing::Accepted);
    let wrong = claimed.difference(&tips).map(|id| (*id, what_is_wrong(host, id)));
    let forgotten = tips.difference(&claimed).map(|id| {
        (*id, (Kind::Forgotten, "is accepted and nothing accepted descends from it, and yet is no extremity"))
    });
    let findings = wrong
        .chain(forgotten)
        .map(|(id, (kind, message))| Finding::on(name, kind, format!("on {name} it {message}")).about(id));
    findings.collect()
}

/// What is wrong with the place that a server gave to an event of its own.
fn misplaced(evidence: &Evidence<'_>, own: &OwnEvent<'_>, moment: &mut Moment<'_, '_>) -> Option<Finding> {
    // While an invite waits for the other server's signature, the room moves on.
    if own.pdu.is_create() || own.pdu.membership() == Some("invite") {
        return None;
    }
    moment.move_to(own.at - 1);
    let tips = moment.tips();
    let cited: BTreeSet<&EventId> = own.pdu.prev_events().iter().map(|id| &**id).collect();
    let parents = cited.iter().map(|id| evidence.depth(id));
    let depth = (parents.max().unwrap_or(0) + 1).min(evidence.version.max_depth());
    let all = tips.len().min(MAX_PREV_EVENTS);
    let (kind, problem) = if let Some(other) = cited.difference(&tips).next() {
        (Kind::CitesAnother, format!("cites {}, which was no extremity", super::short(other)))
    } else if cited.len() != all {
        let tips = count(tips.len(), "extremity", "extremities");
        (Kind::CitesTooFew, format!("cites {} of {tips}", cited.len()))
    } else if own.pdu.depth() != depth {
        (Kind::WrongDepth, format!("has depth {} and not {depth}", own.pdu.depth()))
    } else {
        return None;
    };
    let message = format!("the new event of {} {problem}", own.server);
    Some(Finding::on(own.server, kind, message).about(own.pdu.event_id()))
}

fn what_is_wrong(host: &Host<'_>, id: &EventId) -> (Kind, &'static str) {
    match host.held.get(id) {
        Some(Standing::Accepted) => {
            (Kind::Covered, "is an extremity, but an accepted event descends from it")
        }
        Some(Standing::SoftFailed) => (Kind::SoftFailed, "is an extremity, but soft-failed"),
        Some(Standing::Rejected) => (Kind::Rejected, "is an extremity, but rejected"),
        Some(Standing::Outlier) => (Kind::Outlier, "is an extremity, but no part of history"),
        Some(Standing::Missing) | None => (Kind::NotHeld, "is an extremity, but is not held"),
    }
}
