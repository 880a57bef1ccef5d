//! What a journal proves, read once: every event as it was first seen, who held what and since when, who
//! asked whom for what, and how each server stands at the end. Invariants read this and nothing else.
//!
//! It may not know how servers work inside: what is not in the journal did not happen.

mod end;
mod event;
mod graph;
mod host;
mod moment;
mod read;
mod recoverable;
mod trust;

pub(super) use event::is_pulled;
pub use event::{EventKey, Judged, OwnEvent, Seen};
pub use host::{Gap, Host, Panicked};
pub(super) use host::{Receipt, last_at};
pub(super) use moment::Moment;
pub use recoverable::Recovery;

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use ruma_common::EventId;

use crate::{
    journal::{Expectation, Played, exchange::Exchange},
    matrix::{crypto::Crypto, endpoint::Endpoint, version::RoomVersion},
    room::Room,
    scenario::Expect,
};
use end::RoomsEnd;

/// Why a journal is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// It does not begin with the run.
    #[error("the first record does not say which run it is")]
    NoRun,
    /// Its room version is not played.
    #[error("the journal is of room version {0}")]
    RoomVersion(u8),
}

/// What a journal proves.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What the scenario expects.
    pub expect: &'a Expect,
    /// The version of the room.
    pub version: RoomVersion,
    /// The keys that servers sign with.
    pub keys: Vec<EventKey<'a>>,
    /// The kinds of signatures that the run may have used.
    pub cryptos: Vec<Rc<Crypto>>,
    /// The servers by name, in the scenario's order.
    pub hosts: IndexMap<&'a str, Host<'a>, FixedState>,
    /// Every event that any server stored, in the order in which the run saw them.
    pub seen: IndexMap<&'a EventId, Seen<'a>, FixedState>,
    /// The requests in the order of their numbers.
    pub requests: BTreeMap<u64, Exchange<'a>>,
    /// All verdicts in order.
    pub judged: Vec<Judged<'a>>,
    /// All gaps, in the order in which they were noticed.
    pub gaps: Vec<Gap<'a>>,
    /// Events that a script made to measure, with the server that signed them.
    pub crafted: BTreeMap<&'a EventId, &'a str>,
    /// Events that steps have given a name.
    pub labels: BTreeMap<&'a str, &'a EventId>,
    /// What steps expect of answers, with the server that looked.
    pub expectations: Vec<(&'a str, &'a Expectation)>,
    /// Servers that are not Backfire's own: what they hold is not in the journal.
    guests: BTreeSet<&'a str>,
    /// Servers that a script tells what to answer, with the endpoint.
    pub scripted: BTreeSet<(&'a str, Endpoint)>,
    /// Servers that a script tells what to answer to `/event`, with the event that it is about, if it is
    /// about one.
    scripted_events: Vec<(&'a str, Option<&'a str>)>,
    /// The steps that were played, with the number of the record and the server.
    pub steps: Vec<(usize, &'a str, &'a Played)>,
    /// Pairs of servers of which the first could not reach the second when the run ended.
    pub out_of_reach: BTreeSet<(&'a str, &'a str)>,
    /// How long servers may take to recover, in milliseconds.
    pub budget_ms: u64,
    /// The panics.
    pub panics: Vec<Panicked<'a>>,
    /// When the last fault was over: the final heal, or else the last step that ended one.
    pub healed: Option<i64>,
    /// The time of the last record.
    pub ended: i64,
    /// The number of the last record.
    pub last: usize,
    /// The parents of each event, by places in `seen`.
    edges: OnceCell<Vec<Vec<usize>>>,
    reference_room: OnceCell<Room>,
    end: OnceCell<RoomsEnd>,
    recoveries: OnceCell<Vec<Recovery>>,
}
