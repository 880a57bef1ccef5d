//! `backfire explain`: why an event is missing, waits, was rejected or soft-failed on a server.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, journal, output};
use crate::report::explain::explain;

/// Tell from a journal why an event is missing, rejected, soft-failed, waiting or present on a server.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The journal of a run, as `backfire run --journal FILE` writes it.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// The event: its id or the beginning of it, with or without `$`, or the label that a step gave it.
    #[arg(value_name = "EVENT")]
    event: String,
    /// The server, by its name in the scenario.
    #[arg(value_name = "SERVER")]
    server: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Explain {
    /// Explains; an answer is always good news, whatever it says.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let journal = journal::read(&self.journal)?;
        let explanation = explain(&journal, &self.event, &self.server)
            .map_err(|error| Failure::usage(format!("{}: {error}", self.journal.display())))?;
        if self.json {
            output::json(&explanation);
        } else {
            output::print(&explanation.lines());
        }
        Ok(())
    }
}
