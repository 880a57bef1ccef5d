//! What is due when: the timeline taken apart into single deeds, in order.

use std::collections::BTreeMap;

use crate::scenario::{Action, Scenario, SendAction};

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
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

/// All deeds by their time in milliseconds of the timeline; at one time in the order of the steps.
pub(super) fn agenda(scenario: &Scenario) -> BTreeMap<u64, Vec<Deed>> {
    let mut agenda: BTreeMap<u64, Vec<Deed>> = BTreeMap::new();
    for (step, what) in scenario.timeline.iter().enumerate() {
        let at = what.at.as_millis();
        let (count, every) = match &what.action {
            Action::Send(SendAction::Message(message)) => (message.count, message.every.as_millis()),
            _ => (1, 0),
        };
        for time in 0..count {
            agenda.entry(at + u64::from(time) * every).or_default().push(Deed::Play { step, time });
        }
        if let Some(lasting) = what.action.lasting() {
            agenda.entry(at + lasting.as_millis()).or_default().push(Deed::End { step });
        }
    }
    agenda
}
