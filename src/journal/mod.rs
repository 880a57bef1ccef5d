//! The journal: everything observable that happened in a run, one record after the other. Same run, same
//! bytes.
//!
//! `simulation` writes it; checks, campaigns and reports read it and nothing else. This room may not know how
//! a run is played, nor what is good or bad in it.

mod causes;
pub mod exchange;
pub mod fault;
pub mod names;
mod played;
mod record;

pub use crate::{ports::Cause, room::Against};
pub(crate) use causes::Causes;
pub use played::Played;
pub use record::{Because, DropKind, End, Expectation, JOURNAL_VERSION, Record, Source, Violation, What};

use std::io::{self, BufRead, BufWriter, Write};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The JSON Schema of one record, which is one line of a journal.
pub fn schema() -> Value {
    schemars::schema_for!(Record).to_value()
}

/// All records of a run.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// In order.
    pub records: Vec<Record>,
}

/// A journal that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is not a record.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// It has no first record, or one of a later format.
    #[error("not a journal of format version {JOURNAL_VERSION}: {0}")]
    Version(String),
}

impl Journal {
    /// Writes a record a line.
    ///
    /// # Errors
    ///
    /// When `out` can't be written to.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        // serde_json writes piece by piece; straight into a file that is a fifth of the time of a run.
        let mut out = BufWriter::new(out);
        for record in &self.records {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Reads a record a line.
    ///
    /// # Errors
    ///
    /// When a line is no record, or the first is not of this format.
    pub fn read(input: impl BufRead) -> Result<Self, JournalError> {
        let mut records = Vec::new();
        for (index, line) in input.lines().enumerate() {
            let record: Record = serde_json::from_str(&line?)
                .map_err(|error| JournalError::Line { line: index + 1, problem: problem(&error) })?;
            records.push(record);
        }
        match records.first() {
            Some(Record { what: What::Run { version: JOURNAL_VERSION, .. }, .. }) => Ok(Self { records }),
            Some(Record { what: What::Run { version, .. }, .. }) => {
                Err(JournalError::Version(format!("it is of version {version}")))
            }
            _ => Err(JournalError::Version("the first record does not say which run it is".to_owned())),
        }
    }

    /// The servers by their names in the scenario.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        let servers = match self.records.first().map(|record| &record.what) {
            Some(What::Run { servers, .. }) => &servers[..],
            _ => &[],
        };
        servers.iter().map(|(host, _)| host.as_str())
    }

    /// SHA-256 of what [`write`](Self::write) writes, in hex: equal runs have equal ones.
    pub fn sha256(&self) -> String {
        let mut bytes = Vec::new();
        self.write(&mut bytes).expect("writing to memory does not fail");
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn problem(error: &serde_json::Error) -> String {
    if error.is_eof() {
        "the record breaks off: the file was cut, or the run did not come to its end".to_owned()
    } else {
        error.to_string()
    }
}
