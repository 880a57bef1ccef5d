//! What is redacted is redacted on all servers, whichever came first: the redaction or its target.
//!
//! Worked out from what a server held when it answered. A redaction that the server soft-failed is left out:
//! the text does not say what becomes of it.

use std::collections::BTreeMap;

use ruma_common::{EventId, ServerName};
use ruma_events::TimelineEventType;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
    kinds,
};
use crate::{
    journal::{Source, exchange::Exchange},
    matrix::{endpoint::Endpoint, pdu::Pdu},
    room::graph::Standing,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "redactions",
    code: "ORDER",
    clause: "room versions 1 and 3, \"Redactions\": applied when both events are there and the sender may",
    holds: "an event is given out redacted once its redaction is accepted, in whichever order they came, and by no redaction that has no right to",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    Whole "whole",
    WithoutRight "without-right",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let redactions = Redactions::new(evidence);
    let given = evidence
        .requests
        .values()
        .filter(|asked| asked.endpoint.known().is_some_and(Endpoint::gives_history));
    let by_itself = given.filter(|asked| !asked.is_spoilt() && !evidence.is_told(asked));
    by_itself.filter_map(|asked| redactions.judge(asked)).collect()
}

/// The redactions of a run, by what they redact.
struct Redactions<'e, 'a> {
    evidence: &'e Evidence<'a>,
    of: BTreeMap<&'e EventId, Vec<&'e Pdu>>,
}

impl<'e, 'a> Redactions<'e, 'a> {
    fn new(evidence: &'e Evidence<'a>) -> Self {
        let mut of: BTreeMap<&EventId, Vec<&Pdu>> = BTreeMap::new();
        let seen = evidence.seen.keys().filter_map(|id| evidence.pdu(id));
        for pdu in seen.filter(|pdu| *pdu.kind() == TimelineEventType::RoomRedaction) {
            if let Some(target) = pdu.redacts() {
                of.entry(target).or_default().push(pdu);
            }
        }
        Self { evidence, of }
    }

    fn judge(&self, asked: &Exchange<'_>) -> Option<Finding> {
        let answer = asked.answer.as_ref().filter(|answer| answer.status == 200)?;
        let host = self.evidence.hosts.get(asked.to)?;
        let moments = self.evidence.moments(asked);
        for id in answer.events {
            let Some((id, target)) = <&EventId>::try_from(id.as_str()).ok().and_then(|id| self.telling(id))
            else {
                continue;
            };
            let is_redacted = answer.redacted.iter().any(|redacted| id == redacted);
            let stand = |is: &dyn Fn(usize) -> bool| !moments.is_empty() && moments.iter().all(|at| is(*at));
            let problem = if is_redacted {
                let is_groundless = stand(&|at| !self.may_apply(host, target, at));
                (is_groundless && self.has_no_other_reason(asked, host, target))
                    .then(|| (Kind::WithoutRight, "redacted by what has no right to".to_owned()))
            } else {
                let applying = moments.first().and_then(|at| self.applying(host, target, *at));
                // The redacted form of a redaction does not say what it redacts.
                let knows = |by: &&Pdu| !self.evidence.withheld(asked.to, host).contains(by.event_id());
                applying
                    .filter(knows)
                    .map(|by| (Kind::Whole, format!("whole, which {} redacts", super::short(by.event_id()))))
            };
            if let Some((kind, problem)) = problem {
                let message = format!("{} gave {} to {} {problem}", asked.to, super::short(id), asked.from);
                return Some(Finding::on(asked.to, kind, message).about(id));
            }
        }
        None
    }

    /// An event that a redaction names, and of which it would take something.
    fn telling(&self, id: &EventId) -> Option<(&'e EventId, &'e Pdu)> {
        let (id, _) = self.of.get_key_value(id)?;
        let pdu = self.evidence.pdu(id)?;
        (!pdu.is_create() && pdu.redacted_json().get() != pdu.json().get()).then_some((*id, pdu))
    }

    /// The redaction of an event that must have taken effect on a server by a record of the journal.
    fn applying(&self, host: &Host<'_>, target: &Pdu, at: usize) -> Option<&'e Pdu> {
        let standing = |id: &EventId| self.evidence.standing_at(host, id, at);
        let is_history = standing(target.event_id()).is_some_and(Standing::is_history);
        self.of[&**target.event_id()].iter().copied().find(|redaction| {
            is_history
                && standing(redaction.event_id()) == Some(Standing::Accepted)
                && self.has_right(host, redaction, target, at) == Some(true)
        })
    }

    /// Whether a redaction may have taken effect there.
    fn may_apply(&self, host: &Host<'_>, target: &Pdu, at: usize) -> bool {
        self.of[&**target.event_id()].iter().any(|redaction| {
            let standing = self.evidence.standing_at(host, redaction.event_id(), at);
            standing.is_some_and(Standing::is_history)
                && self.has_right(host, redaction, target, at) != Some(false)
        })
    }

    /// Whether the sender of a redaction may; nothing where the server can't know for sure.
    fn has_right(&self, host: &Host<'_>, redaction: &Pdu, target: &Pdu, at: usize) -> Option<bool> {
        let is_sure = redaction.sender().server_name() == target.sender().server_name()
            || self.evidence.knows_all_before(host, redaction.event_id(), at);
        is_sure.then(|| self.evidence.reference_room().may_redact(redaction, target))
    }

    /// Whether an event came whole to a server, which may give it whole to the one that asks: both were in
    /// the room at the time, so no visibility is in the way.
    fn has_no_other_reason(&self, asked: &Exchange<'_>, host: &Host<'_>, target: &Pdu) -> bool {
        let came_whole = match host.received.get(&**target.event_id()) {
            Some((_, Source::User)) => true,
            Some((_, Source::Peer { endpoint, .. })) => *endpoint == Endpoint::Send,
            _ => false,
        };
        let asker = self.evidence.hosts.get(asked.from).map(|host| host.matrix_name);
        let Some(asker) = asker.and_then(|name| <&ServerName>::try_from(name).ok()) else { return false };
        let room = self.evidence.reference_room();
        let after = room.graph().get(target.event_id()).and_then(|idx| room.state_after(idx));
        let states = [room.state_before(target.event_id()), after.as_ref()];
        let was_there = states.into_iter().all(|state| {
            state.is_some_and(|state| room.members(state, "join").any(|user| user.server_name() == asker))
        });
        came_whole && was_there
    }
}
