//! One event as it travels between servers: parsed, checked for shape and size, verified, redacted.
//!
//! [`UnverifiedPdu`] is what a peer sent; only [`UnverifiedPdu::verify`] makes a [`Pdu`] of it, so that code
//! which takes a `Pdu` can't be given one that nobody checked.

mod error;
mod judged;
mod read;
mod verify;

pub use error::{PduError, SignatureProblem};
pub use judged::JudgedPdu;
pub use verify::UnverifiedPdu;
pub(super) use verify::content_hash;
pub(crate) use verify::signed_bytes;
use verify::{outline, reference_hash};

use std::{borrow::Cow, sync::Arc};

use ruma_common::{
    CanonicalJsonObject, CanonicalJsonValue, EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId,
    OwnedUserId, RoomId, UserId, canonical_json::redact,
};
use ruma_events::TimelineEventType;
use serde_json::value::RawValue;

use crate::matrix::{by_rules::ByRules, numbers, version::RoomVersion};

/// The largest event in bytes of canonical JSON, signatures included (CS-API, "Size limits"; equal is
/// allowed).
pub const MAX_PDU_BYTES: usize = 65_536;
/// The most `prev_events` of an event (rooms, "Event format").
pub const MAX_PREV_EVENTS: usize = 20;
/// The most `auth_events` of an event (rooms, "Event format").
pub const MAX_AUTH_EVENTS: usize = 10;

/// Whether the limits on `prev_events` and `auth_events` hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// They do.
    Hold,
    /// They don't: in an answer to `/backfill` (SS-API /backfill), and for who reads what others took.
    Waived,
}

/// An event whose signatures hold and whose content is what was hashed, or is redacted.
#[derive(Debug, PartialEq)]
pub struct Pdu {
    version: RoomVersion,
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    sender: OwnedUserId,
    kind: TimelineEventType,
    state_key: Option<String>,
    content: JsonText,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    depth: u64,
    prev_events: Box<[OwnedEventId]>,
    auth_events: Box<[OwnedEventId]>,
    redacts: Option<OwnedEventId>,
    membership: Option<String>,
    json: JsonText,
    redacted: bool,
    by_rules: ByRules,
}

/// JSON text that compares by its bytes.
#[derive(Debug)]
struct JsonText(Box<RawValue>);

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl JsonText {
    fn new(text: String) -> Self {
        Self(RawValue::from_string(text).expect("serialised JSON is JSON"))
    }
}

impl Pdu {
    /// The room version whose rules the event follows.
    pub fn version(&self) -> RoomVersion {
        self.version
    }

    /// The event's id.
    pub fn event_id(&self) -> &OwnedEventId {
        &self.event_id
    }

    /// The room; for a create event of room version 12, which carries none, the one that it makes.
    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// The user who sent it.
    pub fn sender(&self) -> &UserId {
        &self.sender
    }

    /// Its type.
    pub fn kind(&self) -> &TimelineEventType {
        &self.kind
    }

    /// Its state key; only state events have one.
    pub fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    /// The type and state key of a state event.
    pub fn state_slot(&self) -> Option<(&TimelineEventType, &str)> {
        Some((&self.kind, self.state_key()?))
    }

    /// Its content, as JSON text.
    pub fn content(&self) -> &RawValue {
        &self.content.0
    }

    /// One string of its content.
    pub fn content_str(&self, key: &str) -> Option<String> {
        let content = numbers::read(self.content().get(), self.version).ok()?;
        numbers::text(content.get(key)?, self.version).map(Cow::into_owned)
    }

    /// The `membership` of a membership event.
    pub fn membership(&self) -> Option<&str> {
        self.membership.as_deref()
    }

    /// `origin_server_ts`: the sender's clock, in milliseconds since the epoch.
    pub fn timestamp(&self) -> u64 {
        self.origin_server_ts.get().into()
    }

    /// Its claimed depth.
    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The events before it.
    pub fn prev_events(&self) -> &[OwnedEventId] {
        &self.prev_events
    }

    /// The events that allow it.
    pub fn auth_events(&self) -> &[OwnedEventId] {
        &self.auth_events
    }

    /// The event that it redacts, if it is a redaction.
    pub fn redacts(&self) -> Option<&EventId> {
        self.redacts.as_deref()
    }

    /// The event as a server sends it: canonical JSON.
    pub fn json(&self) -> &RawValue {
        &self.json.0
    }

    pub(in crate::matrix) fn by_rules(&self) -> &ByRules {
        &self.by_rules
    }

    /// Whether this is the redacted form, since the content hash did not hold.
    pub fn is_redacted(&self) -> bool {
        self.redacted
    }

    /// Whether it is the room's create event.
    pub fn is_create(&self) -> bool {
        self.kind == TimelineEventType::RoomCreate && self.state_key.as_deref() == Some("")
    }

    /// The event with all but the essential fields removed (rooms, "Redactions"): same id, same links.
    pub fn redacted_json(&self) -> Box<RawValue> {
        let object = redact(self.object(), &self.version.rules().redaction, None)
            .expect("the shape was checked when the event was read");
        let text = serde_json::to_string(&object).expect("canonical JSON serialises");
        RawValue::from_string(numbers::written(text, self.version)).expect("serialised JSON is JSON")
    }

    /// What is left of the event once a redaction holds; nothing if that takes nothing from it.
    pub fn outline(&self) -> Option<Arc<Self>> {
        let outline = outline(self.object(), self.version).expect("the shape was checked when it was read");
        (outline.content.0.get() != self.content.0.get()).then_some(outline)
    }

    /// The event as an object.
    pub fn object(&self) -> CanonicalJsonObject {
        numbers::read(self.json().get(), self.version).expect("it was written from what was read")
    }

    /// How others of this room version refer to it in `prev_events` and `auth_events`.
    pub fn reference(&self) -> CanonicalJsonValue {
        let id = CanonicalJsonValue::String(self.event_id.to_string());
        if !self.version.has_event_ids_on_the_wire() {
            return id;
        }
        let hash = reference_hash(&self.object(), self.version).expect("the size was checked");
        let hashes = CanonicalJsonObject::from([("sha256".to_owned(), hash.into())]);
        CanonicalJsonValue::Array(vec![id, hashes.into()])
    }
}
