//! What servers could have recovered: liveness is judged by what was to be had, not by what would be nice.
//!
//! An event can be had if a server holds it that is joined and up, that can be reached in both directions,
//! that is honest where it answers, and that would show it. And a server must have had a way to know of it:
//! it was in the room at the event, so that the author had to tell it, or history that it was given descends
//! from the event. Nobody builds on a soft-failed event, so who joins beside one never hears of it.
//! Everything else that is lacking is nobody's failure.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::fast::FixedState;
use indexmap::IndexSet;
use ruma_common::{EventId, OwnedEventId, UserId};
use serde::Serialize;

use super::{Evidence, Host, is_pulled};
use crate::room::graph::Standing;

/// Why a server lacks an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    /// It could be had, and there was time.
    NotRecovered,
    /// It could be had, and the time for it is not over.
    NotYet,
    /// No honest server that can be reached holds it.
    Lost,
    /// Nobody had to tell the server of it, and no history that it was given leads there.
    Unheard,
}

/// What one server got of what it lacked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The server.
    #[serde(skip)]
    pub server: String,
    /// Events that it had to ask for and got.
    pub recovered: usize,
    /// Of its history, the events that it was given only redacted.
    pub withheld: Vec<OwnedEventId>,
    /// Events that it could have and has not: a failure.
    pub not_recovered: Vec<OwnedEventId>,
    /// Events that it could have and may still get in time.
    pub not_yet: Vec<OwnedEventId>,
    /// Events that nobody would give it.
    pub lost: Vec<OwnedEventId>,
    /// Events that it had no way to know of.
    pub unheard: Vec<OwnedEventId>,
}

impl Recovery {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        let Self { server: _, recovered, withheld, not_recovered, not_yet, lost, unheard } = self;
        *recovered == 0
            && [withheld, not_recovered, not_yet, lost, unheard].iter().all(|list| list.is_empty())
    }
}

impl Evidence<'_> {
    /// What each server that should agree with the others got of what it lacked, in the order of the servers.
    pub fn recoveries(&self) -> &[Recovery] {
        self.recoveries.get_or_init(|| {
            let mut history = History::default();
            for (_, host) in self.agreeing() {
                history.extend(host.history());
            }
            self.agreeing().map(|(name, host)| recovery(self, name, host, &history)).collect()
        })
    }

    /// Whether somebody would give an event to a server, holding it in a way that will do.
    pub(crate) fn can_be_had(&self, name: &str, id: &EventId, will_do: fn(Standing) -> bool) -> bool {
        let mut others = self.hosts.iter().filter(|(other, _)| **other != name);
        others.any(|(other, host)| {
            let is_open = |from: &str, to: &str| !self.out_of_reach.iter().any(|way| *way == (from, to));
            host.held.get(id).is_some_and(|standing| will_do(*standing))
                && host.is_joined()
                && !host.is_broken
                && self.is_honest_about(other, id)
                && is_open(name, other)
                && is_open(other, name)
                && has_as_member(self, host, name)
        })
    }

    /// Whether all that a server's waiting events wait for is not to be had.
    pub(crate) fn waits_in_vain(&self, name: &str, host: &Host<'_>) -> bool {
        let Some(end) = host.end else { return false };
        let waiting: BTreeSet<&EventId> = end.waiting.iter().map(|id| &**id).collect();
        let lacks = |id: &EventId, least| host.held.get(id).is_none_or(|standing| *standing < least);
        let wanted = waiting.iter().filter_map(|id| self.pdu(id)).flat_map(|pdu| {
            let history = pdu.prev_events().iter().filter(|id| lacks(id, Standing::Rejected));
            let auth = pdu.auth_events().iter().filter(|id| lacks(id, Standing::Outlier));
            history.chain(auth).map(|id| &**id).collect::<Vec<_>>()
        });
        let mut missing = wanted.filter(|id| !waiting.contains(id)).peekable();
        missing.peek().is_some() && missing.all(|id| !self.can_be_had(name, id, |_| true))
    }

    /// Events that every peer that gave them to a server gave redacted.
    pub(crate) fn withheld(&self, name: &str, host: &Host<'_>) -> Vec<OwnedEventId> {
        let mut redacted: BTreeMap<&str, bool> = BTreeMap::new();
        for asked in self.requests.values().filter(|asked| asked.from == name) {
            let Some(answer) = asked.answer.as_ref().filter(|answer| !answer.redacted.is_empty()) else {
                continue;
            };
            for id in answer.events.iter().chain(answer.auth_chain) {
                let whole = !answer.redacted.contains(id);
                *redacted.entry(id).or_default() |= whole;
            }
        }
        let only_redacted = redacted.into_iter().filter(|(_, whole)| !whole);
        let ids = only_redacted.filter_map(|(id, _)| <&EventId>::try_from(id).ok());
        // Its first copy is the one that it keeps.
        let ids = ids.filter(|id| host.received.get(id).is_none_or(|(_, from)| is_pulled(from)));
        // What somebody redacted is so for all.
        let ids = ids.filter(|id| self.reference_room().redacted_by(id).is_none());
        ids.filter(|id| host.held.get(id).is_some_and(|s| s.is_history())).map(ToOwned::to_owned).collect()
    }
}

