//! What came of one run of a campaign, in one line: whether it failed, by which signature, and which marks it reached.
//!
//! A run that panics or breaks off is an outcome too, so that one bad run does not end a campaign.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    play::{Played, play_with},
    stopwatch::Stopwatch,
};
use crate::{
    check::verdict::{Judgement, word},
    ports::panic,
    scenario::{
        Mark, Scenario, Verdict,
        generator::{self, Profile},
    },
    simulation::Options,
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

/// What failures are told apart by: the invariant, and the kind of place in which it does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// The invariant's name; `panic` or `error` for a run that broke off.
    pub invariant: String,
    /// The finding without what differs from run to run: names, ids and numbers.
    pub place: String,
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
        write!(f, "{}: {}", self.invariant, self.place)
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
    caught(|| play_with(scenario, options).map_err(|error| Failure::broke_off("error", &error.to_string())))
}

/// A panic is a failure like others.
fn caught<T>(part: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    panic::catch(part).unwrap_or_else(|panic| Err(Failure::broke_off("panic", &panic.message)))
}

impl Failure {
    /// Why a run did not end as its scenario wants it to, if it did not.
    pub fn of(judgement: &Judgement) -> Option<Self> {
        if judgement.is_as_expected() {
            return None;
        }
        Some(Self::violation(judgement).unwrap_or_else(|| {
            let dark: Vec<&str> = judgement.dark.iter().map(|mark| mark.name()).collect();
            let message = match &dark[..] {
                [] => format!("the run was expected to end as {}", word(judgement.expected)),
                dark => format!("marks were not reached: {}", dark.join(", ")),
            };
            Self::new("expectations", End::Stale, message)
        }))
    }

    /// The first thing that speaks against a run, whatever its scenario expects.
    pub fn violation(judgement: &Judgement) -> Option<Self> {
        let first = judgement.violations.first()?;
        let end = if judgement.verdict == Verdict::Violated { End::Violated } else { End::NotRecovered };
        Some(Self::new(&first.invariant, end, first.message.clone()))
    }

    fn broke_off(how: &str, message: &str) -> Self {
        Self::new(how, End::BrokeOff, message.to_owned())
    }

    fn new(invariant: &str, end: End, message: String) -> Self {
        let place = kind_of_place(&message);
        Self { signature: Signature { invariant: invariant.to_owned(), place }, end, message }
    }
}

/// A finding without what differs from run to run. Names of generated servers are a letter, so every word of one
/// letter counts as a name; lists of names shrink to one, and numbers do not decide between one and several.
fn kind_of_place(message: &str) -> String {
    let mut kind: Vec<String> = Vec::new();
    for word in message.split_whitespace() {
        let general = general(word);
        let goes_on = matches!(general.as_str(), "…" | "and");
        if goes_on && kind.last().is_some_and(|last| last == "…") {
            continue;
        }
        kind.push(general);
    }
    kind.join(" ")
}

fn general(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '$' && c != '@');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let is_name = bare.len() == 1 && bare.bytes().all(|b| b.is_ascii_lowercase())
        || bare.strip_prefix('s').is_some_and(is_number);
    if is_name || bare.starts_with('$') || bare.starts_with('@') {
        return "…".to_owned();
    }
    match bare {
        "have" | "has" => return "has".to_owned(),
        "are" | "is" => return "is".to_owned(),
        "were" | "was" => return "was".to_owned(),
        _ => {}
    }
    let is_plural = bare.len() > 3 && bare.ends_with('s');
    let singular = if is_plural { word.replacen(bare, &bare[..bare.len() - 1], 1) } else { word.to_owned() };
    let mut general = String::new();
    for c in singular.chars() {
        match c {
            '0'..='9' if general.ends_with('#') => {}
            '0'..='9' => general.push('#'),
            c => general.push(c),
        }
    }
    general
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_place_has_no_names_ids_and_numbers() {
        #[track_caller]
        fn check(one: &str, other: &str) {
            assert_eq!(kind_of_place(one), kind_of_place(other));
        }
        check("a has not come to rest: 1 event waits", "b has not come to rest: 12 events wait");
        check("send: 1 request, none is allowed", "send: 20 requests, none is allowed");
        check("b lacks $abc, which c and d have", "a lacks $xyz, which e has");
        check("a, b and c differ", "b and d differ");
        check("timeline[3]: `lie-1` was never made", "timeline[12]: `lie-4` was never made");
        assert_ne!(kind_of_place("b lacks $abc"), kind_of_place("b waits for $abc"));
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
