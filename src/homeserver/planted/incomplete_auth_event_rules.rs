use std::{borrow::Cow, collections::BTreeSet};

use ruma_common::OwnedEventId;

use super::Planted;
use crate::{matrix::pdu::Pdu, room::Room};

pub(super) const BUG: Planted = Planted {
    id: "incomplete-auth-event-rules",
    source: "CVE-2022-31152 (Synapse #13087, #13088)",
    year: "2022",
    does: "accepts events that name two auth events for one slot",
    caught_by: "auth-rules",
    follows: &["verdicts-agree"],
    plant: |habits| habits.room.listed = first_of_each_slot,
};

fn first_of_each_slot<'a>(room: &'a Room, pdu: &'a Pdu) -> Cow<'a, [OwnedEventId]> {
    let mut seen = BTreeSet::new();
    let mut is_first = |id: &&OwnedEventId| {
        let slot = room.event(id).and_then(|auth| auth.state_slot());
        slot.is_none_or(|(kind, key)| seen.insert((kind.to_string(), key)))
    };
    Cow::Owned(pdu.auth_events().iter().filter(|id| is_first(id)).cloned().collect())
}
