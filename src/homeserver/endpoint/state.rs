//! `GET /_matrix/federation/v1/state_ids/{room}` and `/state/{room}`: the state before an event, and what
//! allows it.

use std::{borrow::Cow, collections::BTreeSet};

use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::{Answer, Asked, answer, event_id, readable_room};
use crate::{
    homeserver::Homeserver,
    matrix::error::MatrixError,
    room::{Room, graph::EventIdx},
};

impl Homeserver {
    pub(super) fn answer_state_ids(&self, asked: &Asked, room: &str) -> Answer {
        let durable = self.store.read();
        let room = readable_room(&durable, room, &asked.origin)?;
        let (state, chain) = self.state_and_chain(room, asked.required("event_id")?)?;
        let ids = |list: BTreeSet<EventIdx>| -> Vec<_> {
            list.into_iter().map(|idx| room.graph().id(idx).to_owned()).collect()
        };
        answer(&json!({ "pdu_ids": ids(state), "auth_chain_ids": ids(chain) }))
    }

    pub(super) fn answer_state(&self, asked: &Asked, room: &str) -> Answer {
        let durable = self.store.read();
        let room = readable_room(&durable, room, &asked.origin)?;
        let (state, chain) = self.state_and_chain(room, asked.required("event_id")?)?;
        let pdus = |list: BTreeSet<EventIdx>| -> Vec<_> {
            list.into_iter().filter_map(|idx| room.json_for(idx, &asked.origin)).collect()
        };
        answer(&State { pdus: pdus(state), auth_chain: pdus(chain) })
    }

    /// 404 for an event that is not history of this room: of outliers and rejected events no state is given
    /// out.
    fn state_and_chain(
        &self,
        room: &Room,
        id: &str,
    ) -> Result<(BTreeSet<EventIdx>, BTreeSet<EventIdx>), MatrixError> {
        let id = event_id(id)?;
        let told = room.standing(&id).filter(|standing| self.habits.tells_states_at.contains(standing));
        if told.is_none() {
            return Err(MatrixError::not_found(format!("no state at {id} is known here")));
        }
        // All history has a state before it.
        let state = room.state_before(&id).unwrap_or_else(|| room.current_state());
        let state: BTreeSet<EventIdx> = state.values().copied().collect();
        let chain = room.auth_chain(state.iter().copied());
        Ok((state, chain))
    }
}

#[derive(Serialize)]
struct State<'a> {
    auth_chain: Vec<Cow<'a, RawValue>>,
    pdus: Vec<Cow<'a, RawValue>>,
}
