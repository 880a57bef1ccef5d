//! `backfire generate`: prints the scenario of a profile and a seed.

use clap::Args;

use super::output;
use crate::{campaign::outcome::Case, scenario::generator::Profile};

/// Print the scenario that a profile and a seed give.
#[derive(Debug, Args)]
pub(super) struct Generate {
    /// What it is about: calm, partitions, crashes, liars, membership, large, everything.
    #[arg(long, value_name = "NAME", default_value_t = Profile::default())]
    profile: Profile,
    /// Decides everything that is left to chance.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl Generate {
    pub(super) fn run(&self) {
        let case = Case { seed: self.seed, profile: self.profile, planted: None };
        output::print(&case.scenario().to_json());
    }
}
