//! An event's canonical form, redaction, hashes, id and limits once more: slow, plain, and written from the
//! text of the specification, with nothing of ruma's but the shape of single ids.

use ruma_common::{EventId, RoomId, UserId};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use backfire::matrix::{
    keys::encode,
    pdu::{MAX_AUTH_EVENTS, MAX_PDU_BYTES, MAX_PREV_EVENTS},
};

/// The largest integer of canonical JSON, 2^53-1.
const INTEGER_MAX: i64 = (1 << 53) - 1;
const NAME_BYTES_MAX: usize = 255;

/// Canonical JSON (appendices, "Canonical JSON"); nothing for numbers that it doesn't have, which the first
/// five room versions take as they are (rooms v6, "Canonical JSON").
pub(super) fn canonical(value: &Value, version: u8) -> Option<String> {
    Some(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) if version < 6 => number.to_string(),
        Value::Number(number) => {
            let integer = number.as_i64().filter(|n| (-INTEGER_MAX..=INTEGER_MAX).contains(n))?;
            integer.to_string()
        }
        Value::String(text) => quoted(text),
        Value::Array(list) => {
            let list: Option<Vec<String>> = list.iter().map(|value| canonical(value, version)).collect();
            format!("[{}]", list?.join(","))
        }
        Value::Object(object) => {
            let mut entries: Vec<(&String, &Value)> = object.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.chars().cmp(b.chars()));
            let entry = |(key, value): (&String, &Value)| {
                Some(format!("{}:{}", quoted(key), canonical(value, version)?))
            };
            let entries: Option<Vec<String>> = entries.into_iter().map(entry).collect();
            format!("{{{}}}", entries?.join(","))
        }
    })
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{9}' => out.push_str("\\t"),
            '\u{a}' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\u{d}' => out.push_str("\\r"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn without(object: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    let kept = object.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
    kept.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// SHA-256 of all that the content hash covers (SS-API, "Calculating the content hash for an event").
pub(super) fn content_hash(event: &Map<String, Value>, version: u8) -> Option<[u8; 32]> {
    let covered = without(event, &["unsigned", "signatures", "hashes"]);
    Some(Sha256::digest(canonical(&Value::Object(covered), version)?).into())
}

/// What others sign and what the id is made of (SS-API, "Calculating the reference hash for an event").
pub(super) fn signed_text(event: &Map<String, Value>, version: u8) -> Option<String> {
    let covered = without(&redacted(event, version), &["signatures", "unsigned", "age_ts"]);
    canonical(&Value::Object(covered), version)
}

/// The event's id: chosen by its server, or its reference hash in one of two alphabets (rooms v3 and v4,
/// "Event IDs").
pub(super) fn event_id(event: &Map<String, Value>, version: u8) -> Option<String> {
    if version == 2 {
        return event.get("event_id")?.as_str().map(str::to_owned);
    }
    let hash = encode(&Sha256::digest(signed_text(event, version)?));
    let hash = if version == 3 { hash } else { hash.replace('+', "-").replace('/', "_") };
    Some(format!("${hash}"))
}

