//! What people and scripts look at after a run. Reads journals and judgements, changes nothing, prints nothing itself.

pub mod html;
pub mod summary;
pub mod terminal;

mod timeline;

use crate::{
    check::verdict::Judgement,
    scenario::{Scenario, Verdict},
    simulation::{
        Fabric,
        journal::{End, Journal, What},
    },
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
}

impl<'a> Run<'a> {
    /// The command that plays this run again.
    fn replay(&self) -> String {
        let path = self.scenario.origin.0.to_string_lossy();
        let fabric = match self.fabric {
            fabric if fabric == Fabric::default() => String::new(),
            fabric => format!(" --fabric {}", fabric.name()),
        };
        format!("backfire run {} --seed {}{fabric}", quoted(&path), self.seed)
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

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@".contains(c);
    if !path.is_empty() && path.chars().all(plain) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}
