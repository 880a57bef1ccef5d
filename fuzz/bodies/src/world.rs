//! Rooms made event by event, by servers whose keys the fuzzer holds: what structured targets start from.

use std::{array, cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, OwnedEventId, ServerName, UserId};
use serde_json::{json, value::RawValue};

use backfire::{
    matrix::{
        crypto::{Crypto, Scheme, SigningKey},
        draft::{Draft, Place, hash_and_sign},
        keys::{KeyRing, PublicKey},
        memory::Memory,
        pdu::{Pdu, PduError},
        version::RoomVersion,
    },
    room::{Arrival, Room},
};

/// The servers that exist. The first is the one under test.
pub(super) const HOSTS: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
/// When the world begins, in milliseconds since the epoch.
pub(super) const START: u64 = 1_600_000_000_000;
/// What is said where a server that comes later may not see it.
pub(super) const HIDDEN: &str = "not for those who came later";
/// Until when all keys hold.
const KEYS_HOLD: u64 = START + 100 * 24 * 3_600_000;

/// After so many inputs the memory is emptied.
const USES_OF_MEMORY: u32 = 256;

thread_local! {
    static MEMORY: RefCell<(Memory, u32)> = RefCell::default();
    static KEYS: [Rc<SigningKey>; HOSTS.len()] =
        array::from_fn(|place| Rc::new(SigningKey::from_seed(seed(HOSTS[place]), "1")));
    static FOUNDED: RefCell<BTreeMap<RoomVersion, Realm>> = RefCell::default();
    static LIVED_IN: RefCell<BTreeMap<RoomVersion, Realm>> = RefCell::default();
}

/// What the key of a host is made from.
pub(super) fn seed(host: &str) -> [u8; 32] {
    [host.as_bytes()[0]; 32]
}

pub(super) fn server(host: &str) -> &ServerName {
    <&ServerName>::try_from(host).expect("hosts are server names")
}

/// The only user of a server.
pub(super) fn user(host: &str) -> String {
    format!("@u:{host}")
}

/// The key of a host; those of hosts that don't exist are the last one's.
pub(super) fn key(host: &str) -> Rc<SigningKey> {
    let place = HOSTS.iter().position(|known| *known == host).unwrap_or(HOSTS.len() - 1);
    KEYS.with(|keys| keys[place].clone())
}

/// A signature that costs little: what is under test is not ed25519.
pub(super) fn stand_in() -> Crypto {
    Crypto::new(Scheme::StandIn)
}

/// What the servers of a run remember of signatures and texts, which an input may share with those before it:
/// it can only save them work. Forgotten now and then, since each input adds to it.
pub(super) fn memory() -> Memory {
    MEMORY.with(|kept| {
        let (memory, uses) = &mut *kept.borrow_mut();
        if uses.is_multiple_of(USES_OF_MEMORY) {
            *memory = Memory::new(Scheme::StandIn);
        }
        *uses += 1;
        memory.clone()
    })
}

/// The keys of all servers.
pub(super) fn key_ring() -> KeyRing {
    let mut ring = KeyRing::default();
    for host in HOSTS {
        let bytes = key(host).public().to_vec();
        ring.insert(server(host), "ed25519:1", PublicKey { bytes, valid_until: KEYS_HOLD, expired: false });
    }
    ring
}

/// Signs an event in the name of its sender's server, which may be none of the world's.
pub(super) fn sign(
    object: CanonicalJsonObject,
    version: RoomVersion,
    crypto: &Crypto,
) -> Result<Arc<Pdu>, PduError> {
    let sender = object.get("sender").and_then(CanonicalJsonValue::as_str).unwrap_or_default();
    let host = sender.split_once(':').map_or("g", |(_, host)| host).to_owned();
    hash_and_sign(object, version, server(&host), &key(&host), crypto)
}

/// A room in the making, with every event that was ever made for it.
#[derive(Clone)]
pub(super) struct Realm {
    pub(super) version: RoomVersion,
    /// The room of somebody who has everything.
    pub(super) room: Room,
    /// Its events in the order in which they were made.
    pub(super) pdus: Vec<Arc<Pdu>>,
}

impl Realm {
    /// A public room of `a` that `b`, `c` and `d` have joined, with history visible to whoever is in it.
    pub(super) fn founded(version: RoomVersion) -> Self {
        FOUNDED.with(|founded| {
            founded.borrow_mut().entry(version).or_insert_with(|| Self::found(version)).clone()
        })
    }

    fn found(version: RoomVersion) -> Self {
        let creator = user("a");
        let mut content = json!({ "room_version": version.to_string() });
        if version.number() < 11 {
            content["creator"] = creator.as_str().into();
        }
        let room_id = (!version.has_hash_room_ids()).then_some("!room:a");
        let place = Place {
            version,
            room_id,
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            timestamp: START,
            chosen_id: version.has_event_ids_on_the_wire().then_some("$e0:a"),
        };
        let create = Draft::state("m.room.create", &creator, content).place(place).expect("it is canonical");
        let create = sign(create, version, &stand_in()).expect("it is well-formed");
        let room = Room::new(create.room_id(), version);
        let mut realm = Self { version, room, pdus: Vec::new() };
        realm.take(create);
        realm.say(Draft::member(&creator, &creator, json!({ "membership": "join" })));
        let users = if version.has_hash_room_ids() { json!({}) } else { json!({ &creator: 100 }) };
        realm.say(Draft::state("m.room.power_levels", &creator, json!({ "users": users })));
        realm.say(Draft::state("m.room.join_rules", &creator, json!({ "join_rule": "public" })));
        let visibility = json!({ "history_visibility": "shared" });
        realm.say(Draft::state("m.room.history_visibility", &creator, visibility));
        for host in &HOSTS[1..4] {
            realm.say(Draft::member(&user(host), &user(host), json!({ "membership": "join" })));
        }
        realm
    }

