//! What is accepted is allowed: by the events that it cites itself, all of which are held and allowed in
//! turn.
//!
//! The rules are ruma's, asked once more about the events of the journal alone. Whether an event is allowed
//! by the state before it is the business of `verdicts-agree`.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::{EventId, OwnedEventId};
use ruma_events::StateEventType;
use ruma_state_res::{check_state_dependent_auth_rules, check_state_independent_auth_rules};

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host, Judged, Seen},
    kinds,
};
use crate::{
    matrix::pdu::{JudgedPdu, Pdu, UnverifiedPdu},
    room::graph::Standing,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "auth-rules",
    code: "AUTH-RULE",
    clause: "SS-API \"Checks performed on receipt of a PDU\", step 4; room versions, \"Authorization rules\"",
    holds: "an accepted event is allowed by its own auth events, which the server has with all that allows them, of this room and none rejected",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    LacksAuthEvent "lacks-auth-event",
    RejectedAuthEvent "rejected-auth-event",
    BrokenAuthChain "broken-auth-chain",
    /// By the rules that look at the event and its auth events alone, of its type.
    UnfitAuthEvents "unfit-auth-events",
    /// By the rules that take its auth events for the state, of its type.
    NotAllowed "not-allowed",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut rules = Rules::new(evidence);
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for judged in evidence.judged.iter().filter(|judged| judged.verdict.is_history()) {
        let Some(host) = evidence.hosts.get(judged.server) else { continue };
        // A script makes its server keep what it made.
        if evidence.crafted.get(judged.event) == Some(&judged.server) {
            continue;
        }
        if let Some((kind, problem)) = rules.problem(host, judged)
            && told.insert((judged.server, judged.event))
        {
            let message = format!("{} accepted an event that {problem}", judged.server);
            let finding = Finding::on(judged.server, kind, message).about(judged.event);
            findings.push(match kind {
                Kind::UnfitAuthEvents | Kind::NotAllowed => finding.of(evidence.event_type(judged.event)),
                _ => finding,
            });
        }
    }
    findings
}

/// Whether a server had taken an event, of which the place is told if the run saw it, up to a record of the
/// journal.
fn had(host: &Host<'_>, (id, place): (&EventId, Option<usize>), at: usize) -> bool {
    let received = match place {
        Some(place) => host.receipt(place).map(|receipt| receipt.at),
        None => host.received_at.get(id).copied(),
    };
    received.is_some_and(|received| received <= at)
}

/// What speaks against an event that was accepted.
type Problem = (Kind, String);

/// The rules, and what they have said so far.
struct Rules<'e, 'a> {
    evidence: &'e Evidence<'a>,
    /// What speaks against each event, going by its own auth events.
    known: BTreeMap<&'e EventId, Option<Problem>>,
    /// The events of which each server is known to have had the whole auth chain, by their places.
    whole: BTreeMap<&'e str, Vec<bool>>,
    /// What each event cites as allowing it, by its place, with the places of these.
    cited: Vec<Vec<(&'e EventId, Option<usize>)>>,
    default_join_rules: Pdu,
}

impl<'e, 'a> Rules<'e, 'a> {
    fn new(evidence: &'e Evidence<'a>) -> Self {
        let room_id = evidence.reference_room().room_id();
        let default_join_rules = Pdu::default_join_rules(room_id, evidence.version);
        let with_place = |id: &'e OwnedEventId| (&**id, evidence.seen.get_index_of(&**id));
        let cited = |seen: &'e Seen<'a>| -> Vec<(&'e EventId, Option<usize>)> {
            let pdu = seen.pdu.as_ref().map(UnverifiedPdu::claims);
            pdu.map_or(&[][..], Pdu::auth_events).iter().map(with_place).collect()
        };
        let cited = evidence.seen.values().map(cited).collect();
        Self { evidence, known: BTreeMap::new(), whole: BTreeMap::new(), cited, default_join_rules }
    }

    fn problem(&mut self, host: &Host<'_>, judged: &Judged<'e>) -> Option<Problem> {
        let place = self.evidence.seen.get_index_of(judged.event)?;
        self.evidence.pdu(judged.event)?;
        for (id, cited) in &self.cited[place] {
            if !had(host, (id, *cited), judged.at) {
                return Some((
                    Kind::LacksAuthEvent,
                    format!("cites {}, which it did not have", super::short(id)),
                ));
            }
            let standing = cited.and_then(|cited| self.evidence.standing_of(host, cited, judged.at));
            if standing == Some(Standing::Rejected) {
                return Some((
                    Kind::RejectedAuthEvent,
                    format!("cites {}, which it had rejected", super::short(id)),
                ));
            }
        }
        if let Some(missing) = self.missing_below(host, judged, place) {
            let problem = format!("stands on {}, which it did not have", super::short(missing));
            return Some((Kind::BrokenAuthChain, problem));
        }
        self.judge(judged.event)
    }

