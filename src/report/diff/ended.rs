//! What ended differently in two runs: the verdict, how each server stands, what was asked.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::OwnedEventId;
use serde::Serialize;

use crate::journal::{End, Journal, What};

/// What ended differently; what is alike is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The verdicts, if they differ; nothing for a journal without one.
    pub verdict: Option<[Option<String>; 2]>,
    /// Violations that only the first has, as invariant and message.
    pub violations_only_a: Vec<String>,
    /// Violations that only the second has.
    pub violations_only_b: Vec<String>,
    /// The servers that stand differently, by name.
    pub servers: BTreeMap<String, ServerEnded>,
    /// The number of requests by endpoint, where it differs.
    pub requests: BTreeMap<String, [usize; 2]>,
}

/// How a server stands differently.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServerEnded {
    /// The numbers that differ: `accepted`, `waiting`, …
    pub counts: BTreeMap<&'static str, [usize; 2]>,
    /// Events that it holds in the first run only.
    pub events_only_a: Vec<OwnedEventId>,
    /// Events that it holds in the second run only.
    pub events_only_b: Vec<OwnedEventId>,
    /// Events that it holds in both and judges differently.
    pub judged_differently: Vec<OwnedEventId>,
    /// The forward extremities, if they differ.
    pub forward_extremities: Option<[Vec<OwnedEventId>; 2]>,
    /// The state, as type, state key and the event of each run, where it differs.
    pub state: Vec<(String, String, [Option<OwnedEventId>; 2])>,
}

impl Ended {
    pub(super) fn of(a: &Journal, b: &Journal) -> Self {
        let [(verdict_a, violations_a), (verdict_b, violations_b)] = [verdict(a), verdict(b)];
        let only = |own: &BTreeSet<String>, other| own.difference(other).cloned().collect();
        let [ends_a, ends_b] = [ends(a), ends(b)];
        let names: BTreeSet<&str> = ends_a.keys().chain(ends_b.keys()).copied().collect();
        let nothing = End::default();
        let servers = names.into_iter().filter_map(|name| {
            let of =
                |ends: &BTreeMap<&str, &End>| ends.get(name).map_or(nothing.clone(), |end| (*end).clone());
            let ended = ServerEnded::of(&of(&ends_a), &of(&ends_b));
            (ended != ServerEnded::default()).then(|| (name.to_owned(), ended))
        });
        Self {
            violations_only_a: only(&violations_a, &violations_b),
            violations_only_b: only(&violations_b, &violations_a),
            verdict: (verdict_a != verdict_b).then_some([verdict_a, verdict_b]),
            servers: servers.collect(),
            requests: differing(requests(a), requests(b)),
        }
    }
}

impl ServerEnded {
    fn of(a: &End, b: &End) -> Self {
        let standings = |end: &End| -> BTreeMap<OwnedEventId, _> { end.events.iter().cloned().collect() };
        let [of_a, of_b] = [standings(a), standings(b)];
        let only = |own: &BTreeMap<OwnedEventId, _>, other: &BTreeMap<OwnedEventId, _>| {
            own.keys().filter(|id| !other.contains_key(*id)).cloned().collect()
        };
        let judged =
            of_a.iter().filter(|(id, standing)| of_b.get(*id).is_some_and(|other| other != *standing));
        let tips = [a.forward_extremities.clone(), b.forward_extremities.clone()];
        Self {
            counts: differing(counts(a), counts(b)),
            events_only_a: only(&of_a, &of_b),
            events_only_b: only(&of_b, &of_a),
            judged_differently: judged.map(|(id, _)| id.clone()).collect(),
            forward_extremities: (tips[0] != tips[1]).then_some(tips),
            state: state(a, b),
        }
    }
}

fn counts(end: &End) -> BTreeMap<&'static str, usize> {
    use crate::room::graph::Standing::{Accepted, Outlier, Rejected, SoftFailed};
    let count = |standing| end.events.iter().filter(|(_, own)| *own == standing).count();
    BTreeMap::from([
        ("joined", usize::from(end.joined)),
        ("accepted", count(Accepted)),
        ("soft-failed", count(SoftFailed)),
        ("rejected", count(Rejected)),
        ("outlier", count(Outlier)),
        ("waiting", end.waiting.len()),
        ("missing", end.missing.len()),
        ("idle", usize::from(end.idle)),
    ])
}

fn state(a: &End, b: &End) -> Vec<(String, String, [Option<OwnedEventId>; 2])> {
    let slots = |end: &End| -> BTreeMap<(String, String), OwnedEventId> {
        let slot =
            |(kind, key, id): &(String, String, OwnedEventId)| ((kind.clone(), key.clone()), id.clone());
        end.state.iter().map(slot).collect()
    };
    let [of_a, of_b] = [slots(a), slots(b)];
    let keys: BTreeSet<_> = of_a.keys().chain(of_b.keys()).cloned().collect();
    let differ = keys.into_iter().filter(|slot| of_a.get(slot) != of_b.get(slot));
    differ
        .map(|slot| {
            let events = [of_a.get(&slot).cloned(), of_b.get(&slot).cloned()];
            (slot.0, slot.1, events)
        })
        .collect()
}

fn ends(journal: &Journal) -> BTreeMap<&str, &End> {
    let ends = journal.records.iter().filter_map(|record| match &record.what {
        What::End(end) => Some((record.server.as_deref()?, end)),
        _ => None,
    });
    ends.collect()
}

fn verdict(journal: &Journal) -> (Option<String>, BTreeSet<String>) {
    let last = journal.records.iter().rev().find_map(|record| match &record.what {
        What::Verdict { verdict, violations, .. } => Some((verdict.clone(), violations)),
        _ => None,
    });
    let Some((verdict, violations)) = last else { return (None, BTreeSet::new()) };
    let line = |found: &crate::journal::Violation| {
        let server = found.server.as_ref().map(|server| format!(" on {server}")).unwrap_or_default();
        format!("{}{server}: {}", found.invariant, found.message)
    };
    (Some(verdict), violations.iter().map(line).collect())
}

fn requests(journal: &Journal) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in &journal.records {
        if let What::Request { endpoint, .. } = &record.what {
            *counts.entry(endpoint.to_string()).or_default() += 1;
        }
    }
    counts
}

fn differing<K: Ord + Clone>(a: BTreeMap<K, usize>, b: BTreeMap<K, usize>) -> BTreeMap<K, [usize; 2]> {
    let keys: BTreeSet<K> = a.keys().chain(b.keys()).cloned().collect();
    let of = |counts: &BTreeMap<K, usize>, key: &K| counts.get(key).copied().unwrap_or(0);
    let pairs = keys.into_iter().map(|key| {
        let pair = [of(&a, &key), of(&b, &key)];
        (key, pair)
    });
    pairs.filter(|(_, [a, b])| a != b).collect()
}
