//! How a server enters a room: `make_join`, sign, `send_join`, and the state that the resident server gives
//! (SS-API, "Joining Rooms"); and what a resident server needs to let others in.

use std::{rc::Rc, sync::Arc};

use ruma_common::{
    CanonicalJsonObject, OwnedEventId, OwnedServerName, OwnedUserId, RoomId, ServerName, UserId,
};
use ruma_events::StateEventType;
use serde_json::{Value, json, value::RawValue};

use super::{
    Homeserver,
    client::{AskError, JoinTemplate, StatePdus},
    intake::{Failed, KEY_PAUSES},
    observation::{Observation, Source, UserAction},
    store::{Unverified, Wanted},
};
use crate::{
    matrix::{
        canonical::CanonicalBody, draft::Draft, endpoint::Endpoint, error::MatrixError, pdu::Pdu,
        version::RoomVersion,
    },
    ports::Cause,
    room::Room,
};

/// A room that own users are joining.
#[derive(Debug, Default)]
pub(super) struct Joining {
    /// How many are.
    users: usize,
    /// What was pushed for it meanwhile.
    pushed: Vec<(Source, Box<RawValue>)>,
}

impl Homeserver {
    /// Lets an own user join a room by way of a server that is in it.
    pub fn join(self: &Rc<Self>, room: &RoomId, user: &UserId, via: &ServerName) {
        let (server, room, user, via) = (self.clone(), room.to_owned(), user.to_owned(), via.to_owned());
        self.spawn_busy(async move {
            let joined_already =
                server.store.read().rooms.get(&room).is_some_and(|room| room.is_joined(&server.name));
            let result = if joined_already {
                server.send(&room, own_join(&user)).map(|_| ())
            } else if via == server.name {
                Err(format!("{via} is not in the room itself"))
            } else {
                server.join_and_catch_up(&room, &user, &via).await
            };
            if let Err(reason) = result {
                server.see(Observation::UserFailed { action: UserAction::Join(user), reason });
            }
        });
    }

    /// Between the join and its answer others push already, of a room that is not known here yet: that is
    /// kept until the room is.
    async fn join_and_catch_up(
        self: &Rc<Self>,
        room: &RoomId,
        user: &UserId,
        via: &OwnedServerName,
    ) -> Result<(), String> {
        self.joining.borrow_mut().entry(room.to_owned()).or_default().users += 1;
        let result = self.join_by(room, user, via).await;
        let pushed = {
            let mut joining = self.joining.borrow_mut();
            let room_joined = joining.get_mut(room).expect("it is removed by the last to join");
            room_joined.users -= 1;
            let pushed = match &result {
                Ok(()) => std::mem::take(&mut room_joined.pushed),
                Err(_) => Vec::new(),
            };
            if room_joined.users == 0 {
                joining.remove(room);
            }
            pushed
        };
        for (source, text) in pushed {
            if let Source::Peer { server, .. } = &source {
                self.take_pushed(&text, &source, server).await;
            }
        }
        result
    }

    /// Keeps what was pushed for a room that an own user is joining; says whether one is.
    pub(super) fn keep_for_join(&self, room: &RoomId, text: &RawValue, source: &Source) -> bool {
        let mut joining = self.joining.borrow_mut();
        let Some(joining) = joining.get_mut(room) else { return false };
        joining.pushed.push((source.clone(), text.to_owned()));
        true
    }

