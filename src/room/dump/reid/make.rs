//! Events made anew, oldest first: each cites the new ids of those that it cited, is hashed, and signed by
//! who has to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ruma_common::{
    CanonicalJsonObject, CanonicalJsonValue, EventId, OwnedEventId, OwnedServerName, OwnedUserId, RoomId,
    ServerName, UserId,
};
use serde_json::{Map, Value, value::RawValue};
use sha2::{Digest, Sha256};

use super::{Reid, ReidError, given::Given};
use crate::{
    matrix::{
        crypto::{Crypto, SigningKey},
        draft::{Draft, Place, countersign, hash_and_sign},
        pdu::{Pdu, PduError, Road, UnverifiedPdu},
        version::RoomVersion,
    },
    room::{Arrival, Room},
};

/// Makes the room of events, each of which comes after those that it cites.
pub(super) fn room_of(file: &str, given: Vec<Given>, version: RoomVersion) -> Result<Reid, ReidError> {
    let Some(create) = given.iter().find(|event| event.is_create) else {
        return Err(ReidError::NoCreate { file: file.to_owned() });
    };
    let mut maker = Maker::new(version, create)?;
    maker.selects = given.iter().any(|event| event.auth_events.is_none());
    for event in &given {
        maker.make(event)?;
    }
    Ok(Reid { room_id: maker.room.room_id().to_owned(), pdus: maker.pdus, ids: maker.ids, keys: maker.keys })
}

struct Maker {
    version: RoomVersion,
    /// Of room version 12 only once the create event is made.
    room_id: Option<String>,
    creators: BTreeSet<String>,
    /// Whether some event has its auth events selected.
    selects: bool,
    /// For that it has all that was made.
    room: Room,
    pdus: Vec<Arc<Pdu>>,
    ids: Vec<(String, OwnedEventId)>,
    made: BTreeMap<String, Arc<Pdu>>,
    keys: BTreeMap<OwnedServerName, SigningKey>,
}

impl Maker {
    fn new(version: RoomVersion, create: &Given) -> Result<Self, ReidError> {
        let sender = sender(create)?;
        let given =
            create.fields.get("room_id").and_then(Value::as_str).filter(|id| RoomId::parse(id).is_ok());
        let room_id = given.map_or_else(|| format!("!room:{}", sender.server_name()), str::to_owned);
        let additional =
            create.fields.get("content").and_then(|content| content.get("additional_creators")?.as_array());
        let additional = additional.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Ok(Self {
            version,
            selects: true,
            room: Room::new(&RoomId::parse(&room_id).expect("it was checked, or has a server name"), version),
            room_id: (!version.has_hash_room_ids()).then_some(room_id),
            creators: additional.chain([sender.to_string()]).collect(),
            pdus: Vec::new(),
            ids: Vec::new(),
            made: BTreeMap::new(),
            keys: BTreeMap::new(),
        })
    }

    fn make(&mut self, given: &Given) -> Result<(), ReidError> {
        let sender = sender(given)?;
        let draft = self.draft(given, &sender)?;
        let chosen_id = self.chosen_id(given, sender.server_name());
        let place = Place {
            version: self.version,
            room_id: self
                .room_id
                .as_deref()
                .filter(|_| !(given.is_create && self.version.has_hash_room_ids())),
            prev_events: given.prev_events.iter().map(|name| self.made[name].reference()).collect(),
            auth_events: self.auth_events(given, &draft, &sender)?,
            depth: self.depth(given)?,
            timestamp: self.timestamp(given)?,
            chosen_id: chosen_id.as_deref(),
        };
        let event = draft.place(place).map_err(|error| given.problem(error.to_string()))?;
        let signed = self.signed(event, sender.server_name());
        let pdu = signed.map_err(|error| given.problem(error.to_string()))?;
        if given.is_create && self.room_id.is_none() {
            self.room_id = Some(pdu.room_id().to_string());
            self.room = Room::new(pdu.room_id(), self.version);
        }
        if self.selects {
            self.room.receive(pdu.clone(), Arrival::Backfilled);
        }
        if let Some(name) = &given.name {
            self.made.insert(name.clone(), pdu.clone());
            self.ids.push((name.clone(), pdu.event_id().clone()));
        }
        self.pdus.push(pdu);
        Ok(())
    }

