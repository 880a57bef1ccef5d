//! What is due when: the timeline taken apart into single things to do, in order.

use std::collections::BTreeMap;

use crate::scenario::{Action, Scenario, SendAction};

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Plays a step, for the n-th time if it repeats itself.
    Play {
        /// Its place in the timeline.
        step: usize,
        /// Counted from 0.
        time: u32,
    },
    /// Ends a fault that has a duration.
    End {
        /// Its place in the timeline.
        step: usize,
    },
}

/// All that is to be done, by its time in milliseconds of the timeline; at one time in the order of the
/// steps.
pub(super) fn schedule(scenario: &Scenario) -> BTreeMap<u64, Vec<Due>> {
    let mut schedule: BTreeMap<u64, Vec<Due>> = BTreeMap::new();
    for (step, what) in scenario.timeline.iter().enumerate() {
        let at = what.at.as_millis();
        let (count, every) = match &what.action {
            Action::Send(SendAction::Message(message)) => (message.count, message.every.as_millis()),
            _ => (1, 0),
        };
        for time in 0..count {
            schedule.entry(at + u64::from(time) * every).or_default().push(Due::Play { step, time });
        }
        if let Some(lasting) = what.action.lasting() {
            schedule.entry(at + lasting.as_millis()).or_default().push(Due::End { step });
        }
    }
    schedule
}
