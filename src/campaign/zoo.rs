//! The zoo: each planted bug in the scenario that is made for it, played once as it is and once without the
//! bug. What is not caught, or not held without the bug, is a fault of the test bed.

use super::play::{PlayError, play};
use crate::{
    check::{
        self,
        evidence::{Evidence, EvidenceError},
    },
    homeserver::planted::Planted,
    journal::{Journal, Violation},
    scenario::{Scenario, Verdict},
    simulation::Fabric,
};

/// What became of one planted bug.
#[derive(Debug)]
pub struct ZooResult {
    /// The bug.
    pub planted: &'static Planted,
    /// What speaks against the server with the bug, causes first.
    pub violations: Vec<Violation>,
    /// When the journal first proves the one that the bug is filed under, in milliseconds of the timeline.
    pub caught_at: Option<i64>,
    /// Whether the verdict is the one that the scenario expects.
    pub as_expected: bool,
    /// What speaks against the same scenario without the bug: nothing, if the test bed is right.
    pub without: Vec<Violation>,
}

impl ZooResult {
    /// The invariants that are violated, the first one first.
    pub fn violated(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.violations.iter().map(|violation| &*violation.invariant).collect();
        names.dedup();
        names
    }

    /// The violation of the invariant that the bug is filed under.
    fn catch(&self) -> Option<&Violation> {
        self.violations.iter().find(|violation| violation.invariant == self.planted.caught_by)
    }

    /// The invariants that are violated and should not be.
    fn astray(&self) -> Vec<&str> {
        let Planted { caught_by, follows, .. } = self.planted;
        self.violated().into_iter().filter(|name| name != caught_by && !follows.contains(name)).collect()
    }

    /// Why the bug counts as not caught; nothing if it is, by the right invariant, and only where it is
    /// planted.
    pub fn problem(&self) -> Option<String> {
        let expected = self.planted.caught_by;
        match (self.violations.first(), self.without.first()) {
            (_, Some(violation)) => {
                Some(format!("without the bug: {}: {}", violation.invariant, violation.message))
            }
            (None, _) => Some("nothing was found".to_owned()),
            (Some(first), _) if self.catch().is_none() => {
                Some(format!("caught by {} instead of {expected}: {}", first.invariant, first.message))
            }
            _ if !self.as_expected => Some("the verdict is not the one that the scenario expects".to_owned()),
            _ if !self.astray().is_empty() => Some(format!(
                "caught by {expected}, and also by {}, which need not follow from it",
                self.astray().join(", ")
            )),
            _ => None,
        }
    }
}

/// Plays the scenario of a bug, with and without it.
///
/// # Errors
///
/// When one of the runs can't be played to its end.
pub fn visit(
    planted: &'static Planted,
    scenario: &Scenario,
    seed: u64,
    fabric: Fabric,
) -> Result<ZooResult, PlayError> {
    let with = play(scenario, seed, fabric)?;
    let without = play(&without_bugs(scenario), seed, fabric)?;
    let mut result = ZooResult {
        planted,
        caught_at: None,
        as_expected: with.judgement.is_as_expected(),
        violations: with.judgement.violations,
        without: without.judgement.violations,
    };
    result.caught_at =
        result.catch().map(|violation| caught_at(scenario, &with.journal, violation)).transpose()?;
    Ok(result)
}

/// The same scenario on servers without bugs, which it must hold on.
fn without_bugs(scenario: &Scenario) -> Scenario {
    let mut honest = scenario.clone();
    honest.servers.values_mut().for_each(|server| server.planted.clear());
    honest.expect.verdict = Verdict::Holds;
    honest
}

/// The time of the first record with which the journal proves a violation. What only shows in how servers
/// stand at the end is proven at the end.
fn caught_at(scenario: &Scenario, journal: &Journal, violation: &Violation) -> Result<i64, EvidenceError> {
    let records = &journal.records;
    let (mut unproven, mut proven) = (1, records.len());
    while unproven + 1 < proven {
        let middle = unproven.midpoint(proven);
        let part = Journal { records: records[..middle].to_vec() };
        if proves(scenario, &part, violation)? { proven = middle } else { unproven = middle }
    }
    Ok(records[proven - 1].t)
}

fn proves(scenario: &Scenario, journal: &Journal, violation: &Violation) -> Result<bool, EvidenceError> {
    let evidence = Evidence::read(scenario, journal)?;
    let invariant = check::ALL.iter().find(|invariant| invariant.name == violation.invariant);
    let found = invariant.map(|invariant| invariant.check(&evidence)).unwrap_or_default();
    // The message may count what is still to come.
    Ok(found.iter().any(|found| found.server == violation.server && found.event_id == violation.event_id))
}
