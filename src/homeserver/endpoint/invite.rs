//! `PUT /_matrix/federation/v2/invite/{room}/{event}`: an own user is invited to a room that this server may
//! not be in.

use std::rc::Rc;

use ruma_common::RoomId;
use serde_json::json;

use super::{Answer, Asked, answer, check_acl};
use crate::{
    homeserver::{Homeserver, observation::Source},
    matrix::{
        draft::countersign,
        endpoint::Endpoint,
        error::MatrixError,
        pdu::{Limits, UnverifiedPdu},
        version::RoomVersion,
    },
};

impl Homeserver {
    pub(super) async fn answer_invite(self: &Rc<Self>, asked: Asked, room: &str, id: &str) -> Answer {
        let room_id = RoomId::parse(room).map_err(|error| MatrixError::invalid_param(error.to_string()))?;
        // A room that this server is in has an ACL that it knows; of others it can't tell.
        if let Some(room) = self.store.read().rooms.get(&room_id) {
            check_acl(room, &asked.origin)?;
        }
        let version = asked.body.get("room_version").and_then(|text| serde_json::from_str(text.get()).ok());
        let version: String =
            version.ok_or_else(|| MatrixError::bad_json("`room_version` is missing, or no text"))?;
        let version: RoomVersion =
            version.parse().map_err(|error| MatrixError::incompatible_room_version(format!("{error}")))?;
        let event = asked.body.required("event")?;
        let invalid = |reason: String| MatrixError::invalid_param(reason);
        let invite = UnverifiedPdu::parse(event.get(), version, Limits::Hold)
            .map_err(|error| invalid(error.to_string()))?;
        let claims = invite.claims();
        let invitee = claims.state_key().and_then(|user| <&ruma_common::UserId>::try_from(user).ok());
        let invitee = invitee.filter(|user| user.server_name() == self.name).map(|user| user.to_string());
        let invitee = invitee.ok_or_else(|| invalid("the invited user is not of this server".to_owned()))?;
        if invite.event_id() != id || claims.membership() != Some("invite") || invite.room_id() != room_id {
            return Err(invalid("the event is not the invite that the path names".to_owned()));
        }
        let source = Source::Peer { server: asked.origin.clone(), endpoint: Endpoint::Invite };
        self.verify_one(&room_id, version, claims.json(), &source)
            .await
            .map_err(|error| MatrixError::forbidden(error.to_string()))?;
        let key = self.store.read().signing_key.clone();
        let signed = countersign(&invite, &self.name, &key, &self.crypto)
            .map_err(|error| invalid(error.to_string()))?;
        self.store.write(|durable| durable.invites.insert((room_id, invitee), asked.origin));
        answer(&json!({ "event": signed.json() }))
    }
}
