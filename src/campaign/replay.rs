//! Regressions: whether what went wrong once still goes well, and is still tried.

use super::{
    outcome::{End, Failure, attempt},
    play::Played,
};
use crate::{scenario::Scenario, simulation::Options};

/// How a regression stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It ends as it should.
    Fixed,
    /// It fails again.
    Failing(String),
    /// It ends well, and does not reach what it was kept for any more.
    Stale(String),
    /// It could not be played to its end.
    BrokeOff(String),
}

/// Plays a regression. Gives how it stands, and the run if it was played to its end.
pub fn replay(scenario: &Scenario, options: &Options) -> (Standing, Option<Played>) {
    match attempt(scenario, options) {
        Ok(played) => (standing(Failure::of(&played.judgement)), Some(played)),
        Err(failure) => (standing(Some(failure)), None),
    }
}

fn standing(failure: Option<Failure>) -> Standing {
    let Some(failure) = failure else { return Standing::Fixed };
    let said = format!("{}: {}", failure.signature.invariant, failure.message);
    match failure.end {
        End::Violated | End::NotRecovered => Standing::Failing(said),
        End::Stale => Standing::Stale(failure.message),
        End::BrokeOff => Standing::BrokeOff(said),
    }
}
