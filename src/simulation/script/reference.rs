//! What the references of a script mean, such as a label, `tips` or `state:m.room.create`: ids, and the
//! events themselves.

use ruma_common::EventId;
use serde_json::value::RawValue;

use crate::{
    room::Room,
    scenario::EventRef,
    simulation::player::{Node, Player},
};

impl Player<'_> {
    /// The ids that a list of references means, seen from a server.
    pub(super) fn ids(&self, host: &str, refs: &[EventRef]) -> Result<Vec<String>, String> {
        let mut ids = Vec::new();
        for reference in refs {
            ids.extend(self.ids_of(host, reference)?);
        }
        Ok(ids)
    }

    pub(in crate::simulation) fn ids_of(&self, host: &str, reference: &str) -> Result<Vec<String>, String> {
        if reference.starts_with('$') {
            return Ok(vec![reference.to_owned()]);
        }
        if reference == "tips" {
            let tips = self.with_room(host, Room::forward_extremities)?;
            return Ok(tips.into_iter().map(|id| id.to_string()).collect());
        }
        if let Some(slot) = reference.strip_prefix("state:") {
            let (kind, key) = slot.split_once('/').unwrap_or((slot, ""));
            let found = self.with_room(host, |room| {
                let state = room.current_state();
                room.state_event(state, &kind.into(), key).map(|pdu| pdu.event_id().to_string())
            })?;
            return found.map(|id| vec![id]).ok_or_else(|| format!("`{reference}` is not in the state"));
        }
        let id = self.labels.get(reference).ok_or_else(|| format!("`{reference}` was never made"))?;
        Ok(vec![id.to_string()])
    }

    pub(super) fn with_room<T>(&self, host: &str, read: impl FnOnce(&Room) -> T) -> Result<T, String> {
        let durable = self.nodes[host].store.read();
        let room = self.room.as_ref().and_then(|id| durable.rooms.get(id));
        room.map(read).ok_or_else(|| format!("{host} is not in the room"))
    }

    /// The JSON of an event, made by a script or held by any server.
    pub(super) fn json_of(&self, id: &str) -> Result<Box<RawValue>, String> {
        let id = <&EventId>::try_from(id).map_err(|error| error.to_string())?;
        if let Some(json) = self.scripts.crafted.borrow().get(id) {
            return Ok(json.clone());
        }
        let room = self.room.as_ref().expect("set-up made the room");
        let held = |node: &Node| {
            let durable = node.store.read();
            durable.rooms.get(room)?.event(id).map(|pdu| pdu.json().to_owned())
        };
        self.nodes.values().find_map(held).ok_or_else(|| format!("{id} is held by nobody"))
    }

    pub(super) fn jsons(&self, ids: &[String]) -> Result<Vec<Box<RawValue>>, String> {
        ids.iter().map(|id| self.json_of(id)).collect()
    }
}
