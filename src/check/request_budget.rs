//! Recovery costs what the gap costs, and not more.

use std::collections::BTreeMap;

use ruma_common::EventId;

use super::{
    Finding, Invariant, When, count,
    evidence::{Evidence, Host, is_pulled},
    kinds,
};
use crate::{journal::exchange::Exchange, scenario::RequestLimits};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "request-budget",
    code: "BOUND",
    clause: "`expect.requests`; without it, a bound for each event that was missing",
    holds: "the servers make no more requests than the scenario allows, or than what was missing explains",
    when: When::Recovery,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    /// Of the endpoint that the scenario limits.
    OverLimit "over-limit",
    Unexplained "unexplained",
}

/// What a server may ask without lacking anything: a state that it holds already, a page that turns out
/// empty.
const FREE: usize = 16;
/// One round for one missing event: four servers, each asked for the gap, the event and the state, and where
/// it is wanted for what it allows as well, for that and the event before. A real server asks no more of them
/// before it backs off.
const ROUND: usize = 20;
/// How often a page that brings nothing is tried, with each of the others.
const PAGE_TRIES: usize = 5;
/// Back-off keeps rounds at least so far apart, in milliseconds, once the first few are over: half of the 20
/// s that servers wait at most.
const ROUND_EVERY_MS: i64 = 10_000;
/// Rounds that are over before back-off has grown to its most.
const FIRST_ROUNDS: usize = 6;

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let limits = evidence.expect.requests;
    if limits == RequestLimits::default() { within_reason(evidence) } else { within_limits(evidence, limits) }
}

fn within_limits(evidence: &Evidence<'_>, limits: RequestLimits) -> Vec<Finding> {
    let made = |counts: &dyn Fn(&Exchange<'_>) -> bool| {
        evidence.requests.values().filter(|asked| counts(asked)).count()
    };
    let to_each = limits.iter().map(|(endpoint, most)| {
        let name = endpoint.name();
        (name, name, made(&|asked| *asked.endpoint == endpoint), most)
    });
    let all = limits.total.map(|most| ("total", "all in all", made(&|_| true), most));
    let over = to_each.chain(all).filter(|(.., made, most)| *made > *most as usize);
    over.map(|(limit, what, made, most)| {
        let message = format!("{what}: {}, the scenario allows {most}", count(made, "request", "requests"));
        Finding::new(Kind::OverLimit, message).of(limit)
    })
    .collect()
}

/// Asking for each event by itself is the most that is still work: more than that is asking for what is held
/// or not to be had. Requests without an answer count too, but what stays missing may be tried again and
/// again.
fn within_reason(evidence: &Evidence<'_>) -> Vec<Finding> {
    let asked = evidence.requests.values().filter(|asked| asked.is_own_recovery());
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for asked in asked {
        *made.entry(asked.from).or_default() += 1;
    }
    let over = made.into_iter().filter_map(|(server, made)| {
        let allowed = budget(evidence, server);
        (made > allowed).then(|| {
            let message =
                format!("{server} made {made} requests to recover; what it lacked explains {allowed}");
            Finding::on(server, Kind::Unexplained, message)
        })
    });
    over.collect()
}

fn budget(evidence: &Evidence<'_>, server: &str) -> usize {
    let Some(host) = evidence.hosts.get(server) else { return FREE };
    let scrolls = host.vain_scrolls * PAGE_TRIES * (evidence.hosts.len() - 1);
    FREE + pulled(host) + rounds(evidence, server, FIRST_ROUNDS) * ROUND + scrolls
}

/// How many events a server asked for and got.
pub(super) fn pulled(host: &Host<'_>) -> usize {
    host.received.values().filter(|(_, from)| is_pulled(from)).count()
}

/// How many rounds a server may have made for all that it missed: so many at first, and one more whenever
/// back-off allows it.
pub(super) fn rounds(evidence: &Evidence<'_>, server: &str, first: usize) -> usize {
    let rounds = |opened: i64, closed: Option<i64>| {
        let open_ms = closed.unwrap_or(evidence.ended) - opened;
        first + usize::try_from(open_ms / ROUND_EVERY_MS).unwrap_or(0)
    };
    let own_gaps = evidence.gaps.iter().filter(|gap| gap.server == server);
    // What one event wants is asked for in one round, so gaps that open together count once.
    let mut together: BTreeMap<(i64, &EventId), usize> = BTreeMap::new();
    for gap in own_gaps {
        let most = together.entry((gap.opened, gap.wanted_by)).or_default();
        *most = rounds(gap.opened, gap.closed).max(*most);
    }
    together.values().sum()
}
