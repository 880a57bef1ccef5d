//! `backfire room state`: the resolved state at one point of the room, or at several.

use clap::Args;
use ruma_common::{EventId, OwnedEventId};
use serde::Serialize;

use super::{Failure, Operand, Source, StateEntry, output, state_entries, unknown};
use crate::room::Room;

/// The state of the room before an event, or resolved over the states after several.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true).args(["before", "after"])))]
pub(super) struct State {
    #[command(flatten)]
    source: Source,

    /// The state before this event, or that before each of several
    #[arg(long, num_args = 1.., value_name = "ID")]
    before: Vec<Operand>,

    /// The state after these events, resolved
    #[arg(long, num_args = 1.., value_name = "ID")]
    after: Vec<Operand>,

    /// Print {"state": [{"type", "state_key", "event_id"}]}; for several --before {"states": [{"event_id",
    /// "state"}]}
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    state: Vec<StateEntry>,
}

#[derive(Serialize)]
struct Answers {
    states: Vec<StateBefore>,
}

#[derive(Serialize)]
struct StateBefore {
    event_id: OwnedEventId,
    state: Vec<StateEntry>,
}

impl State {
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let before = self.source.events_of("--before", self.before)?;
        let after = self.source.events_of("--after", self.after)?;
        let room = self.source.read()?.judge();
        before.iter().try_for_each(|id| must_be_judged(&room, "--before", id))?;
        after.iter().try_for_each(|id| must_be_judged(&room, "--after", id))?;
        let before = before.into_iter().map(|event_id| {
            let state = room.state_before(&event_id).expect("a judged event has a state");
            StateBefore { state: state_entries(&room, state), event_id }
        });
        let mut before: Vec<StateBefore> = before.collect();
        match before.len() {
            0 => {
                let state = room.state_after_all(&after).expect("a judged event has a state");
                print_one(state_entries(&room, &state), self.json);
            }
            1 => print_one(before.remove(0).state, self.json),
            _ if self.json => output::json(&Answers { states: before }),
            _ => {
                let texts = before.iter().map(|at| format!("before {}\n{}", at.event_id, lines(&at.state)));
                output::print(&texts.collect::<Vec<_>>().join("\n"));
            }
        }
        Ok(())
    }
}

fn print_one(state: Vec<StateEntry>, json: bool) {
    if json {
        output::json(&Answer { state });
    } else {
        output::print(&lines(&state));
    }
}

fn must_be_judged(room: &Room, flag: &str, id: &EventId) -> Result<(), Failure> {
    if room.state_before(id).is_some() {
        return Ok(());
    }
    Err(match room.wants(id) {
        None => unknown(flag, id, "the dump has no such event"),
        Some(_) => unknown(
            flag,
            id,
            "its state can't be known, since events below it are not in the dump; give it with --state-at",
        ),
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
