//! The wall clock, which nothing inside a run may see: it tells people how long they waited, and campaigns
//! when to end.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
#[allow(clippy::disallowed_types, reason = "read before and after a run, never in it")]
pub(super) struct Stopwatch(std::time::Instant);

#[allow(clippy::disallowed_types, reason = "read before and after a run, never in it")]
impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(super) fn ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether so much time is over; without a limit never.
    pub(super) fn is_past(self, limit: Option<Duration>) -> bool {
        limit.is_some_and(|limit| self.0.elapsed() >= limit)
    }
}
