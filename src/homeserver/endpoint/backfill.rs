//! `GET /_matrix/federation/v1/backfill/{room}`: history, from some events downwards.

use super::{Answer, Asked, Events, answer, event_id, readable_room};
use crate::{homeserver::Homeserver, matrix::error::MatrixError};

impl Homeserver {
    pub(super) fn answer_backfill(&self, asked: &Asked, room: &str) -> Answer {
        let durable = self.store.read();
        let room = readable_room(&durable, room, &asked.origin)?;
        let from = asked.query.iter().filter(|(key, _)| key == "v").map(|(_, value)| event_id(value));
        let from = from.collect::<Result<Vec<_>, _>>()?;
        if from.is_empty() {
            return Err(MatrixError::missing_param("`v` is missing"));
        }
        let limit = asked.required("limit")?;
        let limit: usize = limit.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| {
            MatrixError::invalid_param(format!("`limit` is `{limit}`; it must be an integer above 0"))
        })?;
        let seeds: Vec<_> = from.iter().filter_map(|id| room.graph().get(id)).collect();
        let events = self.habits.answer_order.backfill(room.graph(), &seeds, limit);
        let pdus = events.into_iter().filter_map(|idx| room.json_for(idx, &asked.origin)).collect();
        answer(&Events { origin: &self.name, origin_server_ts: self.now(), pdus })
    }
}
