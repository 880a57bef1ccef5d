//! `PUT /_matrix/federation/v2/send_join/{room}/{event}`: a join that the joining server has signed.

use std::{borrow::Cow, collections::BTreeSet, rc::Rc};

use ruma_common::{OwnedServerName, RoomId, ServerName};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Answer, Asked, answer, check_acl};
use crate::{
    homeserver::{Homeserver, observation::Source},
    matrix::{
        draft::countersign,
        endpoint::Endpoint,
        error::MatrixError,
        pdu::{Limits, UnverifiedPdu},
    },
    room::{Refusal, Wants, graph::Standing},
};

impl Homeserver {
    pub(super) async fn answer_send_join(self: &Rc<Self>, asked: Asked, room: &str, id: &str) -> Answer {
        let room_id = RoomId::parse(room).map_err(|error| MatrixError::invalid_param(error.to_string()))?;
        let version = {
            let durable = self.store.read();
            let room = durable.rooms.get(&room_id).filter(|room| room.is_joined(&self.name));
            let room = room.ok_or_else(|| MatrixError::not_found(format!("{room_id} is not known here")))?;
            check_acl(room, &asked.origin)?;
            room.version()
        };
        let invalid = |reason: String| MatrixError::invalid_param(reason);
        let event = to_raw_value(&asked.body.fields).expect("it was JSON");
        let unverified = UnverifiedPdu::parse(event.get(), version, Limits::Hold)
            .map_err(|error| invalid(error.to_string()))?;
        check_is_join(&unverified, id).map_err(invalid)?;
        if self.habits.checks_who_joins {
            check_is_own_join(&unverified, &asked).map_err(invalid)?;
        }
        let text = self.with_own_signature(&unverified).map_err(invalid)?;
        let source = Source::Peer { server: asked.origin.clone(), endpoint: Endpoint::SendJoin };
        let join = self
            .verify_one(&room_id, version, &text, &source)
            .await
            .map_err(|error| MatrixError::forbidden(error.to_string()))?;
        // A join that can't be judged is refused, so it may not stay and make this server look for what it
        // cites.
        if self.store.read().rooms[&room_id].wants_of(&join) != Wants::default() {
            return Err(MatrixError::forbidden("it cites events that are not known here"));
        }
        // The joining server does not know yet who is in the room: the resident tells the others.
        self.take_and_queue(&room_id, join.clone(), &source, |_, room| {
            let is_in = room.standing(join.event_id()) == Some(Standing::Accepted);
            let state = room.state_before(join.event_id()).filter(|_| is_in);
            let mut others = state.map(|state| room.joined_servers(state)).unwrap_or_default();
            others.remove(&asked.origin);
            others
        });

        let durable = self.store.read();
        let room = &durable.rooms[&room_id];
        if room.standing(join.event_id()) != Some(Standing::Accepted) {
            let refusal = room.refusal(join.event_id()).map(Refusal::to_string);
            let reason = refusal.unwrap_or_else(|| "it is not part of the room's history".to_owned());
            return Err(MatrixError::forbidden(reason));
        }
        let state = room.state_before(join.event_id()).expect("accepted events have a state");
        let servers = room.joined_servers(state);
        let json = |idx| room.json_of_state(idx);
        let chain = room.auth_chain(state.values().copied().chain(room.graph().get(join.event_id())));
        answer(&Joined {
            auth_chain: chain.into_iter().filter_map(json).collect(),
            event: join.json(),
            members_omitted: false,
            origin: &self.name,
            servers_in_room: &servers,
            state: state.values().copied().filter_map(json).collect(),
        })
    }

    /// A restricted join needs the signature of the server whose user allowed it (room version 8 on).
    fn with_own_signature(&self, join: &UnverifiedPdu) -> Result<Box<RawValue>, String> {
        let authorised_by = join.claims().content_str("join_authorised_via_users_server");
        let own = authorised_by.is_some_and(|user| {
            <&ruma_common::UserId>::try_from(user.as_str()).is_ok_and(|user| user.server_name() == self.name)
        });
        if !own {
            return Ok(join.claims().json().to_owned());
        }
        let key = self.store.read().signing_key.clone();
        let signed = countersign(join, &self.name, &key, &self.crypto).map_err(|error| error.to_string())?;
        Ok(signed.json().to_owned())
    }
}

#[derive(Serialize)]
struct Joined<'a> {
    auth_chain: Vec<Cow<'a, RawValue>>,
    event: &'a RawValue,
    members_omitted: bool,
    origin: &'a ServerName,
    servers_in_room: &'a BTreeSet<OwnedServerName>,
    state: Vec<Cow<'a, RawValue>>,
}

fn check_is_join(join: &UnverifiedPdu, id: &str) -> Result<(), String> {
    let claims = join.claims();
    if join.event_id() != id {
        return Err(format!("the event's id is {}, the path says {id}", join.event_id()));
    }
    if claims.membership() != Some("join") {
        return Err("the event is not a join".to_owned());
    }
    if claims.state_key() != Some(claims.sender().as_str()) {
        return Err("the event's sender joins somebody else".to_owned());
    }
    Ok(())
}

fn check_is_own_join(join: &UnverifiedPdu, asked: &Asked) -> Result<(), String> {
    if join.sender_server() != asked.origin {
        return Err(format!("{} is not a user of {}", join.claims().sender(), asked.origin));
    }
    Ok(())
}
