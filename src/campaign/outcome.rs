//! What came of one run of a campaign, in one line: whether it failed, by which signature, and which marks it
//! reached.
//!
//! A run that panics or breaks off is an outcome too, so that one bad run does not end a campaign.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    play::{PlayError, Played, play_with},
    stopwatch::Stopwatch,
};
use crate::{
    check::verdict::{Judgement, word},
    ports::panic,
    scenario::{
        Mark, Scenario, Verdict,
        generator::{self, Profile},
    },
    simulation::{Options, SimulationError},
};

/// Which generated scenario is played; its seed is that of the run as well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Case {
    /// Decides what the generator and the run leave to chance.
    pub seed: u64,
    /// What the scenario is about.
    pub profile: Profile,
    /// The bug that is planted in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
}

impl Case {
    /// The case of `PROFILE:SEED` or `PROFILE:SEED:BUG`, if that is what a text is.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let profile = parts.next()?.parse().ok()?;
        let seed = parts.next()?.parse().ok()?;
        Some(Self { seed, profile, planted: parts.next().map(str::to_owned) })
    }

    /// The scenario.
    pub fn scenario(&self) -> Scenario {
        let mut scenario = generator::generate(self.profile, self.seed);
        if let Some(bug) = &self.planted {
            generator::plant(&mut scenario, bug, self.seed);
        }
        scenario.origin.0 = self.to_string().into();
        scenario
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.profile, self.seed)?;
        self.planted.as_ref().map_or(Ok(()), |bug| write!(f, ":{bug}"))
    }
}

/// What came of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What was played.
    #[serde(flatten)]
    pub case: Case,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The marks that were reached.
    pub marks: Vec<Mark>,
    /// How long the run took in simulated time, in milliseconds.
    pub simulated_ms: u64,
    /// How long it took in real time; the only thing in which equal runs differ.
    pub wall_ms: u64,
}

/// How a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What it is known by.
    #[serde(flatten)]
    pub signature: Signature,
    /// How the run ended.
    pub end: End,
    /// What is wrong, in the words of the first finding.
    pub message: String,
}

/// What failures are told apart by: the invariant, and in which of its ways it fails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// The invariant's name; `panic` or `error` for a run that broke off.
    pub invariant: String,
    /// The kind of its violation; of a panic its place, of an error what broke off. Earlier versions wrote
    /// the message here, without names and numbers, as `place`.
    #[serde(alias = "place")]
    pub kind: String,
}

/// How a failed run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// An invariant was violated.
    Violated,
    /// The servers did not recover.
    NotRecovered,
    /// The run holds, and should not, or does not reach what it was kept for.
    Stale,
    /// The run broke off, which is Backfire's own fault.
    BrokeOff,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.kind)
    }
}

/// Plays a case.
pub fn outcome(case: &Case, options: &Options) -> Outcome {
    let watch = Stopwatch::start();
    let options = Options { seed: case.seed, ..*options };
    let played = caught(|| {
        let played = attempt(&case.scenario(), &options)?;
        Ok((Failure::of(&played.judgement), played.judgement.marks, played.simulated_ms))
    });
    let (failure, marks, simulated_ms) = played.unwrap_or_else(|failure| (Some(failure), Vec::new(), 0));
    Outcome { case: case.clone(), failure, marks, simulated_ms, wall_ms: watch.ms() }
}

/// Plays a scenario; that it breaks off is a failure like others.
pub(super) fn attempt(scenario: &Scenario, options: &Options) -> Result<Played, Failure> {
    caught(|| play_with(scenario, options).map_err(|error| Failure::broke_off(&error)))
}

/// A panic is a failure like others.
fn caught<T>(part: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    panic::catch(part)
        .unwrap_or_else(|panic| Err(Failure::new("panic", panic.place, End::BrokeOff, panic.message)))
}

impl Failure {
    /// Why a run did not end as its scenario wants it to, if it did not.
    pub fn of(judgement: &Judgement) -> Option<Self> {
        if judgement.is_as_expected() {
            return None;
        }
        Some(Self::violation(judgement).unwrap_or_else(|| {
            let dark: Vec<&str> = judgement.dark.iter().map(|mark| mark.name()).collect();
            let (kind, message) = match &dark[..] {
                [] => {
                    ("other-verdict", format!("the run was expected to end as {}", word(judgement.expected)))
                }
                dark => ("marks-not-reached", format!("marks were not reached: {}", dark.join(", "))),
            };
            Self::new("expectations", kind.to_owned(), End::Stale, message)
        }))
    }

    /// The first thing that speaks against a run, whatever its scenario expects.
    pub fn violation(judgement: &Judgement) -> Option<Self> {
        let first = judgement.violations.first()?;
        let end = if judgement.verdict == Verdict::Violated { End::Violated } else { End::NotRecovered };
        Some(Self::new(&first.invariant, first.kind.clone(), end, first.message.clone()))
    }

    fn broke_off(error: &PlayError) -> Self {
        Self::new("error", kind_of(error), End::BrokeOff, error.to_string())
    }

    fn new(invariant: &str, kind: String, end: End, message: String) -> Self {
        Self { signature: Signature { invariant: invariant.to_owned(), kind }, end, message }
    }
}

/// What tells errors of runs apart: what broke off, and of a host's software its words.
fn kind_of(error: &PlayError) -> String {
    match error {
        PlayError::Simulation(SimulationError::SetUp(_)) => "set-up".to_owned(),
        PlayError::Simulation(SimulationError::Import(_)) => "import".to_owned(),
        PlayError::Simulation(SimulationError::Host(failed)) => without_numbers(&failed.to_string()),
        PlayError::Evidence(_) => "evidence".to_owned(),
    }
}

/// Numbers differ from run to run.
fn without_numbers(words: &str) -> String {
    words.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_off_is_known_by_its_place() {
        let panic = |index: usize| {
            let words = [""; 2];
            caught(|| Ok(words[index])).unwrap_err()
        };
        let (one, other) = (panic(2), panic(3));
        assert_eq!((one.signature.invariant.as_str(), one.end), ("panic", End::BrokeOff));
        assert!(one.signature.kind.contains("outcome.rs:"), "{one:?}");
        assert_eq!(one.signature, other.signature);
        assert_ne!(one.message, other.message);
        assert_eq!(without_numbers("the length is 12, the index 7"), "the length is , the index ");
    }

    #[test]
    fn cases_survive_being_written_and_read() {
        for text in ["everything:17", "calm:0:some-bug"] {
            assert_eq!(Case::parse(text).map(|case| case.to_string()).as_deref(), Some(text));
        }
        for text in ["everything", "nothing:1", "calm:x", "scenarios/calm:1"] {
            assert_eq!(Case::parse(text), None, "{text}");
        }
    }
}
