//! The links between servers: how long packets travel.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mistake::{Mistake, Target};
use super::names::ServerName;
use super::server::Server;
use super::suggest;
use super::time::SimDuration;

/// What a link does to packets; what is left out is as in the link `default`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinkSettings {
    /// How long a packet travels, 10ms to 60s; 20ms unless a default is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<SimDuration>,
    /// Up to this much is added to the latency, at random; at most 60s, 0ms unless a default is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<SimDuration>,
}

/// The speed of one direction of one link, after all defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSpeed {
    /// How long a packet travels at least.
    pub latency: SimDuration,
    /// The most that chance adds to it.
    pub jitter: SimDuration,
}

const LEAST_MS: u64 = 10;
const MOST_MS: u64 = 60_000;

impl LinkSettings {
    fn or(self, other: Self) -> Self {
        Self { latency: self.latency.or(other.latency), jitter: self.jitter.or(other.jitter) }
    }

    fn check(self) -> Result<(), Mistake> {
        self.latency.map_or(Ok(()), check_latency)?;
        self.jitter.map_or(Ok(()), check_jitter)
    }
}

/// Refuses a latency that the fabrics can't keep.
pub(super) fn check_latency(latency: SimDuration) -> Result<(), Mistake> {
    match latency.as_millis() {
        LEAST_MS..=MOST_MS => Ok(()),
        ms if ms < LEAST_MS => Err(Mistake::at("latency", format!("{latency} is too short"))
            .help("latencies start at 10ms: the fabric needs that long to carry bytes in time")),
        _ => Err(Mistake::at("latency", format!("{latency} is too long")).help("latencies end at 60s")),
    }
}

/// Refuses a jitter longer than the longest latency.
pub(super) fn check_jitter(jitter: SimDuration) -> Result<(), Mistake> {
    if jitter.as_millis() <= MOST_MS {
        return Ok(());
    }
    Err(Mistake::at("jitter", format!("{jitter} is too long")).help("jitters end at 60s"))
}

/// The speed from one server to another: the most particular of `from->to`, `from-to`, `default` decides.
pub(super) fn speed(links: &IndexMap<String, LinkSettings>, from: &str, to: &str) -> LinkSpeed {
    let of = |key: &str| links.get(key).copied().unwrap_or_default();
    let both_ways = of(&format!("{from}-{to}")).or(of(&format!("{to}-{from}")));
    let settings = of(&format!("{from}->{to}")).or(both_ways).or(of("default"));
    LinkSpeed {
        latency: settings.latency.unwrap_or(SimDuration::from_millis(20)),
        jitter: settings.jitter.unwrap_or(SimDuration::ZERO),
    }
}

/// Checks that every link joins two servers of the scenario, and that none is written twice.
pub(super) fn check_links(
    links: &IndexMap<String, LinkSettings>,
    servers: &IndexMap<ServerName, Server>,
) -> Result<(), Mistake> {
    for (key, settings) in links {
        settings.check().map_err(|mistake| mistake.under(key))?;
        if key != "default" {
            check_key(key, links, servers).map_err(|mistake| mistake.shown_at(Target::Key))?;
        }
    }
    Ok(())
}

fn check_key(
    key: &str,
    links: &IndexMap<String, LinkSettings>,
    servers: &IndexMap<ServerName, Server>,
) -> Result<(), Mistake> {
    let ends = |separator: &str| -> Vec<(&str, &str)> {
        key.match_indices(separator).map(|(at, _)| (&key[..at], &key[at + separator.len()..])).collect()
    };
    let is_arrow = key.contains("->");
    let splits = ends(if is_arrow { "->" } else { "-" });
    let known = |(from, to): &&(&str, &str)| servers.contains_key(*from) && servers.contains_key(*to);
    let mut fitting = splits.iter().filter(known);
    let Some((from, to)) = fitting.next() else {
        return Err(unknown_ends(key, &splits, servers));
    };
    if fitting.next().is_some() {
        return Err(Mistake::at(key, "it is not clear which servers this link joins")
            .help("write each direction, as in \"a->b\""));
    }
    if from == to {
        return Err(Mistake::at(key, "a server has no link to itself").help("remove it"));
    }
    if !is_arrow && links.contains_key(&format!("{to}-{from}")) {
        return Err(
            Mistake::at(key, format!("this is the same link as `{to}-{from}`")).help("remove one of them")
        );
    }
    Ok(())
}

fn unknown_ends(key: &str, splits: &[(&str, &str)], servers: &IndexMap<ServerName, Server>) -> Mistake {
    let unknown = splits
        .first()
        .and_then(|(from, to)| [*from, *to].into_iter().find(|name| !servers.contains_key(*name)));
    match unknown {
        Some(name) => {
            let mistake = Mistake::at(key, format!("there is no server `{name}`"));
            match suggest::advice(name, servers.keys().map(String::as_str)) {
                Some(advice) => mistake.help(advice),
                None => mistake,
            }
        }
        None => Mistake::at(key, "this names no link").help("write \"default\", \"a->b\" or \"a-b\""),
    }
}
