//! Every event is what its author signed.

use ruma_common::EventId;

use super::{
    Finding, Invariant, When,
    evidence::{EventKey, Evidence},
    kinds,
};
use crate::matrix::{
    endpoint::Endpoint,
    keys::{KeyRing, PublicKey, decode},
    pdu::{Pdu, PduError, UnverifiedPdu},
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "integrity",
    code: "AUTH-SIG",
    clause: "SS-API \"Checks performed on receipt of a PDU\", steps 1 to 3; room version 5, \"Signing key validity period\"",
    holds: "every stored event has the id that its hash gives, is of the room, signed by its sender's server with a key of that time, and whole or redacted",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    Malformed "malformed",
    OtherId "other-id",
    OtherRoom "other-room",
    WrongSignature "wrong-signature",
    /// Signed, but by no key of the server that should have.
    UnknownKey "unknown-key",
    /// Signed by a key that was out of use, as the server had been told.
    ExpiredKey "expired-key",
    ChangedContent "changed-content",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let ring = key_ring(evidence, |_| None);
    let in_time = key_ring(evidence, |key| key.expired.map(|(_, ts)| ts));
    let mut findings = Vec::new();
    for (id, seen) in &evidence.seen {
        let problem = match &seen.pdu {
            Err(error) => Some((Kind::Malformed, format!("what was stored is no event: {error}"))),
            Ok(pdu) if pdu.event_id() != *id => {
                Some((Kind::OtherId, format!("by its hash it is {}", pdu.event_id())))
            }
            Ok(pdu) if pdu.room_id() != evidence.reference_room().room_id() => {
                Some((Kind::OtherRoom, format!("it is of room {}", pdu.room_id())))
            }
            Ok(pdu) => ring.as_ref().and_then(|ring| signature_problem(evidence, pdu, ring)),
        };
        if let Some((kind, problem)) = problem {
            let server = who_took_it(evidence, id, seen.server);
            findings.extend(server.map(|server| Finding::on(server, kind, problem).about(id)));
        } else if let (Ok(pdu), Some(ring)) = (&seen.pdu, &in_time)
            && let Some(server) = who_knew_better(evidence, pdu)
            && let Some((_, problem)) = signature_problem(evidence, pdu, ring)
        {
            findings.push(Finding::on(server, Kind::ExpiredKey, problem).about(id));
        }
    }
    findings
}

/// Up to room version 4 a key will do that its server says to have used once. The journal has only those that
/// servers sign with, so what a script made a server sign can't be told from what anybody signed.
fn may_be_by_an_old_key(evidence: &Evidence<'_>, pdu: &UnverifiedPdu) -> bool {
    let crafter = evidence.crafted.get(pdu.event_id()).and_then(|crafter| evidence.hosts.get(crafter));
    !evidence.version.rules().enforce_key_validity
        && crafter.is_some_and(|crafter| crafter.matrix_name == pdu.sender_server().as_str())
}

/// Who should not have stored an event: the first that did. A server that a script made sign it does not
/// count.
fn who_took_it<'a>(evidence: &Evidence<'a>, id: &EventId, first: &'a str) -> Option<&'a str> {
    let Some(crafter) = evidence.crafted.get(id) else { return Some(first) };
    let mut takers = evidence.hosts.iter().filter(|(_, host)| host.received.contains_key(id));
    takers.find(|(name, _)| *name != crafter).map(|(name, _)| *name)
}

/// Who should not have stored an event that is younger than a key of its sender's server that went out of
/// use: the first that did after that server had told it so. Who was not told can't know.
fn who_knew_better<'a>(evidence: &Evidence<'a>, pdu: &UnverifiedPdu) -> Option<&'a str> {
    let author = pdu.sender_server().as_str();
    let own = evidence.keys.iter().filter(|key| key.server == author);
    let expired = own.filter_map(|key| key.expired).find(|(_, ts)| pdu.claims().timestamp() > *ts)?;
    let was_told = |taker: &str, until: usize| {
        let mut asked = evidence
            .requests
            .values()
            .filter(|asked| asked.from == taker && *asked.endpoint == Endpoint::Key);
        asked.any(|asked| {
            let of_author = evidence.hosts.get(asked.to).is_some_and(|host| host.matrix_name == author)
                && !asked.line.contains("/query/");
            let answer = asked.answer.as_ref().filter(|answer| answer.status == 200);
            of_author
                && asked.arrived.is_some_and(|arrived| arrived > expired.0)
                && answer.is_some_and(|answer| answer.at < until)
        })
    };
    let crafter = evidence.crafted.get(pdu.event_id());
    let mut takers = evidence.hosts.iter().filter(|(name, _)| Some(*name) != crafter);
    let knew = takers.find(|(name, host)| {
        host.received_at.get(pdu.event_id()).is_some_and(|received| was_told(name, *received))
    });
    knew.map(|(name, _)| *name)
}

/// The keys of the run, each valid until the given time; nothing if the journal has none, and then signatures
/// can't be checked.
fn key_ring(evidence: &Evidence<'_>, valid_until: impl Fn(&EventKey<'_>) -> Option<u64>) -> Option<KeyRing> {
    let mut ring = KeyRing::default();
    for key in &evidence.keys {
        let (Ok(server), Some(bytes)) = (key.server.try_into(), decode(key.key)) else { continue };
        let valid_until = valid_until(key).unwrap_or(u64::MAX);
        ring.insert(server, key.id, PublicKey { bytes, valid_until, expired: false });
    }
    (!evidence.keys.is_empty()).then_some(ring)
}

fn signature_problem(evidence: &Evidence<'_>, pdu: &UnverifiedPdu, ring: &KeyRing) -> Option<(Kind, String)> {
    let mut results = evidence.cryptos.iter().map(|crypto| pdu.verify(ring, crypto));
    let verified = results.find(|result| !matches!(result, Err(PduError::Signature { .. })));
    match verified {
        None => {
            let problem = format!("the signature of {} does not match", pdu.sender_server());
            Some((Kind::WrongSignature, problem))
        }
        Some(Err(PduError::UnknownKey { .. })) if may_be_by_an_old_key(evidence, pdu) => None,
        Some(Err(error @ PduError::UnknownKey { .. })) => Some((Kind::UnknownKey, error.to_string())),
        Some(Err(error)) => Some((Kind::Malformed, error.to_string())),
        Some(Ok(verified)) => (verified.is_redacted() && !is_redacted_form(pdu.claims())).then(|| {
            let problem = "its content is not what was hashed, and it was stored whole";
            (Kind::ChangedContent, problem.to_owned())
        }),
    }
}

fn is_redacted_form(pdu: &Pdu) -> bool {
    pdu.redacted_json().get() == pdu.json().get()
}
