//! Faults: what happens to servers and to the network between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::check::World;
use super::super::expect::is_default;
use super::super::link::{check_jitter, check_latency};
use super::super::mistake::Mistake;
use super::super::names::{ServerName, Servers};
use super::super::time::{SignedDuration, SimDuration};
use super::{Checked, lasting};

/// The network falls into groups that cannot reach each other; connections between them break.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The groups; servers that none of them names form one more.
    pub groups: Vec<Vec<ServerName>>,
    /// How long it lasts; by default until a `heal`.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<SimDuration>,
}

/// Connections break one way: nothing that the one side sends reaches the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The servers that are no longer heard.
    pub from: Servers,
    /// The servers that no longer hear them.
    pub to: Servers,
    /// How long it lasts; by default until a `heal`.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<SimDuration>,
}

/// Packets vanish without a sign: no connection breaks, requests are simply never answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// The servers whose packets vanish.
    pub from: Servers,
    /// The servers that the packets were for.
    pub to: Servers,
    /// Whether packets vanish the other way too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub both: bool,
    /// How long it lasts; by default until a `heal`.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<SimDuration>,
}

/// Partitions, cuts and silences end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heal {
    /// Only those between these two servers; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub between: Option<[ServerName; 2]>,
}

/// Packets take another time, in one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The servers that send them.
    pub from: Servers,
    /// The servers that receive them.
    pub to: Servers,
    /// How long a packet travels, 10ms to 60s.
    pub latency: SimDuration,
    /// Up to this much is added at random, at most 60s.
    #[serde(default, skip_serializing_if = "SimDuration::is_zero")]
    pub jitter: SimDuration,
    /// How long it lasts; by default to the end.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<SimDuration>,
}

/// A server stops at once, and loses what it had not written to its disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// The server.
    pub server: ServerName,
    /// It stops not now but after this many more writes to its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_writes: Option<u32>,
}

/// A crashed server starts again from its disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// The server.
    pub server: ServerName,
}

/// A server's clock jumps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// The server.
    pub server: ServerName,
    /// How far it jumps, backwards if negative.
    pub jump: SignedDuration,
}

/// A server signs with a new key from now on; the old one has expired.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// The server.
    pub server: ServerName,
}

impl Checked for Partition {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        let under = |mistake: Mistake| mistake.under("groups");
        for (index, group) in self.groups.iter().enumerate() {
            world.list(group).map_err(|mistake| under(mistake.entry(index)))?;
            let earlier = self.groups[..index].iter().flatten();
            if let Some(server) = earlier.into_iter().find(|server| group.contains(server)) {
                let mistake = Mistake::here(format!("`{server}` is in an earlier group as well"));
                return Err(under(mistake.help("name each server in one group").entry(index)));
            }
        }
        let named: usize = self.groups.iter().map(Vec::len).sum();
        let rest = usize::from(named < world.0.len());
        if self.groups.len() + rest < 2 {
            return Err(under(
                Mistake::here("one group of all servers is no partition").help("write two groups"),
            ));
        }
        lasting(self.lasting)
    }
}

impl Checked for Cut {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.ends(&self.from, &self.to)?;
        lasting(self.lasting)
    }
}

impl Checked for Silence {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.ends(&self.from, &self.to)?;
        lasting(self.lasting)
    }
}

impl Checked for Heal {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        self.between
            .as_ref()
            .map_or(Ok(()), |servers| world.list(servers))
            .map_err(|mistake| mistake.under("between"))
    }
}

impl Checked for Latency {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.ends(&self.from, &self.to)?;
        check_latency(self.latency)?;
        check_jitter(self.jitter)?;
        lasting(self.lasting)
    }
}

macro_rules! check_server {
    ($($action:ty),*) => {
        $(
            impl Checked for $action {
                fn check(&self, world: World<'_>) -> Result<(), Mistake> {
                    world.server(&self.server).map_err(|mistake| mistake.under("server"))
                }
            }
        )*
    };
}

check_server!(Crash, Restart, Clock, RotateKey);
