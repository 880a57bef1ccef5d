//! Reading an event: which fields it must have, and what stands in them (SS-API, "PDU", and the room versions).

use std::borrow::Cow;

use js_int::UInt;
use ruma_common::{
    CanonicalJsonObject, CanonicalJsonValue, EventId, ID_MAX_BYTES, MilliSecondsSinceUnixEpoch, OwnedEventId,
    OwnedRoomId, RoomId, UserId,
};
use ruma_events::TimelineEventType;

use super::{
    JsonText, Limits, MAX_AUTH_EVENTS, MAX_PDU_BYTES, MAX_PREV_EVENTS, Pdu, PduError, error::field,
    verify::reference_hash,
};
use crate::matrix::{by_rules::ByRules, numbers, version::RoomVersion};

impl Pdu {
    pub(super) fn read(
        object: &CanonicalJsonObject,
        version: RoomVersion,
        limits: Limits,
    ) -> Result<Self, PduError> {
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
    pub(in crate::matrix) fn is_within(&self, limits: Limits) -> bool {
        limits == Limits::Waived
            || (self.prev_events.len() <= MAX_PREV_EVENTS && self.auth_events.len() <= MAX_AUTH_EVENTS)
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
