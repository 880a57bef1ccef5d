//! One event as it travels between servers: parsed, checked for shape and size, verified, redacted.
//!
//! [`UnverifiedPdu`] is what a peer sent; only [`UnverifiedPdu::verify`] makes a [`Pdu`] of it, so that code
//! which takes a `Pdu` can't be given one that nobody checked.

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    sync::Arc,
};

use js_int::UInt;
use ruma_common::{
    CanonicalJsonObject, CanonicalJsonValue, EventId, ID_MAX_BYTES, MilliSecondsSinceUnixEpoch, OwnedEventId,
    OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, ServerName, UserId,
    canonical_json::{RedactingSerializer, redact},
};
use ruma_events::TimelineEventType;
use ruma_signatures::required_server_signatures_to_verify_event;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    by_rules::ByRules,
    crypto::{Crypto, Scheme, SigningKey},
    keys::{KeyRing, decode, encode},
    numbers,
    version::RoomVersion,
};

/// The largest event in bytes of canonical JSON, signatures included (CS-API, "Size limits"; equal is
/// allowed).
pub const MAX_PDU_BYTES: usize = 65_536;
/// The most `prev_events` of an event (rooms, "Event format").
pub const MAX_PREV_EVENTS: usize = 20;
/// The most `auth_events` of an event (rooms, "Event format").
pub const MAX_AUTH_EVENTS: usize = 10;

/// Whether the limits on `prev_events` and `auth_events` hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// They do.
    Hold,
    /// They don't: in an answer to `/backfill` (SS-API /backfill), and for who reads what others took.
    Waived,
}

/// Why an event was dropped (SS-API, "Checks performed on receipt of a PDU", steps 1 and 2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    /// Not JSON, or JSON that has no canonical form in a room version that asks for it.
    #[error("not canonical JSON: {0}")]
    NotCanonical(String),
    /// Larger than [`MAX_PDU_BYTES`].
    #[error("{0} bytes, the limit is {MAX_PDU_BYTES}")]
    TooLarge(usize),
    /// A field is missing, of the wrong type, or outside its limits.
    #[error("field `{field}`: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A signature that is needed is missing or wrong.
    #[error("signature of {server}: {problem}")]
    Signature {
        /// The server that should have signed.
        server: OwnedServerName,
        /// What is wrong.
        problem: SignatureProblem,
    },
    /// No key is known that could tell; the event may be good.
    #[error("no key of {server} is known that is valid for this event")]
    UnknownKey {
        /// The server whose keys are missing.
        server: OwnedServerName,
    },
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// The server did not sign.
    #[error("there is none")]
    Missing,
    /// It can't be read.
    #[error("it is not unpadded base64")]
    NotBase64,
    /// It is not of this event, or not by this key.
    #[error("it does not match the event")]
    Wrong,
}

fn field(field: &'static str, problem: impl Into<String>) -> PduError {
    PduError::Field { field, problem: problem.into() }
}

/// An event whose signatures hold and whose content is what was hashed, or is redacted.
#[derive(Debug, PartialEq)]
pub struct Pdu {
    version: RoomVersion,
    event_id: OwnedEventId,
    room_id: OwnedRoomId,
    sender: OwnedUserId,
    kind: TimelineEventType,
    state_key: Option<String>,
    content: JsonText,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    depth: u64,
    prev_events: Box<[OwnedEventId]>,
    auth_events: Box<[OwnedEventId]>,
    redacts: Option<OwnedEventId>,
    membership: Option<String>,
    json: JsonText,
    redacted: bool,
    by_rules: ByRules,
}

/// JSON text that compares by its bytes.
#[derive(Debug)]
struct JsonText(Box<RawValue>);

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

impl JsonText {
    fn new(text: String) -> Self {
        Self(RawValue::from_string(text).expect("serialised JSON is JSON"))
    }
}

/// An event as a peer sent it: well-formed, nothing more.
///
/// Copies are the same event: what one of them has worked out, all of them know.
#[derive(Clone, Debug)]
pub struct UnverifiedPdu(Rc<Parsed>);

/// By what a signature was found good: its kind, the server, the key's id and bytes.
type GoodBy = (Scheme, OwnedServerName, String, Vec<u8>);

