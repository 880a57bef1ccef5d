//! `GET /_matrix/federation/v1/make_join/{room}/{user}`: the template of a join.

use ruma_common::{RoomId, UserId};
use serde_json::json;

use super::{Answer, Asked, answer, check_acl};
use crate::{homeserver::Homeserver, matrix::error::MatrixError};

impl Homeserver {
    pub(super) fn answer_make_join(&self, asked: &Asked, room: &str, user: &str) -> Answer {
        let room_id = RoomId::parse(room).map_err(|error| MatrixError::invalid_param(error.to_string()))?;
        let user = UserId::parse(user).map_err(|error| MatrixError::invalid_param(error.to_string()))?;
        if user.server_name() != asked.origin {
            return Err(MatrixError::forbidden(format!("{user} is not a user of {}", asked.origin)));
        }
        let durable = self.store.read();
        let room = durable.rooms.get(&room_id).filter(|room| room.is_joined(&self.name));
        let room = room.ok_or_else(|| MatrixError::not_found(format!("{room_id} is not known here")))?;
        check_acl(room, &asked.origin)?;
        let version = room.version().to_string();
        let supported = asked.query.iter().filter(|(key, _)| key == "ver").any(|(_, ver)| *ver == version);
        if !supported {
            let error = MatrixError::incompatible_room_version(format!("the room is of version {version}"));
            return Err(error.of_version(&version));
        }
        let authorised_by = self.authorising_user(room, &user)?;
        drop(durable);
        let event = self.join_template(&room_id, &user, authorised_by.as_deref())?;
        answer(&json!({ "event": event, "room_version": version }))
    }
}
