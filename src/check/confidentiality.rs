//! Nobody gets to read what is not for them.
//!
//! Worked out from the journal and from the table of history visibility alone, once more and plainly: the
//! servers' own judgement of who may see what is what is on trial here.

use std::cell::RefCell;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use ruma_common::{EventId, ServerName};
use ruma_events::StateEventType;
use serde_json::Value;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
    kinds,
};
use crate::{
    journal::exchange::Exchange,
    matrix::endpoint::Endpoint,
    room::{Room, graph::Standing, state::StateMap},
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "confidentiality",
    code: "CONFID",
    clause: "CS-API \"Room History Visibility\"; SS-API \"Server Access Control Lists\", `/state_ids` 403",
    holds: "a server gets unredacted only events that it may see, and nothing of a room that it is not in or shut out of",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    ShutOut "shut-out",
    Invisible "invisible",
    NotInTheRoom "not-in-the-room",
    Pushed "pushed",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let settings = Settings::default();
    let mut findings = Vec::new();
    for asked in evidence.requests.values() {
        if !evidence.answers_for_itself(asked) {
            continue;
        }
        findings.extend(match asked.endpoint.known() {
            Some(Endpoint::Send) => pushed(evidence, &settings, asked),
            Some(endpoint) => answered(evidence, &settings, asked, endpoint),
            None => None,
        });
    }
    findings
}

fn answered<'a>(
    evidence: &'a Evidence<'a>,
    settings: &Settings<'a>,
    asked: &Exchange<'_>,
    endpoint: Endpoint,
) -> Option<Finding> {
    let answer = asked.answer.as_ref().filter(|answer| answer.status == 200)?;
    let reader = Reader::new(evidence, settings, asked.from)?;
    let host = evidence.hosts.get(asked.to)?;
    let moments = evidence.moments(asked);
    let finding = |kind, problem: &str| {
        let message = format!("{} answered {endpoint} of {}: {problem}", asked.to, asked.from);
        Finding::on(asked.to, kind, message)
    };
    let gives = !answer.events.is_empty() || !answer.auth_chain.is_empty();
    if !gives || moments.is_empty() {
        return None;
    }
    let any = |is: &dyn Fn(usize) -> bool| moments.iter().any(|at| is(*at));
    if endpoint.heeds_acl() && !any(&|at| reader.is_let_in(asked.to, host, at)) {
        return Some(finding(Kind::ShutOut, "the room's ACL shuts it out"));
    }
    if endpoint.gives_history() {
        let whole = answer.events.iter().filter(|id| !answer.redacted.contains(id));
        let mut ids = whole.filter_map(|id| <&EventId>::try_from(id.as_str()).ok());
        let leaked = ids.find(|id| !any(&|at| reader.may_see(host, id, at)) && is_telling(evidence, id))?;
        let problem = format!("it may not see {}, which is not redacted", super::short(leaked));
        return Some(finding(Kind::Invisible, &problem).about(leaked));
    }
    (endpoint.is_recovery() && !any(&|at| reader.is_joined(host, at)))
        .then(|| finding(Kind::NotInTheRoom, "it is not in the room"))
}

/// A push goes to the servers that were in the room at the event.
fn pushed<'a>(evidence: &'a Evidence<'a>, settings: &Settings<'a>, asked: &Exchange<'_>) -> Option<Finding> {
    let by_script = asked.is_scripted();
    let reader =
        Reader::new(evidence, settings, asked.to).filter(|_| !by_script && !evidence.is_guest(asked.from))?;
    let host = evidence.hosts.get(asked.from)?;
    let mut ids = asked.events.iter().filter_map(|id| <&EventId>::try_from(id.as_str()).ok());
    // By the word of a liar the reader was a member when the event was queued; nothing takes it back from the
    // queue.
    let in_good_faith = |id: &EventId| {
        evidence.may_be_deceived(host)
            && host.received_at.get(id).is_some_and(|queued| reader.is_joined(host, *queued))
    };
    let leaked =
        ids.find(|id| !reader.may_see(host, id, asked.at) && is_telling(evidence, id) && !in_good_faith(id))?;
    let message = format!("{} pushed an event to {}, which may not see it", asked.from, asked.to);
    Some(Finding::on(asked.from, Kind::Pushed, message).about(leaked))
}

