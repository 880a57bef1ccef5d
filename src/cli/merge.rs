//! `backfire merge`: joins what the parts of a campaign wrote.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Failure, explore::conclude};
use crate::{
    campaign::tally::{Header, Tally, read_results},
    simulation::Options,
};

/// Join the results of several parts of a campaign.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// Folders that `explore --out` wrote.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Merge {
    /// Reads all results and sums them up. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let mut tally = Tally::default();
        let mut options: Option<Options> = None;
        for file in self.files()? {
            let options_here = read(&file, &mut tally)
                .map_err(|problem| Failure::usage(format!("{}: {problem}", file.display())))?;
            let first = *options.get_or_insert(options_here);
            if (first.fabric, first.signatures) != (options_here.fabric, options_here.signatures) {
                return Err(Failure::usage(format!(
                    "{}: played on another fabric or with other signatures than the files before it",
                    file.display()
                )));
            }
        }
        let options = options.expect("there is at least one file");
        Ok(conclude(&tally, &options, self.json))
    }

    /// The files of results in all folders, in the order of their names.
    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for folder in &self.folders {
            let wrong =
                |error: &dyn std::fmt::Display| Failure::usage(format!("{}: {error}", folder.display()));
            let before = files.len();
            for entry in fs::read_dir(folder).map_err(|error| wrong(&error))? {
                let path = entry.map_err(|error| wrong(&error))?.path();
                if path.extension().is_some_and(|kind| kind == "ndjson") {
                    files.push(path);
                }
            }
            if files.len() == before {
                return Err(wrong(&"there are no results in this folder"));
            }
        }
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Adds the results of a file. Gives how they were played.
fn read(file: &Path, tally: &mut Tally) -> Result<Options, String> {
    let input = BufReader::new(File::open(file).map_err(|error| error.to_string())?);
    let Header { fabric, signatures, .. } = read_results(input, |outcome| tally.add(&outcome))?;
    Ok(Options { fabric: fabric.parse()?, signatures: signatures.parse()?, ..Options::default() })
}
