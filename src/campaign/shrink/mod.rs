//! The smallest scenario that still fails in the same way: the same invariant by the same kind of violation.
//!
//! Works on the JSON of a scenario and not on its types. A part is taken away, a number made smaller; what is
//! then no scenario any more is passed over, since the format's own checks say so; what no longer fails in
//! the same way is undone. So a new kind of step is shrunk without a word about it here. Attempts follow each
//! other in a fixed order: the same scenario shrinks to the same.

mod cut;
mod sentence;

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    outcome::{Failure, attempt},
    stopwatch::Stopwatch,
};
use crate::{
    scenario::{Action, Scenario, SendAction},
    simulation::Options,
};

/// A failure that was shrunk.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The scenario, with a sentence that says what happens, and its seed.
    pub scenario: Scenario,
    /// How it fails.
    pub failure: Failure,
    /// How it stands with its size.
    pub size: Size,
    /// How many scenarios were played.
    pub runs: u64,
}

/// How large a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Servers.
    pub servers: usize,
    /// Steps.
    pub steps: usize,
    /// Messages that its steps send.
    pub messages: u64,
}

impl Size {
    /// The size of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        let messages = scenario.timeline.iter().map(|step| match &step.action {
            Action::Send(SendAction::Message(message)) => u64::from(message.count),
            _ => 0,
        });
        Self { servers: scenario.servers.len(), steps: scenario.timeline.len(), messages: messages.sum() }
    }
}

/// Why there is nothing to shrink.
#[derive(Debug, thiserror::Error)]
#[error("the run holds with this seed: there is nothing to shrink")]
pub struct NothingFails;

/// Shrinks a scenario that fails. `see` gets the size of what fails, and how many scenarios were played.
///
/// # Errors
///
/// [`NothingFails`], when no invariant is violated.
pub fn shrink(
    scenario: &Scenario,
    options: &Options,
    time: Option<Duration>,
    see: impl FnMut(Size, u64),
) -> Result<Shrunk, NothingFails> {
    let failure = failure(scenario, options).ok_or(NothingFails)?;
    let mut shrinker = Shrinker {
        best: document(scenario),
        scenario: scenario.clone(),
        failure,
        options: *options,
        tried: BTreeSet::new(),
        runs: 1,
        watch: Stopwatch::start(),
        time,
        see,
    };
    shrinker.smaller_seed();
    while shrinker.round() {}
    Ok(shrinker.finish(scenario))
}

fn document(scenario: &Scenario) -> Value {
    serde_json::from_str(&scenario.to_json()).expect("scenarios are JSON")
}

/// How a scenario fails, whatever it expects.
fn failure(scenario: &Scenario, options: &Options) -> Option<Failure> {
    match attempt(scenario, options) {
        Ok(played) => Failure::violation(&played.judgement),
        Err(failure) => Some(failure),
    }
}

struct Shrinker<S> {
    /// The smallest document so far that fails in the same way.
    best: Value,
    /// The same as a scenario.
    scenario: Scenario,
    /// How it fails.
    failure: Failure,
    options: Options,
    /// What was tried already, with which result does not matter: it was not smaller then.
    tried: BTreeSet<[u8; 32]>,
    runs: u64,
    watch: Stopwatch,
    time: Option<Duration>,
    see: S,
}

impl<S: FnMut(Size, u64)> Shrinker<S> {
    /// All ways of making it smaller once, the coarse ones first. Whether one of them did.
    fn round(&mut self) -> bool {
        let before = self.best.clone();
        self.fewer_steps();
        self.fewer_servers();
        self.fewer_steps();
        self.smaller_values();
        self.shorter_pauses();
        self.rounder_times();
        self.best != before && !self.watch.is_past(self.time)
    }

    /// Plays a candidate, unless it is what was tried before or no scenario. Takes it if it fails in the same
    /// way.
    fn take(&mut self, candidate: Value) -> bool {
        if self.watch.is_past(self.time) {
            return false;
        }
        let text = candidate.to_string();
        if candidate == self.best || !self.tried.insert(Sha256::digest(&text).into()) {
            return false;
        }
        let name = self.scenario.origin.0.display().to_string();
        let Ok(scenario) = Scenario::parse(&text, &name) else { return false };
        let Some(failure) = self.play(&scenario, &self.options.clone()) else { return false };
        if failure.signature != self.failure.signature {
            return false;
        }
        self.accept(scenario, failure);
        self.best = candidate;
        true
    }

    fn play(&mut self, scenario: &Scenario, options: &Options) -> Option<Failure> {
        self.runs += 1;
        (self.see)(Size::of(&self.scenario), self.runs);
        failure(scenario, options)
    }

    fn accept(&mut self, scenario: Scenario, failure: Failure) {
        self.scenario = scenario;
        self.failure = failure;
    }

    /// The first seeds, since a failure that does not need its seed is easier to understand.
    fn smaller_seed(&mut self) {
        for seed in 0..self.options.seed.min(3) {
            let options = Options { seed, ..self.options };
            let scenario = self.scenario.clone();
            let failure = self.play(&scenario, &options);
            if let Some(failure) = failure.filter(|failure| failure.signature == self.failure.signature) {
                self.failure = failure;
                self.options = options;
                return;
            }
        }
    }

    /// Steps away, in ever smaller pieces.
    fn fewer_steps(&mut self) {
        let mut piece = cut::steps(&self.best).div_ceil(2);
        while piece > 0 {
            let mut from = 0;
            while from < cut::steps(&self.best) {
                if !self.take(cut::without_steps(&self.best, from, piece)) {
                    from += piece;
                }
            }
            piece /= 2;
        }
    }

    /// Servers away, with all that is said of them.
    fn fewer_servers(&mut self) {
        for name in cut::servers(&self.best) {
            self.take(cut::without_server(&self.best, &name));
        }
    }

    /// Each value away, or else smaller.
    fn smaller_values(&mut self) {
        // What lies deeper comes later, so that a path is still there when its turn comes, or is passed over.
        for path in cut::paths(&self.best) {
            if cut::without(&self.best, &path).is_some_and(|candidate| self.take(candidate)) {
                continue;
            }
            let mut smaller = cut::smaller(&self.best, &path);
            while let Some(position) = self.first_taken(smaller) {
                smaller = if position == 0 { Vec::new() } else { cut::smaller(&self.best, &path) };
            }
        }
    }

    /// The position of the first of several candidates that fails in the same way.
    fn first_taken(&mut self, candidates: Vec<Value>) -> Option<usize> {
        candidates.into_iter().position(|candidate| self.take(candidate))
    }

    /// Time between steps away, or half of it.
    fn shorter_pauses(&mut self) {
        for step in 0..cut::steps(&self.best) {
            for part in [1, 2, 4] {
                if cut::earlier(&self.best, step, part).is_some_and(|candidate| self.take(candidate)) {
                    break;
                }
            }
        }
    }

    /// Times of steps as people would write them.
    fn rounder_times(&mut self) {
        for grain in [1_000, 100, 10] {
            if self.take(cut::rounded(&self.best, grain)) {
                return;
            }
        }
    }

    fn finish(mut self, whole: &Scenario) -> Shrunk {
        self.scenario.seed = self.options.seed;
        self.scenario.why = sentence::sentence(&self.scenario, &self.failure, whole);
        Shrunk {
            size: Size::of(&self.scenario),
            scenario: self.scenario,
            failure: self.failure,
            runs: self.runs,
        }
    }
}
