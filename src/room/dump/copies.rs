//! The copies of one event, where a dump has it more than once: which of them counts, and how they contradict
//! each other.

use std::collections::BTreeSet;

use ruma_common::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedEventId, OwnedUserId, canonical_json::redact,
};
use serde::Serialize;

use super::Place;
use crate::matrix::pdu::UnverifiedPdu;

/// A well-formed event, where it stands.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) place: Place,
    pub(super) pdu: UnverifiedPdu,
}

/// An event of a dump, in all copies that differ from each other.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) copies: Vec<Copy>,
    /// Whether it is there only as a part of a state that somebody told.
    pub(super) is_of_state: bool,
}

/// One event as two copies have it that can't both be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// The event.
    pub event_id: OwnedEventId,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who sent it.
    pub sender: OwnedUserId,
    /// The fields in which the copies differ.
    pub fields: Vec<String>,
    /// Where the copy is that counts.
    pub counts: Place,
    /// Where the other one is.
    pub other: Place,
}

impl Entry {
    /// Whether the copy is another than those that are there.
    pub(super) fn add(&mut self, copy: Copy) -> bool {
        let json = |copy: &Copy| copy.pdu.claims().json().get().to_owned();
        let is_new = self.copies.iter().all(|known| json(known) != json(&copy));
        if is_new {
            self.copies.push(copy);
        }
        is_new
    }

    /// How the other copies contradict the one that counts. One that is redacted and otherwise the same
    /// doesn't, nor does one that has been signed by fewer servers.
    pub(super) fn contradictions(&self, counts: &Copy) -> impl Iterator<Item = Contradiction> {
        let others = self.copies.iter().filter(|copy| copy.place != counts.place);
        others.filter_map(|other| {
            let fields = differing_fields(&counts.pdu, &other.pdu);
            let claims = counts.pdu.claims();
            (!fields.is_empty()).then(|| Contradiction {
                event_id: counts.pdu.event_id().to_owned(),
                kind: claims.kind().to_string(),
                sender: claims.sender().to_owned(),
                fields,
                counts: counts.place.clone(),
                other: other.place.clone(),
            })
        })
    }
}

fn differing_fields(counts: &UnverifiedPdu, other: &UnverifiedPdu) -> Vec<String> {
    let redacted = if is_redacted_copy(other) { redacted(counts) } else { None };
    let (counts, other) = (redacted.as_ref().unwrap_or(counts.object()), other.object());
    let fields: BTreeSet<&String> = counts.keys().chain(other.keys()).collect();
    let differs = |field: &&String| match (counts.get(*field), other.get(*field)) {
        (Some(one), Some(two)) if *field == "signatures" => signatures_differ(one, two),
        (one, two) => one != two,
    };
    fields.into_iter().filter(differs).cloned().collect()
}

/// Whether one key has made two signatures.
fn signatures_differ(one: &CanonicalJsonValue, two: &CanonicalJsonValue) -> bool {
    let (Some(one), Some(two)) = (one.as_object(), two.as_object()) else { return one != two };
    one.iter().any(|(server, keys)| {
        let (Some(keys), Some(others)) =
            (keys.as_object(), two.get(server).and_then(|keys| keys.as_object()))
        else {
            return false;
        };
        keys.iter().any(|(key, signature)| others.get(key).is_some_and(|other| other != signature))
    })
}

/// Whether it is what redaction leaves of an event, as servers keep and hand out what was redacted.
pub(super) fn is_redacted_copy(pdu: &UnverifiedPdu) -> bool {
    !pdu.hash_holds() && redacted(pdu).as_ref() == Some(pdu.object())
}

fn redacted(pdu: &UnverifiedPdu) -> Option<CanonicalJsonObject> {
    redact(pdu.object().clone(), &pdu.claims().version().rules().redaction, None).ok()
}