/// What is left of an event (rooms, "Redactions").
pub(super) fn redacted(event: &Map<String, Value>, version: u8) -> Map<String, Value> {
    const ALWAYS: [&str; 12] = [
        "event_id",
        "type",
        "room_id",
        "sender",
        "state_key",
        "content",
        "hashes",
        "signatures",
        "depth",
        "prev_events",
        "auth_events",
        "origin_server_ts",
    ];
    const BEFORE_11: [&str; 3] = ["origin", "membership", "prev_state"];
    let kept = |key: &str| ALWAYS.contains(&key) || (version < 11 && BEFORE_11.contains(&key));
    let mut left: Map<String, Value> =
        event.iter().filter(|(key, _)| kept(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    if let Some(Value::Object(content)) = left.get("content") {
        left.insert("content".to_owned(), Value::Object(redacted_content(kind, content, version)));
    }
    left
}

fn redacted_content(kind: &str, content: &Map<String, Value>, version: u8) -> Map<String, Value> {
    let mut kept: Vec<&str> = match kind {
        "m.room.member" => vec!["membership"],
        "m.room.create" if version >= 11 => return content.clone(),
        "m.room.create" => vec!["creator"],
        "m.room.join_rules" => vec!["join_rule"],
        "m.room.power_levels" => {
            vec![
                "ban",
                "events",
                "events_default",
                "kick",
                "redact",
                "state_default",
                "users",
                "users_default",
            ]
        }
        "m.room.history_visibility" => vec!["history_visibility"],
        "m.room.aliases" if version < 6 => vec!["aliases"],
        "m.room.redaction" if version >= 11 => vec!["redacts"],
        _ => vec![],
    };
    match kind {
        "m.room.member" if version >= 9 => kept.push("join_authorised_via_users_server"),
        "m.room.join_rules" if version >= 8 => kept.push("allow"),
        "m.room.power_levels" if version >= 11 => kept.push("invite"),
        _ => {}
    }
    let mut left: Map<String, Value> = content
        .iter()
        .filter(|(key, _)| kept.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if kind == "m.room.member"
        && version >= 11
        && let Some(invite) = content.get("third_party_invite")
    {
        // The text says nothing of one that is no object. ruma keeps it, and so does this twin; Synapse drops
        // it, so for the two such an event has two ids.
        let kept = match invite {
            Value::Object(invite) => Value::Object(
                invite
                    .iter()
                    .filter(|(key, _)| *key == "signed")
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
            ),
            other => other.clone(),
        };
        left.insert("third_party_invite".to_owned(), kept);
    }
    left
}

/// Whether an event has the shape and size that the first of the checks on receipt asks for.
pub(super) fn is_well_formed(event: &Map<String, Value>, version: u8, backfilled: bool) -> bool {
    if canonical(&Value::Object(event.clone()), version).is_none() {
        return false;
    }
    let event = without(event, &["unsigned"]);
    let length = canonical(&Value::Object(event.clone()), version).map_or(usize::MAX, |text| text.len());
    let text = |key: &str| event.get(key).and_then(Value::as_str).filter(|text| text.len() <= NAME_BYTES_MAX);
    let object = |key: &str| event.get(key).is_some_and(Value::is_object);
    let integer = |key: &str, most: i64| {
        event.get(key).and_then(Value::as_i64).is_some_and(|n| (0..=most).contains(&n))
    };
    let list = |key: &str, most: usize| {
        let list = event.get(key).and_then(Value::as_array);
        list.filter(|list| backfilled || list.len() <= most)
            .is_some_and(|list| list.iter().all(|entry| refers(entry, version).is_some()))
    };
    let create = text("type") == Some("m.room.create");
    let room = match version {
        12 if create => !event.contains_key("room_id"),
        _ => text("room_id").is_some_and(|id| RoomId::parse(id).is_ok()),
    };
    let chosen_id = || {
        let id = text("event_id").and_then(|id| EventId::parse(id).ok());
        id.is_some_and(|id| id.server_name().is_some())
    };
    length <= MAX_PDU_BYTES
        && text("type").is_some()
        && text("sender").is_some_and(|id| UserId::parse(id).is_ok())
        && (!event.contains_key("state_key") || text("state_key").is_some())
        && object("content")
        && object("hashes")
        && object("signatures")
        && (version != 2 || chosen_id())
        && room
        && list("prev_events", MAX_PREV_EVENTS)
        && list("auth_events", MAX_AUTH_EVENTS)
        && !(version == 12 && cites_create(&event))
        && integer("depth", if version < 6 { i64::MAX } else { INTEGER_MAX })
        && integer("origin_server_ts", INTEGER_MAX)
}

/// The id that an entry of `prev_events` or `auth_events` names.
fn refers(entry: &Value, version: u8) -> Option<String> {
    let id = if version == 2 { entry.as_array()?.first()?.as_str()? } else { entry.as_str()? };
    EventId::parse(id).is_ok().then(|| id.to_owned())
}

/// In room version 12 the create event is implied and may not be listed (rooms v12).
fn cites_create(event: &Map<String, Value>) -> bool {
    let Some(room) = event.get("room_id").and_then(Value::as_str) else { return false };
    let auth = event.get("auth_events").and_then(Value::as_array).into_iter().flatten();
    auth.filter_map(|entry| refers(entry, 12)).any(|id| id[1..] == room[1..])
}
