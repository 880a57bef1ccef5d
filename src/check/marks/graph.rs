//! Marks of the graph: its shape, and how events were judged.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use ruma_common::EventId;

use super::MarkContext;
use crate::{
    check::evidence::{Evidence, Host, Receipt},
    journal::{DropKind, Source, What},
    matrix::{endpoint::Endpoint, pdu::Pdu},
    room::graph::Standing,
};

impl<'a> MarkContext<'a> {
    /// All well-formed events that the run saw.
    fn pdus(self) -> impl Iterator<Item = (&'a EventId, &'a Pdu)> {
        let evidence: &'a Evidence<'a> = self.evidence;
        evidence.seen.iter().filter_map(|(id, seen)| Some((*id, seen.pdu.as_ref().ok()?.claims())))
    }

    pub(super) fn parents(self, number: usize) -> bool {
        self.pdus().any(|(_, pdu)| pdu.prev_events().len() >= number)
    }

    pub(super) fn branches(self, number: usize) -> bool {
        self.parents(number) || self.ends().any(|(_, end)| end.forward_extremities.len() >= number)
    }

    pub(super) fn depth(self, depth: u64) -> bool {
        self.pdus().any(|(_, pdu)| pdu.depth() >= depth)
    }

    /// On some server a piece of state came to be one that it had been before, or that is before what it was, or none.
    pub(super) fn rolled_back(self) -> bool {
        let evidence: &'a Evidence<'a> = self.evidence;
        let is_before = |old: &'a EventId, new: &'a EventId| {
            evidence.depth(old) < evidence.depth(new)
                && evidence.reach(std::iter::once(new), |_| true).contains(old)
        };
        evidence.hosts.values().flat_map(|host| host.slots.values()).any(|fills| {
            fills.windows(2).any(|pair| match (pair[0].1, pair[1].1) {
                (Some(_), None) => true,
                (Some(was), Some(is)) => is_before(is, was),
                (None, _) => false,
            })
        })
    }

    /// Two events of different servers for one piece of state, neither of which can stand on the other.
    pub(super) fn state_fork(self, fits: impl Fn(&str) -> bool) -> bool {
        let mut at_depth: BTreeMap<(String, &str, u64), BTreeSet<&str>> = BTreeMap::new();
        for (_, pdu) in self.pdus() {
            let Some((kind, key)) = pdu.state_slot() else { continue };
            let kind = kind.to_string();
            if fits(&kind) {
                let servers = at_depth.entry((kind, key, pdu.depth())).or_default();
                servers.insert(pdu.sender().server_name().as_str());
            }
        }
        at_depth.values().any(|servers| servers.len() >= 2)
    }

    pub(super) fn time_backwards(self) -> bool {
        self.pdus().any(|(_, pdu)| {
            let mut parents = pdu.prev_events().iter().filter_map(|id| self.evidence.pdu(id));
            parents.any(|parent| parent.timestamp() > pdu.timestamp())
        })
    }

    pub(super) fn accepted_of_type(self, wanted: &str) -> bool {
        self.pdus().any(|(id, pdu)| pdu.kind().to_string() == wanted && self.is_accepted(id))
    }

    pub(super) fn is_accepted(self, id: &EventId) -> bool {
        self.evidence.hosts.values().any(|host| host.held.get(id) == Some(&Standing::Accepted))
    }

    pub(super) fn judged(self, verdict: Standing) -> bool {
        self.evidence.judged.iter().any(|judged| judged.verdict == verdict)
    }

    pub(super) fn soft_failed_tip(self) -> bool {
        self.with_soft_failed().any(|host| {
            let history: BTreeSet<&EventId> =
                host.history().flat_map(|id| self.evidence.parents(id)).map(|id| &**id).collect();
            let mut soft = host.held.iter().filter(|(_, standing)| **standing == Standing::SoftFailed);
            soft.any(|(id, _)| !history.contains(id))
        })
    }

    pub(super) fn on_soft_failed(self) -> bool {
        self.with_soft_failed().any(|host| {
            let is = |id: &EventId, wanted| host.held.get(id) == Some(&wanted);
            host.held.keys().any(|id| {
                let mut parents = self.evidence.parents(id).iter();
                is(id, Standing::Accepted) && parents.any(|parent| is(parent, Standing::SoftFailed))
            })
        })
    }

    pub(super) fn judged_differently(self) -> bool {
        let held = self.with_soft_failed().flat_map(|host| &host.held);
        held.filter(|(_, standing)| **standing == Standing::SoftFailed).any(|(id, _)| self.is_accepted(id))
    }

    /// The servers that hold soft-failed events at the end.
    fn with_soft_failed(self) -> impl Iterator<Item = &'a Host<'a>> {
        let evidence: &'a Evidence<'a> = self.evidence;
        let soft = |host: &&Host<'_>| host.held.values().any(|standing| *standing == Standing::SoftFailed);
        evidence.hosts.values().filter(soft)
    }

    pub(super) fn judged_anew(self) -> bool {
        let mut before = IndexMap::<_, _, FixedState>::default();
        self.evidence.judged.iter().any(|judged| {
            let earlier = before.insert((judged.server, judged.event), judged.verdict);
            earlier.is_some_and(|earlier| earlier != judged.verdict)
        })
    }

    pub(super) fn child_before_parent(self) -> bool {
        self.evidence.hosts.values().any(|host| {
            let pushed = |place: usize| match host.receipt(place)? {
                Receipt { t, from: Source::Peer { endpoint, .. }, .. } if *endpoint == Endpoint::Send => {
                    Some(t)
                }
                _ => None,
            };
            self.evidence.edges().iter().enumerate().any(|(place, parents)| {
                let mut parents = parents.iter().filter_map(|parent| pushed(*parent));
                pushed(place).is_some_and(|t| parents.any(|parent| parent > t))
            })
        })
    }

    pub(super) fn late_by(self, levels: u64) -> bool {
        let mut deepest: BTreeMap<&str, u64> = BTreeMap::new();
        self.records.iter().any(|record| {
            let Some(server) = record.server.as_deref() else { return false };
            let What::Received { event, from: Source::Peer { endpoint, .. }, .. } = &record.what else {
                return false;
            };
            let depth = self.evidence.depth(event);
            let deepest = deepest.entry(server).or_default();
            let late =
                record.t >= 0 && *endpoint == Endpoint::Send && depth > 0 && depth + levels <= *deepest;
            *deepest = depth.max(*deepest);
            late
        })
    }

    pub(super) fn dropped(self, fits: impl Fn(Option<DropKind>) -> bool) -> bool {
        let mut records = self.records.iter();
        records.any(|record| matches!(&record.what, What::Dropped { kind, .. } if fits(*kind)))
    }

    /// Somebody who joined late lacks what another holds.
    pub(super) fn history_differs(self) -> bool {
        let joined = || self.evidence.hosts.values().filter(|host| host.is_joined());
        let late = joined().filter(|host| host.joined.is_some_and(|t| t >= 0));
        late.into_iter().any(|host| {
            let own: BTreeSet<&EventId> = host.history().collect();
            joined().any(|other| other.history().any(|id| !own.contains(id)))
        })
    }
}
