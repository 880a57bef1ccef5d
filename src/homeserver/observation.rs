//! What a homeserver lets others know of its inner life: the source of half of the journal.
//!
//! Its vocabulary is that of rooms and their verdicts, so who watches it is no matter of the ports, which
//! know neither.

use std::sync::Arc;

use ruma_common::{OwnedEventId, OwnedServerName, OwnedUserId};

use crate::{
    matrix::{
        endpoint::Endpoint,
        pdu::{Pdu, PduError},
    },
    ports::Panic,
    room::{Verdict, state::Change},
};

/// Watches a server. What it does with what it sees is none of the server's business.
pub trait Observer {
    /// Something happened.
    fn see(&self, observation: Observation);
}

/// How an event reached a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An own user made it.
    OwnUser,
    /// `server` sent it, by an endpoint: in a request, or in its answer to one.
    Peer {
        /// Who sent it.
        server: OwnedServerName,
        /// The endpoint.
        endpoint: Endpoint,
    },
    /// It was held already, as an outlier.
    OwnStore,
    /// It was imported before the run.
    Import,
}

/// Why an event is refused before it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// It is not well-formed, or not signed by those who should have signed it.
    #[error(transparent)]
    Pdu(#[from] PduError),
    /// It does not say of which room it is.
    #[error("of no room")]
    NoRoom,
    /// This server does not have its room.
    #[error("of no room known here")]
    UnknownRoom,
    /// The server that sent it may not.
    #[error("the sending server is shut out by the room's ACL")]
    ShutOut,
    /// It is another than was asked for.
    #[error("{asked} was asked for")]
    Unasked {
        /// What was.
        asked: OwnedEventId,
    },
}

/// What own users can want that takes time, and that may fail when nobody waits for it any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAction {
    /// This one joins a room.
    Join(OwnedUserId),
    /// This one is invited.
    Invite(OwnedUserId),
}

/// Something that happened inside a homeserver.
#[derive(Clone, Debug)]
pub enum Observation {
    /// An event was taken: verified and stored, whatever will become of it.
    Received {
        /// The event.
        pdu: Arc<Pdu>,
        /// How it came.
        source: Source,
    },
    /// An event was refused before it was stored (steps 1 and 2 of the checks on receipt).
    Dropped {
        /// Its id, if it could be told.
        event_id: Option<OwnedEventId>,
        /// How it came.
        source: Source,
        /// Why.
        reason: DropReason,
    },
    /// A verdict was reached.
    Judged {
        /// The event.
        event_id: OwnedEventId,
        /// What became of it.
        verdict: Verdict,
    },
    /// An event can't be judged yet.
    Waits {
        /// The event.
        event_id: OwnedEventId,
        /// The events before it whose state is not known.
        prev_events: Vec<OwnedEventId>,
        /// The auth events of it that are not held.
        auth_events: Vec<OwnedEventId>,
    },
    /// An event was found to be missing.
    GapOpened {
        /// The event that is missing.
        missing: OwnedEventId,
        /// An event that waits for it.
        wanted_by: OwnedEventId,
    },
    /// A missing event is there.
    GapClosed {
        /// The event that was missing.
        missing: OwnedEventId,
    },
    /// No server gave a missing event; it is tried again later.
    GapStuck {
        /// The event that is missing.
        missing: OwnedEventId,
        /// How often it has failed.
        failures: u32,
        /// When it is tried again, in milliseconds from now.
        retry_in_ms: u64,
    },
    /// The state at a gap was taken from a peer.
    StateTaken {
        /// The event whose state it is.
        event_id: OwnedEventId,
        /// The peer.
        from: OwnedServerName,
        /// How many state events.
        events: usize,
    },
    /// A user scrolled back and got this far.
    PagedBack {
        /// How many events came.
        events: usize,
        /// Whether the creation of the room was reached.
        complete: bool,
    },
    /// Events for a server that was away too long were dropped from its queue but for the newest.
    FellBehind {
        /// The server.
        destination: OwnedServerName,
        /// What was dropped, in the order of the queue.
        dropped: Vec<OwnedEventId>,
    },
    /// A peer refused an event for good; it is not sent to it again.
    Undeliverable {
        /// The peer.
        destination: OwnedServerName,
        /// The event.
        event_id: OwnedEventId,
        /// Its answer.
        reason: String,
    },
    /// What an own user wanted could not be done.
    UserFailed {
        /// What it was.
        action: UserAction,
        /// Why not.
        reason: String,
    },
    /// A server joined a room.
    Joined {
        /// The join event.
        event_id: OwnedEventId,
        /// The server that let it in.
        via: OwnedServerName,
    },
    /// The current state of a room changed.
    StateChanged(Vec<Change>),
    /// The server's software panicked, which ends it.
    Panicked(Panic),
    /// The server read its store and works again.
    Started,
}
