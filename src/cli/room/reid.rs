//! `backfire room reid`: a proper room of events with invented ids.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::Serialize;

use super::{
    Failure, output,
    source::{Input, read},
};
use crate::{matrix::version::RoomVersion, room::dump::reid};

/// Make a proper room of events with invented or no ids, hashes and signatures, such as the fixtures of a
/// test.
///
/// Events cite each other by whatever ids they have. They are put in order, cite the new ids, and are hashed
/// and signed with made-up keys. What is missing is worked out: prev_events (the event before it in the
/// file), auth_events (by the state before the event), depth, origin_server_ts and room_id. Ids that a
/// content names become the new ones. The same events always make the same room.
#[derive(Debug, Args)]
pub(super) struct Reid {
    /// The events, in any form that a dump may have; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The version of the room that is made
    #[arg(long, value_name = "N")]
    room_version: RoomVersion,

    /// Where to write the room; its keys go beside it, with `.keys.json` in the place of the ending
    #[arg(long, value_name = "ROOM.ndjson")]
    out: PathBuf,

    /// Print {"room_id", "events", "ids": {old: new}} instead of a line for each event that had an id
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made {
    room_id: OwnedRoomId,
    events: usize,
    ids: BTreeMap<String, OwnedEventId>,
}

impl Reid {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Input { name, text } = read(&self.file)?;
        let room = reid::reid(&name, &text, self.room_version).map_err(Failure::usage)?;
        write(&self.out, &room.dump())?;
        write(&self.out.with_extension("keys.json"), &room.keys())?;
        if self.json {
            let events = room.pdus.len();
            output::json(&Made { room_id: room.room_id, events, ids: room.ids.into_iter().collect() });
        } else {
            output::print(&room.ids.iter().map(|(old, new)| format!("{old}  {new}\n")).collect::<String>());
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
