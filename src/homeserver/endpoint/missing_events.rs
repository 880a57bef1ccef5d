//! `POST /_matrix/federation/v1/get_missing_events/{room}`: what lies between the asker's events and newer
//! ones.

use std::borrow::Cow;

use ruma_common::OwnedEventId;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Answer, Asked, answer, common_room, readable_room};
use crate::{homeserver::Homeserver, room::walk};

impl Homeserver {
    pub(super) fn answer_missing_events(&self, asked: &Asked, room: &str) -> Answer {
        let durable = self.store.read();
        let guard = if self.habits.guards_missing_events { readable_room } else { common_room };
        let room = guard(&durable, room, &asked.origin)?;
        let latest = asked.body.event_ids("latest_events")?;
        let earliest = asked.body.event_ids("earliest_events")?;
        let limit = asked.body.count("limit", walk::MISSING_EVENTS_LIMIT_DEFAULT as u64)?;
        let min_depth = asked.body.count("min_depth", 0)?;

        let find =
            |ids: &[OwnedEventId]| -> Vec<_> { ids.iter().filter_map(|id| room.graph().get(id)).collect() };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut from, mut until) = (find(&latest), find(&earliest));
        if !self.habits.stops_at_earliest {
            from.append(&mut until);
        }
        let order = self.habits.answer_order;
        let events = (self.habits.missing_events)(order, room.graph(), &from, &until, limit, min_depth);
        let events = events.into_iter().filter_map(|idx| room.json_for(idx, &asked.origin)).collect();
        answer(&Missing { events })
    }
}

#[derive(Serialize)]
struct Missing<'a> {
    events: Vec<Cow<'a, RawValue>>,
}
