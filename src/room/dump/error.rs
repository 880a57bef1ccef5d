//! Why a file can't be read at all; every message names the file, the place, and what to do.

use ruma_common::OwnedServerName;

use super::Place;

/// What is wrong with the files of a dump.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// The text is no JSON, or not as a whole.
    #[error(
        "{place}: not JSON: {problem}; a dump is events as JSON in federation format: one a line, an array, the \
         answer of a server, or rows of Synapse's table `event_json`"
    )]
    Json {
        /// Where.
        place: Place,
        /// What the parser says.
        problem: String,
    },
    /// JSON that has no events in it.
    #[error("{place}: {what}")]
    NoEvent {
        /// Where.
        place: Place,
        /// What it is, and what to do.
        what: String,
    },
    /// Events as clients get them.
    #[error(
        "{place}: these are events in client format, without `hashes`, `prev_events` and `auth_events`: what the \
         client API and the admin API give; take them from the table `event_json` of the server's database \
         (docs/import.md) or from its federation API, such as \
         `GET /_matrix/federation/v1/state/ROOM?event_id=EVENT`"
    )]
    ClientFormat {
        /// The first of them.
        place: Place,
    },
    /// The create event is not there.
    #[error(
        "{files}: no `m.room.create` event with an empty `state_key`, so the room version is not known; \
         add a file that has the create event, such as the answer to `/event_auth` or `/state`"
    )]
    NoCreate {
        /// The files.
        files: String,
    },
    /// The room version is none that is played.
    #[error("{place}: `content.room_version` of the create event: {problem}")]
    Version {
        /// Where the create event is.
        place: Place,
        /// What is wrong with it.
        problem: String,
    },
    /// The create event itself is not one.
    #[error("{place}: the create event: {problem}; without it no event of the room can be judged")]
    Create {
        /// Where it is.
        place: Place,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that should tell a state doesn't.
    #[error(
        "{place}: {problem}; a state at an event is the answer of a server to `/state_ids` or `/state`, or a list of \
         {{\"event_id\": \"$…\", \"state_ids\": [\"$…\"]}}"
    )]
    State {
        /// Where.
        place: Place,
        /// What is wrong.
        problem: String,
    },
    /// The keys file has another shape.
    #[error(
        "{file}:{line}:{column}: {problem}; a keys file is \
         [{{\"server_name\": \"…\", \"verify_keys\": {{\"ed25519:…\": \"<base64>\"}}, \"valid_until_ts\": 0}}]"
    )]
    Keys {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A key in it can't be used.
    #[error(
        "{file}: key `{key_id}` of `{server}`: `{value}` is not unpadded base64 of 32 bytes; copy it anew"
    )]
    Key {
        /// The file.
        file: String,
        /// Whose key.
        server: OwnedServerName,
        /// Which key.
        key_id: String,
        /// What stands there.
        value: String,
    },
}

/// What a JSON parser says, without its own account of the place.
pub(super) fn said_by(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((problem, _)) if error.line() > 0 => problem.to_owned(),
        _ => text,
    }
}
