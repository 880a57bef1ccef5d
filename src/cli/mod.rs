//! The command line: parse, do, print, exit. Data goes to stdout, everything else to stderr.
//!
//! One file a command. Files and arguments are read here and nowhere below.

pub mod exit;
mod output;
mod room;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A deterministic simulation and fuzzing testbed for Matrix federation.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::help())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
        Command::Room(room) => room.run(),
    };
    match result {
        Ok(()) => ExitCode::from(exit::HOLDS),
        Err(failure) => {
            anstream::eprintln!("backfire: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}
