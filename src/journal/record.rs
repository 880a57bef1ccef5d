//! The records of a journal: what can happen in a run, as it is written down. The format only grows.

use ruma_common::OwnedEventId;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Value, value::RawValue};

use super::played::Played;
use crate::{
    matrix::endpoint::{Endpoint, EndpointName},
    ports::Cause,
    room::{Against, graph::Standing},
};

/// The version of the format, in the first record.
pub const JOURNAL_VERSION: u32 = 1;

/// One thing that happened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Simulated milliseconds since the timeline began; negative during set-up.
    pub t: i64,
    /// The server that it happened on, by its name in the scenario; nothing for what happens to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What it follows from, where that is known: not for what a server does because its time has come, nor
    /// for the set-up. A record that has the number of a request follows from that request and says no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Because>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What a record follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// A step, by its place in the timeline.
    Step(usize),
    /// A request, by its number: it arrived, or its answer did, or it came to nothing.
    Request(u64),
}

/// How an event reached a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An own user made it.
    User,
    /// It was held already, as an outlier, and is taken as history now.
    Store,
    /// It was there before the run.
    Import,
    /// Another server, by an endpoint such as `send` or `backfill`.
    Peer {
        /// The server's name in the scenario, or its Matrix name if it is none of the scenario's.
        server: String,
        /// The endpoint.
        #[schemars(with = "String")]
        endpoint: Endpoint,
    },
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The first record: which run this is.
    Run {
        /// [`JOURNAL_VERSION`].
        version: u32,
        /// The scenario's name.
        scenario: String,
        /// The seed.
        seed: u64,
        /// The fabric.
        fabric: String,
        /// Matrix names of the servers, by their names in the scenario.
        servers: Vec<(String, String)>,
        /// The version of the room.
        room_version: u8,
        /// Public keys of servers, as Matrix name, key id and unpadded base64; what is signed can be checked
        /// by them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        keys: Vec<(String, String, String)>,
        /// The servers that are not Backfire's own: what they hold is not recorded.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        guests: Vec<String>,
        /// The scenario itself, so that the journal alone explains the run.
        definition: Value,
    },
    /// A step of the timeline is played; a step that repeats itself is recorded each time.
    Step {
        /// Its place in the timeline, from 0.
        step: usize,
        /// Its key, such as `partition`.
        action: String,
        /// The step as the scenario has it.
        #[schemars(with = "Value")]
        detail: Played,
    },
    /// A fault with a duration is over.
    StepEnds {
        /// Its place in the timeline.
        step: usize,
        /// Its key.
        action: String,
    },
    /// The world is healed after the last step: all links are open and all servers up from here on.
    Healed,
    /// A request leaves `server`.
    Request {
        /// Its number, from 1.
        id: u64,
        /// To whom.
        to: String,
        /// The endpoint's name, such as `backfill`.
        #[schemars(with = "String")]
        endpoint: EndpointName,
        /// Method and path with query.
        line: String,
        /// Why it is made.
        #[schemars(with = "String")]
        cause: Cause,
        /// The events that it names or carries, in order.
        events: Vec<String>,
        /// `limit`, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// Events that the asker says it has (`earliest_events`).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        earliest: Vec<String>,
        /// `min_depth`, if it has one above 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_depth: Option<u64>,
        /// Bytes of its body.
        bytes: usize,
    },
    /// A request reaches `server`.
    Arrived {
        /// Its number.
        id: u64,
    },
    /// The answer reaches `server`, which asked.
    Answer {
        /// The request's number.
        id: u64,
        /// The HTTP status.
        status: u16,
        /// The `errcode` of an error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        errcode: Option<String>,
        /// The events in it, in order: ids as computed from what was sent, `?` where there is none.
        events: Vec<String>,
        /// Of `state`, `state_ids`, `event_auth` and `send_join`: the auth chain.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        auth_chain: Vec<String>,
        /// Which of all these are redacted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        redacted: Vec<String>,
        /// Of `send`: the events that were not taken, with an error or without a word.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refused: Vec<String>,
        /// Bytes of its body.
        bytes: usize,
    },
    /// A request of `server` came to nothing.
    Failed {
        /// Its number.
        id: u64,
        /// `refused`, `request_lost`, `answer_lost`, `broken`, `abandoned`.
        why: String,
    },
    /// A message that `server` sent went wrong on its way.
    Disturbed {
        /// The request's number; the message is the request or the answer to it.
        id: u64,
        /// `lose`, `delay`, `duplicate`, `truncate`, `break`, `status`, `drip` or `hang`.
        how: String,
    },
    /// `server` answered with lies.
    Lied {
        /// The request's number.
        id: u64,
        /// The names of the lies.
        lies: Vec<String>,
    },
    /// The server signs with a new key from now on.
    KeyRotated {
        /// The id of the new key.
        key_id: String,
        /// The new key in unpadded base64.
        key: String,
        /// The id of the key that it signed with before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old_key_id: Option<String>,
        /// Until when that one was used, in milliseconds since the epoch by the server's own clock.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expired_ts: Option<u64>,
    },
    /// An event was verified and stored.
    Received {
        /// The event.
        #[schemars(with = "String")]
        event: OwnedEventId,
        /// How it came.
        from: Source,
        /// The event itself, where it is seen for the first time in this run.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_json")]
        #[schemars(with = "Option<Value>")]
        pdu: Option<Box<RawValue>>,
    },
    /// An event was refused before it was stored.
    Dropped {
        /// Its id, if it could be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        event: Option<OwnedEventId>,
        /// How it came.
        from: Source,
        /// Why.
        reason: String,
        /// The same as a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<DropKind>,
    },
    /// A verdict was reached.
    Judged {
        /// The event.
        #[schemars(with = "String")]
        event: OwnedEventId,
        /// `accepted`, `soft_failed` or `rejected`.
        verdict: Standing,
        /// Why, unless it was accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// By what it was judged, unless it was accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<Against>,
    },
    /// An event waits for others.
    Waits {
        /// The event.
        #[schemars(with = "String")]
        event: OwnedEventId,
        /// The events before it whose state is not known.
        #[schemars(with = "Vec<String>")]
        prev_events: Vec<OwnedEventId>,
        /// Its auth events that are not held.
        #[schemars(with = "Vec<String>")]
        auth_events: Vec<OwnedEventId>,
    },
    /// The current state of the room is another than before.
    State {
        /// The slots that differ: type, state key, and the event that fills it now.
        #[schemars(with = "Vec<(String, String, Option<String>)>")]
        changed: Vec<(String, String, Option<OwnedEventId>)>,
    },
    /// An event was found to be missing.
    GapOpened {
        /// The event that is missing.
        #[schemars(with = "String")]
        missing: OwnedEventId,
        /// An event that waits for it.
        #[schemars(with = "String")]
        wanted_by: OwnedEventId,
    },
    /// A missing event is there.
    GapClosed {
        /// The event that was missing.
        #[schemars(with = "String")]
        missing: OwnedEventId,
    },
    /// An attempt to get a missing event failed.
    GapStuck {
        /// The event that is missing.
        #[schemars(with = "String")]
        missing: OwnedEventId,
        /// How many attempts have failed.
        failures: u32,
        /// Milliseconds until the next.
        retry_in_ms: u64,
    },
    /// The state at a gap was taken from a peer.
    StateTaken {
        /// The event whose state it is.
        #[schemars(with = "String")]
        event: OwnedEventId,
        /// The peer.
        from: String,
        /// How many events it has.
        events: usize,
    },
    /// A user scrolled back.
    PagedBack {
        /// How many events came.
        events: usize,
        /// Whether nothing older is missing.
        complete: bool,
    },
    /// A destination was away too long and gets only the newest events.
    FellBehind {
        /// The destination.
        to: String,
        /// How many events were dropped from its queue.
        dropped: usize,
        /// Which they are, in the order of the queue.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(with = "Vec<String>")]
        events: Vec<OwnedEventId>,
    },
    /// A destination refused an event for good.
    Undeliverable {
        /// The destination.
        to: String,
        /// The event.
        #[schemars(with = "String")]
        event: OwnedEventId,
        /// Its answer.
        reason: String,
    },
    /// What a user wanted could not be done.
    UserFailed {
        /// What it was: the key of the step.
        action: String,
        /// Who was to join or to be invited, if the server began with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Why not.
        reason: String,
    },
    /// The server joined a room.
    Joined {
        /// The join event.
        #[schemars(with = "String")]
        event: OwnedEventId,
        /// The server that let it in.
        via: String,
    },
    /// A step gave an event a name.
    Labelled {
        /// The name.
        label: String,
        /// The event.
        #[schemars(with = "String")]
        event: OwnedEventId,
    },
    /// A script made an event to measure; the server signed what it was told to.
    Crafted {
        /// The event.
        #[schemars(with = "String")]
        event: OwnedEventId,
        /// The event itself.
        #[serde(deserialize_with = "json")]
        #[schemars(with = "Value")]
        pdu: Box<RawValue>,
    },
    /// An answer that a script waited for came.
    Expected(Expectation),
    /// The server's software started.
    Started,
    /// The server's software panicked. The server goes down by it.
    Panicked {
        /// What the panic says.
        message: String,
        /// File, line and column.
        place: String,
    },
    /// The server went down.
    Crashed,
    /// When the run ends, some servers can't be reached.
    Unhealed {
        /// From whom to whom no way is open.
        links: Vec<(String, String)>,
    },
    /// How the server stands at the end.
    End(End),
    /// The last record: how the run ended.
    Verdict {
        /// `holds`, `violated` or `not_recovered`.
        verdict: String,
        /// What was violated.
        violations: Vec<Violation>,
    },
}

