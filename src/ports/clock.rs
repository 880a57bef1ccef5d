//! A server's own clock: the only time that its software knows, and not always the right one.

use std::time::Duration;

use futures_util::future::LocalBoxFuture;

/// A server's own clock, which may be wrong.
pub trait Clock {
    /// Milliseconds since the epoch, as this server believes.
    fn now(&self) -> u64;
    /// Milliseconds since some moment, never put forward or back: for how long something is left alone. The
    /// same as [`now`](Self::now) where nobody puts the clock.
    fn steady(&self) -> u64 {
        self.now()
    }
    /// Waits.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;
}
