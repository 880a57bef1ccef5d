//! Chance by name: each stream is derived from the seed and its own name, so that a new server or fault
//! leaves all other streams as they were.

use rand::{SeedableRng, rngs::ChaCha8Rng};
use sha2::{Digest, Sha256};

/// All streams of a run.
#[derive(Clone, Copy, Debug)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// 32 bytes that depend on the seed and `name` alone.
    pub fn bytes(&self, name: &str) -> [u8; 32] {
        Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(name).finalize().into()
    }

    /// A generator that depends on the seed and `name` alone.
    pub fn stream(&self, name: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.bytes(name))
    }
}