    async fn join_by(
        self: &Rc<Self>,
        room: &RoomId,
        user: &UserId,
        via: &OwnedServerName,
    ) -> Result<(), String> {
        let line = Endpoint::MakeJoin.line(&[room.as_str(), user.as_str()]);
        let line = RoomVersion::all().fold(line, |line, version| line.query("ver", &version.to_string()));
        let template: JoinTemplate = self
            .ask(via, line, None, &Cause::Join)
            .await
            .map_err(|error| format!("make_join by {via}: {error}"))?;
        let version: RoomVersion = template
            .room_version
            .as_deref()
            .unwrap_or("1")
            .parse()
            .map_err(|error| format!("make_join by {via}: {error}"))?;
        check_template(&template.event, room, user)?;
        let mut event = template.event;
        // The resident's clock could put the join at a time at which this server's key does not hold
        // (SS-API, "Joining Rooms": the joining server replaces it).
        event["origin_server_ts"] = self.now().into();
        let event: CanonicalJsonObject = serde_json::from_value(event).map_err(|error| error.to_string())?;
        let key = self.store.read().signing_key.clone();
        let event = self.with_chosen_id(event, version);
        let join = self.reader.hash_and_sign(event, version, &self.name, &key, &self.crypto);
        let join = join.map_err(|error| error.to_string())?;
        let line = Endpoint::SendJoin.line(&[room.as_str(), join.event_id().as_str()]);
        let line = line.query("omit_members", "false");
        let body = CanonicalBody::event(&join);
        let answer: Result<StatePdus, AskError> = self.ask(via, line, Some(body), &Cause::Join).await;
        let answer = answer.map_err(|error| format!("send_join by {via}: {error}"))?;
        self.enter(room, version, &join, answer, via).await
    }

    /// In room version 2 the server that signs an event chooses its id.
    fn with_chosen_id(&self, mut event: CanonicalJsonObject, version: RoomVersion) -> CanonicalJsonObject {
        if version.has_event_ids_on_the_wire() {
            event.insert("event_id".to_owned(), self.choose_event_id().into());
        }
        event
    }

    async fn enter(
        self: &Rc<Self>,
        room_id: &RoomId,
        version: RoomVersion,
        join: &Pdu,
        answer: StatePdus,
        via: &OwnedServerName,
    ) -> Result<(), String> {
        let source = Source::Peer { server: via.clone(), endpoint: Endpoint::SendJoin };
        // A restricted join comes back with the signature of the server that allowed it.
        let signed = answer.event.unwrap_or_else(|| join.json().to_owned());
        let join = self
            .verify_one(room_id, version, &signed, &source)
            .await
            .ok()
            .filter(|signed| signed.event_id() == join.event_id())
            .ok_or_else(|| format!("send_join by {via}: it gave back another event"))?;
        let wanted = Wanted::AsStateBefore(join.event_id().clone());
        let (state, mut aside) = self.verify_told(room_id, version, answer.pdus, &source, &wanted).await;
        let (chain, more) =
            self.verify_told(room_id, version, answer.auth_chain, &source, &Wanted::AsAuth).await;
        aside.extend(more);
        if !state.iter().any(|pdu| pdu.is_create()) {
            return Err(format!("send_join by {via}: the state has no create event"));
        }
        // What could not be verified is unknown, not wrong: a join that stands on it can't be judged.
        let came = |id: &OwnedEventId| chain.iter().chain(&state).any(|pdu| pdu.event_id() == id);
        if let Some(id) = join.auth_events().iter().find(|id| !came(id)) {
            return Err(format!(
                "send_join by {via}: it gave no {id} that can be verified, by which it let in"
            ));
        }
        let ids: Vec<OwnedEventId> = state.iter().map(|pdu| pdu.event_id().clone()).collect();
        for pdu in chain.iter().chain(&state).chain([&join]) {
            self.see(Observation::Received { pdu: pdu.clone(), source: source.clone() });
        }
        let judgements = self.store.write(|durable| {
            let room =
                durable.rooms.entry(room_id.to_owned()).or_insert_with(|| self.new_room(room_id, version));
            let mut judgements = room.add_outliers(chain.into_iter().chain(state));
            // Two joins of one moment are one event.
            if !room.is_settled(join.event_id()) {
                judgements.extend(room.start_from_join(join.clone(), &ids));
            }
            judgements
        });
        self.tell(judgements);
        self.see(Observation::Joined { event_id: join.event_id().clone(), via: via.clone() });
        self.set_aside(aside);
        Ok(())
    }

    /// Verifies a part of what a join is told. Gives also what lacks keys that may come later.
    async fn verify_told(
        &self,
        room: &RoomId,
        version: RoomVersion,
        pdus: Vec<Box<RawValue>>,
        source: &Source,
        wanted: &Wanted,
    ) -> (Vec<Arc<Pdu>>, Vec<Unverified>) {
        let results = self.verify_each(room, version, &pdus, source, &KEY_PAUSES).await;
        let (mut verified, mut aside) = (Vec::new(), Vec::new());
        for (text, result) in pdus.into_iter().zip(results) {
            match result {
                Ok(pdu) => verified.push(pdu),
                Err(Failed::LacksKeys(lacks)) => aside.push(Unverified {
                    room: room.to_owned(),
                    text,
                    source: source.clone(),
                    lacks,
                    wanted: wanted.clone(),
                }),
                Err(Failed::Unfit(_)) => {}
            }
        }
        (verified, aside)
    }

