//! Single events: where the run saw them first, what was made of them, who made and who signed them.

use ruma_common::{EventId, OwnedEventId};

use super::{Evidence, Host};
use crate::{
    journal::Source,
    matrix::pdu::{Pdu, PduError, UnverifiedPdu},
    room::graph::Standing,
};

/// An event where the run saw it for the first time.
#[derive(Debug)]
pub struct Seen<'a> {
    /// When.
    pub t: i64,
    /// On which server.
    pub server: &'a str,
    /// How it came there.
    pub from: &'a Source,
    /// The event; an error where what the server stored is not even well-formed.
    pub pdu: Result<UnverifiedPdu, PduError>,
    pub(super) parents: Vec<OwnedEventId>,
}

/// Whether an event came because the server asked for what it lacks.
pub(crate) fn is_pulled(from: &Source) -> bool {
    matches!(from, Source::Peer { endpoint, .. } if endpoint.is_recovery())
}

/// A verdict, when it was reached.
#[derive(Debug)]
pub struct Judged<'a> {
    /// When.
    pub t: i64,
    /// On which server.
    pub server: &'a str,
    /// The number of its record.
    pub at: usize,
    /// In which of its lives, counted by its starts.
    pub life: usize,
    /// On which event.
    pub event: &'a EventId,
    /// The verdict.
    pub verdict: Standing,
}

/// An event that a server made for an own user.
#[derive(Debug)]
pub struct OwnEvent<'e> {
    /// The number of the record.
    pub at: usize,
    /// When.
    pub t: i64,
    /// The server.
    pub server: &'e str,
    /// The server.
    pub host: &'e Host<'e>,
    /// The event.
    pub pdu: &'e Pdu,
}

/// A key that a server signs with.
#[derive(Clone, Copy, Debug)]
pub struct EventKey<'a> {
    /// The Matrix name of the server.
    pub server: &'a str,
    /// Its id.
    pub id: &'a str,
    /// The key in unpadded base64.
    pub key: &'a str,
    /// The number of the record with which it went out of use, and the time after which nothing by it holds,
    /// in milliseconds since the epoch.
    pub expired: Option<(usize, u64)>,
}

impl<'a> Evidence<'a> {
    /// The events that servers made themselves, but for those that a script made, in order.
    pub fn own_events(&self) -> impl Iterator<Item = OwnEvent<'_>> {
        let made = self.seen.iter().filter(|(_, seen)| *seen.from == Source::User);
        made.filter_map(move |(id, seen)| {
            if self.crafted.contains_key(id) {
                return None;
            }
            let host = self.hosts.get(seen.server)?;
            let at = *host.received_at.get(id)?;
            Some(OwnEvent { at, t: seen.t, server: seen.server, host, pdu: self.pdu(id)? })
        })
    }
}
