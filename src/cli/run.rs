//! `backfire run`: plays scenarios and says what came of them.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Failure, exit, output};
use crate::{
    campaign::play::{PlayError, Played, play},
    check::verdict::Judgement,
    report::{self, html, summary::Summary, terminal},
    scenario::{Scenario, Verdict},
    simulation::{Fabric, SimulationError},
};

/// Play scenarios and judge what happened.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// Decides everything that is left to chance.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What carries requests between the servers: turmoil, or direct, which is faster.
    #[arg(long, default_value = Fabric::default().name())]
    fabric: Fabric,
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

/// Exit codes, the worst first: the first of them that any scenario gives is the command's.
const WORST_FIRST: [u8; 6] =
    [exit::OWN_FAULT, exit::USAGE, exit::VIOLATED, exit::NOT_RECOVERED, exit::STALE, exit::HOLDS];

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
            match play(scenario, self.seed, self.fabric) {
                Ok(played) => {
                    let run = self.describe(scenario, &played);
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
        let worst = WORST_FIRST.into_iter().find(|code| codes.contains(code));
        Ok(worst.unwrap_or(exit::HOLDS))
    }

    /// All scenarios, or none when there is a mistake in any; each mistake is shown.
    fn read_all(&self) -> Option<Vec<Scenario>> {
        let mut scenarios = Vec::new();
        for path in &self.scenarios {
            match Scenario::read(path) {
                Ok(scenario) => scenarios.push(scenario),
                Err(error) => anstream::eprintln!("{error}"),
            }
        }
        (scenarios.len() == self.scenarios.len()).then_some(scenarios)
    }

    fn describe<'a>(&self, scenario: &'a Scenario, played: &'a Played) -> report::Run<'a> {
        report::Run {
            scenario,
            seed: self.seed,
            fabric: self.fabric,
            journal: &played.journal,
            judgement: &played.judgement,
            simulated_ms: played.simulated_ms,
            wall_ms: played.wall_ms,
            exit_code: code_of(&played.judgement),
        }
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
            let file = File::create(path);
            written(path, file.and_then(|file| run.journal.write(&mut BufWriter::new(file))))?;
        }
        if let Some(path) = &self.report {
            written(path, fs::write(path, html::report(run)))?;
        }
        Ok(())
    }
}

fn written(path: &Path, result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// A run that ends as its scenario expects is good, whatever that is.
fn code_of(judgement: &Judgement) -> u8 {
    match judgement.verdict {
        verdict if verdict == judgement.expected => exit::HOLDS,
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
