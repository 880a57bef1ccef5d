//! `backfire study`: questions about the protocol that take many runs to answer.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};

use super::{Failure, exit, output, run::written};
use crate::{
    campaign::linearisation::{self, Plan},
    report::linearisation::{csv, page, rows, table},
};

/// `backfire study …`
#[derive(Debug, Args)]
pub(super) struct Study {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the order of `/backfill` and `/get_missing_events` answers costs who recovers (matrix-spec#1512).
    Linearisation(Linearisation),
}

#[derive(Debug, Args)]
struct Linearisation {
    /// How many rooms of each shape.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How many events are missing.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(10..=900))]
    events: u16,
    /// The limit of a page of `/backfill`.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=100))]
    page: u8,
    /// Write a line for each recovery.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a page with charts.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Print the rows of the table as JSON.
    #[arg(long)]
    json: bool,
}

impl Study {
    /// Plays the study. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let What::Linearisation(study) = &self.what;
        study.run()
    }
}

impl Linearisation {
    fn run(&self) -> Result<u8, Failure> {
        let plan = Plan { seeds: self.seeds, events: self.events.into(), page: self.page.into() };
        let mut before = None;
        let recoveries = linearisation::study(&plan, |recovery| {
            let group = (recovery.shape.name(), recovery.road.name());
            if before.replace(group) != Some(group) {
                anstream::eprintln!("{} by {} …", group.0, group.1);
            }
        });
        let recoveries = recoveries.map_err(|error| Failure {
            code: exit::OWN_FAULT,
            message: format!("a recovery failed: {error}"),
        })?;
        let rows = rows(&recoveries);
        if let Some(path) = &self.csv {
            write(path, &csv(&recoveries))?;
        }
        if let Some(path) = &self.report {
            write(path, &page(&rows, &plan, &self.command()))?;
        }
        if self.json {
            output::json(&rows);
        } else {
            output::print(&table(&rows));
        }
        let whole = recoveries.iter().all(|recovery| recovery.whole);
        Ok(if whole { exit::HOLDS } else { exit::NOT_RECOVERED })
    }

    /// The command that gives the same figures.
    fn command(&self) -> String {
        let Self { seeds, events, page, .. } = self;
        format!("backfire study linearisation --seeds {seeds} --events {events} --page {page}")
    }
}

fn write(path: &PathBuf, text: &str) -> Result<(), Failure> {
    written(path, fs::write(path, text))
}
