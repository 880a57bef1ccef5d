//! `backfire room`: a dump of a real room, judged and walked as by a server that holds it.

mod backfill;
mod check;
mod missing_events;
mod reid;
mod report;
mod source;
mod state;

use std::fmt::Display;

use clap::{Args, Subcommand};
use ruma_common::{EventId, OwnedEventId};
use serde::Serialize;

use super::{Failure, exit, output};
use crate::room::{
    Room as JudgedRoom,
    graph::{EventGraph, EventIdx, Standing},
    state::StateMap,
};
use source::{Operand, Source};

/// `backfire room …`
#[derive(Debug, Args)]
pub(super) struct Room {
    #[command(subcommand)]
    command: RoomCommand,
}

#[derive(Debug, Subcommand)]
enum RoomCommand {
    Check(check::Check),
    Backfill(backfill::Backfill),
    MissingEvents(missing_events::MissingEvents),
    State(state::State),
    Reid(reid::Reid),
}

impl Room {
    pub(super) fn run(self) -> Result<u8, Failure> {
        match self.command {
            RoomCommand::Check(command) => return command.run(),
            RoomCommand::Backfill(command) => command.run(),
            RoomCommand::MissingEvents(command) => command.run(),
            RoomCommand::State(command) => command.run(),
            RoomCommand::Reid(command) => command.run(),
        }
        .map(|()| exit::HOLDS)
    }
}

/// A list of event ids, as an answer of a server.
#[derive(Serialize)]
struct EventIds {
    event_ids: Vec<OwnedEventId>,
}

impl EventIds {
    fn print(&self, json: bool) {
        if json {
            output::json(self);
        } else {
            output::print(&self.event_ids.iter().map(|id| format!("{id}\n")).collect::<String>());
        }
    }
}

/// One line of a state.
#[derive(Debug, Serialize)]
struct StateEntry {
    #[serde(rename = "type")]
    kind: String,
    state_key: String,
    event_id: OwnedEventId,
}

fn state_entries(room: &JudgedRoom, state: &StateMap) -> Vec<StateEntry> {
    let list = room.list_state(state).into_iter();
    list.map(|(kind, key, id)| StateEntry {
        kind: kind.to_string(),
        state_key: key.to_owned(),
        event_id: id.to_owned(),
    })
    .collect()
}

/// Everything that the walks may tread on: a server that holds a dump with a gap has got the state above it
/// from others, so what waits for that state here is history to it.
fn graph_to_walk(room: &JudgedRoom) -> EventGraph {
    let mut graph = room.graph().clone();
    for pdu in room.waiting() {
        let prev_events = pdu.prev_events().iter().map(|id| &**id);
        graph.insert(pdu.event_id(), pdu.depth(), prev_events, Standing::Accepted);
    }
    graph
}

fn indexes(graph: &EventGraph, flag: &str, ids: &[OwnedEventId]) -> Result<Vec<EventIdx>, Failure> {
    let known =
        |id: &OwnedEventId| graph.get(id).ok_or_else(|| unknown(flag, id, "the dump has no such event"));
    ids.iter().map(known).collect()
}

fn unknown(flag: &str, id: &EventId, why: impl Display) -> Failure {
    Failure::usage(format!("{flag} {id}: {why}; `backfire room check` lists what became of each event"))
}
