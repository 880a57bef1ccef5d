//! The verdict on a run: what the invariants found, and whether that is what the scenario expects.

use super::{
    ALL, Invariant, When,
    evidence::{Evidence, EvidenceError, Recovery},
    marks,
    recovered_in_time::recovered_after_ms,
};
use crate::{
    journal::{Journal, Violation},
    matrix::memory::Memory,
    scenario::{Mark, Scenario, Verdict},
};

/// What became of one invariant in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not.
    Violated,
    /// It speaks of servers at rest, and some were not.
    Unknown,
}

/// The verdict on a run.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// How the run ended.
    pub verdict: Verdict,
    /// How the scenario wants it to end.
    pub expected: Verdict,
    /// What speaks against it, causes first.
    pub violations: Vec<Violation>,
    /// Each invariant with its outcome, in the order of [`ALL`].
    pub outcomes: Vec<(&'static Invariant, Outcome)>,
    /// What each server that should agree with the others got of what it lacked.
    pub recoveries: Vec<Recovery>,
    /// How long after the last heal the servers were whole, in milliseconds; nothing if they were not.
    pub recovered_after_ms: Option<u64>,
    /// The marks that the run reached.
    pub marks: Vec<Mark>,
    /// The marks that the scenario demands and the run did not reach.
    pub dark: Vec<Mark>,
}

impl Judgement {
    /// Whether the run ended as the scenario wants it to. A scenario that expects a violation is met by a
    /// violation and by nothing else, and one that demands marks by a run that reaches them.
    pub fn is_as_expected(&self) -> bool {
        self.verdict == self.expected && self.dark.is_empty()
    }
}

/// The word for a verdict in journals and summaries.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Violated => "violated",
        Verdict::NotRecovered => "not_recovered",
    }
}

/// Judges a run of `scenario` by its journal.
///
/// A violation of what must hold always, or at rest, makes the run `violated`; if there is none, being too
/// slow, too busy or never at rest makes it `not_recovered`.
///
/// # Errors
///
/// When the journal is none.
pub fn judge(scenario: &Scenario, journal: &Journal) -> Result<Judgement, EvidenceError> {
    Ok(weigh(scenario, journal, &Evidence::read(scenario, journal)?))
}

/// Judges a run that this process has played, with the memory of that run; the verdict is that of [`judge`].
///
/// # Errors
///
/// As [`judge`].
pub fn judge_run(
    scenario: &Scenario,
    journal: &Journal,
    memory: &Memory,
) -> Result<Judgement, EvidenceError> {
    Ok(weigh(scenario, journal, &Evidence::of_run(scenario, journal, memory)?))
}

fn weigh(scenario: &Scenario, journal: &Journal, evidence: &Evidence<'_>) -> Judgement {
    let at_rest = evidence.restless().next().is_none();
    let mut violations = Vec::new();
    let mut outcomes = Vec::new();
    let mut verdict = Verdict::Holds;
    for invariant in ALL {
        if invariant.when == When::AtRest && !at_rest {
            outcomes.push((invariant, Outcome::Unknown));
            continue;
        }
        let found = invariant.check(evidence);
        if found.is_empty() {
            outcomes.push((invariant, Outcome::Holds));
            continue;
        }
        outcomes.push((invariant, Outcome::Violated));
        violations.extend(found);
        verdict = match (invariant.when, verdict) {
            (When::Recovery, Verdict::Holds) => Verdict::NotRecovered,
            (When::Recovery, worse) => worse,
            (When::Always | When::AtRest, _) => Verdict::Violated,
        };
    }
    let whole = !violations.iter().any(|found| found.invariant == "same-events");
    let recovered_after_ms = recovered_after_ms(evidence).filter(|_| whole);
    let recoveries = evidence.recoveries().to_vec();
    let marks = marks::reached(evidence, journal);
    let dark = scenario.expect.marks.iter().copied().filter(|mark| !marks.contains(mark)).collect();
    let expected = scenario.expect.verdict;
    Judgement { verdict, expected, violations, outcomes, recoveries, recovered_after_ms, marks, dark }
}
