//! Every answer is one that a slow and simple server could give that holds the same: which events, how many,
//! in an order that the text or the common test suites allow, and an error only where one is due.
//!
//! What the answering server held is worked out from the journal. An answer was made at some moment between
//! the arrival of the request and its own; it must be right at one of them.

use std::collections::BTreeSet;

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Host},
    model::{Holdings, Kind, MissingEvents, Model, Wrong},
};
use crate::{
    journal::exchange::{Answered, Exchange},
    matrix::{endpoint::Endpoint, pdu::Pdu},
    room::{answer_order::AnswerOrder, graph::Standing},
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "answers",
    code: "ANSWER",
    clause: "SS-API `/backfill`, `/get_missing_events`, `/event`, `/event_auth`, `/state`, `/state_ids`",
    holds: "every answer is one that a server could give that walks the whole graph slowly and simply",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for asked in evidence.requests.values().filter(|asked| !asked.is_spoilt()) {
        let Some(answer) = &asked.answer else { continue };
        // Only servers that answer for themselves are judged.
        let judged = evidence.answers_for_itself(asked);
        let Some(host) = evidence.hosts.get(asked.to).filter(|_| judged) else { continue };
        if let Err(wrong) = judge(evidence, host, asked, answer) {
            let message =
                format!("{} answered {} of {}: {}", asked.to, asked.endpoint, asked.from, wrong.problem);
            let finding = Finding::on(asked.to, wrong.kind, message).of(asked.endpoint);
            findings.push(match &wrong.event {
                Some(id) => finding.about(id),
                None => finding,
            });
        }
    }
    findings
}

/// Right at one moment is right; of several that are wrong the first is told.
fn judge(
    evidence: &Evidence<'_>,
    host: &Host<'_>,
    asked: &Exchange<'_>,
    answer: &Answered<'_>,
) -> Result<(), Wrong> {
    let mut wrong = None;
    for at in evidence.moments(asked).into_iter().chain([answer.at]) {
        match (Case { evidence, host, asked, answer, at }).judge() {
            Ok(()) => return Ok(()),
            Err(problem) => wrong.get_or_insert(problem),
        };
    }
    Err(wrong.expect("there is at least one moment"))
}

/// One answer, seen as made after a certain record.
struct Case<'e, 'a> {
    evidence: &'e Evidence<'a>,
    host: &'e Host<'a>,
    asked: &'e Exchange<'a>,
    answer: &'e Answered<'a>,
    at: usize,
}

impl Case<'_, '_> {
    fn judge(&self) -> Result<(), Wrong> {
        let model = Model(View { evidence: self.evidence, host: self.host, at: self.at });
        if self.answer.status != 200 {
            return self.refusal();
        }
        let Some(endpoint) = self.asked.endpoint.known() else { return Ok(()) };
        let (answer, chain) = (|| ids(self.answer.events), || ids(self.answer.auth_chain));
        let named: Vec<&EventId> = known_ids(self.asked.events);
        match endpoint {
            Endpoint::Backfill => {
                let answer = answer()?;
                self.of_the_room(&answer)?;
                model.backfill(&named, self.asked.limit, &answer)
            }
            Endpoint::GetMissingEvents => {
                let answer = answer()?;
                self.of_the_room(&answer)?;
                let gap = MissingEvents {
                    latest: &named,
                    earliest: &known_ids(self.asked.earliest),
                    limit: self.asked.limit,
                    min_depth: self.asked.min_depth,
                    by_level: matches!(
                        self.host.answer_order,
                        AnswerOrder::Customary | AnswerOrder::BreadthFirst
                    ),
                };
                model.missing_events(&gap, &answer)
            }
            Endpoint::Event => {
                let answer = answer()?;
                named.first().map_or(Ok(()), |wanted| model.event(wanted, &answer))
            }
            Endpoint::EventAuth => model.auth_chain(&named, &chain()?),
            Endpoint::State | Endpoint::StateIds => {
                let (answer, chain) = (answer()?, chain()?);
                model.state(&answer)?;
                named.first().map_or(Ok(()), |id| self.state_there(id, &answer))?;
                model.auth_chain(&answer, &chain)
            }
            // What these answer is judged by what comes of it.
            Endpoint::Send
            | Endpoint::MakeJoin
            | Endpoint::SendJoin
            | Endpoint::Invite
            | Endpoint::Key
            | Endpoint::Version => Ok(()),
        }
    }

