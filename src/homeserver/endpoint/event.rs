//! `GET /_matrix/federation/v1/event/{event}`: one event.
//!
//! Rejected events are served too: others must be able to judge what was built on them.

use super::{Answer, Asked, Events, answer, event_id};
use crate::{homeserver::Homeserver, matrix::error::MatrixError};

impl Homeserver {
    pub(super) fn answer_event(&self, asked: &Asked, id: &str) -> Answer {
        let id = event_id(id)?;
        let durable = self.store.read();
        let held = durable.rooms.values().find_map(|room| {
            let idx = room.graph().get(&id)?;
            room.event_at(idx).map(|_| (room, idx))
        });
        let (room, idx) = held.ok_or_else(|| MatrixError::not_found(format!("{id} is not known here")))?;
        if !room.is_joined(&asked.origin) {
            return Err(MatrixError::forbidden(format!("{} is not in the room of {id}", asked.origin)));
        }
        let pdus = room.json_for(idx, &asked.origin).into_iter().collect();
        answer(&Events { origin: &self.name, origin_server_ts: self.now(), pdus })
    }
}
