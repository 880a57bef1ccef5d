//! Servers that stand at the same place see the same room.

use std::collections::BTreeMap;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
    kinds,
};
use crate::journal::End;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "same-state",
    code: "STATE-CONV",
    clause: "room versions, \"State resolution\": the state is a function of the events",
    holds: "joined servers with the same forward extremities have the same current state",
    when: When::AtRest,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    /// Both have an event there.
    OtherEvent "other-event",
    /// One of them has nothing there.
    Nothing "nothing",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut by_place: BTreeMap<_, (&str, &Host<'_>)> = BTreeMap::new();
    for (name, host) in evidence.agreeing().filter(|(_, host)| !is_misled(evidence, host)) {
        let (other, reference) = *by_place.entry(host.extremities()).or_insert((name, host));
        let (Some(own), Some(theirs)) = (host.end, reference.end) else { continue };
        findings.extend(difference(name, own, other, theirs));
    }
    findings
}

fn is_misled(evidence: &Evidence<'_>, host: &Host<'_>) -> bool {
    host.extremities().iter().any(|id| evidence.may_be_misled_about(host, id, evidence.last))
}

type Slots<'a> = BTreeMap<(&'a str, &'a str), &'a ruma_common::EventId>;

fn slots(end: &End) -> Slots<'_> {
    end.state.iter().map(|(kind, key, event)| ((kind.as_str(), key.as_str()), &**event)).collect()
}

/// The first slot in which two states differ, and how many there are.
fn difference(name: &str, own: &End, other: &str, theirs: &End) -> Option<Finding> {
    let (own, theirs) = (slots(own), slots(theirs));
    let all: std::collections::BTreeSet<_> = own.keys().chain(theirs.keys()).collect();
    let mut differing = all.into_iter().filter(|slot| own.get(*slot) != theirs.get(*slot));
    let slot = differing.next()?;
    let more = match differing.count() {
        0 => String::new(),
        more => format!(", and {more} more slots differ"),
    };
    let show = |slots: &Slots<'_>| slots.get(slot).map_or("nothing".to_owned(), |id| super::short(id));
    let (kind, key) = slot;
    let key = if key.is_empty() { String::new() } else { format!(" of {key}") };
    let message = format!("{kind}{key} is {} on {name} and {} on {other}{more}", show(&own), show(&theirs));
    let event = own.get(slot).or(theirs.get(slot))?;
    let both = own.contains_key(slot) && theirs.contains_key(slot);
    let kind = if both { Kind::OtherEvent } else { Kind::Nothing };
    Some(Finding::on(name, kind, message).about(event))
}
