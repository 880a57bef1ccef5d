//! Draws from one named stream, in the forms that scenarios are made of.

use rand::{RngExt, rngs::ChaCha8Rng, seq::SliceRandom};

/// A stream of chance.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(stream: ChaCha8Rng) -> Self {
        Self(stream)
    }

    /// A number from `least` to `most`, both possible.
    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.random_range(least..=most.max(least))
    }

    /// The same for counts, which are often small and sometimes large: each power of two is as likely as the
    /// others.
    pub(super) fn skewed(&mut self, least: u64, most: u64) -> u64 {
        let doublings = (most / least.max(1)).max(1).ilog2();
        let most_now = least.max(1) << self.between(0, u64::from(doublings) + 1).min(63);
        self.between(least, most_now.min(most))
    }

    /// Whether something happens that does so in `percent` of all cases.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    /// One of several; there must be one.
    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())].clone()
    }

    /// Some of several, at least `least` and at most `most`, in drawn order.
    pub(super) fn some<T: Clone>(&mut self, choices: &[T], least: usize, most: usize) -> Vec<T> {
        let most = most.min(choices.len());
        let count = self.0.random_range(least.min(most)..=most);
        let mut drawn = choices.to_vec();
        drawn.shuffle(&mut self.0);
        drawn.truncate(count);
        drawn
    }
}
