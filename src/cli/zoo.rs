//! `backfire zoo`: every planted bug in its scenario, and by what it is caught.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::{Args, builder::PossibleValuesParser};
use serde::Serialize;

use super::{Failure, exit, output, run::code_of_error};
use crate::{
    campaign::zoo::{ZooResult, visit},
    homeserver::planted::{self, Planted},
    journal::Violation,
    scenario::Scenario,
    simulation::Fabric,
};

/// Play every planted bug, with and without it.
#[derive(Debug, Args)]
pub(super) struct Zoo {
    /// The bugs; by default all.
    #[arg(value_name = "ID", hide_possible_values = true,
        value_parser = PossibleValuesParser::new(planted::ALL.iter().map(|planted| planted.id)))]
    bugs: Vec<String>,
    /// Decides everything that is left to chance.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What carries requests between the servers: turmoil or direct.
    #[arg(long, default_value = Fabric::default().name())]
    fabric: Fabric,
    /// The folder with a scenario ID.json for each bug.
    #[arg(long, value_name = "DIR", default_value = "scenarios/zoo")]
    scenarios: PathBuf,
    /// Print what was found as JSON, an array.
    #[arg(long)]
    json: bool,
}

/// One bug as `--json` prints it. Fields may be added, never renamed.
#[derive(Serialize)]
struct Row<'a> {
    bug: &'a str,
    source: &'a str,
    year: &'a str,
    does: &'a str,
    expected: &'a str,
    ok: bool,
    problem: Option<String>,
    caught_by: Option<&'a str>,
    caught_at_ms: Option<i64>,
    also: Vec<&'a str>,
    violations: &'a [Violation],
    violations_without_the_bug: &'a [Violation],
}

impl Zoo {
    /// Visits all bugs. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let asked_for =
            |planted: &&Planted| self.bugs.is_empty() || self.bugs.iter().any(|id| id == planted.id);
        let mut exhibits = Vec::new();
        for planted in planted::ALL.iter().filter(asked_for) {
            let path = self.scenarios.join(planted.id).with_extension("json");
            let scenario = Scenario::read(&path).map_err(Failure::usage)?;
            let result = visit(planted, &scenario, self.seed, self.fabric).map_err(|error| Failure {
                code: code_of_error(&error),
                message: format!("{}: {error}", path.display()),
            })?;
            if !self.json {
                output::print(&line(&result));
            }
            exhibits.push(result);
        }
        let missed = exhibits.iter().filter(|result| result.problem().is_some()).count();
        if self.json {
            output::json(&exhibits.iter().map(row).collect::<Vec<_>>());
        } else {
            output::print(&format!("\n{} of {} caught\n", exhibits.len() - missed, exhibits.len()));
        }
        Ok(if missed == 0 { exit::HOLDS } else { exit::VIOLATED })
    }
}

fn row(result: &ZooResult) -> Row<'_> {
    let violated = result.violated();
    let planted = result.planted;
    Row {
        bug: planted.id,
        source: planted.source,
        year: planted.year,
        does: planted.does,
        expected: planted.caught_by,
        ok: result.problem().is_none(),
        problem: result.problem(),
        caught_by: violated.iter().copied().find(|name| *name == planted.caught_by),
        caught_at_ms: result.caught_at,
        also: violated.into_iter().filter(|name| *name != planted.caught_by).collect(),
        violations: &result.violations,
        violations_without_the_bug: &result.without,
    }
}

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The most characters of what went wrong that are shown; `--json` has the whole.
const PROBLEM_SHOWN: usize = 300;

/// Bug, by what and when it was caught, what else followed; below it where it comes from, or what went wrong.
fn line(result: &ZooResult) -> String {
    let planted = result.planted;
    let (mark, style) = if result.problem().is_none() { ("✓", GOOD) } else { ("✗", BAD) };
    let (by, others): (Vec<&str>, Vec<&str>) =
        result.violated().into_iter().partition(|name| *name == planted.caught_by);
    let by = by.first().copied().unwrap_or("-");
    let when = match result.caught_at {
        None => String::new(),
        Some(..0) => "in the set-up".to_owned(),
        Some(ms) => format!("after {:.1} s", ms as f64 / 1000.0),
    };
    let also = if others.is_empty() { String::new() } else { format!("also {}", others.join(", ")) };
    let source = format!("{}, {}", planted.source, planted.year);
    let head = format!("{style}{mark}{style:#} {BOLD}{:<34}{BOLD:#} {by:<18} {when:<14} ", planted.id);
    let below = result.problem().map_or_else(String::new, |problem| {
        let problem: String = problem.chars().take(PROBLEM_SHOWN).collect();
        format!("  {BAD}{problem}{BAD:#}\n")
    });
    format!("{head}{DIM}{also}{DIM:#}\n  {DIM}{source}{DIM:#}\n{below}")
}
