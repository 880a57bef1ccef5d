//! `POST /_matrix/federation/v1/get_missing_events/{room}`: what lies between the asker's events and newer ones.

use ruma_common::OwnedEventId;
use serde_json::{json, value::RawValue};

use super::{Answer, Asked, common_room, count, event_ids, readable_room};
use crate::{homeserver::Homeserver, room::walk};

impl Homeserver {
    pub(super) fn answer_missing_events(&self, asked: &Asked, room: &str) -> Answer {
        let durable = self.store.read();
        let guard = if self.habits.guards_missing_events { readable_room } else { common_room };
        let room = guard(&durable, room, &asked.origin)?;
        let latest = event_ids(&asked.body, "latest_events")?;
        let earliest = event_ids(&asked.body, "earliest_events")?;
        let limit = count(&asked.body, "limit", walk::MISSING_EVENTS_LIMIT_DEFAULT as u64)?;
        let min_depth = count(&asked.body, "min_depth", 0)?;

        let find =
            |ids: &[OwnedEventId]| -> Vec<_> { ids.iter().filter_map(|id| room.graph().get(id)).collect() };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut from, until) = (find(&latest), find(&earliest));
        if !self.habits.stops_at_earliest {
            from.extend(&until);
        }
        let order = self.habits.answer_order;
        let events = (self.habits.missing_events)(order, room.graph(), &from, &until, limit, min_depth);
        let events: Vec<Box<RawValue>> =
            events.into_iter().filter_map(|idx| room.json_for(idx, &asked.origin)).collect();
        Ok(json!({ "events": events }))
    }
}
