//! `backfire diff`: where two journals differ for the first time, and what ended differently.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, exit, journal, output};
use crate::report::diff::Diff;

/// Show the first difference of two journals, and what ended differently; exits with 3 if there is any.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The first journal, as `backfire run --journal FILE` writes it.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// The second.
    #[arg(value_name = "B")]
    b: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Compare {
    /// Compares. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let diff = Diff::of(&journal::read(&self.a)?, &journal::read(&self.b)?);
        if self.json {
            output::json(&diff);
        } else {
            let names = [&self.a, &self.b].map(|path| path.display().to_string());
            output::print(&diff.lines([&names[0], &names[1]]));
        }
        Ok(if diff.equal { exit::HOLDS } else { exit::NOT_DETERMINISTIC })
    }
}