    /// The template of a join of somebody else's user, for `make_join`.
    pub(super) fn join_template(
        &self,
        room: &RoomId,
        user: &UserId,
        authorised_by: Option<&UserId>,
    ) -> Result<CanonicalJsonObject, MatrixError> {
        let mut draft = own_join(user);
        if let Some(authorised_by) = authorised_by {
            draft.content["join_authorised_via_users_server"] = authorised_by.as_str().into();
        }
        self.place_draft(room, draft).map_err(MatrixError::forbidden)
    }

    /// For a restricted room: an own user in whose name this server can let `user` in, if one is needed
    /// (room version 8, "Restricted rooms").
    ///
    /// # Errors
    ///
    /// When the join rules don't let the user in, or this server can't tell.
    pub(super) fn authorising_user(
        &self,
        room: &Room,
        user: &UserId,
    ) -> Result<Option<OwnedUserId>, MatrixError> {
        let state = room.current_state();
        let membership = room.membership(state, user.as_str());
        if membership == Some("ban") {
            return Err(MatrixError::forbidden(format!("{user} is banned")));
        }
        let rules = room.state_event(state, &StateEventType::RoomJoinRules, "");
        let content: Value =
            rules.and_then(|pdu| serde_json::from_str(pdu.content().get()).ok()).unwrap_or_default();
        let is_in = matches!(membership, Some("invite" | "join"));
        match content["join_rule"].as_str() {
            Some("public") => Ok(None),
            _ if is_in => Ok(None),
            Some("restricted" | "knock_restricted") => {
                if !self.may_enter_by(&content, user)? {
                    return Err(MatrixError::forbidden(format!(
                        "{user} is in none of the rooms that would do"
                    )));
                }
                let mut own = room.members(state, "join").filter(|user| user.server_name() == self.name);
                let authorising = own.find(|user| room.power(state, user) >= room.power_to_invite(state));
                authorising
                    .map(|user| Some(user.to_owned()))
                    .ok_or_else(|| MatrixError::unable_to_authorise_join("no user of this server may invite"))
            }
            _ => Err(MatrixError::forbidden(format!("{user} is not invited"))),
        }
    }

    fn may_enter_by(&self, join_rules: &Value, user: &UserId) -> Result<bool, MatrixError> {
        let durable = self.store.read();
        let allow = join_rules["allow"].as_array().cloned().unwrap_or_default();
        let mut unknown = false;
        for condition in &allow {
            let room = condition["room_id"].as_str().and_then(|id| <&RoomId>::try_from(id).ok());
            match room.and_then(|id| durable.rooms.get(id)) {
                Some(room) if room.membership(room.current_state(), user.as_str()) == Some("join") => {
                    return Ok(true);
                }
                Some(_) => {}
                None => unknown = true,
            }
        }
        if unknown {
            return Err(MatrixError::unable_to_authorise_join(
                "this server is not in all the rooms that would do",
            ));
        }
        Ok(false)
    }
}

/// The join of a user by itself.
pub(super) fn own_join(user: &UserId) -> Draft {
    Draft::member(user.as_str(), user.as_str(), json!({ "membership": "join" }))
}

/// A resident server could make the joiner sign anything (SS-API, v1.18).
fn check_template(event: &Value, room: &RoomId, user: &UserId) -> Result<(), String> {
    let fields = [
        ("room_id", room.as_str()),
        ("sender", user.as_str()),
        ("state_key", user.as_str()),
        ("type", "m.room.member"),
    ];
    for (field, expected) in fields {
        if event[field] != expected {
            return Err(format!("make_join: `{field}` is {}, not {expected}", event[field]));
        }
    }
    if event["content"]["membership"] != "join" {
        return Err("make_join: the template is not a join".to_owned());
    }
    Ok(())
}