/// A well-formed event, and what was worked out of it since.
#[derive(Debug)]
struct Parsed {
    pdu: Arc<Pdu>,
    object: CanonicalJsonObject,
    signers: OnceCell<Result<BTreeSet<OwnedServerName>, PduError>>,
    good_by: RefCell<Vec<GoodBy>>,
    hash_holds: OnceCell<bool>,
    with_content_checked: OnceCell<Result<Arc<Pdu>, PduError>>,
}

impl UnverifiedPdu {
    /// Checks an event's shape and size (step 1) and computes its id.
    ///
    /// # Errors
    ///
    /// [`PduError`], but never about signatures.
    pub fn parse(text: &str, version: RoomVersion, limits: Limits) -> Result<Self, PduError> {
        let object = numbers::read(text, version).map_err(PduError::NotCanonical)?;
        Self::from_object(object, version, limits)
    }

    /// The same for an event that is an object already.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_object(
        mut object: CanonicalJsonObject,
        version: RoomVersion,
        limits: Limits,
    ) -> Result<Self, PduError> {
        // `unsigned` is the sender's gossip: neither hashed nor signed, so it is not kept either.
        object.remove("unsigned");
        let pdu = Arc::new(Pdu::read(&object, version, limits)?);
        Ok(Self(Rc::new(Parsed {
            pdu,
            object,
            signers: OnceCell::new(),
            good_by: RefCell::default(),
            hash_holds: OnceCell::new(),
            with_content_checked: OnceCell::new(),
        })))
    }

    /// The event's id: a hash of it, or in room version 2 what it says.
    pub fn event_id(&self) -> &EventId {
        &self.0.pdu.event_id
    }

    /// The room that the event says it is in.
    pub fn room_id(&self) -> &RoomId {
        &self.0.pdu.room_id
    }

    /// The server of the event's sender.
    pub fn sender_server(&self) -> &ServerName {
        self.0.pdu.sender.server_name()
    }

    /// The event's fields, which nobody has vouched for yet.
    pub fn claims(&self) -> &Pdu {
        &self.0.pdu
    }

    /// The event as a JSON object.
    pub fn object(&self) -> &CanonicalJsonObject {
        &self.0.object
    }

    /// Verifies signatures (step 2) and the content hash (step 3): a wrong hash gives the redacted event.
    ///
    /// # Errors
    ///
    /// [`PduError::Signature`], or [`PduError::UnknownKey`] when a key is missing to tell.
    pub fn verify(&self, keys: &KeyRing, crypto: &Crypto) -> Result<Arc<Pdu>, PduError> {
        let servers = self.required_signers()?;
        self.verify_signed_by(servers.iter().map(|server| &**server), keys, crypto)
    }

    /// The servers whose signatures it needs (SS-API, "Validating hashes and signatures on received events").
    ///
    /// # Errors
    ///
    /// When it doesn't say whose.
    pub fn required_signers(&self) -> Result<&BTreeSet<OwnedServerName>, PduError> {
        let servers = self.0.signers.get_or_init(|| {
            let rules = self.0.pdu.version.rules();
            required_server_signatures_to_verify_event(&self.0.object, &rules.signatures)
                .map_err(|error| field("content", error.to_string()))
        });
        servers.as_ref().map_err(PduError::clone)
    }

    /// The same, by the signatures of these servers, whoever should have signed.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_signed_by<'a>(
        &self,
        servers: impl IntoIterator<Item = &'a ServerName>,
        keys: &KeyRing,
        crypto: &Crypto,
    ) -> Result<Arc<Pdu>, PduError> {
        let message = OnceCell::new();
        for server in servers {
            self.verify_signature(server, &message, keys, crypto)?;
        }
        self.with_content_checked()
    }

    /// Takes an event on trust, signatures unseen: for dumps whose keys are not at hand. The content hash is
    /// checked as by [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// When the redacted form can't be made.
    pub fn trust(&self) -> Result<Arc<Pdu>, PduError> {
        self.with_content_checked()
    }

    fn with_content_checked(&self) -> Result<Arc<Pdu>, PduError> {
        let checked = self.0.with_content_checked.get_or_init(|| {
            if self.hash_holds() {
                return Ok(self.0.pdu.clone());
            }
            outline(self.0.object.clone(), self.0.pdu.version)
        });
        checked.clone()
    }

    /// Notes what whoever has just hashed and signed an event needn't find out: that both are right.
    pub(super) fn note_made(&self, server: &ServerName, key: &SigningKey, crypto: &Crypto) {
        let by = (crypto.scheme(), server.to_owned(), key.id().to_string(), key.public().to_vec());
        self.0.good_by.borrow_mut().push(by);
        let _ = self.0.hash_holds.set(true);
    }

    /// An event that this server has just signed itself, which needs no verifying.
    pub(super) fn into_own(self) -> Arc<Pdu> {
        self.0.pdu.clone()
    }

    fn verify_signature(
        &self,
        server: &ServerName,
        message: &OnceCell<Result<String, PduError>>,
        keys: &KeyRing,
        crypto: &Crypto,
    ) -> Result<(), PduError> {
        let Parsed { pdu, object, good_by, .. } = &*self.0;
        let wrong = |problem| PduError::Signature { server: server.to_owned(), problem };
        let signatures = object
            .get("signatures")
            .and_then(|all| all.as_object()?.get(server.as_str())?.as_object())
            .filter(|signatures| !signatures.is_empty())
            .ok_or_else(|| wrong(SignatureProblem::Missing))?;
        let mut verified = false;
        for (key_id, signature) in signatures {
            let Some(key) = keys.get(server, key_id) else { continue };
            if pdu.version.rules().enforce_key_validity && pdu.timestamp() > key.valid_until {
                continue;
            }
            verified = true;
            let is_this = |(scheme, by, id, bytes): &GoodBy| {
                *scheme == crypto.scheme() && *by == server && id == key_id && *bytes == key.bytes
            };
            if good_by.borrow().iter().any(is_this) {
                continue;
            }
            let signature =
                signature.as_str().and_then(decode).ok_or_else(|| wrong(SignatureProblem::NotBase64))?;
            let message = message.get_or_init(|| signed_bytes(object, pdu.version));
            let message = message.as_ref().map_err(PduError::clone)?;
            if !crypto.verify(&key.bytes, &signature, message.as_bytes()) {
                return Err(wrong(SignatureProblem::Wrong));
            }
            let by = (crypto.scheme(), server.to_owned(), key_id.clone(), key.bytes.clone());
            good_by.borrow_mut().push(by);
        }
        if verified { Ok(()) } else { Err(PduError::UnknownKey { server: server.to_owned() }) }
    }

    /// Whether the content hash is that of the content: not so in a redacted copy.
    pub fn hash_holds(&self) -> bool {
        *self.0.hash_holds.get_or_init(|| {
            let claimed = self
                .0
                .object
                .get("hashes")
                .and_then(|hashes| decode(hashes.as_object()?.get("sha256")?.as_str()?));
            let actual = content_hash(&self.0.object, self.0.pdu.version);
            matches!((claimed, actual), (Some(claimed), Ok(actual)) if claimed == actual)
        })
    }
}

