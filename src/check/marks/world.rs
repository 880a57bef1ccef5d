//! Marks of the world: crashes, breaks of the network, and what became of messages in them.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use indexmap::IndexSet;

use super::MarkContext;
use crate::{
    journal::{Source, What, fault::Fault},
    matrix::endpoint::Endpoint,
    scenario::{Action, Crash, FaultAction, HealAction, Partition},
};

impl<'a> MarkContext<'a> {
    /// Each crash with its time.
    pub(super) fn crashes(self) -> impl Iterator<Item = (&'a str, i64)> {
        let crashed = self.records.iter().filter(|record| matches!(record.what, What::Crashed));
        crashed.filter_map(|record| Some((record.server.as_deref()?, record.t)))
    }

    /// Partitions and cuts, each from its step to its end.
    pub(super) fn breaks(self) -> Vec<(i64, i64)> {
        let is_cut = |action: &Action| {
            matches!(action, Action::Fault(FaultAction::Partition(_) | FaultAction::Cut(_)))
        };
        let cuts = self.faults.iter().filter(|fault| fault.action().is_some_and(is_cut));
        cuts.map(|fault| (fault.since.t, self.over(fault))).collect()
    }

    fn over(self, fault: &Fault<'_>) -> i64 {
        fault.until().map_or(self.evidence.ended, |until| until.t)
    }

    pub(super) fn partitions_overlap(self) -> bool {
        let breaks = self.breaks();
        let overlaps = |(nth, one): (usize, &(i64, i64))| {
            breaks[nth + 1..].iter().any(|other| one.0 < other.1 && other.0 < one.1)
        };
        breaks.iter().enumerate().any(overlaps)
    }

    pub(super) fn crash_in_partition(self) -> bool {
        let breaks = self.breaks();
        self.crashes().any(|(_, t)| breaks.iter().any(|(began, over)| *began < t && t < *over))
    }

    pub(super) fn crash_in_recovery(self) -> bool {
        self.crashes().any(|(server, crashed)| {
            self.evidence.gaps.iter().any(|gap| {
                gap.server == server
                    && gap.opened < crashed
                    && gap.closed.is_none_or(|closed| closed > crashed)
            })
        })
    }

    /// A crash with a number of writes that came by itself, and not at the latest moment, which is its
    /// restart.
    pub(super) fn crash_between_writes(self) -> bool {
        let mut fuses: BTreeSet<&str> = BTreeSet::new();
        self.records.iter().any(|record| {
            let Some(server) = record.server.as_deref() else { return false };
            match &record.what {
                What::Step { detail, .. } => match detail.action() {
                    Some(Action::Fault(FaultAction::Crash(Crash { after_writes: Some(1..), .. }))) => {
                        fuses.insert(server);
                    }
                    Some(Action::Heal(HealAction::Restart(_))) => drop(fuses.remove(server)),
                    _ => {}
                },
                What::Crashed => return fuses.remove(server),
                _ => {}
            }
            false
        })
    }

    pub(super) fn all_down(self) -> bool {
        let mut down: BTreeSet<&str> = BTreeSet::new();
        self.records.iter().any(|record| {
            let Some(server) = record.server.as_deref() else { return false };
            match record.what {
                What::Crashed => down.insert(server),
                What::Started => down.remove(server),
                _ => false,
            };
            down.len() == self.evidence.hosts.len()
        })
    }

    pub(super) fn lives(self, number: usize) -> bool {
        let mut lives: BTreeMap<&str, usize> = BTreeMap::new();
        for record in self.records.iter().filter(|record| matches!(record.what, What::Started)) {
            *lives.entry(record.server.as_deref().unwrap_or_default()).or_default() += 1;
        }
        lives.values().any(|lives| *lives >= number)
    }

    /// The event was made before a crash of its author's server, which sent it after the crash to one that
    /// lacked it.
    pub(super) fn queue_over_a_restart(self) -> bool {
        let all_crashes: Vec<_> = self.crashes().collect();
        self.evidence.seen.values().filter(|seen| *seen.from == Source::User).any(|seen| {
            let Ok(pdu) = &seen.pdu else { return false };
            let author = seen.server;
            let by_author = |from: &Source| {
                matches!(from, Source::Peer { server, endpoint } if server == author && *endpoint == Endpoint::Send)
            };
            let mut crashes = all_crashes.iter().filter(|(server, t)| *server == author && *t > seen.t);
            crashes.any(|(_, crashed)| {
                let mut receipts =
                    self.evidence.hosts.values().filter_map(|host| host.received.get(pdu.event_id()));
                receipts.any(|(t, from)| t > crashed && by_author(from))
            })
        })
    }

    pub(super) fn fork_in_a_partition(self) -> bool {
        let made: Vec<(&str, i64)> = self
            .evidence
            .seen
            .values()
            .filter(|seen| *seen.from == Source::User)
            .map(|seen| (seen.server, seen.t))
            .collect();
        self.faults.iter().any(|fault| {
            let Some(Action::Fault(FaultAction::Partition(Partition { groups, .. }))) = fault.action() else {
                return false;
            };
            let (began, over) = (fault.since.t, self.over(fault));
            let group =
                |server: &str| groups.iter().position(|group| group.iter().any(|name| name == server));
            let sides: BTreeSet<_> = made
                .iter()
                .filter(|(_, t)| began < *t && *t < over)
                .map(|(server, _)| group(server))
                .collect();
            sides.len() >= 2
        })
    }

    pub(super) fn transaction_repeated(self) -> bool {
        let mut taken = IndexSet::<_, FixedState>::default();
        self.records.iter().any(|record| {
            let What::Arrived { id } = record.what else { return false };
            let Some(asked) = self.evidence.requests.get(&id) else { return false };
            *asked.endpoint == Endpoint::Send && !taken.insert((asked.from, asked.to, asked.line))
        })
    }

    pub(super) fn fell_behind(self) -> bool {
        self.records.iter().any(|record| matches!(record.what, What::FellBehind { .. }))
    }

    pub(super) fn undeliverable(self) -> bool {
        self.records.iter().any(|record| matches!(record.what, What::Undeliverable { .. }))
    }
}
