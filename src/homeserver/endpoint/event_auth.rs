//! `GET /_matrix/federation/v1/event_auth/{room}/{event}`: all that allows an event, without the event.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Answer, Asked, answer, event_id, readable_room};
use crate::{homeserver::Homeserver, matrix::error::MatrixError};

impl Homeserver {
    pub(super) fn answer_event_auth(&self, asked: &Asked, room: &str, id: &str) -> Answer {
        let id = event_id(id)?;
        let durable = self.store.read();
        let room = readable_room(&durable, room, &asked.origin)?;
        let idx = room.graph().get(&id).filter(|idx| room.event_at(*idx).is_some());
        let idx = idx.ok_or_else(|| MatrixError::not_found(format!("{id} is not known here")))?;
        let chain = room.auth_chain([idx].into_iter());
        let auth_chain = chain.into_iter().filter_map(|idx| room.json_for(idx, &asked.origin)).collect();
        answer(&Chain { auth_chain })
    }
}

#[derive(Serialize)]
struct Chain<'a> {
    auth_chain: Vec<Cow<'a, RawValue>>,
}