/// What a redaction leaves of an event. The limits were checked on the whole event; this is read by the wider
/// ones.
fn outline(object: CanonicalJsonObject, version: RoomVersion) -> Result<Arc<Pdu>, PduError> {
    let redacted = redact(object, &version.rules().redaction, None)
        .map_err(|error| field("content", error.to_string()))?;
    let mut pdu = Pdu::read(&redacted, version, Limits::Waived)?;
    pdu.redacted = true;
    Ok(Arc::new(pdu))
}

/// The bytes that a server signs: the redacted event without signatures (SS-API, "Signing Events").
pub(crate) fn signed_bytes(object: &CanonicalJsonObject, version: RoomVersion) -> Result<String, PduError> {
    RedactingSerializer::new()
        .rules(&version.rules().redaction)
        .custom_redacted_root_fields(&["signatures", "unsigned"])
        .serialize(object)
        .map(|text| numbers::written(text, version))
        .map_err(|error| field("content", error.to_string()))
}

/// The largest text that ruma hashes.
const MAX_HASHED_BYTES: usize = 65_535;

/// The hash of what an event says (SS-API, "Calculating the content hash for an event").
pub(super) fn content_hash(object: &CanonicalJsonObject, version: RoomVersion) -> Result<[u8; 32], PduError> {
    let text = RedactingSerializer::new()
        .custom_redacted_root_fields(&["hashes", "signatures", "unsigned"])
        .serialize(object)
        .map_err(|error| field("content", error.to_string()))?;
    hash(&numbers::written(text, version))
}

