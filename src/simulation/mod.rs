//! Plays one scenario with one seed on one fabric: hosts, set-up, timeline, heal, settling; what came of it
//! is in the journal. Whether that is good is not judged here.

mod disturbances;
pub mod guest;
mod import;
mod lies;
mod player;
pub mod recorder;
mod schedule;
mod script;
mod users;

use std::{str::FromStr, time::Duration};

use crate::{
    journal::Journal,
    matrix::{crypto::Scheme, memory::Memory},
    scenario::Scenario,
};
use guest::Guests;

/// What carries requests between servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fabric {
    /// HTTP/1.1 over turmoil's simulated TCP.
    #[default]
    Turmoil,
    /// In memory: time jumps from one event to the next.
    Direct,
}

impl Fabric {
    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Turmoil => "turmoil",
            Self::Direct => "direct",
        }
    }
}

impl FromStr for Fabric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "turmoil" => Ok(Self::Turmoil),
            "direct" => Ok(Self::Direct),
            _ => Err(format!("`{text}` is not a fabric; use turmoil or direct")),
        }
    }
}

/// How a scenario is played.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What carries requests.
    pub fabric: Fabric,
    /// The kind of signatures.
    pub signatures: Scheme,
    /// The grain of time on turmoil.
    pub tick: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            fabric: Fabric::default(),
            signatures: Scheme::default(),
            tick: Duration::from_millis(1),
        }
    }
}

/// A run that was played to its end.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// Everything observable that happened; no verdict yet.
    pub journal: Journal,
    /// How long it took in simulated time, set-up included, in milliseconds.
    pub simulated_ms: u64,
    /// What it found out about events and signatures.
    pub memory: Memory,
}

/// Why a scenario could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The room could not be set up: a first member could not join, or the rules forbid what the scenario
    /// asks for.
    #[error("set-up: {0}")]
    SetUp(String),
    /// The room that is to be imported can't be read.
    #[error("import: {0}")]
    Import(String),
    /// The software of a host failed: a bug of Backfire's.
    #[error(transparent)]
    Host(#[from] crate::network::HostFailed),
}

/// Plays a scenario.
///
/// # Errors
///
/// [`SimulationError`], when it can't be played to its end. That servers don't recover is no error.
pub fn simulate(scenario: &Scenario, options: &Options) -> Result<Simulated, SimulationError> {
    simulate_with_guests(scenario, options, &Guests::default())
}

/// Plays a scenario in which some servers are not Backfire's own.
///
/// # Errors
///
/// As [`simulate`].
pub fn simulate_with_guests(
    scenario: &Scenario,
    options: &Options,
    guests: &Guests,
) -> Result<Simulated, SimulationError> {
    player::Player::new(scenario, options, guests)?.play()
}
