//! `backfire export`: the room, the keys or the trace of a run, for the tools of others.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Failure, journal, output, run::written};
use crate::report::export::{room, trace};

/// `backfire export …`
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The room: one event a line in federation format, with `event_id` added, for `backfire room`, as a room
    /// to import in scenarios, for TARDIS and `jq`.
    Room {
        #[command(flatten)]
        files: Files,
        /// Only what this server holds at the end, in the order in which it got it [default: all that any
        /// server stored]
        #[arg(long, value_name = "NAME")]
        server: Option<String>,
    },
    /// The public keys that the events are signed with, for `backfire room --keys` and for scenarios.
    Keys {
        #[command(flatten)]
        files: Files,
    },
    /// The run on a timeline, for <https://ui.perfetto.dev> and chrome://tracing.
    Trace {
        #[command(flatten)]
        files: Files,
    },
}

#[derive(Debug, Args)]
struct Files {
    /// The journal of a run, as `backfire run --journal FILE` writes it.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Where to write [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match &self.what {
            What::Room { files, server } => {
                let journal = journal::read(&files.journal)?;
                let lines = room::lines(&journal, server.as_deref())
                    .map_err(|error| Failure::usage(format!("{}: {error}", files.journal.display())))?;
                files.write(&lines)
            }
            What::Keys { files } => files.write_json(&room::keys(&journal::read(&files.journal)?)),
            What::Trace { files } => files.write_json(&trace::trace(&journal::read(&files.journal)?)),
        }
    }
}

impl Files {
    fn write(&self, text: &str) -> Result<(), Failure> {
        let Some(path) = &self.out else {
            output::print(text);
            return Ok(());
        };
        written(path, fs::write(path, text))
    }

    fn write_json(&self, value: &Value) -> Result<(), Failure> {
        self.write(&format!("{value}\n"))
    }
}