    fn draft(&self, given: &Given, sender: &UserId) -> Result<Draft, ReidError> {
        let text = |key: &str| match given.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(given.problem(format!("field `{key}`: must be a string"))),
        };
        let mut content = match given.fields.get("content") {
            None => Map::new(),
            Some(Value::Object(content)) => content.clone(),
            Some(_) => return Err(given.problem("field `content`: must be an object")),
        };
        if given.redacts.is_some() {
            content.remove("redacts");
        }
        if given.is_create {
            content.insert("room_version".to_owned(), self.version.to_string().into());
            if self.version.number() < 11 {
                content.entry("creator").or_insert_with(|| sender.as_str().into());
            }
        }
        let kind = text("type")?.ok_or_else(|| given.problem("field `type`: is missing"))?;
        // In room version 12 creators have all power, and power levels that name them are rejected.
        if kind == "m.room.power_levels"
            && self.version.has_hash_room_ids()
            && let Some(users) = content.get_mut("users").and_then(Value::as_object_mut)
        {
            users.retain(|user, _| !self.creators.contains(user));
        }
        let mut content = Value::Object(content);
        self.rename_in(&mut content);
        Ok(Draft {
            kind,
            state_key: text("state_key")?,
            sender: sender.to_string(),
            content,
            redacts: given.redacts.as_ref().map(|name| self.made[name].event_id().to_string()),
        })
    }

    /// Puts the new ids in the place of those that a content names.
    fn rename_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(pdu) = self.made.get(text) {
                    *text = pdu.event_id().to_string();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename_in(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.rename_in(field)),
            _ => {}
        }
    }

    /// Those that were given, or else what the state before the event has for it.
    fn auth_events(
        &self,
        given: &Given,
        draft: &Draft,
        sender: &UserId,
    ) -> Result<Vec<CanonicalJsonValue>, ReidError> {
        if let Some(names) = &given.auth_events {
            let cited = names.iter().map(|name| &self.made[name]);
            // In room version 12 the create event allows all others without being cited.
            let cited = cited.filter(|pdu| !(self.version.has_hash_room_ids() && pdu.is_create()));
            return Ok(cited.map(|pdu| pdu.reference()).collect());
        }
        let before: Vec<OwnedEventId> =
            given.prev_events.iter().map(|name| self.made[name].event_id().clone()).collect();
        let Some(state) = self.room.state_after_all(&before) else { return Ok(Vec::new()) };
        let content = RawValue::from_string(draft.content.to_string()).expect("serialised JSON is JSON");
        let ids = self.room.auth_events_of(&state, &draft.kind, sender, draft.state_key.as_deref(), &content);
        Ok(ids.iter().filter_map(|id| self.room.event(id)).map(|pdu| pdu.reference()).collect())
    }

    fn depth(&self, given: &Given) -> Result<u64, ReidError> {
        let deepest = given.prev_events.iter().map(|name| self.made[name].depth()).max();
        let counted = deepest.map_or(1, |depth| depth.saturating_add(1)).min(self.version.max_depth());
        number(given, "depth").map(|depth| depth.unwrap_or(counted))
    }

    /// One that is not given is a second after those before it, so that the order of events is that of their
    /// times.
    fn timestamp(&self, given: &Given) -> Result<u64, ReidError> {
        let latest = given.prev_events.iter().map(|name| self.made[name].timestamp()).max();
        number(given, "origin_server_ts")
            .map(|time| time.unwrap_or(latest.map_or(1_000, |time| time + 1_000)))
    }

    /// In room version 2 servers choose ids: the given one if it can be one, or one like it.
    fn chosen_id(&self, given: &Given, server: &ServerName) -> Option<String> {
        if !self.version.has_event_ids_on_the_wire() {
            return None;
        }
        let name = given.name.as_deref().unwrap_or_default();
        let is_good = |id: &str| EventId::parse(id).is_ok_and(|id| id.server_name() == Some(server));
        if is_good(name) {
            return Some(name.to_owned());
        }
        let local: String = name.chars().filter(char::is_ascii_alphanumeric).take(100).collect();
        let nth = self.pdus.len();
        let taken = |id: &str| self.pdus.iter().any(|pdu| pdu.event_id() == id);
        let id = format!("${local}:{server}");
        Some(if local.is_empty() || taken(&id) { format!("${local}-{nth}:{server}") } else { id })
    }

    /// Hashes an event, and signs it for the server of its sender and for all others who must sign it.
    fn signed(&mut self, event: CanonicalJsonObject, by: &ServerName) -> Result<Arc<Pdu>, PduError> {
        let (version, crypto) = (self.version, Crypto::default());
        let mut pdu = hash_and_sign(event, version, by, self.key(by), &crypto)?;
        let read = |pdu: &Pdu| UnverifiedPdu::from_object(pdu.object(), version, Road::Ordinary);
        let required = read(&pdu)?.required_signers()?.clone();
        for server in required.iter().filter(|server| **server != by) {
            pdu = countersign(&read(&pdu)?, server, self.key(server), &crypto)?;
        }
        Ok(pdu)
    }

    /// The key of a server: made from its name, so that it is the same every time.
    fn key(&mut self, server: &ServerName) -> &SigningKey {
        self.keys.entry(server.to_owned()).or_insert_with(|| {
            let seed = Sha256::new().chain_update("room reid\0").chain_update(server.as_str()).finalize();
            SigningKey::from_seed(seed.into(), "reid")
        })
    }
}

fn sender(given: &Given) -> Result<OwnedUserId, ReidError> {
    let text = given.fields.get("sender").and_then(Value::as_str);
    let text = text.ok_or_else(|| given.problem("field `sender`: must be a user id"))?;
    UserId::parse(text).map_err(|error| given.problem(format!("field `sender`: `{text}`: {error}")))
}

fn number(given: &Given, field: &str) -> Result<Option<u64>, ReidError> {
    let Some(value) = given.fields.get(field) else { return Ok(None) };
    let number =
        value.as_u64().ok_or_else(|| given.problem(format!("field `{field}`: must be a whole number")));
    number.map(Some)
}
