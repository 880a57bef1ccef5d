//! `backfire run`: plays scenarios and says what came of them.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Failure, exit, output, source};
use crate::{
    campaign::play::{PlayError, Played, play_with},
    check::verdict::Judgement,
    matrix::crypto::Scheme,
    report::{self, html, summary::Summary, terminal},
    scenario::{Scenario, Verdict},
    simulation::{Fabric, Options, SimulationError},
};

/// Play scenarios and judge what happened.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Scenario files; or PROFILE:SEED, for scenarios that `explore` generates.
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// Decides everything that is left to chance; by default the scenario's own seed, and 0 if it has none.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// What carries requests between the servers: turmoil, or direct, which is faster.
    #[arg(long, default_value = Fabric::default().name())]
    fabric: Fabric,
    /// The kind of signatures: ed25519, or stand-in, which is faster.
    #[arg(long, value_name = "KIND", default_value = Scheme::default().name())]
    signatures: Scheme,
    /// Write everything that happened, one JSON record a line; for one scenario.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Write a page that shows the run in a browser, with all that it needs in one file; for one scenario.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print a summary as JSON; of several scenarios, an array.
    #[arg(long)]
    json: bool,
    /// Show every record of what happened.
    #[arg(long, short)]
    verbose: bool,
}

impl Run {
    /// Plays all scenarios, after reading all of them. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let files = [("--journal", &self.journal), ("--report", &self.report)];
        if let Some((flag, _)) = files.iter().find(|(_, file)| file.is_some() && self.scenarios.len() > 1) {
            let given = self.scenarios.len();
            return Err(Failure::usage(format!("{flag} takes one scenario, and {given} are given")));
        }
        let Some(scenarios) = self.read_all() else { return Ok(exit::USAGE) };
        let mut codes = Vec::new();
        let mut summaries = Vec::new();
        for scenario in &scenarios {
            let options = self.options(scenario);
            match play_with(scenario, &options) {
                Ok(played) => {
                    let journal_file = self.journal.as_deref();
                    let run = report::Run { journal_file, ..describe(scenario, options, &played) };
                    codes.push(run.exit_code);
                    self.write_files(&run)?;
                    if self.json { summaries.push(Summary::of(&run)) } else { self.print(&run) }
                }
                Err(error) => {
                    anstream::eprintln!("backfire: {}: {error}", scenario.origin.0.display());
                    codes.push(code_of_error(&error));
                }
            }
        }
        match &summaries[..] {
            [] => {}
            [only] if scenarios.len() == 1 => output::json(only),
            several => output::json(&several),
        }
        Ok(exit::worst(codes))
    }

    /// All scenarios, or none when there is a mistake in any; each mistake is shown.
    fn read_all(&self) -> Option<Vec<Scenario>> {
        let mut scenarios = Vec::new();
        for path in &self.scenarios {
            match source::scenario(path) {
                Ok(scenario) => scenarios.push(scenario),
                Err(error) => anstream::eprintln!("{error}"),
            }
        }
        (scenarios.len() == self.scenarios.len()).then_some(scenarios)
    }

    fn options(&self, scenario: &Scenario) -> Options {
        let seed = self.seed.unwrap_or(scenario.seed);
        Options { seed, fabric: self.fabric, signatures: self.signatures, ..Options::default() }
    }

    fn print(&self, run: &report::Run<'_>) {
        let is_alone = self.scenarios.len() == 1;
        if is_alone || self.verbose || run.exit_code != exit::HOLDS {
            output::print(&terminal::report(run, self.verbose));
        } else {
            output::print(&terminal::line(run));
        }
    }

    fn write_files(&self, run: &report::Run<'_>) -> Result<(), Failure> {
        if let Some(path) = &self.journal {
            write_journal(path, run)?;
        }
        if let Some(path) = &self.report {
            write_page(path, run)?;
        }
        Ok(())
    }
}

pub(super) fn write_journal(path: &Path, run: &report::Run<'_>) -> Result<(), Failure> {
    written(path, File::create(path).and_then(|mut file| run.journal.write(&mut file)))
}

pub(super) fn write_page(path: &Path, run: &report::Run<'_>) -> Result<(), Failure> {
    written(path, fs::write(path, html::report(run)))
}

pub(super) fn written(path: &Path, result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

pub(super) fn describe<'a>(scenario: &'a Scenario, options: Options, played: &'a Played) -> report::Run<'a> {
    report::Run {
        scenario,
        seed: options.seed,
        fabric: options.fabric,
        signatures: options.signatures,
        journal: &played.journal,
        judgement: &played.judgement,
        simulated_ms: played.simulated_ms,
        wall_ms: played.wall_ms,
        exit_code: code_of(&played.judgement),
        journal_file: None,
    }
}

/// A run that ends as its scenario expects is good, whatever that is.
fn code_of(judgement: &Judgement) -> u8 {
    match judgement.verdict {
        verdict if verdict == judgement.expected && judgement.dark.is_empty() => exit::HOLDS,
        verdict if verdict == judgement.expected => exit::STALE,
        Verdict::Violated => exit::VIOLATED,
        Verdict::NotRecovered => exit::NOT_RECOVERED,
        // What the scenario was kept for does not happen any more.
        Verdict::Holds => exit::STALE,
    }
}

pub(super) fn code_of_error(error: &PlayError) -> u8 {
    match error {
        PlayError::Simulation(SimulationError::SetUp(_) | SimulationError::Import(_)) => exit::USAGE,
        PlayError::Simulation(SimulationError::Host(_)) | PlayError::Evidence(_) => exit::OWN_FAULT,
    }
}
