//! Faults of single messages: one endpoint, one direction, the third request or one in ten.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::check::World;
use super::super::expect::is_default;
use super::super::mistake::Mistake;
use super::super::names::Servers;
use super::super::time::SimDuration;
use super::{Checked, lasting};
use crate::matrix::endpoint::Endpoint;

/// Requests from some servers to others, or the answers to them, go wrong on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disturb {
    /// The servers that ask.
    pub from: Servers,
    /// The servers that are asked.
    pub to: Servers,
    /// The endpoint, such as `backfill`; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Which way the message goes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub side: Side,
    /// What becomes of it.
    pub how: Disturbance,
    /// How many messages are left alone first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip: u32,
    /// How many are disturbed; by default all from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many of a hundred are disturbed, by chance.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: u8,
    /// How long it lasts; by default to the end of the timeline.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<SimDuration>,
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// From the server that asks.
    Request,
    /// Back to it: the request has arrived, and what it does is done.
    #[default]
    Answer,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disturbance {
    /// It vanishes, and nobody is told.
    Lose,
    /// It takes so much longer.
    Delay(SimDuration),
    /// A request arrives a second time, so much later: the same transaction under the same id.
    Duplicate(SimDuration),
    /// Its body ends after so many bytes.
    Truncate(u32),
    /// The connection breaks before it is complete.
    Break,
    /// Something between the two answers in the server's place.
    Status(ErrorStatus),
    /// It trickles in, so many bytes a second.
    Drip(u32),
    /// The connection stays open and nothing comes.
    Hang,
}

impl Disturbance {
    /// Its name in a scenario and in a journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Lose => "lose",
            Self::Delay(_) => "delay",
            Self::Duplicate(_) => "duplicate",
            Self::Truncate(_) => "truncate",
            Self::Break => "break",
            Self::Status(_) => "status",
            Self::Drip(_) => "drip",
            Self::Hang => "hang",
        }
    }
}

/// An answer that is not the server's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorStatus {
    /// The HTTP status, 400 to 599.
    #[schemars(range(min = 400, max = 599))]
    pub code: u16,
    /// For a 429: after how long to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<SimDuration>,
}

fn all() -> u8 {
    100
}

fn is_all(percent: &u8) -> bool {
    *percent == 100
}

impl Checked for Disturb {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.ends(&self.from, &self.to)?;
        if !(1..=100).contains(&self.percent) {
            let what = format!("{} is out of range", self.percent);
            return Err(Mistake::at("percent", what).help("write 1 to 100"));
        }
        match &self.how {
            Disturbance::Duplicate(_) if self.side == Side::Answer => {
                return Err(Mistake::at("how", "an answer cannot come twice on one connection")
                    .help("write \"side\": \"request\""));
            }
            Disturbance::Status(status) if !(400..=599).contains(&status.code) => {
                return Err(Mistake::at("code", format!("{} is no status of an error", status.code))
                    .help("write 400 to 599")
                    .under("status")
                    .under("how"));
            }
            Disturbance::Drip(0) => {
                return Err(Mistake::at("drip", "nothing would ever arrive")
                    .help("write 1 or more")
                    .under("how"));
            }
            _ => {}
        }
        lasting(self.lasting)
    }
}
