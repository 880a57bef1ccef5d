//! What a campaign came to, for people and for scripts. Nothing in it depends on the machine but how long it
//! took.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::{
    campaign::{
        outcome::{Case, End},
        tally::{Reached, Tally},
    },
    report::{
        how,
        text::{WIDTH, wrap},
    },
    scenario::Mark,
    simulation::Options,
};

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();

/// What `explore --json` and `merge --json` print. Fields may be added, never renamed.
#[derive(Debug, Serialize)]
pub struct CampaignSummary {
    fabric: &'static str,
    signatures: &'static str,
    runs: u64,
    failed: u64,
    simulated_ms: u64,
    wall_ms: u64,
    failures: Vec<FailureSummary>,
    marks: Vec<MarkSummary>,
    dark: Vec<Mark>,
    replay: Option<String>,
}

#[derive(Debug, Serialize)]
struct FailureSummary {
    invariant: String,
    kind: String,
    /// The same, by the name that it had first.
    place: String,
    end: End,
    runs: u64,
    first: String,
    message: String,
    replay: String,
}

#[derive(Debug, Serialize)]
struct MarkSummary {
    mark: Mark,
    runs: u64,
    first: String,
}

/// The command that plays a case again.
fn replay(case: &Case, options: &Options) -> String {
    format!("backfire run {case}{}", how(options))
}

impl CampaignSummary {
    /// Sums up a campaign that was played with these options.
    pub fn of(tally: &Tally, options: &Options) -> Self {
        let failures = tally.failures.iter().map(|(signature, failed)| FailureSummary {
            invariant: signature.invariant.clone(),
            kind: signature.kind.clone(),
            place: signature.kind.clone(),
            end: failed.end,
            runs: failed.runs,
            first: failed.first.to_string(),
            message: failed.message.clone(),
            replay: replay(&failed.first, options),
        });
        let mark = |(mark, reached): (&Mark, &Reached)| MarkSummary {
            mark: *mark,
            runs: reached.runs,
            first: reached.first.to_string(),
        };
        Self {
            fabric: options.fabric.name(),
            signatures: options.signatures.name(),
            runs: tally.runs,
            failed: tally.failed,
            simulated_ms: tally.simulated_ms,
            wall_ms: tally.wall_ms,
            failures: failures.collect(),
            marks: tally.marks.iter().map(mark).collect(),
            dark: tally.dark().collect(),
            replay: tally.first_failure().map(|failed| replay(&failed.first, options)),
        }
    }
}

/// The same for people. The last line says how to play the first failure again.
pub fn report(tally: &Tally, options: &Options) -> String {
    let mut out = marks(tally);
    out.push_str(&failures(tally));
    let style = if tally.failed > 0 { BAD } else { GOOD };
    let verdict = match tally.failed {
        0 => "all hold".to_owned(),
        failed => format!("{failed} failed"),
    };
    let seconds = |ms: u64| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100);
    let _ = writeln!(
        out,
        "{style}{} runs, {verdict}{style:#}  {DIM}{} · {} signatures · {} simulated in {} of one processor{DIM:#}",
        tally.runs,
        options.fabric.name(),
        options.signatures.name(),
        seconds(tally.simulated_ms),
        seconds(tally.wall_ms),
    );
    if let Some(first) = tally.first_failure() {
        let _ = writeln!(out, "{DIM}again:{DIM:#} {}", replay(&first.first, options));
    }
    out
}

fn marks(tally: &Tally) -> String {
    let mut out = format!("{DIM}marks{:27}runs  first reached by{DIM:#}\n", "");
    let mut reached: Vec<(&Mark, &Reached)> = tally.marks.iter().collect();
    reached.sort_by_key(|(mark, reached)| (std::cmp::Reverse(reached.runs), **mark));
    for (mark, reached) in reached {
        let _ = writeln!(out, "{:<29}{:>7}  {DIM}{}{DIM:#}", mark.name(), reached.runs, reached.first);
    }
    let dark: Vec<&str> = tally.dark().map(Mark::name).collect();
    let all = Mark::ALL.len();
    let _ = writeln!(out, "{} of {all} marks reached", tally.marks.len());
    if !dark.is_empty() {
        for line in wrap(&format!("not reached: {}", dark.join(", ")), WIDTH) {
            let _ = writeln!(out, "{DIM}{line}{DIM:#}");
        }
    }
    out.push('\n');
    out
}

fn failures(tally: &Tally) -> String {
    let mut out = String::new();
    let mut failures: Vec<_> = tally.failures.iter().collect();
    failures.sort_by_key(|(signature, failed)| (std::cmp::Reverse(failed.runs), *signature));
    for (signature, failed) in failures {
        let message: String = failed.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(
            out,
            "{BAD}✗ {}{BAD:#} {}  {} runs, first {BOLD}{}{BOLD:#}\n    {message}",
            signature.invariant, signature.kind, failed.runs, failed.first
        );
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}
