//! Lies about the state at an event.

use ruma_common::{EventId, OwnedEventId};
use ruma_events::TimelineEventType;
use serde_json::{Value, value::RawValue};

use super::{answer::Answer, forge::Forge};
use crate::scenario::StateLie;

/// Tells one lie; gives whether the answer changed.
pub(super) fn tell(lie: StateLie, answer: &mut Answer, forge: &mut Forge<'_>) -> bool {
    match lie {
        StateLie::WrongState => keep(answer, forge, |kind| *kind != TimelineEventType::RoomPowerLevels),
        StateLie::OldState => keep(answer, forge, |kind| *kind == TimelineEventType::RoomCreate),
        StateLie::NoAuthChain => {
            let mut changed = false;
            for key in ["auth_chain", "auth_chain_ids"] {
                let Some(chain) = answer.rest.get_mut(key).and_then(Value::as_array_mut) else { continue };
                changed |= !chain.is_empty();
                chain.clear();
            }
            changed
        }
    }
}

/// Keeps the events of some types, in whichever form the answer has them.
fn keep(answer: &mut Answer, forge: &Forge<'_>, stays: impl Fn(&TimelineEventType) -> bool) -> bool {
    let durable = forge.server.store().read();
    let Some(room) = durable.rooms.get(forge.room) else { return false };
    let stays_id = |id: &str| {
        let id: Option<OwnedEventId> = EventId::parse(id).ok();
        id.and_then(|id| room.event(&id)).is_none_or(|pdu| stays(pdu.kind()))
    };
    let stays_event = |event: &RawValue| {
        #[derive(serde::Deserialize)]
        struct Kind {
            r#type: TimelineEventType,
        }
        serde_json::from_str::<Kind>(event.get()).is_ok_and(|event| stays(&event.r#type))
    };
    let before = answer.events.len();
    answer.events.retain(|event| stays_event(event));
    let mut changed = answer.events.len() != before;
    if let Some(ids) = answer.rest.get_mut("pdu_ids").and_then(Value::as_array_mut) {
        let before = ids.len();
        ids.retain(|id| id.as_str().is_some_and(&stays_id));
        changed |= ids.len() != before;
    }
    changed
}
