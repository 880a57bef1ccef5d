//! The id of an event that can't be read: who sent it beside good ones is told by that id what is wrong with
//! it.
//!
//! Only what is left after redaction is hashed for the id, so most of what makes an event unfit is no part of
//! it.

use std::collections::{BTreeMap, BTreeSet};

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, EventId, OwnedEventId, canonical_json::redact};
use ruma_signatures::reference_hash;
use serde_json::value::RawValue;

use super::version::RoomVersion;

/// The id that a text has as an event of a room of this version; nothing where that can't be told.
pub fn id_of_unfit(text: &str, version: RoomVersion) -> Option<OwnedEventId> {
    if version.has_event_ids_on_the_wire() {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
        let id: String = serde_json::from_str(fields.get("event_id")?.get()).ok()?;
        return EventId::parse(id).ok();
    }
    let (mut event, unfit) = readable(text)?;
    let content: &RawValue =
        serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok()?.remove("content")?;
    let (content, unfit_content) = readable(content.get())?;
    event.insert("content".to_owned(), content.into());
    let redacted = redact(event.clone(), &version.rules().redaction, None).ok()?;
    let kept = redacted.get("content").and_then(CanonicalJsonValue::as_object)?;
    let counts = unfit.iter().any(|key| key != "content" && redacted.contains_key(key))
        || unfit_content.iter().any(|key| kept.contains_key(key));
    if counts {
        return None;
    }
    let hash = reference_hash(&event, version.rules()).ok()?;
    EventId::parse(format!("${hash}")).ok()
}

/// An object with nothing in place of what has no canonical form, and the keys of that.
fn readable(text: &str) -> Option<(CanonicalJsonObject, BTreeSet<String>)> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let mut unfit = BTreeSet::new();
    let read = |(key, value): (String, &RawValue)| {
        let value = serde_json::from_str(value.get()).unwrap_or_else(|_| {
            unfit.insert(key.clone());
            CanonicalJsonValue::Null
        });
        (key, value)
    };
    let object = fields.into_iter().map(read).collect();
    Some((object, unfit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::pdu::{Limits, UnverifiedPdu};

    #[test]
    fn an_unfit_event_has_the_id_that_it_would_have_if_it_were_fit() {
        let event = |content: &str, rest: &str| {
            let kind = if content.contains("ban") { "m.room.power_levels" } else { "m.room.message" };
            format!(
                r#"{{"type":"{kind}","room_id":"!r:a","sender":"@u:a","content":{content},"depth":5,
                "origin_server_ts":1,"prev_events":["$p"],"auth_events":[],"hashes":{{"sha256":"x"}},"signatures":{{}}{rest}}}"#
            )
        };
        let fit = |text: &str| {
            let pdu = UnverifiedPdu::parse(text, RoomVersion::V11, Limits::Hold);
            pdu.unwrap().event_id().to_owned()
        };
        let check =
            |text: &str, expected| assert_eq!(id_of_unfit(text, RoomVersion::V11), expected, "{text}");
        let good = Some(fit(&event("{}", "")));
        let nested = "[".repeat(150) + &"]".repeat(150);
        for content in ["{}", r#"{"a":1.5}"#, r#"{"a":9007199254740993}"#, r#"{"a":{"b":[1e99]}}"#] {
            check(&event(content, ""), good.clone());
        }
        check(&event(&format!(r#"{{"a":{nested}}}"#), ""), good.clone());
        check(&event("{}", r#","unsigned":{"age":0.5}"#), good.clone());
        check(&event("{}", r#","other":0.5"#), good);
        check(&event("{}", r#","state_key":0.5"#), None);
        check(&event("{}", "").replace("\"depth\":5", "\"depth\":1.5"), None);
        check(&event(r#"{"ban":0.5}"#, ""), None);
        check("[]", None);
    }
}
