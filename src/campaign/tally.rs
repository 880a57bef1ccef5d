//! What many runs came to: how many failed and by which signatures, which marks were reached, first by which
//! seed.
//!
//! A tally doesn't depend on the order in which outcomes are added, so shards can be joined.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
};

use serde::{Deserialize, Serialize};

use super::outcome::{Case, End, Failure, Outcome, Signature};
use crate::scenario::Mark;

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many runs.
    pub runs: u64,
    /// How many of them failed.
    pub failed: u64,
    /// Simulated time of all runs, in milliseconds.
    pub simulated_ms: u64,
    /// Real time of all runs, in milliseconds, as if there were one thread.
    pub wall_ms: u64,
    /// The marks that were reached.
    pub marks: BTreeMap<Mark, Reached>,
    /// The failures by signature.
    pub failures: BTreeMap<Signature, Failed>,
}

/// How often a mark was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// In how many runs.
    pub runs: u64,
    /// In which first: the smallest seed.
    pub first: Case,
}

/// How often a failure was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// In how many runs.
    pub runs: u64,
    /// In which first: the smallest seed.
    pub first: Case,
    /// What it said there.
    pub message: String,
    /// How that run ended.
    pub end: End,
}

impl Tally {
    /// Counts an outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.simulated_ms += outcome.simulated_ms;
        self.wall_ms += outcome.wall_ms;
        for mark in &outcome.marks {
            let first = || Reached { runs: 0, first: outcome.case.clone() };
            let reached = self.marks.entry(*mark).or_insert_with(first);
            reached.runs += 1;
            reached.first = reached.first.clone().min(outcome.case.clone());
        }
        if let Some(failure) = &outcome.failure {
            self.failed += 1;
            self.add_failure(&outcome.case, failure);
        }
    }

    fn add_failure(&mut self, case: &Case, failure: &Failure) {
        let seen =
            || Failed { runs: 0, first: case.clone(), message: failure.message.clone(), end: failure.end };
        let failed = self.failures.entry(failure.signature.clone()).or_insert_with(seen);
        failed.runs += 1;
        if *case < failed.first {
            *failed = Failed { runs: failed.runs, ..seen() };
        }
    }

    /// Whether a failure like this was not seen before.
    pub fn is_new(&self, signature: &Signature) -> bool {
        !self.failures.contains_key(signature)
    }

    /// The first failure of all: that of the smallest seed.
    pub fn first_failure(&self) -> Option<&Failed> {
        self.failures.values().min_by_key(|failed| &failed.first)
    }

    /// The marks that no run has reached.
    pub fn dark(&self) -> impl Iterator<Item = Mark> + '_ {
        Mark::ALL.iter().copied().filter(|mark| !self.marks.contains_key(mark))
    }

    /// How many runs failed for each invariant, in the order of names.
    pub fn by_invariant(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for (signature, failed) in &self.failures {
            *counts.entry(signature.invariant.as_str()).or_default() += failed.runs;
        }
        counts
    }
}

/// What the results of a campaign begin with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of Backfire.
    pub backfire: String,
    /// What carried the requests.
    pub fabric: String,
    /// The kind of signatures.
    pub signatures: String,
    /// All seeds of the campaign, over all shards.
    pub seeds: String,
    /// Which part of them these are.
    pub shard: String,
}

/// One line of a file of results.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    Campaign(Header),
    Run(Outcome),
}

/// Writes the first line.
///
/// # Errors
///
/// When `out` can't be written to.
pub fn write_header(out: &mut impl Write, header: Header) -> io::Result<()> {
    write_line(out, &Line::Campaign(header))
}

/// Writes the line of a run.
///
/// # Errors
///
/// When `out` can't be written to.
pub fn write_outcome(out: &mut impl Write, outcome: Outcome) -> io::Result<()> {
    write_line(out, &Line::Run(outcome))
}

fn write_line(out: &mut impl Write, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// Reads a file of results: its first line, and then each outcome in turn.
///
/// # Errors
///
/// The line, from 1, and what is wrong with it. A last line that was not written to its end counts as not
/// written: that is how a machine that was stopped leaves its results.
pub fn read_results(input: impl BufRead, mut see: impl FnMut(Outcome)) -> Result<Header, String> {
    let mut header = None;
    let mut lines = input.lines().enumerate().peekable();
    while let Some((nth, text)) = lines.next() {
        let place = |problem: &dyn std::fmt::Display| format!("line {}: {problem}", nth + 1);
        let text = text.map_err(|error| place(&error))?;
        match (serde_json::from_str(&text), &header) {
            (Ok(Line::Campaign(first)), None) => header = Some(first),
            (Ok(Line::Run(outcome)), Some(_)) => see(outcome),
            (Err(_), Some(_)) if lines.peek().is_none() => {}
            (Err(error), _) => return Err(place(&error)),
            (Ok(_), _) => return Err(place(&"the first line, and no other, says which campaign it is")),
        }
    }
    header.ok_or_else(|| "the file is empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::generator::Profile;

    fn outcome(seed: u64, failure: Option<&str>) -> Outcome {
        let failure = failure.map(|kind| Failure {
            signature: Signature { invariant: "same-events".to_owned(), kind: kind.to_owned() },
            end: End::Violated,
            message: format!("seed {seed}"),
        });
        let case = Case { seed, profile: Profile::Calm, planted: None };
        Outcome { case, failure, marks: vec![Mark::GapOpened], simulated_ms: 1, wall_ms: 1 }
    }

    #[test]
    fn the_order_of_outcomes_does_not_matter() {
        let outcomes =
            [outcome(3, Some("x")), outcome(1, None), outcome(2, Some("x")), outcome(5, Some("y"))];
        let tally = |outcomes: Vec<&Outcome>| {
            let mut tally = Tally::default();
            outcomes.into_iter().for_each(|outcome| tally.add(outcome));
            format!("{tally:?}")
        };
        assert_eq!(tally(outcomes.iter().collect()), tally(outcomes.iter().rev().collect()));
        let mut all = Tally::default();
        outcomes.iter().for_each(|outcome| all.add(outcome));
        assert_eq!((all.runs, all.failed), (4, 3));
        assert_eq!(all.first_failure().map(|failed| failed.message.as_str()), Some("seed 2"));
        assert_eq!(all.marks[&Mark::GapOpened].first.seed, 1);
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let header = Header {
            backfire: "0".to_owned(),
            fabric: "f".to_owned(),
            signatures: "s".to_owned(),
            seeds: "0..2".to_owned(),
            shard: "1/1".to_owned(),
        };
        let mut file = Vec::new();
        write_header(&mut file, header.clone()).unwrap();
        write_outcome(&mut file, outcome(0, None)).unwrap();
        write_outcome(&mut file, outcome(1, Some("x"))).unwrap();
        let read = |file: &[u8]| {
            let mut seeds = Vec::new();
            read_results(file, |outcome| seeds.push(outcome.case.seed)).map(|header| (header, seeds))
        };
        assert_eq!(read(&file), Ok((header.clone(), vec![0, 1])));
        assert_eq!(read(&file[..file.len() - 9]), Ok((header, vec![0])));
        assert!(read(&file[20..]).unwrap_err().starts_with("line 1: "));
        let earlier = String::from_utf8(file.clone()).unwrap().replace("\"kind\"", "\"place\"");
        assert_eq!(read(earlier.as_bytes()), read(&file), "of a version that had no kinds");
        assert_eq!(read(b""), Err("the file is empty".to_owned()));
    }
}
