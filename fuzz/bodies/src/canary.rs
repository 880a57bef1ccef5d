//! A run in which every server has a planted bug. This target must fail, and soon: if it doesn't, the fuzzer
//! finds nothing. CI looks.

use std::fmt;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{
    Body, Reached, Seeds,
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

pub(super) fn seeds() -> Seeds {
    // Nothing is missed in them, so the bug does not show: what is kept must pass.
    let quiet = |(name, _): &(&str, Vec<u8>)| ["nothing", "talk"].contains(name);
    super::simulation::written().into_iter().filter(quiet).collect()
}
