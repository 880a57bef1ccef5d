//! Reads events and remembers what it read: in one run an event reaches every server, often by several roads,
//! and what depends on its text alone is worked out once.
//!
//! Like the memory of [`Crypto`], one reader serves all servers of a run. It can't make a server believe more
//! than it would have found out itself: a text that differs in one byte is another event.

use std::{
    cell::RefCell,
    hash::{Hash, Hasher},
    sync::Arc,
};

use foldhash::fast::FixedState;
use indexmap::{Equivalent, IndexMap};
use ruma_common::{CanonicalJsonObject, OwnedRoomId, ServerName};

use super::{
    crypto::{Crypto, SigningKey},
    draft,
    pdu::{Limits, Pdu, PduError, UnverifiedPdu},
    version::RoomVersion,
};

/// Reads events, each text once.
#[derive(Debug, Default)]
pub struct EventReader(RefCell<IndexMap<Text, UnverifiedPdu, FixedState>>);

/// What was read, and by the rules of which room version.
#[derive(Debug, PartialEq, Eq)]
struct Text {
    text: Box<str>,
    version: RoomVersion,
}

/// A text that may have been read.
struct Wanted<'a>(&'a str, RoomVersion);

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Text> for Wanted<'_> {
    fn equivalent(&self, read: &Text) -> bool {
        *self.0 == *read.text && self.1 == read.version
    }
}

/// The same, by whatever rules.
#[derive(Hash)]
struct InAnyVersion<'a>(&'a str);

impl Equivalent<Text> for InAnyVersion<'_> {
    fn equivalent(&self, read: &Text) -> bool {
        *self.0 == *read.text
    }
}

impl EventReader {
    /// Reads an event as [`UnverifiedPdu::parse`] does.
    ///
    /// # Errors
    ///
    /// As [`UnverifiedPdu::parse`].
    pub fn read(&self, text: &str, version: RoomVersion, limits: Limits) -> Result<UnverifiedPdu, PduError> {
        let known = self.0.borrow().get(&Wanted(text, version)).cloned();
        if let Some(known) = known
            && known.claims().is_within(limits)
        {
            return Ok(known);
        }
        let pdu = UnverifiedPdu::parse(text, version, limits)?;
        self.remember(text, version, &pdu);
        Ok(pdu)
    }

    /// The room that an event says it is in, whose version must be known before it can be read.
    pub fn room_of(&self, text: &str) -> Option<OwnedRoomId> {
        /// What all room versions but the last have in common.
        #[derive(serde::Deserialize)]
        struct InRoom {
            room_id: OwnedRoomId,
        }
        let read = self.0.borrow();
        // What was not written in the one canonical way may say it twice, and then says nothing.
        let says = |known: &&UnverifiedPdu| {
            known.object().contains_key("room_id") && known.claims().json().get() == text
        };
        match read.get(&InAnyVersion(text)).filter(says) {
            Some(known) => Some(known.room_id().to_owned()),
            None => serde_json::from_str::<InRoom>(text).ok().map(|it| it.room_id),
        }
    }

    /// Makes an event as [`draft::hash_and_sign`] does, so that others needn't read it.
    ///
    /// # Errors
    ///
    /// As [`draft::hash_and_sign`].
    pub fn hash_and_sign(
        &self,
        event: CanonicalJsonObject,
        version: RoomVersion,
        server: &ServerName,
        key: &SigningKey,
        crypto: &Crypto,
    ) -> Result<Arc<Pdu>, PduError> {
        let own = draft::signed(event, version, server, key, crypto)?;
        self.remember(own.claims().json().get(), version, &own);
        Ok(own.into_own())
    }

    fn remember(&self, text: &str, version: RoomVersion, pdu: &UnverifiedPdu) {
        self.0.borrow_mut().insert(Text { text: text.into(), version }, pdu.clone());
    }
}