    /// The first event of an auth chain that a server did not have when it judged. What it had it keeps, so a
    /// chain that was whole once is not walked again.
    fn missing_below(&mut self, host: &Host<'_>, judged: &Judged<'e>, place: usize) -> Option<&'e EventId> {
        let whole = self.whole.entry(judged.server).or_insert_with(|| vec![false; self.cited.len()]);
        let mut passed = Vec::new();
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            for (id, cited) in &self.cited[place] {
                if cited.is_some_and(|cited| whole[cited] || passed.contains(&cited)) {
                    continue;
                }
                if !had(host, (id, *cited), judged.at) {
                    return Some(id);
                }
                passed.extend(*cited);
                open.extend(*cited);
            }
        }
        for place in passed {
            whole[place] = true;
        }
        None
    }

    /// What speaks against an event, worked out from the bottom of its auth chain upwards.
    fn judge(&mut self, id: &'e EventId) -> Option<Problem> {
        if let Some(known) = self.known.get(id) {
            return known.clone();
        }
        let mut open = vec![id];
        while let Some(next) = open.last().copied() {
            let cited = self.evidence.pdu(next).map_or(&[][..], Pdu::auth_events);
            let unknown: Vec<&'e EventId> = cited
                .iter()
                .map(|id| &**id)
                .filter(|id| !self.known.contains_key(id) && !open.contains(id))
                .collect();
            if unknown.is_empty() {
                let problem = self.by_auth_events(next);
                self.known.insert(next, problem);
                open.pop();
            } else {
                open.extend(unknown);
            }
        }
        self.known[id].clone()
    }

    fn by_auth_events(&self, id: &'e EventId) -> Option<Problem> {
        if let Some(known) = self.known.get(id) {
            return known.clone();
        }
        let pdu = self.evidence.pdu(id)?;
        let rules = &self.evidence.version.rules().authorization;
        let judged = |id: &EventId| {
            let pdu = self.evidence.pdu(id)?;
            let rejected = self.known.get(id).is_some_and(Option::is_some);
            Some(JudgedPdu { rejected, ..JudgedPdu::good(pdu) })
        };
        let event = JudgedPdu::good(pdu);
        if let Err(reason) = check_state_independent_auth_rules(rules, event, judged) {
            return Some((Kind::UnfitAuthEvents, format!("its auth events forbid: {reason}")));
        }
        let whole = self.by_cited(pdu, |pdu| pdu)?;
        // Who judged before a redaction held saw the whole of what is cited, and who joined later only what
        // is left of it.
        let room = self.evidence.reference_room();
        let is_redacted = pdu.auth_events().iter().any(|id| room.outline(id).is_some());
        let outline = |pdu: &'e Pdu| room.outline(pdu.event_id()).map_or(pdu, |outline| &**outline);
        if is_redacted { self.by_cited(pdu, outline) } else { Some(whole) }
    }

    /// What the events that another cites have against it, each read as `read` has it.
    fn by_cited(&self, pdu: &'e Pdu, read: impl Fn(&'e Pdu) -> &'e Pdu) -> Option<Problem> {
        let implied = self.evidence.seen.iter().filter(|_| self.evidence.version.has_hash_room_ids());
        let implied = implied.filter_map(|(id, _)| self.evidence.pdu(id)).find(|pdu| pdu.is_create());
        let cited = pdu.auth_events().iter().filter_map(|id| self.evidence.pdu(id));
        let auth: Vec<&Pdu> = cited.chain(implied.filter(|_| !pdu.is_create())).map(read).collect();
        let find = |kind: &StateEventType, key: &str| {
            let name = kind.to_string();
            let fills = |pdu: &&&Pdu| pdu.state_key() == Some(key) && pdu.kind().to_string() == name;
            let default = (*kind == StateEventType::RoomJoinRules).then_some(&self.default_join_rules);
            auth.iter().find(fills).copied().or(default).map(JudgedPdu::good)
        };
        let rules = &self.evidence.version.rules().authorization;
        let allowed = check_state_dependent_auth_rules(rules, JudgedPdu::good(pdu), find);
        allowed.err().map(|reason| (Kind::NotAllowed, format!("its auth events do not allow: {reason}")))
    }
}