/// Whether redaction would take anything from an event.
fn is_telling(evidence: &Evidence<'_>, id: &EventId) -> bool {
    evidence.pdu(id).is_some_and(|pdu| pdu.redacted_json().get() != pdu.json().get())
}

/// What the events that set the visibility of history say, each read once.
#[derive(Default)]
struct Settings<'a>(RefCell<IndexMap<&'a EventId, Option<String>, FixedState>>);

/// A server that reads.
struct Reader<'e, 'a> {
    evidence: &'a Evidence<'a>,
    settings: &'e Settings<'a>,
    name: &'a ServerName,
}

impl<'e, 'a> Reader<'e, 'a> {
    fn new(evidence: &'a Evidence<'a>, settings: &'e Settings<'a>, host: &str) -> Option<Self> {
        let name = evidence.hosts.get(host)?.matrix_name;
        Some(Self { evidence, settings, name: <&ServerName>::try_from(name).ok()? })
    }

    /// Whether it has a joined user in the current state of another server.
    fn is_joined(&self, host: &Host<'_>, at: usize) -> bool {
        self.evidence.takes_for_joined(host, self.name.as_str(), at)
    }

    fn owns(&self, user: &str) -> bool {
        <&ruma_common::UserId>::try_from(user).is_ok_and(|user| user.server_name() == self.name)
    }

    /// By the setting and the memberships before the event or after it: for the events that change them
    /// either will do (CS-API, "Server behaviour").
    fn may_see(&self, host: &Host<'_>, id: &EventId, at: usize) -> bool {
        let room = self.evidence.reference_room();
        let is_outlier =
            self.evidence.standing_at(host, id, at).is_none_or(|standing| standing == Standing::Outlier);
        let Some(before) = room.state_before(id).filter(|_| !is_outlier) else {
            // Without a state there, an event counts as shared with all who are in the room, as in Synapse.
            return self.is_joined(host, at);
        };
        let after = room.graph().get(id).and_then(|idx| room.state_after(idx));
        [Some(before), after.as_ref()].into_iter().flatten().any(|state| {
            let was = |membership| room.members(state, membership).any(|user| self.owns(user.as_str()));
            match self.settings.visibility(room, state).as_deref() {
                Some("world_readable") => true,
                Some("joined") => was("join"),
                Some("invited") => was("join") || was("invite"),
                _ => self.is_joined(host, at) || was("join"),
            }
        })
    }

    fn is_let_in(&self, server: &str, host: &Host<'_>, at: usize) -> bool {
        let acl = host.slot_at("m.room.server_acl", "", at).and_then(|id| self.evidence.pdu(id));
        let Some(acl) = acl else { return true };
        let acl_id = acl.event_id();
        let acl: Value = serde_json::from_str(acl.content().get()).unwrap_or_default();
        let lists = |key: &str| {
            let globs = acl[key].as_array().into_iter().flatten().filter_map(Value::as_str);
            globs.into_iter().any(|glob| matches(glob.as_bytes(), self.name.host().as_bytes()))
        };
        let is_literal = self.name.is_ip_literal() && acl["allow_ip_literals"] == false;
        let allows = !is_literal && !lists("deny") && lists("allow");
        // Of an ACL that was withheld from it a server knows only that there is one.
        allows || self.evidence.withheld(server, host).iter().any(|id| id == acl_id)
    }
}

impl<'a> Settings<'a> {
    fn visibility(&self, room: &'a Room, state: &StateMap) -> Option<String> {
        let event = room.state_event(state, &StateEventType::RoomHistoryVisibility, "")?;
        let mut read = self.0.borrow_mut();
        read.entry(event.event_id()).or_insert_with(|| event.content_str("history_visibility")).clone()
    }
}

/// `*` stands for any text, `?` for one character; case is of no account.
fn matches(glob: &[u8], text: &[u8]) -> bool {
    match (glob, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        ([b'?', rest @ ..], [_, text @ ..]) => matches(rest, text),
        ([one, rest @ ..], [other, text @ ..]) if one.eq_ignore_ascii_case(other) => matches(rest, text),
        _ => false,
    }
}
