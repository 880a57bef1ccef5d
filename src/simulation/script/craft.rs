//! Events that a script makes to measure, right or wrong, and has a server sign.

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, EventId, OwnedEventId};
use serde_json::{Value, value::RawValue};

use crate::{
    homeserver::Homeserver,
    journal::What,
    matrix::{
        draft::{Draft, hash_and_sign, place_and_sign_anyway},
        pdu::{Limits, UnverifiedPdu},
        unfit::id_of_unfit,
        version::RoomVersion,
    },
    scenario::Craft,
    simulation::player::Player,
};

impl Player<'_> {
    pub(in crate::simulation) fn craft(&mut self, step: usize, craft: &Craft) -> Result<(), String> {
        let host = craft.signed_by.clone().unwrap_or_else(|| self.host_of(&craft.by));
        let server = self.running(&host).ok_or("the server is down")?;
        let room = self.room.clone().expect("set-up made the room");
        let sender = self.user(&craft.by);
        let draft = Draft {
            kind: craft.event_type.clone(),
            state_key: craft.state_key.clone(),
            sender: sender.to_string(),
            content: Value::Object(craft.content.clone()),
            redacts: None,
        };
        let mut object = server.place_draft(&room, draft)?;
        for (field, refs) in [("prev_events", &craft.prev), ("auth_events", &craft.auth)] {
            if let Some(refs) = refs {
                let ids = self.ids(&host, refs)?;
                object.insert(field.to_owned(), self.references(&ids).into());
            }
        }
        if craft.prev.is_some() {
            let depth = self.depth_above(&host, &object);
            object.insert("depth".to_owned(), CanonicalJsonValue::Integer(depth));
        }
        put_fields(&mut object, &craft.fields)?;
        let (id, json) = self.sign_crafted(&server, object, &craft.tamper)?;
        self.recorder.record(Some(&host), What::Crafted { event: id.clone(), pdu: json.clone() });
        if craft.keep {
            server.keep_crafted(&room, &json)?;
        }
        self.scripts.crafted.borrow_mut().insert(id.clone(), json);
        if let Some(label) = &self.scenario.timeline[step].label {
            self.label(label, id);
        }
        Ok(())
    }

    fn references(&self, ids: &[String]) -> Vec<CanonicalJsonValue> {
        let reference = |id: &String| {
            let known = self
                .json_of(id)
                .ok()
                .and_then(|json| self.memory.reader.read(json.get(), self.version, Limits::Waived).ok());
            match known {
                Some(pdu) => pdu.claims().reference(),
                None if self.version.has_event_ids_on_the_wire() => {
                    CanonicalJsonValue::Array(vec![id.clone().into(), CanonicalJsonObject::new().into()])
                }
                None => id.clone().into(),
            }
        };
        ids.iter().map(reference).collect()
    }

    fn depth_above(&self, host: &str, object: &CanonicalJsonObject) -> js_int::Int {
        let id = |entry: &CanonicalJsonValue| {
            let first = entry.as_array().and_then(|pair| pair.first());
            first.unwrap_or(entry).as_str().map(str::to_owned)
        };
        let prev = object.get("prev_events").and_then(CanonicalJsonValue::as_array);
        let depth = |id: String| {
            let json = self.json_of(&id).ok()?;
            let pdu = self.memory.reader.read(json.get(), self.version, Limits::Waived).ok()?;
            Some(pdu.claims().depth())
        };
        let deepest = prev.into_iter().flatten().filter_map(id).filter_map(depth).max();
        let own = || self.with_room(host, |room| room.graph().len() as u64).unwrap_or(0);
        let depth = deepest.unwrap_or_else(own) + 1;
        js_int::Int::try_from(i64::try_from(depth).unwrap_or(i64::MAX)).unwrap_or(js_int::Int::MAX)
    }

    fn sign_crafted(
        &self,
        server: &Homeserver,
        object: CanonicalJsonObject,
        tamper: &serde_json::Map<String, Value>,
    ) -> Result<(OwnedEventId, Box<RawValue>), String> {
        let key = server.store().read().signing_key.clone();
        let text = match hash_and_sign(object.clone(), self.version, server.name(), &key, &self.memory.crypto)
        {
            Ok(pdu) => pdu.json().to_owned(),
            // What breaks the format on purpose is signed all the same.
            Err(_) => place_and_sign_anyway(object, self.version, server.name(), &key, &self.memory.crypto)
                .map_err(|error| error.to_string())?,
        };
        let mut value: Value = serde_json::from_str(text.get()).expect("it was just written");
        for (field, replacement) in tamper {
            put_field(&mut value, field, replacement);
        }
        let text = RawValue::from_string(value.to_string()).expect("it is JSON");
        Ok((id_of_crafted(text.get(), self.version), text))
    }

    pub(in crate::simulation) fn label(&mut self, label: &str, id: OwnedEventId) {
        self.recorder.record(None, What::Labelled { label: label.to_owned(), event: id.clone() });
        self.labels.insert(label.to_owned(), id);
    }
}

fn put_fields(
    object: &mut CanonicalJsonObject,
    fields: &serde_json::Map<String, Value>,
) -> Result<(), String> {
    for (field, value) in fields {
        match value {
            Value::Null => drop(object.remove(field)),
            value => {
                let value = CanonicalJsonValue::try_from(value.clone());
                object.insert(field.clone(), value.map_err(|error| format!("`{field}`: {error}"))?);
            }
        }
    }
    Ok(())
}

fn put_field(value: &mut Value, field: &str, replacement: &Value) {
    match replacement {
        Value::Null => {
            value.as_object_mut().map(|object| object.remove(field));
        }
        replacement => value[field] = replacement.clone(),
    }
}

pub(super) fn id_of_crafted(text: &str, version: RoomVersion) -> OwnedEventId {
    let id = UnverifiedPdu::parse(text, version, Limits::Waived).map(|pdu| pdu.event_id().to_owned());
    id.ok().or_else(|| id_of_unfit(text, version)).unwrap_or_else(|| unparsable_id(text))
}

/// A name for what has no id, since it is not a well-formed event: scripts can still speak of it.
fn unparsable_id(text: &str) -> OwnedEventId {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    EventId::parse(format!("$unparsable-{hex}")).expect("it begins with a sigil")
}
