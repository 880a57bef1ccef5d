//! `backfire replay`: whether regressions are still fixed, a line each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::{
    Failure, exit,
    how::How,
    output,
    run::{self, written},
};
use crate::{
    campaign::replay::{Standing, replay},
    report::{self, junit, terminal},
    scenario::Scenario,
};

/// Play regressions again: still fixed, failing again, or stale.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Scenario files, and folders with them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Write the results as JUnit XML, for CI systems.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the journal and the page of each regression that is not fixed into this folder.
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

/// A regression and how it stands.
#[derive(Serialize)]
struct Replayed {
    scenario: String,
    path: PathBuf,
    standing: &'static str,
    message: String,
    why: String,
    replay: String,
    #[serde(skip)]
    code: u8,
}

impl Replay {
    /// Plays all regressions. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let mut results = Vec::new();
        for path in self.files()? {
            let replayed = self.play(&path)?;
            if !self.json {
                let fixed = replayed.code == exit::HOLDS;
                let what = if fixed { &replayed.why } else { &replayed.message };
                output::print(&terminal::standing(&replayed.scenario, replayed.standing, fixed, what));
            }
            results.push(replayed);
        }
        if self.json {
            output::json(&results);
        } else if let Some(failed) = results.iter().find(|replayed| replayed.code != exit::HOLDS) {
            output::print(&format!("again: {}\n", failed.replay));
        }
        self.write_junit(&results)?;
        Ok(exit::worst(results.iter().map(|replayed| replayed.code)))
    }

    fn play(&self, path: &Path) -> Result<Replayed, Failure> {
        let scenario = Scenario::read(path).map_err(Failure::usage)?;
        let options = self.how.options(scenario.seed);
        let (standing, played) = replay(&scenario, &options);
        if let Some(played) = played.filter(|_| standing != Standing::Fixed) {
            self.write_report(&run::describe(&scenario, options, &played))?;
        }
        let (standing, code, message) = match standing {
            Standing::Fixed => ("still fixed", exit::HOLDS, String::new()),
            Standing::Failing(message) => ("failing again", exit::VIOLATED, message),
            Standing::Stale(message) => ("stale", exit::STALE, message),
            Standing::BrokeOff(message) => ("broke off", exit::OWN_FAULT, message),
        };
        Ok(Replayed {
            scenario: scenario.name().to_owned(),
            path: path.to_owned(),
            standing,
            message,
            why: scenario.why.clone(),
            replay: crate::report::replay_command(&scenario, &options),
            code,
        })
    }

    fn write_report(&self, run: &report::Run<'_>) -> Result<(), Failure> {
        let Some(folder) = &self.reports else { return Ok(()) };
        written(folder, fs::create_dir_all(folder))?;
        run::write_page(&folder.join(format!("{}.html", run.scenario.name())), run)?;
        run::write_journal(&folder.join(format!("{}.ndjson", run.scenario.name())), run)
    }

    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for path in &self.paths {
            let before = files.len();
            find(path, &mut files).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            if files.len() == before {
                return Err(Failure::usage(format!("{}: there are no scenarios here", path.display())));
            }
        }
        Ok(files)
    }

    fn write_junit(&self, results: &[Replayed]) -> Result<(), Failure> {
        let Some(path) = &self.junit else { return Ok(()) };
        let cases: Vec<junit::Case<'_>> = results
            .iter()
            .map(|replayed| junit::Case {
                name: &replayed.scenario,
                failure: (replayed.code != exit::HOLDS)
                    .then(|| (replayed.standing, format!("{}\n{}", replayed.message, replayed.replay))),
            })
            .collect();
        written(path, fs::write(path, junit::write("backfire replay", &cases)))
    }
}

/// The file itself, or all scenarios under a folder in the order of their names.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|kind| kind == "json") {
            find(&entry, files)?;
        }
    }
    Ok(())
}
