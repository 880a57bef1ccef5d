//! Every event is what its author signed.

use std::rc::Rc;

use ruma_common::EventId;

use super::{Finding, Invariant, When, evidence::Evidence};
use crate::matrix::{
    crypto::Crypto,
    keys::{KeyRing, PublicKey, decode},
    pdu::{Pdu, PduError, UnverifiedPdu},
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "integrity",
    code: "AUTH-SIG",
    clause: "SS-API \"Checks performed on receipt of a PDU\", steps 1 to 3; \"Validating hashes and signatures\"",
    holds: "every stored event has the id that its hash gives, is of the room, signed by its sender's server, and whole or redacted",
    when: When::Always,
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let ring = key_ring(evidence);
    let mut findings = Vec::new();
    for (id, seen) in &evidence.seen {
        let problem = match &seen.pdu {
            Err(error) => Some(format!("what was stored is no event: {error}")),
            Ok(pdu) if pdu.event_id() != *id => Some(format!("by its hash it is {}", pdu.event_id())),
            Ok(pdu) if pdu.room_id() != evidence.referee().room_id() => {
                Some(format!("it is of room {}", pdu.room_id()))
            }
            Ok(pdu) => ring.as_ref().and_then(|ring| signature_problem(pdu, ring, &evidence.cryptos)),
        };
        let Some(problem) = problem else { continue };
        if let Some(server) = who_took_it(evidence, id, seen.server) {
            findings.push(Finding::on(server, problem).about(id));
        }
    }
    findings
}

/// Who should not have stored an event: the first that did. A server that a script made sign it does not count.
fn who_took_it<'a>(evidence: &Evidence<'a>, id: &EventId, first: &'a str) -> Option<&'a str> {
    let Some(crafter) = evidence.crafted.get(id) else { return Some(first) };
    let mut takers = evidence.hosts.iter().filter(|(_, host)| host.received.contains_key(id));
    takers.find(|(name, _)| *name != crafter).map(|(name, _)| *name)
}

/// The keys of the run; nothing if the journal has none, and then signatures can't be checked.
fn key_ring(evidence: &Evidence<'_>) -> Option<KeyRing> {
    let mut ring = KeyRing::default();
    for (server, key_id, key) in &evidence.keys {
        let (Ok(server), Some(bytes)) = (server.as_str().try_into(), decode(key)) else { continue };
        ring.insert(server, key_id, PublicKey { bytes, valid_until: u64::MAX, expired: false });
    }
    (!evidence.keys.is_empty()).then_some(ring)
}

fn signature_problem(pdu: &UnverifiedPdu, ring: &KeyRing, cryptos: &[Rc<Crypto>]) -> Option<String> {
    let mut results = cryptos.iter().map(|crypto| pdu.verify(ring, crypto));
    let verified = results.find(|result| !matches!(result, Err(PduError::Signature { .. })));
    match verified {
        None => Some(format!("the signature of {} does not match", pdu.sender_server())),
        Some(Err(error)) => Some(error.to_string()),
        Some(Ok(verified)) => (verified.is_redacted() && !is_redacted_form(pdu.claims()))
            .then(|| "its content is not what was hashed, and it was stored whole".to_owned()),
    }
}

fn is_redacted_form(pdu: &Pdu) -> bool {
    pdu.redacted_json().get() == pdu.json().get()
}
