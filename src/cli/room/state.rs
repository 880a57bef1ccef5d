//! `backfire room state`: the resolved state at one point of the room.

use clap::Args;
use ruma_common::{EventId, OwnedEventId};
use serde::Serialize;

use super::{Failure, Source, StateEntry, output, state_entries, unknown};
use crate::room::Room;

/// The state of the room before an event, or resolved over the states after several.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true).args(["before", "after"])))]
pub(super) struct State {
    #[command(flatten)]
    source: Source,

    /// The state before this event
    #[arg(long, value_name = "ID")]
    before: Option<OwnedEventId>,

    /// The state after these events, resolved
    #[arg(long, num_args = 1.., value_name = "ID")]
    after: Vec<OwnedEventId>,

    /// Print {"state": [{"type", "state_key", "event_id"}]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    state: Vec<StateEntry>,
}

impl State {
    pub(super) fn run(self) -> Result<(), Failure> {
        let room = self.source.read()?.judge();
        let state = match &self.before {
            Some(id) => {
                must_be_judged(&room, "--before", id)?;
                room.state_before(id).cloned()
            }
            None => {
                self.after.iter().try_for_each(|id| must_be_judged(&room, "--after", id))?;
                room.state_after_all(&self.after)
            }
        };
        let state = state_entries(&room, &state.expect("a judged event has a state"));
        if self.json {
            output::json(&Answer { state });
        } else {
            output::print(&lines(&state));
        }
        Ok(())
    }
}

fn must_be_judged(room: &Room, flag: &str, id: &EventId) -> Result<(), Failure> {
    if room.state_before(id).is_some() {
        return Ok(());
    }
    Err(match room.wants(id) {
        None => unknown(flag, id, "the dump has no such event"),
        Some(_) => unknown(flag, id, "its state can't be known, since events below it are not in the dump"),
    })
}

fn lines(state: &[StateEntry]) -> String {
    let width = state.iter().map(|entry| entry.kind.len()).max().unwrap_or(0);
    let line = |entry: &StateEntry| {
        let StateEntry { kind, state_key, event_id } = entry;
        format!("{kind:width$}  {event_id}  {state_key}\n")
    };
    state.iter().map(line).collect()
}