    /// The same room later on, with a fork and its merge, a redacted message and some that only those may see
    /// who were in it: `d` has left since, `e` is banned, `f` has come last, and `g` was never there.
    pub(super) fn lived_in(version: RoomVersion) -> Self {
        LIVED_IN.with(|lived_in| {
            let mut lived_in = lived_in.borrow_mut();
            lived_in.entry(version).or_insert_with(|| Self::founded(version).live_in()).clone()
        })
    }

    fn live_in(mut self) -> Self {
        let message =
            |by: &str, body: &str| Draft::message_like("m.room.message", &user(by), json!({ "body": body }));
        let member =
            |of: &str, by: &str, to: &str| Draft::member(&user(of), &user(by), json!({ "membership": to }));
        let visibility = |to: &str| {
            Draft::state("m.room.history_visibility", &user("a"), json!({ "history_visibility": to }))
        };
        for by in ["a", "b", "c"] {
            self.say(message(by, "hello"));
        }
        let tips = self.room.forward_extremities();
        for by in ["b", "c"] {
            let object = self.place(message(by, "fork"), &tips);
            self.take(sign(object, self.version, &stand_in()).expect("honest events are well-formed"));
        }
        let merge = self.say(message("a", "merge"));
        let redaction = Draft::message_like("m.room.redaction", &user("a"), json!({}));
        self.say(Draft { redacts: Some(merge.event_id().to_string()), ..redaction });
        self.say(visibility("joined"));
        for by in ["a", "b", "c", "d"] {
            self.say(message(by, HIDDEN));
        }
        self.say(visibility("shared"));
        self.say(member("d", "d", "leave"));
        self.say(member("e", "a", "ban"));
        self.say(member("f", "f", "join"));
        for by in ["a", "b", "c", "f", "a", "b"] {
            self.say(message(by, "later"));
        }
        self
    }

    /// Puts a draft behind some events, with depth and auth events as an honest server would choose them.
    pub(super) fn place(&self, draft: Draft, parents: &[OwnedEventId]) -> CanonicalJsonObject {
        place(&self.room, self.pdus.len(), draft, parents)
    }

    /// How events refer to another, known or not.
    pub(super) fn reference(&self, id: &OwnedEventId) -> CanonicalJsonValue {
        reference(&self.room, id)
    }

    /// Notes an event that was made.
    pub(super) fn take(&mut self, pdu: Arc<Pdu>) {
        self.room.receive(pdu.clone(), Arrival::Backfilled);
        self.pdus.push(pdu);
    }

    /// Makes an event as an honest server would, behind all that is there.
    pub(super) fn say(&mut self, draft: Draft) -> Arc<Pdu> {
        let object = self.place(draft, &self.room.forward_extremities());
        let pdu = sign(object, self.version, &stand_in()).expect("honest events are well-formed");
        self.take(pdu.clone());
        pdu
    }
}

/// Puts a draft behind some events of a room, as the room's event of that number.
pub(super) fn place(
    room: &Room,
    number: usize,
    draft: Draft,
    parents: &[OwnedEventId],
) -> CanonicalJsonObject {
    let known: Vec<OwnedEventId> =
        parents.iter().filter(|id| room.state_before(id).is_some()).cloned().collect();
    let state = room.state_after_all(&known).unwrap_or_else(|| room.current_state().clone());
    let content = RawValue::from_string(draft.content.to_string()).expect("it is JSON");
    let sender = <&UserId>::try_from(draft.sender.as_str()).expect("drafts are by users");
    let key = draft.state_key.as_deref();
    let auth_events = room.auth_events_of(&state, &draft.kind, sender, key, &content);
    let references = |ids: &[OwnedEventId]| -> Vec<CanonicalJsonValue> {
        ids.iter().map(|id| reference(room, id)).collect()
    };
    let depth = parents.iter().filter_map(|id| room.event(id)).map(|pdu| pdu.depth()).max();
    let version = room.version();
    let chosen = format!("$e{number}:{}", sender.server_name());
    let place = Place {
        version,
        room_id: Some(room.room_id().as_str()),
        prev_events: references(parents),
        auth_events: references(&auth_events),
        depth: depth.unwrap_or(0).saturating_add(1).min(version.max_depth()),
        timestamp: START + 1_000 * number as u64,
        chosen_id: version.has_event_ids_on_the_wire().then_some(&chosen),
    };
    draft.place(place).expect("drafts are canonical")
}

fn reference(room: &Room, id: &OwnedEventId) -> CanonicalJsonValue {
    match room.event(id) {
        Some(pdu) => pdu.reference(),
        None if room.version().has_event_ids_on_the_wire() => CanonicalJsonValue::Array(vec![
            id.as_str().into(),
            CanonicalJsonObject::from([("sha256".to_owned(), "AA".into())]).into(),
        ]),
        None => id.as_str().into(),
    }
}
