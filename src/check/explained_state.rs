//! The state of the room is what its events make it, all through the run: no reset, no state on the word of
//! one server.

use std::collections::BTreeMap;

use ruma_common::{EventId, OwnedEventId};

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host, Moment, last_at},
    kinds,
};
use crate::room::{Room, graph::Standing};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "explained-state",
    code: "STATE-SANE",
    clause: "room versions, \"State resolution\": the current state is resolved over the states after all forward extremities",
    holds: "whenever a server's current state changes, it is what the newest events that it has accepted make it, and nothing rejected is in it",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    /// The events put something there, and the server has nothing.
    Lacking "lacking",
    /// The server has something there, and the events put nothing.
    Surplus "surplus",
    OtherEvent "other-event",
    Rejected "rejected",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    evidence.hosts.iter().filter_map(|(name, host)| check_host(evidence, name, host)).collect()
}

/// The first state of a server that its events don't explain.
fn check_host(evidence: &Evidence<'_>, name: &str, host: &Host<'_>) -> Option<Finding> {
    unexplained(evidence, name, host).or_else(|| rejected(evidence, name, host))
}

fn unexplained(evidence: &Evidence<'_>, name: &str, host: &Host<'_>) -> Option<Finding> {
    let mut moments: Vec<usize> = host.slots.values().flatten().map(|(at, _)| *at).collect();
    moments.sort_unstable();
    moments.dedup();
    if !host.slots.is_empty() {
        moments.push(evidence.last);
    }
    let mut known: BTreeMap<Vec<&EventId>, Option<State>> = BTreeMap::new();
    let mut moment = Moment::new(evidence, host);
    for at in moments {
        moment.move_to(at);
        let tips: Vec<&EventId> = moment.tips().into_iter().collect();
        if tips.iter().any(|id| evidence.may_be_misled_about(host, id, at))
            || lacks_redaction(evidence, host, at)
        {
            continue;
        }
        let right =
            known.entry(tips.clone()).or_insert_with(|| state_after(evidence.reference_room(), &tips));
        let Some(right) = right else { continue };
        let own = host.slots.iter().filter_map(|(slot, filled)| Some((*slot, last_at(filled, at)?.1?)));
        let there = right.iter().map(|((kind, key), id)| ((kind.as_str(), key.as_str()), &**id));
        if own.clone().eq(there) {
            continue;
        }
        // Nor can one put into the state what it was told and could not verify, or what that allows, before
        // it has all.
        let knows_all =
            !host.dropped.is_empty() && tips.iter().all(|id| evidence.knows_all_before(host, id, at));
        let lacks = |id: &EventId| {
            let auth = evidence.pdu(id).map_or(&[][..], |pdu| pdu.auth_events());
            let unverified = host.dropped.contains(id) || auth.iter().any(|id| host.dropped.contains(&**id));
            unverified && !knows_all
        };
        let (lacked, right): (State, State) = right.clone().into_iter().partition(|(_, id)| lacks(id));
        let own: State = own
            .map(|((kind, key), id)| ((kind.to_owned(), key.to_owned()), id.to_owned()))
            .filter(|(slot, _)| !lacked.contains_key(slot))
            .collect();
        if let Some(finding) = difference(name, &own, &right) {
            return Some(finding);
        }
    }
    None
}

/// Whether a redaction of state was still to come to a server: what it redacts said more there than in the
/// end.
fn lacks_redaction(evidence: &Evidence<'_>, host: &Host<'_>, at: usize) -> bool {
    let room = evidence.reference_room();
    let mut redactions = room.outlines().filter_map(|outline| room.redacted_by(outline.event_id()));
    redactions.any(|id| !evidence.standing_at(host, id, at).is_some_and(Standing::is_history))
}

/// What a server has rejected is no part of any state, whoever says so.
fn rejected(evidence: &Evidence<'_>, name: &str, host: &Host<'_>) -> Option<Finding> {
    let is_rejected = |id: &EventId| host.held.get(id) == Some(&Standing::Rejected);
    let at_the_end = host.end?.state.iter().map(|(kind, key, id)| (kind.as_str(), key.as_str(), &**id));
    // What was accepted then and is rejected now was rightly part of the state for a while.
    let was_history = |id: &EventId, at| evidence.standing_at(host, id, at).is_some_and(Standing::is_history);
    let on_the_way = host.slots.iter().flat_map(|((kind, key), filled)| {
        let ids = filled.iter().filter_map(|(at, id)| id.filter(|id| !was_history(id, *at)));
        ids.map(|id| (*kind, *key, id))
    });
    let (kind, key, id) = at_the_end.chain(on_the_way).find(|(_, _, id)| is_rejected(id))?;
    let of = if key.is_empty() { String::new() } else { format!(" of {key}") };
    let message = format!("on {name}, {kind}{of} is {}, which it has rejected", super::short(id));
    Some(Finding::on(name, Kind::Rejected, message).about(id))
}

type State = BTreeMap<(String, String), OwnedEventId>;

/// What the events make the state after some of them; nothing where they don't tell.
fn state_after(room: &Room, tips: &[&EventId]) -> Option<State> {
    let tips: Vec<OwnedEventId> = tips.iter().map(|id| (*id).to_owned()).collect();
    let state = room.state_after_all(&tips)?;
    let list = room.list_state(&state).into_iter();
    Some(list.map(|(kind, key, id)| ((kind.to_string(), key.to_owned()), id.to_owned())).collect())
}

fn difference(name: &str, own: &State, right: &State) -> Option<Finding> {
    let slots = own.keys().chain(right.keys());
    let (kind, key) = slots.into_iter().find(|slot| own.get(*slot) != right.get(*slot))?;
    let slot = (kind.clone(), key.clone());
    let show = |state: &State| state.get(&slot).map_or("nothing".to_owned(), |id| super::short(id));
    let of = if key.is_empty() { String::new() } else { format!(" of {key}") };
    let message =
        format!("on {name}, {kind}{of} is {}; the newest events make it {}", show(own), show(right));
    let (kind, event) = match (own.get(&slot), right.get(&slot)) {
        (None, right) => (Kind::Lacking, right?),
        (Some(own), None) => (Kind::Surplus, own),
        (Some(own), Some(_)) => (Kind::OtherEvent, own),
    };
    Some(Finding::on(name, kind, message).about(event))
}
