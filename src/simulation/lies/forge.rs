//! What a liar can make: events of its own users, signed with its own keys, old or new; and others' events
//! changed, which it can't sign.

use std::rc::Rc;

use rand::{RngExt, rngs::ChaCha8Rng, seq::IndexedRandom};
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, OwnedRoomId};
use serde_json::{Value, json, value::RawValue};

use crate::{
    homeserver::Homeserver,
    matrix::{
        crypto::{Crypto, SigningKey},
        draft::{Draft, place_and_sign_anyway},
        keys::RetiredKey,
        pdu::MAX_PDU_BYTES,
        version::RoomVersion,
    },
};

/// The workshop of one lie.
pub(super) struct Forge<'a> {
    pub(super) server: &'a Rc<Homeserver>,
    pub(super) room: &'a OwnedRoomId,
    pub(super) asker: &'a str,
    pub(super) random: &'a mut ChaCha8Rng,
    made: Vec<Box<RawValue>>,
}

impl<'a> Forge<'a> {
    pub(super) fn new(
        server: &'a Rc<Homeserver>,
        room: &'a OwnedRoomId,
        asker: &'a str,
        random: &'a mut ChaCha8Rng,
    ) -> Self {
        Self { server, room, asker, random, made: Vec::new() }
    }

    /// The events that were made, for those who must know that they are no accident.
    pub(super) fn made(self) -> Vec<Box<RawValue>> {
        self.made
    }

    /// The room's version.
    pub(super) fn version(&self) -> Option<RoomVersion> {
        Some(self.server.store().read().rooms.get(self.room)?.version())
    }

    /// An event of the room, as its sender made it.
    pub(super) fn any_event(&mut self) -> Option<Box<RawValue>> {
        let durable = self.server.store().read();
        let room = durable.rooms.get(self.room)?;
        let history: Vec<_> =
            room.graph().iter().filter(|idx| room.graph().standing(*idx).is_history()).collect();
        Some(room.event_at(*history.choose(self.random)?)?.json().to_owned())
    }

    /// The ids of accepted events, newest first.
    pub(super) fn history(&self) -> Vec<String> {
        let durable = self.server.store().read();
        let Some(room) = durable.rooms.get(self.room) else { return Vec::new() };
        let graph = room.graph();
        let mut history: Vec<_> = graph
            .iter()
            .filter(|idx| graph.standing(*idx).is_history())
            .map(|idx| (graph.depth(idx), graph.id(idx).to_string()))
            .collect();
        history.sort_by(|a, b| b.cmp(a));
        history.into_iter().map(|(_, id)| id).collect()
    }

    /// How others refer to an event of this id.
    pub(super) fn reference(&self, id: &str) -> CanonicalJsonValue {
        let pair =
            || CanonicalJsonValue::Array(vec![id.to_owned().into(), CanonicalJsonObject::new().into()]);
        match self.version() {
            Some(version) if version.has_event_ids_on_the_wire() => pair(),
            _ => id.to_owned().into(),
        }
    }

    /// The id of an event that never was.
    pub(super) fn nowhere(&mut self) -> String {
        let bytes: [u8; 32] = self.random.random();
        match self.version() {
            Some(version) if version.has_event_ids_on_the_wire() => {
                format!(
                    "$nowhere{}:{}",
                    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")),
                    self.server.name()
                )
            }
            _ => {
                use ruma_common::serde::{Base64, base64::UrlSafe};
                format!("${}", Base64::<UrlSafe, _>::new(bytes.to_vec()).encode())
            }
        }
    }

    /// A message of an own user, changed before it is hashed and signed.
    pub(super) fn own_message(
        &mut self,
        text: &str,
        change: impl FnOnce(&mut CanonicalJsonObject),
    ) -> Option<Box<RawValue>> {
        let key = self.server.store().read().signing_key.clone();
        let object = self.place(text)?;
        self.sign(object, &key, change)
    }

    /// The same, signed by a key of choice.
    pub(super) fn message_signed_by(&mut self, text: &str, key: &SigningKey) -> Option<Box<RawValue>> {
        let object = self.place(text)?;
        self.sign(object, key, |_| {})
    }

    /// A message of exactly so many bytes.
    pub(super) fn message_of(&mut self, bytes: usize) -> Option<Box<RawValue>> {
        let short = self.own_message("x", |_| {})?;
        self.made.pop();
        let more = bytes.checked_sub(short.get().len())?;
        debug_assert!(more < 2 * MAX_PDU_BYTES);
        self.own_message(&"x".repeat(more + 1), |_| {})
    }

    fn place(&self, text: &str) -> Option<CanonicalJsonObject> {
        let sender = self.own_user()?;
        let content = json!({ "msgtype": "m.text", "body": text });
        self.server.place_draft(self.room, Draft::message_like("m.room.message", &sender, content)).ok()
    }

    fn own_user(&self) -> Option<String> {
        let durable = self.server.store().read();
        let room = durable.rooms.get(self.room)?;
        let user =
            room.members(room.current_state(), "join").find(|user| user.server_name() == self.server.name());
        user.map(ToString::to_string)
    }

    /// Changes an object, hashes it and signs it in the liar's name.
    pub(super) fn sign(
        &mut self,
        mut object: CanonicalJsonObject,
        key: &SigningKey,
        change: impl FnOnce(&mut CanonicalJsonObject),
    ) -> Option<Box<RawValue>> {
        change(&mut object);
        object.remove("hashes");
        let version = self.version()?;
        let event = place_and_sign_anyway(object, version, self.server.name(), key, self.crypto()).ok()?;
        self.made.push(event.clone());
        Some(event)
    }

    fn crypto(&self) -> &'a Crypto {
        self.server.crypto()
    }

    /// A key of this server that expired long before the run, and that it publishes as such.
    pub(super) fn expired_key(&self) -> Rc<SigningKey> {
        let known = |key: &&RetiredKey| key.key.id().key_name().as_str() == "before";
        if let Some(retired) = self.server.store().read().retired_keys.iter().find(known) {
            return retired.key.clone();
        }
        let name = self.server.name().as_bytes();
        let mut seed = [0; 32];
        seed.iter_mut().zip(name).for_each(|(seed, byte)| *seed = *byte);
        let key = Rc::new(SigningKey::from_seed(seed, "before"));
        self.server.store().write(|durable| durable.retire(key.clone(), 1_000));
        key
    }
}

/// An event as an object.
pub(super) fn object(event: &RawValue) -> Option<Value> {
    serde_json::from_str(event.get()).ok()
}

/// An object as an event that nobody signed anew.
pub(super) fn unsigned(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).expect("it is JSON")
}