/// What any of the servers has in its history.
type History<'a> = IndexSet<&'a EventId, FixedState>;

fn recovery(evidence: &Evidence<'_>, name: &str, host: &Host<'_>, history: &History<'_>) -> Recovery {
    let mut lacking: Vec<&EventId> = history
        .iter()
        .copied()
        .filter(|id| !host.held.get(id).is_some_and(|standing| standing.is_judged()))
        .collect();
    if !lacking.is_empty() {
        let excused = evidence.beyond_edges(host);
        lacking.retain(|id| !excused.contains(id));
    }
    let mut recovery = Recovery {
        server: name.to_owned(),
        recovered: pulled(host),
        withheld: evidence.withheld(name, host),
        ..Recovery::default()
    };
    if lacking.is_empty() {
        return recovery;
    }
    lacking.sort_by_key(|id| (evidence.depth(id), *id));
    let judged = host.held.iter().filter(|(_, standing)| standing.is_judged()).map(|(id, _)| *id);
    let waiting = host.end.iter().flat_map(|end| &end.waiting).map(|id| &**id);
    let below = evidence.reach(judged.chain(waiting), |_| true);
    for id in lacking {
        let hears = below.contains(id) || is_told(evidence, host, id);
        let why = if hears { why_it_is_lacked(evidence, name, id) } else { Lack::Unheard };
        let list = match why {
            Lack::NotRecovered => &mut recovery.not_recovered,
            Lack::NotYet => &mut recovery.not_yet,
            Lack::Lost => &mut recovery.lost,
            Lack::Unheard => &mut recovery.unheard,
        };
        list.push(id.to_owned());
    }
    recovery
}

/// Whether it is a join that the server of who joins does not have: another did not let it in.
fn is_refused_join(evidence: &Evidence<'_>, id: &EventId) -> bool {
    let Some(join) = evidence.pdu(id).filter(|pdu| pdu.membership() == Some("join")) else { return false };
    let author = join.sender().server_name().as_str();
    let mut hosts = evidence.hosts.values();
    let author = hosts.find(|host| host.matrix_name == author);
    author.is_some_and(|author| !author.held.get(id).is_some_and(|held| held.is_history()))
}

/// Whether the author of an event had to send it to a server, which was in the room there. Where the events
/// don't say who was, it had to; what a script made it gives to whom it likes, and of a join that was refused
/// it tells nobody.
fn is_told(evidence: &Evidence<'_>, host: &Host<'_>, id: &EventId) -> bool {
    if evidence.crafted.contains_key(id) || is_refused_join(evidence, id) {
        return false;
    }
    // Others may take a server for a member whose join it knows nothing of, since the answer was lost.
    let is_before_its_join =
        |joined| evidence.seen.get(id).is_some_and(|seen| seen.t >= 0 && seen.t <= joined);
    if host.joined.is_some_and(is_before_its_join) {
        return false;
    }
    // Who was lied to about the state does not know who is in the room.
    let author = evidence.seen.get(id).and_then(|seen| evidence.hosts.get(seen.server));
    if author.is_some_and(|author| evidence.may_be_deceived(author)) {
        return false;
    }
    let room = evidence.reference_room();
    let Some(state) = room.state_before(id) else { return true };
    room.members(state, "join").any(|user| user.server_name().as_str() == host.matrix_name)
}

fn why_it_is_lacked(evidence: &Evidence<'_>, name: &str, id: &EventId) -> Lack {
    if !evidence.can_be_had(name, id, Standing::is_history) {
        return Lack::Lost;
    }
    let born = evidence.seen.get(id).map_or(0, |seen| seen.t);
    let since = born.max(evidence.healed.unwrap_or(0));
    let budget = i64::try_from(evidence.budget_ms).unwrap_or(i64::MAX);
    let at_rest = evidence.hosts.values().all(|host| host.end.is_none_or(|end| end.idle));
    // A server at rest will not do by waiting what it has not done.
    if at_rest || evidence.ended - since >= budget { Lack::NotRecovered } else { Lack::NotYet }
}

/// Whether a server has another as a member of the room at the end: to others it gives nothing.
fn has_as_member(evidence: &Evidence<'_>, host: &Host<'_>, name: &str) -> bool {
    let Some(asker) = evidence.hosts.get(name) else { return false };
    let owns = |user: &str| {
        <&UserId>::try_from(user).is_ok_and(|user| user.server_name().as_str() == asker.matrix_name)
    };
    let members = host.end.iter().flat_map(|end| &end.state).filter(|(kind, _, _)| kind == "m.room.member");
    members
        .filter(|(_, user, _)| owns(user))
        .any(|(_, _, id)| evidence.pdu(id).is_some_and(|pdu| pdu.membership() == Some("join")))
}

fn pulled(host: &Host<'_>) -> usize {
    let receipts = host.received.iter().filter(|(id, _)| host.held.get(*id).is_some_and(|s| s.is_judged()));
    receipts.filter(|(_, (t, from))| *t >= 0 && is_pulled(from)).count()
}
