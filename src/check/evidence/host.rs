//! What became of one server: what it got and when, how it judged, what it lacked, how it stands at the end.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use ruma_common::EventId;

use crate::{
    journal::{End, Source},
    matrix::endpoint::Endpoint,
    room::{answer_order::AnswerOrder, graph::Standing},
};

/// An event that is missing in a server's graph.
#[derive(Debug)]
pub struct Gap<'a> {
    /// Whose.
    pub server: &'a str,
    /// The event that is missing.
    pub missing: &'a EventId,
    /// An event that waits for it.
    pub wanted_by: &'a EventId,
    /// When it was noticed.
    pub opened: i64,
    /// When it was filled.
    pub closed: Option<i64>,
}

/// A panic of a server's software.
#[derive(Clone, Copy, Debug)]
pub struct Panicked<'a> {
    /// When.
    pub t: i64,
    /// On which server.
    pub server: &'a str,
    /// What it says.
    pub message: &'a str,
    /// File, line and column.
    pub place: &'a str,
}

/// What fills a slot of a state from a record of the journal on.
type Filled<'a> = (usize, Option<&'a EventId>);

/// How an event came to a server for the first time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt<'a> {
    /// The number of the record.
    pub(crate) at: usize,
    /// When.
    pub(crate) t: i64,
    /// From where.
    pub(crate) from: &'a Source,
}

/// What happened to one event on one server, with the numbers of the records.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail<'a> {
    pub(super) received: Option<Receipt<'a>>,
    /// The number of the record that says that it waits for others.
    pub(super) waits: Option<usize>,
    /// The number of the record by which it came with a state or an auth chain, which gives it a place in the
    /// graph.
    pub(super) with_state: Option<usize>,
    pub(super) verdicts: Vec<(usize, Standing)>,
}

/// What became of one server.
#[derive(Debug, Default)]
pub struct Host<'a> {
    /// Its Matrix name.
    pub matrix_name: &'a str,
    /// The order in which the scenario has it answer.
    pub answer_order: AnswerOrder,
    /// How it stands at the end.
    pub end: Option<&'a End>,
    /// The standings of the events that it holds at the end.
    pub held: BTreeMap<&'a EventId, Standing>,
    /// When it took an event for the first time, and from where.
    pub received: BTreeMap<&'a EventId, (i64, &'a Source)>,
    /// The numbers of the records that say so.
    pub received_at: BTreeMap<&'a EventId, usize>,
    /// What happened here to each event, by its place in [`Evidence::seen`].
    pub(super) trails: Vec<Trail<'a>>,
    /// What has filled each slot of the current state, with the numbers of the records.
    pub slots: BTreeMap<(&'a str, &'a str), Vec<Filled<'a>>>,
    /// The users of each server that have ever had a membership in it.
    pub users: BTreeMap<&'a str, Vec<&'a str>>,
    /// The numbers of the records at which it had other events, verdicts or another state than before.
    pub changes: Vec<usize>,
    /// Whether a panic took it down and nobody started it again.
    pub is_broken: bool,
    /// When it joined, the last time; nothing if it was there from the start.
    pub joined: Option<i64>,
    /// Who let it in.
    pub joined_via: Option<&'a str>,
    /// The events at which it took the state by the word of a peer, with the peer.
    pub states_taken: BTreeMap<&'a EventId, &'a str>,
    /// Events of which it dropped a copy, being unable to verify it.
    pub dropped: BTreeSet<&'a EventId>,
    /// How many events of answers it has taken or dropped, by the endpoint.
    pub looked_at: BTreeMap<Endpoint, usize>,
    /// When an event last reached it or was judged.
    pub last_change: Option<i64>,
    /// The numbers of the records at which a user of it began to scroll back to the beginning of the room,
    /// and at which it gave up before it was there.
    pub scrolled_in_vain: Option<(usize, usize)>,
    /// How often a user scrolled back in vain, until it gave up.
    pub vain_scrolls: usize,
    /// The number of the record at which a user began to scroll back that far.
    pub(super) scrolls: Option<usize>,
    pub(super) deceived: OnceCell<bool>,
    pub(super) lives: usize,
}

impl<'a> Host<'a> {
    /// The servers on whose word it took a state.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a str> {
        self.states_taken.values().copied().chain(self.joined_via)
    }

    /// The events that are part of its history at the end.
    pub fn history(&self) -> impl Iterator<Item = &'a EventId> + '_ {
        self.held.iter().filter(|(_, standing)| standing.is_history()).map(|(id, _)| *id)
    }

    /// Its forward extremities at the end.
    pub fn extremities(&self) -> BTreeSet<&'a EventId> {
        self.end.iter().flat_map(|end| &end.forward_extremities).map(|id| &**id).collect()
    }

    /// What filled a slot of the current state after a record of the journal.
    pub fn slot_at(&self, kind: &str, key: &str, at: usize) -> Option<&'a EventId> {
        last_at(self.slots.get(&(kind, key))?, at)?.1
    }

    /// The numbers of the records at which something became of an event, with its place; in order.
    pub(super) fn changes_of_events(&self) -> Vec<(usize, usize)> {
        let of = |(place, trail): (usize, &Trail<'a>)| {
            let received = trail.received.map(|received| received.at);
            let once = received.into_iter().chain(trail.waits).chain(trail.with_state);
            let at = once.chain(trail.verdicts.iter().map(|(at, _)| *at));
            at.map(|at| (at, place)).collect::<Vec<_>>()
        };
        let mut changes: Vec<_> = self.trails.iter().enumerate().flat_map(of).collect();
        changes.sort_unstable();
        changes
    }

    /// How an event came here, by its place in [`Evidence::seen`].
    pub(crate) fn receipt(&self, place: usize) -> Option<Receipt<'a>> {
        self.trails.get(place)?.received
    }

    pub(super) fn trail(&mut self, place: usize) -> &mut Trail<'a> {
        self.trails.resize_with(self.trails.len().max(place + 1), Trail::default);
        &mut self.trails[place]
    }

    /// Whether it is joined to the room at the end.
    pub fn is_joined(&self) -> bool {
        self.end.is_some_and(|end| end.joined)
    }
}

/// The last entry that is not later than a record.
pub(crate) fn last_at<T>(entries: &[(usize, T)], at: usize) -> Option<&(usize, T)> {
    entries[..entries.partition_point(|(then, _)| *then <= at)].last()
}
