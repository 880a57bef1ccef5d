//! The decisions of a homeserver in which real ones have erred, each under a name; those inside of a room are
//! in [`room::habits`].
//!
//! The server asks its habits at these few places. The default is what the specification wants, or where it
//! is silent, what a careful server does. What else a habit can be stands in `planted/`, and only there.

use ruma_common::OwnedServerName;
use serde_json::value::RawValue;

use super::client::AskError;
use crate::{
    matrix::{
        endpoint::Endpoint,
        pdu::{Limits, Pdu, PduError, UnverifiedPdu},
        reader::EventReader,
        version::RoomVersion,
    },
    room::{
        self, Arrival, Room,
        answer_order::AnswerOrder,
        graph::{EventGraph, EventIdx, Standing},
    },
};

/// The walk behind `/get_missing_events`: order, graph, latest, earliest, limit, least depth.
pub type MissingEvents = fn(AnswerOrder, &EventGraph, &[EventIdx], &[EventIdx], usize, u64) -> Vec<EventIdx>;

/// Which events of an answer are looked at: the events, and how many were asked for.
pub type Page = fn(&[Box<RawValue>], usize) -> &[Box<RawValue>];

/// How a server decides where it could err.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Inside of its rooms.
    pub room: room::habits::Habits,

    // --- What enters.
    /// How the text of an event is read.
    pub reads: fn(&EventReader, &str, RoomVersion, Limits) -> Result<UnverifiedPdu, PduError>,
    /// Endpoints by which events are taken without a look at their signatures.
    pub trusted_endpoints: Vec<Endpoint>,
    /// Whose signature an event needs instead of those that the specification asks for; nobody's.
    pub signer: fn(&UnverifiedPdu) -> Option<OwnedServerName>,
    /// Whether a verified event is kept.
    pub keeps: fn(&Room, &Pdu, Arrival) -> bool,
    /// Whether events of other rooms are dropped from answers.
    pub knows_rooms_apart: bool,
    /// Whether a join is only let in from the server of the user who joins.
    pub checks_who_joins: bool,

    // --- What it answers.
    /// For how long own keys are published as valid, in milliseconds. Not an error, whatever it is.
    pub key_validity_ms: u64,
    /// In which order, where the specification leaves that open. Not an error, whatever it is.
    pub answer_order: AnswerOrder,
    /// The walk behind `/get_missing_events`.
    pub missing_events: MissingEvents,
    /// Whether that walk ends at `earliest_events`.
    pub stops_at_earliest: bool,
    /// At events of which standing the state is given out.
    pub tells_states_at: Vec<Standing>,
    /// Whether `/get_missing_events` heeds the server ACL.
    pub guards_missing_events: bool,

    // --- How it recovers.
    /// Whether the gap below an event is worth filling, in a room whose history reaches down to this depth.
    pub fills_gaps: fn(horizon: u64) -> bool,
    /// Whether others than those who told of an event are asked for what it lacks, and all of them again
    /// later.
    pub asks_around: bool,
    /// Whether an auth event that nobody gave may still come.
    pub auth_events_may_come_late: bool,
    /// How long a missing event that could not be had is left alone, given what back-off says, in
    /// milliseconds.
    pub missing_event_rests: fn(u64) -> u64,
    /// Whether of a told state only those events are fetched that are not held.
    pub fetches_only_unknown: bool,
    /// Up to so many events of a told state are fetched one by one; more come by one `/state`.
    pub single_fetches_max: usize,
    /// Whether what was fetched of a told state is kept when one of its events could not be had.
    pub keeps_partial_fetches: bool,

    // --- How it pages back.
    /// The most breaks in the history that one request for older events names.
    pub points_per_page: usize,
    /// Whether after a failure others of them are named.
    pub tries_other_points: bool,
    /// Whether paging ends at the creation of the room.
    pub stops_at_creation: bool,
    /// Which events of a page are looked at, of which so many were asked for.
    pub page: Page,

    // --- What it sends.
    /// What is done after a transaction was not taken.
    pub after_failed_push: fn(&AskError) -> NextPush,
}

/// What is done after a transaction was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextPush {
    /// Parts of it are sent, to find what can't be taken.
    TakeApart,
    /// The newest event of each room is sent, once the destination is back.
    FallBehind,
    /// It is sent again as it is.
    Repeat,
}

/// For how long an own key is published as valid: a day, as Synapse does.
const KEY_VALIDITY_MS: u64 = 24 * 3_600_000;
/// The most break points named in one request, as Synapse does.
const POINTS_PER_PAGE: usize = 5;
/// Beyond so many single events one `/state` costs less.
const SINGLE_FETCHES_MAX: usize = 10;

impl Default for Habits {
    fn default() -> Self {
        Self {
            room: room::habits::HONEST,
            reads: EventReader::read,
            trusted_endpoints: Vec::new(),
            signer: |_| None,
            keeps: |_, _, _| true,
            knows_rooms_apart: true,
            checks_who_joins: true,
            key_validity_ms: KEY_VALIDITY_MS,
            answer_order: AnswerOrder::default(),
            missing_events: AnswerOrder::missing_events,
            stops_at_earliest: true,
            tells_states_at: vec![Standing::Accepted, Standing::SoftFailed],
            guards_missing_events: true,
            fills_gaps: |_| true,
            asks_around: true,
            auth_events_may_come_late: true,
            missing_event_rests: |ms| ms,
            fetches_only_unknown: true,
            single_fetches_max: SINGLE_FETCHES_MAX,
            keeps_partial_fetches: true,
            points_per_page: POINTS_PER_PAGE,
            tries_other_points: true,
            stops_at_creation: true,
            page: |events, limit| &events[..events.len().min(limit)],
            after_failed_push,
        }
    }
}

fn after_failed_push(error: &AskError) -> NextPush {
    // A refusal about what was sent, rather than about who sent it or when. What this server sends is JSON,
    // so where something else arrived the way was to blame, and it may be better next time.
    match error {
        AskError::Denied { errcode, .. } if errcode == "M_NOT_JSON" => NextPush::FallBehind,
        AskError::Denied { status: 400 | 404 | 413, .. } => NextPush::TakeApart,
        _ => NextPush::FallBehind,
    }
}
