//! Every answer keeps the contract of its endpoint, read from the request and the answer alone.
//!
//! Only what all readings of the specification share is checked: which events, how many, never more order than the
//! text or the common test suites ask for.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{Asked, Evidence},
};
use crate::room::walk::{BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_DEFAULT, MISSING_EVENTS_LIMIT_MAX};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "answers",
    code: "ANSWER",
    clause: "SS-API `/backfill`, `/get_missing_events`, `/event`, `/state`, `/state_ids`",
    holds: "every answer has only what was asked for, no more than the limit, and nothing twice",
    when: When::Always,
    check,
};

type Problem = (Option<String>, String);

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for asked in evidence.requests.values() {
        let Some(answer) = asked.answer.as_ref().filter(|answer| answer.status == 200) else { continue };
        // Only servers that answer for themselves are judged.
        let is_told = evidence.scripted.contains(&(asked.to, asked.endpoint));
        if is_told || !evidence.hosts.contains_key(asked.to) {
            continue;
        }
        let answer = Answer { evidence, asked, events: answer.events };
        if let Some((event, problem)) = answer.problem() {
            let message = format!("{} answered {} of {}: {problem}", asked.to, asked.endpoint, asked.from);
            let mut finding = Finding::on(asked.to, message);
            finding.event = event.and_then(|id| EventId::parse(id).ok());
            findings.push(finding);
        }
    }
    findings
}

struct Answer<'e, 'a> {
    evidence: &'e Evidence<'a>,
    asked: &'e Asked<'a>,
    events: &'a [String],
}

impl Answer<'_, '_> {
    fn problem(&self) -> Option<Problem> {
        match self.asked.endpoint {
            "backfill" => self.backfill(),
            "get_missing_events" => self.missing_events(),
            "event" => self.event(),
            "state" | "state_ids" => self.duplicate(),
            _ => None,
        }
    }

    fn backfill(&self) -> Option<Problem> {
        let limit = self.limit(BACKFILL_LIMIT_MAX, BACKFILL_LIMIT_MAX);
        let seeds: BTreeSet<&str> = self.asked.events.iter().map(String::as_str).collect();
        self.too_many(limit)
            .or_else(|| self.duplicate())
            .or_else(|| self.other_room())
            .or_else(|| self.unreachable(&seeds, &BTreeSet::new(), "is neither asked for nor before it"))
            .or_else(|| self.seed_first())
    }

    fn missing_events(&self) -> Option<Problem> {
        let limit = self.limit(MISSING_EVENTS_LIMIT_DEFAULT, MISSING_EVENTS_LIMIT_MAX);
        let latest: BTreeSet<&str> = self.asked.events.iter().map(String::as_str).collect();
        let earliest: BTreeSet<&str> = self.asked.earliest.iter().map(String::as_str).collect();
        self.too_many(limit)
            .or_else(|| self.duplicate())
            .or_else(|| self.other_room())
            .or_else(|| self.any(|id| latest.contains(id), "is one of `latest_events` itself"))
            .or_else(|| self.any(|id| earliest.contains(id), "is one of `earliest_events` itself"))
            .or_else(|| {
                self.unreachable(&latest, &earliest, "is not between `earliest_events` and `latest_events`")
            })
            .or_else(|| self.child_before_parent())
    }

    fn event(&self) -> Option<Problem> {
        match (self.asked.events, self.events) {
            ([wanted], [given]) if wanted == given => None,
            ([wanted], [given]) => Some((Some(given.clone()), format!("it is not {}", cut(wanted)))),
            (_, given) => Some((None, format!("{} events instead of one", given.len()))),
        }
    }

    fn limit(&self, default: usize, most: usize) -> usize {
        let asked = self.asked.limit.map_or(default, |limit| usize::try_from(limit).unwrap_or(most));
        asked.min(most)
    }

    fn too_many(&self, limit: usize) -> Option<Problem> {
        let given = self.events.len();
        (given > limit).then(|| (None, format!("{given} events, the limit is {limit}")))
    }

    fn any(&self, bad: impl Fn(&str) -> bool, problem: &str) -> Option<Problem> {
        let event = self.events.iter().find(|id| bad(id))?;
        Some((Some(event.clone()), format!("{} {problem}", cut(event))))
    }

    fn duplicate(&self) -> Option<Problem> {
        let seen = std::cell::RefCell::new(BTreeSet::new());
        self.any(|id| !seen.borrow_mut().insert(id.to_owned()), "is in it twice")
    }

    fn other_room(&self) -> Option<Problem> {
        let decoded = percent_encoding::percent_decode_str(self.asked.line).decode_utf8_lossy();
        let elsewhere = |id: &str| {
            let pdu = parse(id).and_then(|id| self.evidence.pdu(id));
            pdu.is_some_and(|pdu| !decoded.contains(pdu.room_id().as_str()))
        };
        self.any(elsewhere, "is of another room")
    }

    /// The first event that no walk from `from` finds, stopping at `until`.
    ///
    /// Nearly every answer is connected, so the walk over the whole room is the exception.
    fn unreachable(&self, from: &BTreeSet<&str>, until: &BTreeSet<&str>, problem: &str) -> Option<Problem> {
        let start = || from.iter().filter_map(|id| parse(id)).filter(|id| !until.contains(id.as_str()));
        let given: BTreeSet<&str> = self.events.iter().map(String::as_str).collect();
        let inside = |id: &EventId| {
            !until.contains(id.as_str()) && (from.contains(id.as_str()) || given.contains(id.as_str()))
        };
        let near = self.evidence.reach(start(), inside);
        let is_in = |reached: &BTreeSet<&EventId>, id: &str| parse(id).is_some_and(|id| reached.contains(id));
        if self.events.iter().all(|id| is_in(&near, id)) {
            return None;
        }
        let far = self.evidence.reach(start(), |id| !until.contains(id.as_str()));
        self.any(|id| !is_in(&far, id), problem)
    }

    /// With one seed, the answer begins with it.
    fn seed_first(&self) -> Option<Problem> {
        let [seed] = self.asked.events else { return None };
        let first = self.events.first()?;
        (first != seed && self.events.contains(seed))
            .then(|| (Some(first.clone()), format!("{} comes before the event asked for", cut(first))))
    }

    /// A parent with one child only is found through that child, by every walk, and so comes before it. Where the
    /// graph forks, the order is open (matrix-spec#1512).
    fn child_before_parent(&self) -> Option<Problem> {
        let places: BTreeMap<&str, usize> =
            self.events.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
        let mut children: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for child in self.events.iter().chain(self.asked.events).filter_map(|id| parse(id)) {
            for parent in self.evidence.parents(child) {
                children.entry(parent.as_str()).or_default().insert(child.as_str());
            }
        }
        let is_only_child = |parent: &str| children.get(parent).is_some_and(|children| children.len() == 1);
        let too_early = |id: &str| {
            let parents = parse(id).map_or(&[][..], |id| self.evidence.parents(id));
            let mut bound =
                parents.iter().map(|parent| parent.as_str()).filter(|parent| is_only_child(parent));
            bound.any(|parent| places.get(parent) > places.get(id))
        };
        self.any(too_early, "comes before its own parent")
    }
}

fn parse(id: &str) -> Option<&EventId> {
    <&EventId>::try_from(id).ok()
}

fn cut(id: &str) -> String {
    parse(id).map_or_else(|| format!("`{id}`"), super::short)
}
