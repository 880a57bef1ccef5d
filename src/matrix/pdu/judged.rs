//! An event as ruma's rules ask for it.

use ruma_common::{MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId, UserId};
use ruma_events::TimelineEventType;
use serde_json::value::RawValue;

use super::Pdu;

/// A verified event with its standing among the rejected or not, as ruma's rules ask for it.
#[derive(Clone, Copy, Debug)]
pub struct JudgedPdu<'a> {
    /// The event.
    pub pdu: &'a Pdu,
    /// The room that it counts as being of.
    pub room_id: &'a RoomId,
    /// The events that it lists as allowing it.
    pub auth_events: &'a [OwnedEventId],
    /// Whether it was rejected.
    pub rejected: bool,
}

impl<'a> JudgedPdu<'a> {
    /// An event that was not rejected, with the auth events that it lists.
    pub fn good(pdu: &'a Pdu) -> Self {
        Self { pdu, room_id: &pdu.room_id, auth_events: &pdu.auth_events, rejected: false }
    }
}

impl ruma_state_res::Event for JudgedPdu<'_> {
    type Id = OwnedEventId;

    fn event_id(&self) -> &OwnedEventId {
        &self.pdu.event_id
    }

    fn room_id(&self) -> Option<&RoomId> {
        let implied = self.pdu.version.has_hash_room_ids() && self.pdu.is_create();
        (!implied).then_some(self.room_id)
    }

    fn sender(&self) -> &UserId {
        &self.pdu.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.pdu.origin_server_ts
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.pdu.kind
    }

    fn content(&self) -> &RawValue {
        self.pdu.content()
    }

    fn state_key(&self) -> Option<&str> {
        self.pdu.state_key()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.pdu.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.auth_events.iter())
    }

    /// Of the outline of a redaction nobody can tell what it redacts, and room versions 1 and 2 would reject
    /// it for that on the servers that were given no more. So it counts as one that its sender may make.
    fn redacts(&self) -> Option<&OwnedEventId> {
        let is_outline = self.pdu.redacted && self.pdu.kind == TimelineEventType::RoomRedaction;
        self.pdu.redacts.as_ref().or(is_outline.then_some(&self.pdu.event_id))
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}