/// The hash by which others refer to an event (SS-API, "Calculating the reference hash for an event"), in the
/// alphabet of the room version.
fn reference_hash(object: &CanonicalJsonObject, version: RoomVersion) -> Result<String, PduError> {
    let hash = encode(&hash(&signed_bytes(object, version)?)?);
    let has_url_safe_ids = version.number() >= 4;
    Ok(if has_url_safe_ids { hash.replace('+', "-").replace('/', "_") } else { hash })
}

fn hash(text: &str) -> Result<[u8; 32], PduError> {
    if text.len() > MAX_HASHED_BYTES {
        return Err(field("content", format!("PDU is larger than maximum of {MAX_HASHED_BYTES} bytes")));
    }
    Ok(Sha256::digest(text).into())
}

impl Pdu {
    fn read(object: &CanonicalJsonObject, version: RoomVersion, limits: Limits) -> Result<Self, PduError> {
        let json = serde_json::to_string(object).expect("canonical JSON serialises");
        let json = numbers::written(json, version);
        if json.len() > MAX_PDU_BYTES {
            return Err(PduError::TooLarge(json.len()));
        }
        let kind = TimelineEventType::from(&*text(object, "type", version)?);
        let sender =
            UserId::parse(&*text(object, "sender", version)?).map_err(|e| field("sender", e.to_string()))?;
        let state_key = optional_text(object, "state_key", version)?.map(Cow::into_owned);
        let content = object
            .get("content")
            .filter(|content| content.is_object())
            .ok_or_else(|| field("content", "must be an object"))?;
        if !object.get("hashes").is_some_and(CanonicalJsonValue::is_object) {
            return Err(field("hashes", "must be an object"));
        }
        if !object.get("signatures").is_some_and(CanonicalJsonValue::is_object) {
            return Err(field("signatures", "must be an object"));
        }
        let event_id = event_id(object, version)?;
        let room_id = room_id(object, version, &kind, &event_id)?;
        let (most_prev, most_auth) = match limits {
            Limits::Hold => (MAX_PREV_EVENTS, MAX_AUTH_EVENTS),
            Limits::Waived => (usize::MAX, usize::MAX),
        };
        let auth_events = references(object, "auth_events", most_auth, version)?;
        if version.has_hash_room_ids() && auth_events.iter().any(|id| creates(id, &room_id)) {
            return Err(field(
                "auth_events",
                "cites the create event, which is implied in this room version",
            ));
        }
        Ok(Self {
            version,
            origin_server_ts: timestamp(object)?,
            depth: depth(object, version)?,
            prev_events: references(object, "prev_events", most_prev, version)?,
            auth_events,
            redacts: redacts(object, content),
            membership: membership(&kind, content),
            content: JsonText::new(numbers::written(content.to_string(), version)),
            json: JsonText::new(json),
            event_id,
            room_id,
            sender,
            kind,
            state_key,
            redacted: false,
            by_rules: ByRules::default(),
        })
    }

    /// Whether it keeps to the limits, where they hold.
    pub(super) fn is_within(&self, limits: Limits) -> bool {
        limits == Limits::Waived
            || (self.prev_events.len() <= MAX_PREV_EVENTS && self.auth_events.len() <= MAX_AUTH_EVENTS)
    }

    /// The room version whose rules the event follows.
    pub fn version(&self) -> RoomVersion {
        self.version
    }

    /// The event's id.
    pub fn event_id(&self) -> &OwnedEventId {
        &self.event_id
    }

    /// The room; for a create event of room version 12, which carries none, the one that it makes.
    pub fn room_id(&self) -> &RoomId {
        &self.room_id
    }

    /// The user who sent it.
    pub fn sender(&self) -> &UserId {
        &self.sender
    }

    /// Its type.
    pub fn kind(&self) -> &TimelineEventType {
        &self.kind
    }

    /// Its state key; only state events have one.
    pub fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    /// The type and state key of a state event.
    pub fn state_slot(&self) -> Option<(&TimelineEventType, &str)> {
        Some((&self.kind, self.state_key()?))
    }

