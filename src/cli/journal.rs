//! Journals as arguments of commands.

use std::{fs::File, io::BufReader, path::Path};

use super::Failure;
use crate::journal::Journal;

/// Reads a journal, and says what to do about one that can't be read.
pub(super) fn read(path: &Path) -> Result<Journal, Failure> {
    let failure = |problem: String| {
        let help = "write one with `backfire run SCENARIO --journal FILE`";
        Failure::usage(format!("{}: {problem}; {help}", path.display()))
    };
    let file = File::open(path).map_err(|error| failure(error.to_string()))?;
    Journal::read(BufReader::new(file)).map_err(|error| failure(error.to_string()))
}
