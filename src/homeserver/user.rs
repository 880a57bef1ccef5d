//! What own users do: make rooms, send events, invite.

use std::{rc::Rc, sync::Arc};

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, OwnedEventId, OwnedRoomId, RoomId, UserId};
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    Homeserver,
    client::AskError,
    join::own_join,
    observation::{Observation, Source, UserAction},
};
use crate::{
    matrix::{
        canonical::CanonicalBody,
        draft::{Draft, Place},
        endpoint::Endpoint,
        pdu::{Limits, MAX_PREV_EVENTS, Pdu},
        version::RoomVersion,
    },
    ports::Cause,
    room::{Arrival, Room},
};

/// What a new room starts with.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// Its version.
    pub version: RoomVersion,
    /// `join_rule`.
    pub join_rule: String,
    /// `history_visibility`.
    pub history_visibility: String,
    /// What to put into the power levels besides the creator's 100.
    pub power_levels: Map<String, Value>,
}

impl Homeserver {
    /// Makes a room: create, the creator's join, power levels, join rules, history visibility.
    ///
    /// # Errors
    ///
    /// When the rules don't allow one of these events.
    pub fn create_room(self: &Rc<Self>, creator: &UserId, new: &NewRoom) -> Result<OwnedRoomId, String> {
        let mut content = json!({ "room_version": new.version.to_string() });
        if new.version.number() < 11 {
            content["creator"] = creator.as_str().into();
        }
        let draft = Draft::state("m.room.create", creator.as_str(), content);
        let number = self.store.write(|durable| durable.next_number());
        let named = format!("!room{number}:{}", self.name);
        let chosen = self.choose_event_id();
        let place = Place {
            version: new.version,
            room_id: (!new.version.has_hash_room_ids()).then_some(named.as_str()),
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            timestamp: self.now(),
            chosen_id: new.version.has_event_ids_on_the_wire().then_some(chosen.as_str()),
        };
        let object = draft.place(place).map_err(|error| error.to_string())?;
        let create = self.sign(object, new.version)?;
        let room_id = create.room_id().to_owned();
        self.store.write(|durable| {
            durable.rooms.insert(room_id.clone(), self.new_room(&room_id, new.version));
        });
        self.take(&room_id, create, Arrival::Live, &Source::OwnUser);

        self.send(&room_id, own_join(creator))?;
        let mut levels = json!({ "users": { creator.as_str(): 100 } });
        if new.version.has_hash_room_ids() {
            // Creators stand above all power levels and may not be listed (MSC4289).
            levels = json!({ "users": {} });
        }
        if let Some(levels) = levels.as_object_mut() {
            levels.extend(new.power_levels.clone());
        }
        let first = [
            ("m.room.power_levels", levels),
            ("m.room.join_rules", json!({ "join_rule": new.join_rule })),
            ("m.room.history_visibility", json!({ "history_visibility": new.history_visibility })),
        ];
        for (kind, content) in first {
            self.send(&room_id, Draft::state(kind, creator.as_str(), content))?;
        }
        Ok(room_id)
    }

    /// Sends an event of an own user on top of what this server has, and queues it for the others in the
    /// room.
    ///
    /// # Errors
    ///
    /// When this server is not in the room, or the rules don't allow the event.
    pub fn send(self: &Rc<Self>, room_id: &RoomId, draft: Draft) -> Result<Arc<Pdu>, String> {
        let pdu = self.author(room_id, draft)?;
        self.take_and_queue(room_id, pdu.clone(), &Source::OwnUser, |before, room| {
            let mut told = room.joined_servers(before);
            if !room.current_state().ptr_eq(before) {
                told.extend(room.joined_servers(room.current_state()));
            }
            told
        });
        Ok(pdu)
    }

    /// Invites a user of another server, which signs the invite too if it is not in the room.
    pub fn invite(self: &Rc<Self>, room_id: &RoomId, sender: &UserId, user: &UserId) {
        let draft = Draft::member(user.as_str(), sender.as_str(), json!({ "membership": "invite" }));
        let (server, room_id, user) = (self.clone(), room_id.to_owned(), user.to_owned());
        if self.servers_in(&room_id).contains(user.server_name()) {
            if let Err(reason) = self.send(&room_id, draft) {
                self.see(Observation::UserFailed { action: UserAction::Invite(user), reason });
            }
            return;
        }
        self.spawn_busy(async move {
            if let Err(reason) = server.invite_afar(&room_id, draft, &user).await {
                server.see(Observation::UserFailed { action: UserAction::Invite(user), reason });
            }
        });
    }