    /// Its content, as JSON text.
    pub fn content(&self) -> &RawValue {
        &self.content.0
    }

    /// One string of its content.
    pub fn content_str(&self, key: &str) -> Option<String> {
        let content = numbers::read(self.content().get(), self.version).ok()?;
        numbers::text(content.get(key)?, self.version).map(Cow::into_owned)
    }

    /// The `membership` of a membership event.
    pub fn membership(&self) -> Option<&str> {
        self.membership.as_deref()
    }

    /// `origin_server_ts`: the sender's clock, in milliseconds since the epoch.
    pub fn timestamp(&self) -> u64 {
        self.origin_server_ts.get().into()
    }

    /// Its claimed depth.
    pub fn depth(&self) -> u64 {
        self.depth
    }

    /// The events before it.
    pub fn prev_events(&self) -> &[OwnedEventId] {
        &self.prev_events
    }

    /// The events that allow it.
    pub fn auth_events(&self) -> &[OwnedEventId] {
        &self.auth_events
    }

    /// The event that it redacts, if it is a redaction.
    pub fn redacts(&self) -> Option<&EventId> {
        self.redacts.as_deref()
    }

    /// The join rules of a room that has no such event: `invite`. The text has no default (matrix-spec#657),
    /// but servers agree on this one, and a state reset can take the join rules from a room.
    pub(crate) fn default_join_rules(room_id: &RoomId, version: RoomVersion) -> Self {
        let content = r#"{"join_rule":"invite"}"#;
        Self {
            version,
            event_id: EventId::parse("$default_join_rules").expect("ids start with `$`"),
            room_id: room_id.to_owned(),
            sender: UserId::parse("@default:invalid").expect("a user id"),
            kind: TimelineEventType::RoomJoinRules,
            state_key: Some(String::new()),
            content: JsonText::new(content.to_owned()),
            origin_server_ts: MilliSecondsSinceUnixEpoch(UInt::MIN),
            depth: 0,
            prev_events: Box::default(),
            auth_events: Box::default(),
            redacts: None,
            membership: None,
            json: JsonText::new(format!(r#"{{"content":{content}}}"#)),
            redacted: false,
            by_rules: ByRules::default(),
        }
    }

    /// The event as a server sends it: canonical JSON.
    pub fn json(&self) -> &RawValue {
        &self.json.0
    }

    pub(super) fn by_rules(&self) -> &ByRules {
        &self.by_rules
    }

    /// When its author's server says that it made it, in milliseconds since the epoch.
    pub fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.origin_server_ts
    }

    /// Whether this is the redacted form, since the content hash did not hold.
    pub fn is_redacted(&self) -> bool {
        self.redacted
    }

    /// Whether it is the room's create event.
    pub fn is_create(&self) -> bool {
        self.kind == TimelineEventType::RoomCreate && self.state_key.as_deref() == Some("")
    }

    /// The event with all but the essential fields removed (rooms, "Redactions"): same id, same links.
    pub fn redacted_json(&self) -> Box<RawValue> {
        let object = redact(self.object(), &self.version.rules().redaction, None)
            .expect("the shape was checked when the event was read");
        let text = serde_json::to_string(&object).expect("canonical JSON serialises");
        RawValue::from_string(numbers::written(text, self.version)).expect("serialised JSON is JSON")
    }

    /// What is left of the event once a redaction holds; nothing if that takes nothing from it.
    pub fn outline(&self) -> Option<Arc<Self>> {
        let outline = outline(self.object(), self.version).expect("the shape was checked when it was read");
        (outline.content.0.get() != self.content.0.get()).then_some(outline)
    }

    /// The event as an object.
    pub fn object(&self) -> CanonicalJsonObject {
        numbers::read(self.json().get(), self.version).expect("it was written from what was read")
    }

    /// How others of this room version refer to it in `prev_events` and `auth_events`.
    pub fn reference(&self) -> CanonicalJsonValue {
        let id = CanonicalJsonValue::String(self.event_id.to_string());
        if !self.version.has_event_ids_on_the_wire() {
            return id;
        }
        let hash = reference_hash(&self.object(), self.version).expect("the size was checked");
        let hashes = CanonicalJsonObject::from([("sha256".to_owned(), hash.into())]);
        CanonicalJsonValue::Array(vec![id, hashes.into()])
    }
}

/// A verified event with its standing among the rejected or not, as ruma's rules ask for it.
#[derive(Clone, Copy, Debug)]
pub struct JudgedPdu<'a> {
    /// The event.
    pub pdu: &'a Pdu,
    /// The room that it counts as being of.
    pub room_id: &'a RoomId,
    /// The events that it lists as allowing it.
    pub auth_events: &'a [OwnedEventId],
    /// Whether it was rejected.
    pub rejected: bool,
}

