//! What people and scripts look at after a run. Reads journals and judgements, changes nothing, prints
//! nothing itself.

pub mod campaign;
pub mod diff;
pub mod explain;
pub mod export;
pub mod html;
pub mod hunt;
pub mod junit;
pub mod linearisation;
pub mod summary;
pub mod terminal;

mod step;
mod text;
mod timeline;

use std::path::Path;

use crate::{
    check::verdict::Judgement,
    journal::{End, Journal, What},
    matrix::crypto::Scheme,
    scenario::{Scenario, Verdict},
    simulation::{Fabric, Options},
};

/// A run, with all that a report says of it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What was played.
    pub scenario: &'a Scenario,
    /// With which seed.
    pub seed: u64,
    /// On which fabric.
    pub fabric: Fabric,
    /// With which signatures.
    pub signatures: Scheme,
    /// What happened.
    pub journal: &'a Journal,
    /// The verdict.
    pub judgement: &'a Judgement,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Real milliseconds.
    pub wall_ms: u64,
    /// The exit code that the run alone would give.
    pub exit_code: u8,
    /// The file that the journal was written to.
    pub journal_file: Option<&'a Path>,
}

impl<'a> Run<'a> {
    /// The command that plays this run again.
    fn replay(&self) -> String {
        let (seed, fabric, signatures) = (self.seed, self.fabric, self.signatures);
        replay_command(self.scenario, &Options { seed, fabric, signatures, ..Options::default() })
    }

    /// The command that explains the first violation that is about an event on a server.
    fn why(&self) -> Option<String> {
        let mut violations = self.judgement.violations.iter();
        let (event, server) =
            violations.find_map(|found| Some((found.event_id.as_ref()?, found.server.as_ref()?)))?;
        let about = format!("{} {}", quoted(event.as_str()), quoted(server));
        Some(match self.journal_file {
            Some(file) => format!("backfire explain {} {about}", quoted(&file.to_string_lossy())),
            None => format!("{} --journal run.ndjson; backfire explain run.ndjson {about}", self.replay()),
        })
    }

    /// How each server stands at the end.
    fn ends(&self) -> impl Iterator<Item = (&'a str, &'a End)> + use<'a> {
        self.journal.records.iter().filter_map(|record| match &record.what {
            What::End(end) => Some((record.server.as_deref()?, end)),
            _ => None,
        })
    }

    fn failed(&self) -> bool {
        !self.judgement.is_as_expected()
    }

    fn holds(&self) -> bool {
        self.judgement.verdict == Verdict::Holds
    }
}

/// The command that plays a scenario in this way.
pub fn replay_command(scenario: &Scenario, options: &Options) -> String {
    let path = scenario.origin.0.to_string_lossy();
    format!("backfire run {} --seed {}{}", quoted(&path), options.seed, how(options))
}

/// The flags of `backfire run` without which it would play in another way.
fn how(options: &Options) -> String {
    let usual = Options::default();
    let mut flags = String::new();
    if options.fabric != usual.fabric {
        flags.push_str(&format!(" --fabric {}", options.fabric.name()));
    }
    if options.signatures != usual.signatures {
        flags.push_str(&format!(" --signatures {}", options.signatures.name()));
    }
    flags
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}
