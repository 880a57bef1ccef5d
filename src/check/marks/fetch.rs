//! Marks of questions: what servers asked of each other to become whole, and what they were told.

use std::collections::{BTreeMap, BTreeSet};

use super::MarkContext;
use crate::{
    check::evidence::Evidence,
    journal::{
        Source, What,
        exchange::{Answered, Exchange},
    },
    matrix::endpoint::Endpoint,
};

impl<'a> MarkContext<'a> {
    /// The questions of servers, in the timeline; not those that steps ask.
    pub(super) fn own_requests(self, endpoint: Endpoint) -> impl Iterator<Item = &'a Exchange<'a>> {
        let evidence: &'a Evidence<'a> = self.evidence;
        let own =
            move |asked: &&Exchange<'_>| asked.t >= 0 && !asked.is_scripted() && *asked.endpoint == endpoint;
        evidence.requests.values().filter(own)
    }

    fn answer(self, endpoint: Endpoint, fits: impl Fn(&Exchange<'_>, &Answered<'_>) -> bool) -> bool {
        self.own_requests(endpoint).any(|asked| {
            asked.answer.as_ref().is_some_and(|answer| answer.status == 200 && fits(asked, answer))
        })
    }

    pub(super) fn answered(self, endpoint: Endpoint) -> bool {
        self.answer(endpoint, |_, _| true)
    }

    pub(super) fn empty_answer(self, endpoint: Endpoint) -> bool {
        self.answer(endpoint, |_, answer| answer.events.is_empty())
    }

    pub(super) fn full_answer(self, endpoint: Endpoint) -> bool {
        let full = |asked: &Exchange<'_>, answer: &Answered<'_>| {
            asked.limit.is_some_and(|most| most > 0 && answer.events.len() as u64 >= most)
        };
        self.answer(endpoint, full)
    }

    pub(super) fn answered_with(self, fits: impl Fn(u16) -> bool) -> bool {
        let mut asked = self.evidence.requests.values().filter(|asked| asked.t >= 0 && !asked.is_scripted());
        asked.any(|asked| asked.answer.as_ref().is_some_and(|answer| fits(answer.status)))
    }

    /// Two events that came by `/event` to one server, each an auth event of one that it had by then.
    pub(super) fn auth_in_pieces(self) -> bool {
        self.evidence.hosts.values().any(|host| {
            let wanted_at = |t: i64| {
                let earlier = host.received.iter().filter(move |(_, (then, _))| *then <= t);
                let claims = earlier.filter_map(|(id, _)| self.evidence.pdu(id));
                claims.flat_map(|pdu| pdu.auth_events()).collect::<BTreeSet<_>>()
            };
            let pieces = host.received.iter().filter(|(id, (t, from))| {
                matches!(from, Source::Peer { endpoint, .. } if *endpoint == Endpoint::Event)
                    && wanted_at(*t).iter().any(|wanted| wanted.as_str() == id.as_str())
            });
            pieces.count() >= 2
        })
    }

    pub(super) fn paged_back(self, fits: impl Fn(usize, bool) -> bool) -> bool {
        self.records.iter().any(|record| {
            matches!(record.what, What::PagedBack { events, complete } if record.t >= 0 && fits(events, complete))
        })
    }

    pub(super) fn backfill_from_two(self) -> bool {
        let mut asked_of: BTreeMap<(&str, &[String]), BTreeSet<&str>> = BTreeMap::new();
        for asked in self.own_requests(Endpoint::Backfill) {
            asked_of.entry((asked.from, asked.events)).or_default().insert(asked.to);
        }
        asked_of.values().any(|servers| servers.len() >= 2)
    }

    pub(super) fn crash_in_backfill(self) -> bool {
        self.crashes().any(|(server, crashed)| {
            self.own_requests(Endpoint::Backfill).any(|asked| {
                let over = asked.answer.as_ref().map(|answer| answer.t);
                let over = over.or(asked.failed.map(|failed| failed.t));
                asked.from == server && asked.t < crashed && over.is_none_or(|t| t >= crashed)
            })
        })
    }

    pub(super) fn answer_after(self, ms: i64) -> bool {
        let mut asked = self.evidence.requests.values();
        asked.any(|asked| asked.answer.as_ref().is_some_and(|answer| answer.t - asked.t >= ms))
    }

    pub(super) fn failed(self, wanted: &str) -> bool {
        let mut records = self.records.iter();
        records.any(|record| matches!(&record.what, What::Failed { why, .. } if why == wanted))
    }

    /// A gap was open when a server that is told to lie answered about it, and was closed later.
    pub(super) fn past_a_lie(self) -> bool {
        let told = |asked: &&Exchange<'_>| self.evidence.is_told(asked);
        let lies = self.evidence.requests.values().filter(told).filter(|asked| !asked.is_scripted());
        let lies: Vec<_> = lies.filter_map(|asked| Some((asked.from, asked.answer.as_ref()?.t))).collect();
        self.evidence.gaps.iter().any(|gap| {
            let within = |t: i64| gap.opened <= t && gap.closed.is_some_and(|closed| t < closed);
            lies.iter().any(|(asker, t)| *asker == gap.server && within(*t))
        })
    }
}