impl<'a> JudgedPdu<'a> {
    /// An event that was not rejected, with the auth events that it lists.
    pub fn good(pdu: &'a Pdu) -> Self {
        Self { pdu, room_id: &pdu.room_id, auth_events: &pdu.auth_events, rejected: false }
    }
}

impl ruma_state_res::Event for JudgedPdu<'_> {
    type Id = OwnedEventId;

    fn event_id(&self) -> &OwnedEventId {
        &self.pdu.event_id
    }

    fn room_id(&self) -> Option<&RoomId> {
        let implied = self.pdu.version.has_hash_room_ids() && self.pdu.is_create();
        (!implied).then_some(self.room_id)
    }

    fn sender(&self) -> &UserId {
        &self.pdu.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.pdu.origin_server_ts
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.pdu.kind
    }

    fn content(&self) -> &RawValue {
        self.pdu.content()
    }

    fn state_key(&self) -> Option<&str> {
        self.pdu.state_key()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.pdu.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.auth_events.iter())
    }

    /// Of the outline of a redaction nobody can tell what it redacts, and room versions 1 and 2 would reject
    /// it for that on the servers that were given no more. So it counts as one that its sender may make.
    fn redacts(&self) -> Option<&OwnedEventId> {
        let is_outline = self.pdu.redacted && self.pdu.kind == TimelineEventType::RoomRedaction;
        self.pdu.redacts.as_ref().or(is_outline.then_some(&self.pdu.event_id))
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}

fn text<'a>(
    object: &'a CanonicalJsonObject,
    name: &'static str,
    version: RoomVersion,
) -> Result<Cow<'a, str>, PduError> {
    optional_text(object, name, version)?.ok_or_else(|| field(name, "is missing"))
}

fn optional_text<'a>(
    object: &'a CanonicalJsonObject,
    name: &'static str,
    version: RoomVersion,
) -> Result<Option<Cow<'a, str>>, PduError> {
    let Some(value) = object.get(name) else { return Ok(None) };
    match numbers::text(value, version) {
        Some(text) if text.len() <= ID_MAX_BYTES => Ok(Some(text)),
        Some(text) => Err(field(name, format!("{} bytes, the limit is {ID_MAX_BYTES}", text.len()))),
        None => Err(field(name, "must be a string")),
    }
}

fn event_id(object: &CanonicalJsonObject, version: RoomVersion) -> Result<OwnedEventId, PduError> {
    if version.has_event_ids_on_the_wire() {
        let id = EventId::parse(&*text(object, "event_id", version)?)
            .map_err(|e| field("event_id", e.to_string()))?;
        return match id.server_name() {
            Some(_) => Ok(id),
            None => Err(field("event_id", "has no server name")),
        };
    }
    let hash = reference_hash(object, version)?;
    Ok(EventId::parse(format!("${hash}")).expect("a hash makes an event id"))
}

fn room_id(
    object: &CanonicalJsonObject,
    version: RoomVersion,
    kind: &TimelineEventType,
    event_id: &EventId,
) -> Result<OwnedRoomId, PduError> {
    if version.has_hash_room_ids() && *kind == TimelineEventType::RoomCreate {
        if object.contains_key("room_id") {
            return Err(field("room_id", "a create event of this room version has none"));
        }
        let hash = event_id.as_str().trim_start_matches('$');
        return Ok(RoomId::parse(format!("!{hash}")).expect("a hash makes a room id"));
    }
    RoomId::parse(&*text(object, "room_id", version)?).map_err(|e| field("room_id", e.to_string()))
}

/// Whether an event is the one that the id of a room names (room version 12).
fn creates(event_id: &EventId, room_id: &RoomId) -> bool {
    event_id.as_str().trim_start_matches('$') == room_id.as_str().trim_start_matches('!')
}

