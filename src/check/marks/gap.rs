//! Marks of gaps: how they opened, what they lived through, who closed them.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::EventId;

use super::MarkContext;
use crate::{
    check::evidence::{Evidence, Gap},
    journal::{End, Source, What},
    matrix::endpoint::Endpoint,
};

impl<'a> MarkContext<'a> {
    pub(super) fn ends(self) -> impl Iterator<Item = (&'a str, &'a End)> {
        let evidence: &'a Evidence<'a> = self.evidence;
        evidence.hosts.iter().filter_map(|(name, host)| Some((*name, host.end?)))
    }

    fn closed_gaps(self) -> impl Iterator<Item = (&'a Gap<'a>, i64)> {
        let evidence: &'a Evidence<'a> = self.evidence;
        evidence.gaps.iter().filter_map(|gap| Some((gap, gap.closed?)))
    }

    pub(super) fn gap_deeper_than_one_answer(self) -> bool {
        self.evidence.gaps.iter().any(|gap| {
            self.own_requests(Endpoint::GetMissingEvents).any(|asked| {
                let full = asked.answer.as_ref().is_some_and(|answer| {
                    answer.t == gap.opened
                        && asked.limit.is_some_and(|most| answer.events.len() as u64 >= most)
                });
                full && asked.from == gap.server
            })
        })
    }

    /// Some gap was noticed because of an event that had been missing itself.
    pub(super) fn gap_under_a_gap(self) -> bool {
        let mut missed: BTreeSet<(&str, &EventId)> = BTreeSet::new();
        self.records.iter().any(|record| {
            let Some(server) = record.server.as_deref() else { return false };
            let What::GapOpened { missing, wanted_by } = &record.what else { return false };
            missed.insert((server, missing));
            missed.contains(&(server, &**wanted_by))
        })
    }

    pub(super) fn gaps_at_once(self, number: usize) -> bool {
        let gaps = &self.evidence.gaps;
        gaps.iter().any(|gap| {
            let open_then = gaps.iter().filter(|other| {
                other.server == gap.server
                    && other.opened <= gap.opened
                    && other.closed.is_none_or(|closed| closed > gap.opened)
            });
            open_then.map(|other| other.missing).collect::<BTreeSet<_>>().len() >= number
        })
    }

    pub(super) fn gap_closed_after(self, ms: i64) -> bool {
        self.closed_gaps().any(|(gap, closed)| closed - gap.opened >= ms)
    }

    fn filled_by(self, gap: &Gap<'_>) -> Option<&'a Source> {
        let evidence: &'a Evidence<'a> = self.evidence;
        let (t, from) = evidence.hosts.get(gap.server)?.received.get(gap.missing)?;
        (*t >= gap.opened).then_some(*from)
    }

    pub(super) fn gap_closed_by(self, wanted: Endpoint) -> bool {
        self.closed_gaps().any(
            |(gap, _)| matches!(self.filled_by(gap), Some(Source::Peer { endpoint, .. }) if *endpoint == wanted),
        )
    }

    /// Neither the author's server nor the one that sent what waited for it.
    pub(super) fn gap_closed_by_third(self) -> bool {
        self.records.iter().any(|record| {
            let Some(server) = record.server.as_deref() else { return false };
            let What::GapOpened { missing, wanted_by } = &record.what else { return false };
            let received = |event: &EventId| match self.evidence.hosts.get(server)?.received.get(event)? {
                (_, Source::Peer { server, .. }) => Some(server.as_str()),
                _ => None,
            };
            let author = self.evidence.seen.get(&**missing).map(|seen| seen.server);
            match (received(missing), received(wanted_by)) {
                (Some(filler), Some(teller)) => filler != teller && Some(filler) != author,
                _ => false,
            }
        })
    }

    /// Gaps are noticed anew after a restart: the same one, open before the crash and closed after it.
    pub(super) fn gap_over_a_restart(self) -> bool {
        self.crashes().any(|(server, crashed)| {
            let own = || self.evidence.gaps.iter().filter(move |gap| gap.server == server);
            own().any(|gap| {
                let was_open = gap.opened < crashed && gap.closed.is_none_or(|closed| closed > crashed);
                let later = |other: &Gap<'_>| {
                    other.missing == gap.missing && other.closed.is_some_and(|closed| closed > crashed)
                };
                was_open && own().any(later)
            })
        })
    }

    pub(super) fn gap_over_a_partition(self) -> bool {
        let breaks = self.breaks();
        self.closed_gaps()
            .any(|(gap, closed)| breaks.iter().any(|(began, _)| gap.opened < *began && *began < closed))
    }

    pub(super) fn gap_stuck(self, times: u32) -> bool {
        self.records
            .iter()
            .any(|record| matches!(record.what, What::GapStuck { failures, .. } if failures >= times))
    }

    pub(super) fn events_wait_at_once(self, number: usize) -> bool {
        let mut waiting: BTreeMap<&str, BTreeSet<&EventId>> = BTreeMap::new();
        self.records.iter().any(|record| {
            let Some(server) = record.server.as_deref() else { return false };
            match &record.what {
                What::Waits { event, .. } => {
                    let own = waiting.entry(server).or_default();
                    own.insert(event);
                    own.len() >= number
                }
                What::Judged { event, .. } => {
                    waiting.get_mut(server).is_some_and(|own| own.remove(&**event) && own.len() >= number)
                }
                _ => false,
            }
        })
    }
}