    async fn invite_afar(
        self: &Rc<Self>,
        room_id: &RoomId,
        draft: Draft,
        user: &UserId,
    ) -> Result<(), String> {
        let invite = self.author(room_id, draft)?;
        let version = invite.version();
        let line = Endpoint::Invite.line(&[room_id.as_str(), invite.event_id().as_str()]);
        let body = CanonicalBody::fields()
            .with("event", &invite.json())
            .with("room_version", &version.to_string())
            .with("invite_room_state", &[(); 0])
            .body();
        let to = user.server_name();
        let answer: Result<Value, AskError> = self.ask(to, line, Some(body), &Cause::Invite).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let text = RawValue::from_string(answer["event"].to_string()).map_err(|error| error.to_string())?;
        let signed =
            self.reader.read(text.get(), version, Limits::Hold).map_err(|error| error.to_string())?;
        if signed.event_id() != invite.event_id() {
            return Err("another event came back".to_owned());
        }
        let source = Source::Peer { server: to.to_owned(), endpoint: Endpoint::Invite };
        let pdu =
            self.verify_one(room_id, version, &text, &source).await.map_err(|error| error.to_string())?;
        self.take_and_queue(room_id, pdu, &Source::OwnUser, |_, room| {
            room.joined_servers(room.current_state())
        });
        Ok(())
    }

    /// Takes an event that was made to measure as an own one, so that it is served like any other.
    ///
    /// # Errors
    ///
    /// When it is not a verifiable event of the room.
    pub fn keep_crafted(self: &Rc<Self>, room_id: &RoomId, text: &RawValue) -> Result<(), String> {
        let version = self.version_of(room_id)?;
        let unverified =
            self.reader.read(text.get(), version, Limits::Hold).map_err(|error| error.to_string())?;
        let keys = self.store.read().keys.clone();
        if unverified.room_id() != room_id {
            return Err(format!("it is of room {}", unverified.room_id()));
        }
        let pdu = unverified.verify(&keys, &self.crypto).map_err(|error| error.to_string())?;
        self.take(room_id, pdu, Arrival::Live, &Source::OwnUser);
        Ok(())
    }

    fn servers_in(&self, room_id: &RoomId) -> std::collections::BTreeSet<ruma_common::OwnedServerName> {
        let durable = self.store.read();
        let room = durable.rooms.get(room_id);
        room.map(|room| room.joined_servers(room.current_state())).unwrap_or_default()
    }

    /// Writes and signs an event on top of the current state, if the rules allow it.
    fn author(&self, room_id: &RoomId, draft: Draft) -> Result<Arc<Pdu>, String> {
        let object = self.place_draft(room_id, draft)?;
        let version = self.version_of(room_id)?;
        let pdu = self.sign(object, version)?;
        let durable = self.store.read();
        let room = durable.rooms.get(room_id).ok_or("the room is not known here")?;
        room.may_send(&pdu)?;
        Ok(pdu)
    }

    fn version_of(&self, room_id: &RoomId) -> Result<RoomVersion, String> {
        let durable = self.store.read();
        Ok(durable.rooms.get(room_id).ok_or("the room is not known here")?.version())
    }

    fn sign(&self, object: CanonicalJsonObject, version: RoomVersion) -> Result<Arc<Pdu>, String> {
        let key = self.store.read().signing_key.clone();
        let signed = self.reader.hash_and_sign(object, version, &self.name, &key, &self.crypto);
        signed.map_err(|error| error.to_string())
    }

    pub(super) fn choose_event_id(&self) -> String {
        let number = self.store.write(|durable| durable.next_number());
        format!("$event{number}:{}", self.name)
    }

    /// Places a draft on top of the forward extremities.
    ///
    /// # Errors
    ///
    /// When nothing of the room is known.
    pub fn place_draft(&self, room_id: &RoomId, draft: Draft) -> Result<CanonicalJsonObject, String> {
        let chosen = self.choose_event_id();
        let durable = self.store.read();
        let room = durable.rooms.get(room_id).ok_or("the room is not known here")?;
        let (prev_events, depth) = newest_extremities(room);
        if prev_events.is_empty() {
            // An event without parents would start a second history of the room.
            return Err("nothing of the room is known here".to_owned());
        }
        let version = room.version();
        let sender = <&UserId>::try_from(draft.sender.as_str()).map_err(|error| error.to_string())?;
        let content = RawValue::from_string(draft.content.to_string()).expect("it is JSON");
        let state = room.current_state();
        let auth_events =
            room.auth_events_of(state, &draft.kind, sender, draft.state_key.as_deref(), &content);
        let references = |ids: &[OwnedEventId]| -> Vec<CanonicalJsonValue> {
            ids.iter().filter_map(|id| room.event(id)).map(|pdu| pdu.reference()).collect()
        };
        let place = Place {
            version,
            room_id: Some(room_id.as_str()),
            prev_events: references(&prev_events),
            auth_events: references(&auth_events),
            depth: (depth + 1).min(version.max_depth()),
            timestamp: self.now(),
            chosen_id: version.has_event_ids_on_the_wire().then_some(chosen.as_str()),
        };
        draft.place(place).map_err(|error| error.to_string())
    }
}

/// Forward extremities, deepest first, as many as an event may cite, with the depth of the deepest.
fn newest_extremities(room: &Room) -> (Vec<OwnedEventId>, u64) {
    let graph = room.graph();
    let mut heads: Vec<_> = graph.forward_extremities().collect();
    heads.sort_by_key(|idx| (std::cmp::Reverse(graph.depth(*idx)), graph.id(*idx).to_owned()));
    let depth = heads.first().map_or(0, |idx| graph.depth(*idx));
    let ids = heads.into_iter().take(MAX_PREV_EVENTS).map(|idx| graph.id(idx).to_owned());
    (ids.collect(), depth)
}
