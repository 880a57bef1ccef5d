//! A run in which every server has a planted bug. This target must fail, and soon: if it doesn't, the fuzzer finds
//! nothing. CI looks.

use std::fmt;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{
    Body, Reached,
    simulation::{Tape, play},
};

/// It shows wherever a server misses an event.
const BUG: &str = "unknown-prev-uses-current-state";

/// A tape of [`simulation`](super::simulation).
pub struct Canary(Tape);

impl<'a> Arbitrary<'a> for Canary {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Tape::arbitrary(u).map(Self)
    }
}

impl Body for Canary {
    fn check(&self) -> Reached {
        play(&self.0.scenario(Some(BUG)))
    }
}

impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.scenario(Some(BUG)).to_json())
    }
}

#[cfg(test)]
pub(super) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    // Nothing is missed in them, so the bug does not show: what is kept must pass.
    let quiet = |(name, _): &(&str, Vec<u8>)| ["nothing", "talk"].contains(name);
    super::simulation::written().into_iter().filter(quiet).collect()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

    use super::*;

    #[test]
    fn a_few_random_tapes_show_the_bug() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut tapes = (0..40).map(|_| (0..80).map(|_| random.random()).collect::<Vec<u8>>());
        assert!(tapes.any(|tape| catch_unwind(|| Canary(Tape(tape)).check()).is_err()));
    }
}
