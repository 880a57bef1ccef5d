//! How the events stood on one server at a moment of the run that only moves on: what is asked of one moment after the
//! other is not worked out from the beginning for each.

use std::collections::BTreeSet;

use ruma_common::EventId;

use super::evidence::{Evidence, Host};
use crate::room::graph::Standing;

/// A moment of one server.
pub(super) struct Moment<'e, 'a> {
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
    pub(super) fn new(evidence: &'e Evidence<'a>, host: &'e Host<'a>) -> Self {
        let changes = host.changes_of_events();
        Self { evidence, host, changes, over: 0, stands: vec![(None, false); evidence.seen.len()] }
    }

    /// Moves on to after a record, which may not be before the one that it is at.
    pub(super) fn move_to(&mut self, at: usize) {
        while let Some((_, place)) = self.changes.get(self.over).filter(|(then, _)| *then <= at) {
            self.stands[*place] =
                (self.evidence.standing_of(self.host, *place, at), Evidence::waits_at(self.host, *place, at));
            self.over += 1;
        }
    }

    /// The accepted events that no other of them descends from.
    pub(super) fn tips(&self) -> BTreeSet<&'a EventId> {
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
