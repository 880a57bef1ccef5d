//! The zoo: each planted bug in the scenario that is made for it, played once as it is and once without the bug.
//! What is not caught, or not held without the bug, is a fault of the test bed.

use super::play::{PlayError, Played, play};
use crate::{
    check::{
        self,
        evidence::{Evidence, EvidenceError},
    },
    homeserver::planted::Planted,
    scenario::{Scenario, Verdict},
    simulation::{
        Fabric,
        journal::{Journal, Violation},
    },
};

/// What became of one planted bug.
#[derive(Debug)]
pub struct Exhibit {
    /// The bug.
    pub planted: &'static Planted,
    /// What speaks against the server with the bug, causes first.
    pub violations: Vec<Violation>,
    /// When the journal first proves the first of them, in milliseconds of the timeline.
    pub caught_at: Option<i64>,
    /// Whether the verdict is the one that the scenario expects.
    pub as_expected: bool,
    /// What speaks against the same scenario without the bug: nothing, if the test bed is right.
    pub without: Vec<Violation>,
}

impl Exhibit {
    /// The invariants that are violated, the first one first.
    pub fn violated(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.violations.iter().map(|violation| &*violation.invariant).collect();
        names.dedup();
        names
    }

    /// Why the bug counts as not caught; nothing if it is, by the right invariant, and only where it is planted.
    pub fn problem(&self) -> Option<String> {
        match (self.violated().first(), self.without.first()) {
            (_, Some(violation)) => {
                Some(format!("without the bug: {}: {}", violation.invariant, violation.message))
            }
            (None, _) => Some("nothing was found".to_owned()),
            (Some(first), _) if *first != self.planted.caught_by => {
                let expected = self.planted.caught_by;
                Some(format!("caught by {first} instead of {expected}: {}", self.violations[0].message))
            }
            _ if !self.as_expected => Some("the verdict is not the one that the scenario expects".to_owned()),
            _ => None,
        }
    }
}

/// Plays the scenario of a bug, with and without it.
///
/// # Errors
///
/// When one of the runs can't be played to its end.
pub fn visit(planted: &'static Planted, scenario: &Scenario, seed: u64) -> Result<Exhibit, PlayError> {
    let with = play(scenario, seed, Fabric::default())?;
    let without = play(&without_bugs(scenario), seed, Fabric::default())?;
    Ok(Exhibit {
        planted,
        caught_at: caught_at(scenario, &with)?,
        as_expected: with.judgement.is_as_expected(),
        violations: with.judgement.violations,
        without: without.judgement.violations,
    })
}

/// The same scenario on servers without bugs, which it must hold on.
fn without_bugs(scenario: &Scenario) -> Scenario {
    let mut honest = scenario.clone();
    honest.servers.values_mut().for_each(|server| server.planted.clear());
    honest.expect.verdict = Verdict::Holds;
    honest
}

/// The time of the first record with which the journal proves the first violation. What only shows in how servers
/// stand at the end is proven at the end.
fn caught_at(scenario: &Scenario, played: &Played) -> Result<Option<i64>, EvidenceError> {
    let Some(violation) = played.judgement.violations.first() else { return Ok(None) };
    let records = &played.journal.records;
    let (mut unproven, mut proven) = (1, records.len());
    while unproven + 1 < proven {
        let middle = unproven.midpoint(proven);
        let part = Journal { records: records[..middle].to_vec() };
        if proves(scenario, &part, violation)? { proven = middle } else { unproven = middle }
    }
    Ok(Some(records[proven - 1].t))
}

fn proves(scenario: &Scenario, journal: &Journal, violation: &Violation) -> Result<bool, EvidenceError> {
    let evidence = Evidence::read(scenario, journal)?;
    let invariant = check::ALL.iter().find(|invariant| invariant.name == violation.invariant);
    let found = invariant.map(|invariant| invariant.check(&evidence)).unwrap_or_default();
    // The message may count what is still to come.
    Ok(found.iter().any(|found| found.server == violation.server && found.event_id == violation.event_id))
}