fn timestamp(object: &CanonicalJsonObject) -> Result<MilliSecondsSinceUnixEpoch, PduError> {
    object
        .get("origin_server_ts")
        .and_then(CanonicalJsonValue::as_integer)
        .and_then(|ts| UInt::try_from(i64::from(ts)).ok())
        .map(MilliSecondsSinceUnixEpoch)
        .ok_or_else(|| field("origin_server_ts", "must be an integer of milliseconds, not negative"))
}

fn depth(object: &CanonicalJsonObject, version: RoomVersion) -> Result<u64, PduError> {
    let depth = object.get("depth").and_then(|depth| match depth.as_integer() {
        Some(depth) => u64::try_from(i64::from(depth)).ok(),
        None => numbers::digits(depth, version)?.parse().ok(),
    });
    depth
        .filter(|depth| *depth <= version.max_depth())
        .ok_or_else(|| field("depth", format!("must be an integer from 0 to {}", version.max_depth())))
}

fn references(
    object: &CanonicalJsonObject,
    name: &'static str,
    most: usize,
    version: RoomVersion,
) -> Result<Box<[OwnedEventId]>, PduError> {
    let list = object
        .get(name)
        .and_then(CanonicalJsonValue::as_array)
        .ok_or_else(|| field(name, "must be an array"))?;
    if list.len() > most {
        return Err(field(name, format!("{} events, the limit is {most}", list.len())));
    }
    let id = |entry: &CanonicalJsonValue| {
        let text = if version.has_event_ids_on_the_wire() {
            entry.as_array().and_then(|pair| pair.first())?.as_str()?.to_owned()
        } else {
            entry.as_str()?.to_owned()
        };
        EventId::parse(text).ok()
    };
    list.iter()
        .map(|entry| id(entry).ok_or_else(|| field(name, "holds something else than event ids")))
        .collect()
}

/// Top level up to room version 10, in the content from 11 on; a redaction may carry both, so that old and
/// new readers agree.
fn redacts(object: &CanonicalJsonObject, content: &CanonicalJsonValue) -> Option<OwnedEventId> {
    let in_content = content.as_object().and_then(|content| content.get("redacts"));
    let id = object.get("redacts").or(in_content)?.as_str()?;
    EventId::parse(id).ok()
}

fn membership(kind: &TimelineEventType, content: &CanonicalJsonValue) -> Option<String> {
    if *kind != TimelineEventType::RoomMember {
        return None;
    }
    content.as_object()?.get("membership")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{
        crypto::SigningKey,
        draft::{Draft, Place, hash_and_sign},
        keys::PublicKey,
    };

    /// A create event of `version`, made at `timestamp` and signed by a key that was valid until 1,000.
    fn verified(version: RoomVersion, timestamp: u64) -> Result<Arc<Pdu>, PduError> {
        let (key, crypto) = (SigningKey::from_seed([3; 32], "k"), Crypto::default());
        let name = <&ServerName>::try_from("a").unwrap();
        let place = Place {
            version,
            room_id: (!version.has_hash_room_ids()).then_some("!room:a"),
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            timestamp,
            chosen_id: version.has_event_ids_on_the_wire().then_some("$event:a"),
        };
        let content = serde_json::json!({ "room_version": version.to_string(), "creator": "@u:a" });
        let event = Draft::state("m.room.create", "@u:a", content).place(place).unwrap();
        let own = hash_and_sign(event, version, name, &key, &crypto).unwrap();
        let mut keys = KeyRing::default();
        let public = PublicKey { bytes: key.public().to_vec(), valid_until: 1_000, expired: true };
        keys.insert(name, "ed25519:k", public);
        UnverifiedPdu::parse(own.json().get(), version, Limits::Hold).unwrap().verify(&keys, &crypto)
    }

    #[test]
    fn from_room_version_5_on_a_key_must_have_been_valid_when_the_event_was_made() {
        for version in RoomVersion::all() {
            assert!(verified(version, 1_000).is_ok(), "version {version}, in time");
            let late = verified(version, 1_001);
            assert_eq!(late.is_ok(), version.number() < 5, "version {version}, too late");
            assert!(version.number() < 5 || matches!(late, Err(PduError::UnknownKey { .. })));
        }
    }
}
