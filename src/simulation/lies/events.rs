//! Lies about which events there are, and lies in events.

use rand::{RngExt, seq::SliceRandom};
use ruma_common::CanonicalJsonValue;
use serde_json::{Value, value::RawValue};

use super::{
    answer::Answer,
    forge::{Forge, object, unsigned},
};
use crate::{
    matrix::{crypto::SigningKey, pdu::MAX_PDU_BYTES},
    scenario::EventLie,
};

/// How many events "far too many" are.
const FAR_TOO_MANY: usize = 5_000;
/// How many events more than asked for "over the limit" is.
const OVER_LIMIT: usize = 200;

/// How often another event is drawn, where the one drawn is the one that it shall replace.
const DRAWS: usize = 16;

/// Tells one lie; gives whether the answer changed.
pub(super) fn tell(lie: EventLie, answer: &mut Answer, path: &str, forge: &mut Forge<'_>) -> bool {
    let events = &mut answer.events;
    match lie {
        EventLie::Nothing => !std::mem::take(events).is_empty(),
        EventLie::MissingEvent => take_one_out(events),
        EventLie::NotAsked => add(events, forge.any_event()),
        EventLie::OtherEvent => replace_first(events, forge),
        EventLie::OverLimit => fill(events, OVER_LIMIT),
        EventLie::FarTooMany => fill(events, FAR_TOO_MANY),
        EventLie::Twice => {
            let twice = events.iter().flat_map(|event| [event.clone(), event.clone()]).collect();
            !std::mem::replace(events, twice).is_empty()
        }
        EventLie::Shuffled => {
            events.shuffle(forge.random);
            events.len() > 1
        }
        EventLie::Reversed => {
            events.reverse();
            events.len() > 1
        }
        EventLie::ForgedSender => add(events, forged_sender(forge)),
        EventLie::OtherRoom => {
            let room = format!("!elsewhere:{}", forge.server.name());
            add(events, own(forge, "of another room", "room_id", room.into()))
        }
        EventLie::WrongKey => {
            let id = forge.server.store().read().signing_key.id().key_name().to_string();
            let key = SigningKey::from_seed(forge.random.random(), &id);
            add(events, forge.message_signed_by("signed by another key", &key))
        }
        EventLie::ExpiredKey => {
            let key = forge.expired_key();
            add(events, forge.message_signed_by("signed by an old key", &key))
        }
        EventLie::WrongHash => change_one(events, forge, |event| event["content"]["body"] = "changed".into()),
        EventLie::WrongSignature => change_one(events, forge, spoil_signature),
        EventLie::Unsigned => change_one(events, forge, |event| event["signatures"] = serde_json::json!({})),
        EventLie::LargestEvent => add(events, forge.message_of(MAX_PDU_BYTES)),
        EventLie::TooLargeEvent => add(events, forge.message_of(MAX_PDU_BYTES + 1)),
        EventLie::NegativeDepth => add(events, own(forge, "below the ground", "depth", integer(-1))),
        EventLie::HugeDepth => add(events, own(forge, "up in the sky", "depth", integer((1 << 53) - 1))),
        EventLie::ShallowDepth => add(events, own(forge, "shallow", "depth", integer(1))),
        EventLie::ManyParents => {
            let parents: Vec<_> = forge.history().iter().take(21).map(|id| forge.reference(id)).collect();
            add(events, own(forge, "of 21 parents", "prev_events", CanonicalJsonValue::Array(parents)))
        }
        EventLie::SelfParent => {
            let id = chosen_id(forge);
            add(events, chosen(forge, &id, &id))
        }
        EventLie::Cycle => {
            let (one, other) = (chosen_id(forge), chosen_id(forge));
            let first = add(events, chosen(forge, &one, &other));
            add(events, chosen(forge, &other, &one)) || first
        }
        EventLie::FreshGap => {
            let nowhere = forge.nowhere();
            let parents = CanonicalJsonValue::Array(vec![forge.reference(&nowhere)]);
            add(events, own(forge, "above a gap", "prev_events", parents))
        }
        EventLie::TwoStories => {
            let text = format!("a story for {}", forge.asker);
            let one_id = format!("$story-{}:{}", path.len(), forge.server.name());
            let wire = forge.version().is_some_and(|version| version.has_event_ids_on_the_wire());
            add(
                events,
                forge.own_message(&text, |object| {
                    if wire {
                        object.insert("event_id".to_owned(), one_id.into());
                    }
                }),
            )
        }
    }
}

