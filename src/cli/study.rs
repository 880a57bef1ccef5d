//! `backfire study`: questions about the protocol, and about Backfire itself, that take many runs to answer.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand, builder::PossibleValuesParser};

use super::{Failure, exit, how::How, output, run::written};
use crate::{
    campaign::{
        hunt::Hunt,
        linearisation::{self, Plan},
    },
    homeserver::planted,
    report::{
        hunt,
        linearisation::{csv, page, rows, table},
    },
    scenario::generator::Profile,
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
    /// How many generated scenarios it takes until each planted bug is noticed.
    Bugs(Bugs),
}

#[derive(Debug, Args)]
struct Bugs {
    /// The bugs; by default all.
    #[arg(value_name = "ID", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(planted::ALL.iter().map(|planted| planted.id)))]
    bugs: Vec<String>,
    /// What the scenarios are about.
    #[arg(long, value_name = "NAME", default_value_t = Profile::default())]
    profile: Profile,
    /// From how many starting seeds each is hunted.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    starts: u64,
    /// The most seeds that are tried from each.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    most: u64,
    #[command(flatten)]
    how: How,
    /// Print what was found as JSON, an array.
    #[arg(long)]
    json: bool,
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
        match &self.what {
            What::Linearisation(study) => study.run(),
            What::Bugs(study) => Ok(study.run()),
        }
    }
}

impl Bugs {
    /// A bug that is not noticed is no failure: that is what is measured.
    fn run(&self) -> u8 {
        let (profile, starts, most, how) = (self.profile, self.starts, self.most, self.how);
        let hunt = Hunt { profile, starts, most, options: how.options(0) };
        let asked_for = |id: &str| self.bugs.is_empty() || self.bugs.iter().any(|bug| bug == id);
        let mut hunted = Vec::new();
        for planted in planted::ALL.iter().filter(|planted| asked_for(planted.id)) {
            let found = hunt.bug(planted);
            let seeds =
                found.median.map_or_else(|| "not noticed".to_owned(), |seeds| format!("{seeds} seeds"));
            anstream::eprintln!("{}: {seeds}", planted.id);
            hunted.push(found);
        }
        if self.json {
            output::json(&hunted);
        } else {
            output::print(&hunt::table(&hunted, &hunt));
        }
        exit::HOLDS
    }
}

impl Linearisation {
    fn run(&self) -> Result<u8, Failure> {
        let plan = Plan { seeds: self.seeds, events: self.events.into(), page: self.page.into() };
        let mut before = None;
        let recoveries = linearisation::study(&plan, |recovery| {
            let group = (recovery.shape.name(), recovery.way.name());
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