    /// An own question of a server that is in the room is answered, if what it asks for is there.
    fn refusal(&self) -> Result<(), Wrong> {
        let named = known_ids(self.asked.events);
        let Some(id) = named.first().filter(|_| self.answer.status == 404 && !self.asked.is_scripted())
        else {
            return Ok(());
        };
        let standing = self.evidence.standing_at(self.host, id, self.at);
        let is_there = match self.asked.endpoint.known() {
            Some(Endpoint::Event | Endpoint::EventAuth) => standing.is_some_and(Standing::is_judged),
            Some(Endpoint::State | Endpoint::StateIds) => standing.is_some_and(Standing::is_history),
            _ => false,
        };
        if is_there {
            let problem = format!("404 for {}, which it has", super::short(id));
            return Err(Wrong::about(Kind::NotFound, id, problem));
        }
        Ok(())
    }

    /// The state before an event is a function of the events before it. Where the server has not judged all
    /// of them, it goes by the word of others, and any state may be right.
    fn state_there(&self, id: &EventId, answer: &[&EventId]) -> Result<(), Wrong> {
        let standing = self.evidence.standing_at(self.host, id, self.at);
        if !standing.is_some_and(Standing::is_history) {
            let problem = format!("a state at {}, which is not part of its history", super::short(id));
            return Err(Wrong::about(Kind::StateBeyondHistory, id, problem));
        }
        let room = self.evidence.reference_room();
        let Some(state) = room.state_before(id) else { return Ok(()) };
        if !self.evidence.knows_all_before(self.host, id, self.at) {
            return Ok(());
        }
        let right: BTreeSet<&EventId> = state.values().map(|idx| room.graph().id(*idx)).collect();
        let given: BTreeSet<&EventId> = answer.iter().copied().collect();
        if let Some(id) = right.difference(&given).next().copied() {
            return Err(Wrong::event(Kind::StateLacks, id, "is part of the state there and left out"));
        }
        match given.difference(&right).next().copied() {
            Some(id) => Err(Wrong::event(Kind::StateSurplus, id, "is no part of the state there")),
            None => Ok(()),
        }
    }

    fn of_the_room(&self, answer: &[&EventId]) -> Result<(), Wrong> {
        let decoded = percent_encoding::percent_decode_str(self.asked.line).decode_utf8_lossy();
        let elsewhere = |id: &&&EventId| {
            let pdu = self.evidence.pdu(id);
            pdu.is_some_and(|pdu| !decoded.contains(pdu.room_id().as_str()))
        };
        match answer.iter().find(elsewhere) {
            Some(id) => Err(Wrong::event(Kind::OtherRoom, id, "is of another room")),
            None => Ok(()),
        }
    }
}

/// What a server held after a certain record.
struct View<'e, 'a> {
    evidence: &'e Evidence<'a>,
    host: &'e Host<'a>,
    at: usize,
}

impl Holdings for View<'_, '_> {
    fn standing(&self, id: &EventId) -> Standing {
        self.evidence.standing_at(self.host, id, self.at).unwrap_or(Standing::Missing)
    }

    fn pdu(&self, id: &EventId) -> Option<&Pdu> {
        self.evidence.pdu(id)
    }
}

/// The ids in a request; what is none can't be known to anybody.
fn known_ids(list: &[String]) -> Vec<&EventId> {
    list.iter().filter_map(|id| <&EventId>::try_from(id.as_str()).ok()).collect()
}

fn ids(list: &[String]) -> Result<Vec<&EventId>, Wrong> {
    let ids = known_ids(list);
    if ids.len() < list.len() {
        return Err(Wrong::answer(Kind::NoEvent, "it holds something that is no event".to_owned()));
    }
    Ok(ids)
}
