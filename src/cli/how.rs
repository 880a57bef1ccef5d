//! How runs are played, for all commands that play many.

use clap::Args;

use crate::{
    matrix::crypto::Scheme,
    simulation::{Fabric, Options},
};

/// How runs are played.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct How {
    /// What carries requests between the servers: direct, or turmoil, which is slower.
    #[arg(long, default_value = Fabric::Direct.name())]
    fabric: Fabric,
    /// The kind of signatures: ed25519, or stand-in, which is faster and as good against simulated liars.
    #[arg(long, value_name = "KIND", default_value = Scheme::default().name())]
    signatures: Scheme,
}

impl How {
    pub(super) fn options(self, seed: u64) -> Options {
        Options { seed, fabric: self.fabric, signatures: self.signatures, ..Options::default() }
    }
}