fn add(events: &mut Vec<Box<RawValue>>, event: Option<Box<RawValue>>) -> bool {
    let added = event.is_some();
    events.extend(event);
    added
}

fn take_one_out(events: &mut Vec<Box<RawValue>>) -> bool {
    let middle = events.len() / 2;
    (!events.is_empty()).then(|| events.remove(middle)).is_some()
}

fn replace_first(events: &mut [Box<RawValue>], forge: &mut Forge<'_>) -> bool {
    let Some(first) = events.first_mut() else { return false };
    let drawn = std::iter::repeat_with(|| forge.any_event()).take(DRAWS).flatten();
    let Some(other) = drawn.into_iter().find(|event| event.get() != first.get()) else { return false };
    *first = other;
    true
}

fn fill(events: &mut Vec<Box<RawValue>>, more: usize) -> bool {
    let again: Vec<_> =
        events.iter().cycle().take(if events.is_empty() { 0 } else { more }).cloned().collect();
    events.extend(again);
    !events.is_empty()
}

/// Changes one event, which nobody signs anew.
fn change_one(events: &mut [Box<RawValue>], forge: &mut Forge<'_>, change: impl FnOnce(&mut Value)) -> bool {
    if events.is_empty() {
        return false;
    }
    let drawn = forge.random.random_range(0..events.len());
    let Some(mut event) = object(&events[drawn]) else { return false };
    change(&mut event);
    events[drawn] = unsigned(&event);
    true
}

fn spoil_signature(event: &mut Value) {
    let signatures = event["signatures"].as_object_mut().into_iter().flat_map(|all| all.values_mut());
    for signature in signatures.filter_map(Value::as_object_mut).flat_map(|keys| keys.values_mut()) {
        let spoilt = signature.as_str().map(|text| match text.strip_prefix('A') {
            Some(rest) => format!("B{rest}"),
            None => format!("A{}", &text[1..]),
        });
        *signature = spoilt.unwrap_or_default().into();
    }
}

fn forged_sender(forge: &mut Forge<'_>) -> Option<Box<RawValue>> {
    let victim = {
        let durable = forge.server.store().read();
        let room = durable.rooms.get(forge.room)?;
        let others = room.members(room.current_state(), "join");
        others.filter(|user| user.server_name() != forge.server.name()).map(ToString::to_string).min()?
    };
    own(forge, "in another's name", "sender", victim.into())
}

/// A message of an own user with one field put in place before it is signed.
fn own(forge: &mut Forge<'_>, text: &str, field: &str, value: CanonicalJsonValue) -> Option<Box<RawValue>> {
    forge.own_message(text, |object| {
        object.insert(field.to_owned(), value);
    })
}

fn integer(value: i64) -> CanonicalJsonValue {
    CanonicalJsonValue::Integer(js_int::Int::try_from(value).expect("within 53 bits"))
}

fn chosen_id(forge: &mut Forge<'_>) -> String {
    format!("$chosen-{}:{}", forge.random.random::<u32>(), forge.server.name())
}

/// A message of this id and parent, where ids can be chosen; elsewhere an id is a hash, and no cycle can be
/// made.
fn chosen(forge: &mut Forge<'_>, id: &str, parent: &str) -> Option<Box<RawValue>> {
    if !forge.version()?.has_event_ids_on_the_wire() {
        return None;
    }
    let parents = CanonicalJsonValue::Array(vec![forge.reference(parent)]);
    forge.own_message("round and round", |object| {
        object.insert("event_id".to_owned(), id.to_owned().into());
        object.insert("prev_events".to_owned(), parents);
    })
}