/// Why an event was refused before it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropKind {
    /// Not JSON, or JSON that has no canonical form.
    NotCanonical,
    /// Too many bytes.
    TooLarge,
    /// A field is missing, malformed or out of its limits, or names another room.
    Field,
    /// A signature is missing or wrong.
    Signature,
    /// No key is known that could tell.
    UnknownKey,
    /// It does not say of which room it is.
    NoRoom,
    /// The server does not have its room.
    UnknownRoom,
    /// The server that sent it may not.
    ShutOut,
    /// It is another than was asked for.
    Unasked,
}

/// Whether an answer was what a step expects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// The step's place in the timeline.
    pub step: usize,
    /// Whether it was.
    pub met: bool,
    /// What was different.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How a server stands at the end of a run, in one room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// Whether the server is joined to the room, by its own state.
    pub joined: bool,
    /// Every event that it holds, with its standing, sorted by id.
    #[schemars(with = "Vec<(String, Standing)>")]
    pub events: Vec<(OwnedEventId, Standing)>,
    /// Events that wait to be judged.
    #[schemars(with = "Vec<String>")]
    pub waiting: Vec<OwnedEventId>,
    /// Events that are wanted and not held: missing ones, and the backward extremities.
    #[schemars(with = "Vec<String>")]
    pub missing: Vec<OwnedEventId>,
    /// The forward extremities, sorted.
    #[schemars(with = "Vec<String>")]
    pub forward_extremities: Vec<OwnedEventId>,
    /// The backward extremities, sorted.
    #[schemars(with = "Vec<String>")]
    pub backward_extremities: Vec<OwnedEventId>,
    /// The current state: type, state key, event; sorted.
    #[schemars(with = "Vec<(String, String, String)>")]
    pub state: Vec<(String, String, OwnedEventId)>,
    /// Whether nothing was under way any more.
    pub idle: bool,
}

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: String,
    /// In which of its ways the invariant fails, such as `left-out:backfill`; absent in earlier journals.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The server, by its name in the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The event that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub event_id: Option<OwnedEventId>,
    /// What is wrong, in a sentence.
    pub message: String,
}

/// The event of a record. Inside of a record serde has no raw text left to give, only values.
fn json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<RawValue>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    RawValue::from_string(value.to_string()).map_err(de::Error::custom)
}

fn some_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    json(deserializer).map(Some)
}
