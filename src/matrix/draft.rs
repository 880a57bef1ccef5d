//! An event in the making: what a server writes, hashes and signs for its own users.

use std::sync::Arc;

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, ServerName};
use serde_json::{Value, value::to_raw_value};

use super::{
    crypto::{Crypto, SigningKey},
    keys::encode,
    numbers,
    pdu::{Limits, Pdu, PduError, UnverifiedPdu, content_hash, signed_bytes},
    version::RoomVersion,
};

/// What an event says, before it is placed in the graph of its room.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its type.
    pub kind: String,
    /// Its state key, for state events.
    pub state_key: Option<String>,
    /// The user who sends it.
    pub sender: String,
    /// Its content, an object.
    pub content: Value,
    /// For a redaction, the event to redact.
    pub redacts: Option<String>,
}

/// Where a new event stands in its room.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The room's version.
    pub version: RoomVersion,
    /// The room, but for the create event of room version 12.
    pub room_id: Option<&'a str>,
    /// The events before it, as references of this room version ([`Pdu::reference`]).
    pub prev_events: Vec<CanonicalJsonValue>,
    /// The events that allow it, likewise.
    pub auth_events: Vec<CanonicalJsonValue>,
    /// One more than the deepest of the events before it.
    pub depth: u64,
    /// `origin_server_ts`, in milliseconds since the epoch.
    pub timestamp: u64,
    /// The id, which room version 2 wants chosen by the server.
    pub chosen_id: Option<&'a str>,
}

impl Draft {
    /// A state event with an empty state key.
    pub fn state(kind: &str, sender: &str, content: Value) -> Self {
        Self { state_key: Some(String::new()), ..Self::message_like(kind, sender, content) }
    }

    /// An event without a state key.
    pub fn message_like(kind: &str, sender: &str, content: Value) -> Self {
        Self { kind: kind.into(), state_key: None, sender: sender.into(), content, redacts: None }
    }

    /// A membership event.
    pub fn member(user: &str, sender: &str, content: Value) -> Self {
        Self { state_key: Some(user.into()), ..Self::message_like("m.room.member", sender, content) }
    }

    /// The unsigned, unhashed event: what `make_join` hands out.
    ///
    /// # Errors
    ///
    /// When the content is not canonical JSON, and the room version asks for that.
    pub fn place(self, place: Place<'_>) -> Result<CanonicalJsonObject, PduError> {
        let Self { kind, state_key, sender, mut content, redacts } = self;
        let in_content = place.version.number() >= 11;
        if let Some(redacts) = redacts.clone().filter(|_| in_content) {
            content["redacts"] = redacts.into();
        }
        let value = |value: Value| match place.version.enforces_canonical_json() {
            true => serde_json::from_value(value).map_err(|error| PduError::NotCanonical(error.to_string())),
            false => to_raw_value(&value)
                .map_err(|error| error.to_string())
                .and_then(|raw| numbers::read_value(&raw, place.version))
                .map_err(PduError::NotCanonical),
        };
        let mut event = CanonicalJsonObject::from([
            ("type".to_owned(), kind.into()),
            ("sender".to_owned(), sender.into()),
            ("content".to_owned(), value(content)?),
            ("depth".to_owned(), value(place.depth.into())?),
            ("origin_server_ts".to_owned(), value(place.timestamp.into())?),
            ("prev_events".to_owned(), place.prev_events.into()),
            ("auth_events".to_owned(), place.auth_events.into()),
        ]);
        let texts = [
            ("state_key", state_key),
            ("room_id", place.room_id.map(str::to_owned)),
            ("event_id", place.chosen_id.map(str::to_owned)),
            ("redacts", redacts.filter(|_| !in_content)),
        ];
        event.extend(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
        Ok(event)
    }
}

/// Hashes and signs an event in the name of `server` (SS-API, "Signing Events").
///
/// # Errors
///
/// When the event has not the shape of one, or is too large.
pub fn hash_and_sign(
    event: CanonicalJsonObject,
    version: RoomVersion,
    server: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) -> Result<Arc<Pdu>, PduError> {
    Ok(signed(event, version, server, key, crypto)?.into_own())
}

/// The event that [`hash_and_sign`] makes, as others read it.
pub(super) fn signed(
    mut event: CanonicalJsonObject,
    version: RoomVersion,
    server: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) -> Result<UnverifiedPdu, PduError> {
    add_content_hash(&mut event, version)?;
    event.entry("signatures".to_owned()).or_insert_with(|| CanonicalJsonObject::new().into());
    add_signature(&mut event, version, server, key, crypto)?;
    let own = UnverifiedPdu::from_object(event, version, Limits::Hold)?;
    own.note_made(server, key, crypto);
    Ok(own)
}

/// Hashes and signs what is not a well-formed event, for those who test how others take it.
///
/// # Errors
///
/// When it has no canonical form to sign.
pub fn place_and_sign_anyway(
    mut event: CanonicalJsonObject,
    version: RoomVersion,
    server: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) -> Result<Box<serde_json::value::RawValue>, PduError> {
    // Too large an event has no hash; then it goes without.
    let _ = add_content_hash(&mut event, version);
    event.remove("signatures");
    let signature = encode(&crypto.sign(key, signed_bytes(&event, version)?.as_bytes()));
    let own = CanonicalJsonObject::from([(key.id().to_string(), signature.into())]);
    let signatures = CanonicalJsonObject::from([(server.to_string(), own.into())]);
    event.insert("signatures".to_owned(), signatures.into());
    let text = serde_json::to_string(&event).expect("canonical JSON serialises");
    let text = numbers::written(text, version);
    Ok(serde_json::value::RawValue::from_string(text).expect("serialised JSON is JSON"))
}

/// Adds the signature of `server` to an event that is hashed already, such as a join that this server allows.
///
/// # Errors
///
/// When the signed event is too large.
pub fn countersign(
    event: &UnverifiedPdu,
    server: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) -> Result<Arc<Pdu>, PduError> {
    let version = event.claims().version();
    let mut object = event.object().clone();
    add_signature(&mut object, version, server, key, crypto)?;
    Ok(UnverifiedPdu::from_object(object, version, Limits::Hold)?.into_own())
}

fn add_content_hash(event: &mut CanonicalJsonObject, version: RoomVersion) -> Result<(), PduError> {
    let hash = encode(&content_hash(event, version)?);
    let hashes = event.entry("hashes".to_owned()).or_insert_with(|| CanonicalJsonObject::new().into());
    let bad = PduError::Field { field: "hashes", problem: "must be an object".to_owned() };
    hashes.as_object_mut().ok_or(bad)?.insert("sha256".to_owned(), hash.into());
    Ok(())
}

fn add_signature(
    event: &mut CanonicalJsonObject,
    version: RoomVersion,
    server: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) -> Result<(), PduError> {
    let signature = encode(&crypto.sign(key, signed_bytes(event, version)?.as_bytes()));
    let signatures = event.get_mut("signatures").and_then(CanonicalJsonValue::as_object_mut);
    let own = signatures
        .map(|all| all.entry(server.to_string()).or_insert_with(|| CanonicalJsonObject::new().into()));
    if let Some(own) = own.and_then(CanonicalJsonValue::as_object_mut) {
        own.insert(key.id().to_string(), signature.into());
    }
    Ok(())
}
