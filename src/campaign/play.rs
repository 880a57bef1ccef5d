//! One run from its scenario to its verdict.

use super::stopwatch::Stopwatch;
use crate::{
    check::{
        evidence::EvidenceError,
        verdict::{Judgement, judge_run, word},
    },
    journal::{Journal, Record, What},
    scenario::Scenario,
    simulation::{Fabric, Options, SimulationError, guest::Guests, simulate_with_guests},
};

/// A run that was played and judged.
#[derive(Debug)]
pub struct Played {
    /// Everything that happened, the verdict last.
    pub journal: Journal,
    /// The verdict.
    pub judgement: Judgement,
    /// How long the run took in simulated time, set-up included, in milliseconds.
    pub simulated_ms: u64,
    /// How long it took in real time, in milliseconds; the only thing in which two equal runs differ.
    pub wall_ms: u64,
}

/// Why a run came to no verdict.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// It could not be played to its end.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// Its journal can't be judged.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// Plays a scenario and judges what happened.
///
/// # Errors
///
/// When the scenario can't be played to its end; not when it ends badly.
pub fn play(scenario: &Scenario, seed: u64, fabric: Fabric) -> Result<Played, PlayError> {
    play_with(scenario, &Options { seed, fabric, ..Options::default() })
}

/// The same with all options.
///
/// # Errors
///
/// When the scenario can't be played to its end; not when it ends badly.
pub fn play_with(scenario: &Scenario, options: &Options) -> Result<Played, PlayError> {
    play_with_guests(scenario, options, &Guests::default())
}

/// The same with software of somebody else's in the places of some servers.
///
/// # Errors
///
/// When the scenario can't be played to its end; not when it ends badly.
pub fn play_with_guests(
    scenario: &Scenario,
    options: &Options,
    guests: &Guests,
) -> Result<Played, PlayError> {
    let watch = Stopwatch::start();
    let mut simulated = simulate_with_guests(scenario, options, guests)?;
    let judgement = judge_run(scenario, &simulated.journal, &simulated.memory)?;
    let t = simulated.journal.records.last().map_or(0, |record| record.t);
    let verdict = What::Verdict {
        verdict: word(judgement.verdict).to_owned(),
        violations: judgement.violations.clone(),
    };
    simulated.journal.records.push(Record { t, server: None, because: None, what: verdict });
    Ok(Played {
        journal: simulated.journal,
        judgement,
        simulated_ms: simulated.simulated_ms,
        wall_ms: watch.ms(),
    })
}
