//! How the servers stand when the run ends: which of them must agree, and what they may lack all the same.

use std::collections::BTreeSet;

use ruma_common::{EventId, OwnedEventId};

use super::{Evidence, Host};
use crate::journal::{End, Source};

/// How the room stands at the end, by all events of the run together.
#[derive(Debug, Default)]
pub(super) struct RoomsEnd {
    /// Where any of the joined servers stands.
    tips: BTreeSet<OwnedEventId>,
    /// The Matrix names of the servers that are in it there; nothing where the events don't say.
    members: Option<BTreeSet<String>>,
}

impl<'a> Evidence<'a> {
    /// The servers that must agree at the end: joined, not put out without knowing it, not taken down by a
    /// panic, and not expected to differ.
    pub fn agreeing(&self) -> impl Iterator<Item = (&'a str, &Host<'a>)> {
        let differ = &self.expect.differ;
        let joined = self.joined().filter(|(_, host)| !self.is_out_unawares(host));
        joined.filter(|(name, _)| !differ.iter().any(|other| other == name))
    }

    fn joined(&self) -> impl Iterator<Item = (&'a str, &Host<'a>)> {
        let joined = self.hosts.iter().filter(|(_, host)| host.is_joined() && !host.is_broken);
        joined.map(|(name, host)| (*name, host))
    }

    /// Whether the events of the run put a server out of the room, and it lacks some of them: nobody tells it
    /// any more.
    fn is_out_unawares(&self, host: &Host<'_>) -> bool {
        let RoomsEnd { tips, members } = self.end.get_or_init(|| self.rooms_end());
        let is_out = members.as_ref().is_some_and(|members| !members.contains(host.matrix_name));
        is_out && tips.iter().any(|tip| !host.held.contains_key(&**tip))
    }

    fn rooms_end(&self) -> RoomsEnd {
        let tips = self.joined().flat_map(|(_, host)| host.extremities());
        let tips: BTreeSet<OwnedEventId> = tips.map(ToOwned::to_owned).collect();
        let room = self.reference_room();
        let state = room.state_after_all(&tips.iter().cloned().collect::<Vec<_>>());
        let members = state.map(|state| {
            let members = room.members(&state, "join");
            members.map(|user| user.server_name().as_str().to_owned()).collect()
        });
        RoomsEnd { tips, members }
    }

    /// The joined servers that still had something under way when the run ended, other than waiting for what
    /// they can't get.
    pub fn restless(&self) -> impl Iterator<Item = (&'a str, &End)> {
        let ends = self.agreeing().filter_map(|(name, host)| Some((name, host, host.end?)));
        ends.filter(move |(name, host, end)| !end.idle && !self.waits_in_vain(name, host))
            .map(|(name, _, end)| (name, end))
    }

    /// Whether a break in a server's history is one that it may have: what lies below happened before it
    /// joined, was never imported, or was too deep to fetch, so that the state there was taken instead.
    pub fn is_edge(&self, host: &Host<'_>, missing: &EventId) -> bool {
        let Some(seen) = self.seen.get(missing) else { return true };
        let before_join = host.joined.is_some_and(|joined| seen.t <= joined);
        before_join || *seen.from == Source::Import || host.states_taken.contains_key(missing)
    }

    /// The events that a server may lack: those at and below the edges of its history.
    pub fn beyond_edges(&self, host: &'a Host<'_>) -> BTreeSet<&EventId> {
        let breaks = host.end.iter().flat_map(|end| &end.backward_extremities);
        let edges = breaks.map(|id| &**id).filter(|id| self.is_edge(host, id));
        // What only a rejected event cites is no break in the history above, and the state was taken there
        // all the same.
        let is_history = |id: &EventId| host.held.get(id).is_some_and(|standing| standing.is_history());
        let taken = host.states_taken.keys().copied().filter(|id| !is_history(id));
        self.reach(edges.chain(taken), |_| true)
    }
}
