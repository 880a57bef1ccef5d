//! `backfire schema`: the formats, for editors, generators and readers of journals.

use clap::Args;

use super::output;
use crate::{journal, scenario};

/// Print the scenario format's JSON Schema.
#[derive(Debug, Args)]
pub(super) struct Schema {
    /// Print that of a journal's records instead.
    #[arg(long)]
    journal: bool,
}

impl Schema {
    pub(super) fn run(&self) {
        output::json(&if self.journal { journal::schema() } else { scenario::schema() });
    }
}
