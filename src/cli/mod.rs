//! The command line: parse, do, print, exit. Data goes to stdout, everything else to stderr.
//!
//! One file a command. Files and arguments are read here and nowhere below.

mod diff;
pub mod exit;
mod explain;
mod explore;
mod export;
mod generate;
mod how;
mod journal;
mod merge;
mod output;
mod replay;
mod room;
mod run;
mod schema;
mod shard;
mod shrink;
mod source;
mod study;
mod zoo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A test runs these one after the other.
const EXAMPLES: &str = "\
Examples:
  backfire run scenarios/zoo/missing-event-livelock.json --journal run.ndjson --report run.html
  backfire explain run.ndjson kept-back b
  backfire run scenarios/partition-heal.json --seed 7 --journal other.ndjson
  backfire diff run.ndjson other.ndjson
  backfire zoo event-fetch-storm
  backfire explore --profile partitions --seeds 0..20 --out found";

/// A deterministic simulation and fuzzing testbed for Matrix federation.
#[derive(Debug, Parser)]
#[command(version, after_help = format!("{EXAMPLES}\n\n{}", exit::help()))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play scenarios and judge what happened.
    Run(run::Run),
    /// Play many generated scenarios.
    Explore(explore::Explore),
    /// Print the scenario that a profile and a seed give.
    Generate(generate::Generate),
    /// Make a failing scenario smaller, as long as it fails in the same way.
    Shrink(shrink::Shrink),
    /// Play regressions again: still fixed, failing again, or stale.
    Replay(replay::Replay),
    /// Join the results of several parts of a campaign.
    Merge(merge::Merge),
    /// Play every planted bug, with and without it, and say by what it is caught.
    Zoo(zoo::Zoo),
    Explain(explain::Explain),
    Diff(diff::Compare),
    /// Give the room, the keys or the timeline of a run to the tools of others.
    Export(export::Export),
    /// Play many runs to answer a question about the protocol.
    Study(study::Study),
    Schema(schema::Schema),
    /// Judge a room dump event by event, and ask what a server that holds it would answer.
    Room(room::Room),
}

/// Why a command did not get to its result.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// An input that can't be used.
    fn usage(message: impl ToString) -> Self {
        Self { code: exit::USAGE, message: message.to_string() }
    }
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(run) => run.run(),
        Command::Explore(explore) => explore.run(),
        Command::Generate(generate) => {
            generate.run();
            Ok(exit::HOLDS)
        }
        Command::Shrink(shrink) => shrink.run(),
        Command::Replay(replay) => replay.run(),
        Command::Merge(merge) => merge.run(),
        Command::Zoo(zoo) => zoo.run(),
        Command::Explain(explain) => explain.run().map(|()| exit::HOLDS),
        Command::Diff(diff) => diff.run(),
        Command::Export(export) => export.run().map(|()| exit::HOLDS),
        Command::Study(study) => study.run(),
        Command::Schema(schema) => {
            schema.run();
            Ok(exit::HOLDS)
        }
        Command::Room(room) => room.run(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            // Mistakes in scenarios say so themselves, as a compiler does.
            let own = if failure.message.starts_with("error: ") { "" } else { "backfire: " };
            anstream::eprintln!("{own}{}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// What is said after a panic: no input may cause one, so it is Backfire's own fault.
pub fn own_fault() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    anstream::eprintln!(
        "\nbackfire: this is a fault of Backfire's own. Please report the message above, the scenario, the seed\n\
         (0 unless the command says otherwise) and the command:\n  backfire {}",
        arguments.join(" ")
    );
    ExitCode::from(exit::OWN_FAULT)
}
