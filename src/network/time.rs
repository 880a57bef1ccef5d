//! The time of a run: milliseconds since its start, whichever fabric makes them pass.

use std::cell::{Cell, OnceCell};

use tokio::{runtime::Handle, time::Instant};

/// Tells the time of a run, to hosts and to those who watch them.
#[derive(Debug, Default)]
pub struct RunTime {
    /// The time when no host runs, on a fabric with ticks.
    between_ticks: Cell<u64>,
    /// A paused clock that jumps from one event to the next, with its first moment.
    virtual_clock: OnceCell<(Handle, Instant)>,
    /// Whether who asks runs on that clock's runtime, and needn't enter it.
    inside: Cell<bool>,
}

impl RunTime {
    /// Milliseconds since the start of the run.
    pub fn now(&self) -> u64 {
        let elapsed = match self.virtual_clock.get() {
            Some((runtime, start)) => {
                let _inside = (!self.inside.get()).then(|| runtime.enter());
                Instant::now() - *start
            }
            None => match turmoil::sim_elapsed() {
                Some(elapsed) => elapsed,
                None => return self.between_ticks.get(),
            },
        };
        u64::try_from(elapsed.as_millis()).expect("runs are shorter than 500 million years")
    }

    pub(super) fn set_between_ticks(&self, now: u64) {
        self.between_ticks.set(now);
    }

    /// Says whether the runtime that is followed runs from here on, until it is said otherwise.
    pub(super) fn set_inside(&self, inside: bool) {
        self.inside.set(inside);
    }

    /// From now on the time is that of a runtime whose clock is paused.
    pub(super) fn follow(&self, runtime: Handle) {
        let start = {
            let _inside = runtime.enter();
            Instant::now()
        };
        let _ = self.virtual_clock.set((runtime, start));
    }
}
