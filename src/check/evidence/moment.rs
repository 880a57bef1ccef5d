//! A server at a moment of the run: what it held then, and how each event stood there.
//!
//! [`Moment`] only moves on: what is asked of one moment after the other is not worked out from the beginning
//! for each.

use std::collections::BTreeSet;

use ruma_common::EventId;

use super::{Evidence, Host, host::Trail, last_at};
use crate::{
    journal::{Source, exchange::Exchange},
    room::graph::Standing,
};

impl<'a> Evidence<'a> {
    /// The numbers of the records after which an answer may have been made: that of its arrival, and those at
    /// which the server changed until the answer came. None if it is not told that the request arrived.
    pub fn moments(&self, asked: &Exchange<'_>) -> Vec<usize> {
        let (Some(arrived), Some(answer)) = (asked.arrived, &asked.answer) else { return Vec::new() };
        let changes = self.hosts.get(asked.to).map_or(&[][..], |host| &host.changes);
        let since = &changes[changes.partition_point(|at| *at <= arrived)..];
        let until = since.partition_point(|at| *at < answer.at);
        std::iter::once(arrived).chain(since[..until].iter().copied()).collect()
    }

    /// How an event stood after a record of the journal; nothing if the server did not have it. One that was
    /// taken and not judged counts as an outlier, though it may have been waiting.
    pub fn standing_at(&self, host: &Host<'_>, id: &EventId, at: usize) -> Option<Standing> {
        self.standing_of(host, self.seen.get_index_of(id)?, at)
    }

    pub(crate) fn standing_of(&self, host: &Host<'_>, place: usize, at: usize) -> Option<Standing> {
        let trail = host.trails.get(place)?;
        if let Some((_, standing)) = last_at(&trail.verdicts, at) {
            return Some(*standing);
        }
        match trail.received.filter(|received| received.at <= at)?.from {
            // Of imported events only the end says how they stand.
            Source::Import if trail.verdicts.is_empty() => {
                host.held.get(self.seen.get_index(place)?.0).copied()
            }
            _ => Some(Standing::Outlier),
        }
    }

    /// Whether a server of a Matrix name has a joined user in the current state of a host after a record of
    /// the journal.
    pub fn takes_for_joined(&self, host: &Host<'_>, name: &str, at: usize) -> bool {
        let mut own = host.users.get(name).into_iter().flatten();
        own.any(|user| {
            let event = host.slot_at("m.room.member", user, at).and_then(|id| self.pdu(id));
            event.and_then(|pdu| pdu.membership()) == Some("join")
        })
    }

    /// Whether an event waits to be judged after a record of the journal: it is held, and has no place in the
    /// graph yet.
    pub(super) fn waits_at(host: &Host<'_>, place: usize, at: usize) -> bool {
        let is_waiting = |trail: &Trail<'_>| {
            trail.waits.is_some_and(|since| since <= at)
                && trail.with_state.is_none_or(|since| since > at)
                && last_at(&trail.verdicts, at).is_none()
        };
        host.trails.get(place).is_some_and(is_waiting)
    }

    /// Whether a server has judged an event and all that is before it, up to a record of the journal.
    pub fn knows_all_before(&self, host: &Host<'_>, id: &EventId, at: usize) -> bool {
        let Some(place) = self.seen.get_index_of(id) else { return false };
        let edges = self.edges();
        let mut reached = vec![false; edges.len()];
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut reached[place], true) {
                continue;
            }
            let is_whole = edges[place].len() == self.seen[place].parents.len();
            if !is_whole || !self.standing_of(host, place, at).is_some_and(Standing::is_judged) {
                return false;
            }
            open.extend(&edges[place]);
        }
        true
    }
}

/// A moment of one server.
pub(crate) struct Moment<'e, 'a> {
    evidence: &'e Evidence<'a>,
    host: &'e Host<'a>,
    /// The numbers of the records at which something became of an event, with its place; in order.
    changes: Vec<(usize, usize)>,
    /// How many of them were before this moment.
    over: usize,
    /// How each event stands now, by its place, and whether it waits.
    stands: Vec<(Option<Standing>, bool)>,
}

impl<'e, 'a> Moment<'e, 'a> {
    /// Before the first record.
    pub(crate) fn new(evidence: &'e Evidence<'a>, host: &'e Host<'a>) -> Self {
        let changes = host.changes_of_events();
        Self { evidence, host, changes, over: 0, stands: vec![(None, false); evidence.seen.len()] }
    }

    /// Moves on to after a record, which may not be before the one that it is at.
    pub(crate) fn move_to(&mut self, at: usize) {
        while let Some((_, place)) = self.changes.get(self.over).filter(|(then, _)| *then <= at) {
            self.stands[*place] =
                (self.evidence.standing_of(self.host, *place, at), Evidence::waits_at(self.host, *place, at));
            self.over += 1;
        }
    }

    /// The accepted events that no other of them descends from.
    pub(crate) fn tips(&self) -> BTreeSet<&'a EventId> {
        let edges = self.evidence.edges();
        let is_accepted = |place: usize| self.stands[place].0 == Some(Standing::Accepted);
        let mut covered = vec![false; edges.len()];
        let mut open: Vec<usize> = (0..edges.len()).filter(|place| is_accepted(*place)).collect();
        while let Some(child) = open.pop() {
            for parent in edges[child].iter().copied() {
                let (standing, waits) = self.stands[parent];
                let walks_on = !is_accepted(parent) && standing.is_some() && !waits;
                if !std::mem::replace(&mut covered[parent], true) && walks_on {
                    open.push(parent);
                }
            }
        }
        let tips = (0..edges.len()).filter(|place| is_accepted(*place) && !covered[*place]);
        tips.map(|place| *self.evidence.seen.get_index(place).expect("it is a place").0).collect()
    }
}
