//! How the servers stand when a run ends.

use ruma_common::{OwnedEventId, ServerName};

use super::Player;
use crate::{
    journal::{End, What},
    room::Room,
};

impl Player<'_> {
    pub(super) fn record_ends(&self) {
        let links = self.out_of_reach();
        if !links.is_empty() {
            self.recorder.record(None, What::Unhealed { links });
        }
        for (host, node) in &self.nodes {
            let idle = self.is_idle(host);
            let durable = node.store.read();
            let room = self.room.as_ref().and_then(|id| durable.rooms.get(id));
            let end = room.map(|room| end(room, &durable.name, idle)).unwrap_or_default();
            self.recorder.record(Some(host), What::End(end));
        }
    }

    /// From whom to whom no request gets through as things are.
    fn out_of_reach(&self) -> Vec<(String, String)> {
        let conditions = self.conditions.borrow();
        let mut links = conditions.broken();
        for down in conditions.hosts_down() {
            let others = self.nodes.keys().filter(|host| **host != down);
            links.extend(others.map(|host| (host.clone(), down.clone())));
        }
        links.sort();
        links.dedup();
        links
    }
}

fn end(room: &Room, own_name: &ServerName, idle: bool) -> End {
    let graph = room.graph();
    let mut events: Vec<_> = graph
        .iter()
        .filter(|idx| room.event_at(*idx).is_some())
        .map(|idx| (graph.id(idx).to_owned(), graph.standing(idx)))
        .collect();
    events.sort();
    let mut missing: Vec<OwnedEventId> = room.missing_events().map(|(id, _)| id.clone()).collect();
    missing.extend(room.backward_extremities());
    missing.sort();
    missing.dedup();
    End {
        joined: room.is_joined(own_name),
        events,
        waiting: room.waiting().map(|pdu| pdu.event_id().clone()).collect(),
        missing,
        forward_extremities: room.forward_extremities(),
        backward_extremities: room.backward_extremities(),
        state: room
            .list_state(room.current_state())
            .into_iter()
            .map(|(kind, key, id)| (kind.to_string(), key.to_owned(), id.to_owned()))
            .collect(),
        idle,
    }
}
