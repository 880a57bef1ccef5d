//! Every recorded event: id, content hash and signatures hold, and no event survives a changed byte as
//! itself.

use backfire::matrix::{
    CanonicalJsonObject, OwnedServerName, UserId,
    crypto::Crypto,
    keys::KeyRing,
    pdu::{Limits, PduError, UnverifiedPdu},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use ruma_common::{
    canonical_json::redact,
    serde::{Base64, base64::Standard},
};

use crate::support::{Meta, dump, keys, read_json};

const DUMPS: [&str; 10] =
    ["v2.a", "v2.b", "v6.a", "v6.b", "v10.a", "v11.a", "members60.a", "members60.b", "faulty.a", "faulty.c"];

#[test]
fn every_event_has_its_id_its_hash_and_its_signatures() {
    let keys = keys();
    for name in DUMPS {
        let dump = dump(name);
        assert_eq!(dump.invalid(), [], "{name}: an id does not hold");
        let meta: Meta = read_json(&format!("{name}.meta.json"));
        let verified = dump.verify(Some(&keys));
        assert_eq!(verified.invalid, [], "{name}: a signature does not hold");
        for pdu in &verified.pdus {
            let pruned = meta.pruned.contains(pdu.event_id());
            assert_eq!(pdu.is_redacted(), pruned, "{name} {}: content hash", pdu.event_id());
        }
    }
}

#[test]
fn no_event_survives_a_changed_byte_as_itself() {
    let bench = Bench::new();
    for name in DUMPS {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for event in dump(name).events() {
            let position = rng.random_range(0..event.claims().json().get().len());
            bench.check(event, position, 1 << rng.random_range(0..7));
        }
    }
}

#[test]
fn no_byte_of_an_event_can_be_changed() {
    let bench = Bench::new();
    let kinds =
        ["m.room.create", "m.room.member", "m.room.power_levels", "m.room.redaction", "m.room.message"];
    for name in ["v2.a", "v11.a"] {
        let dump = dump(name);
        for kind in kinds {
            let event = dump.events().find(|event| event.claims().kind().to_string() == kind).unwrap();
            for position in 0..event.claims().json().get().len() {
                bench.check(event, position, 1);
            }
        }
    }
}

struct Bench {
    keys: KeyRing,
    crypto: Crypto,
}

impl Bench {
    fn new() -> Self {
        Self { keys: keys(), crypto: Crypto::default() }
    }

    /// Flips bits of one byte of an event. What must come of it depends on what the byte belongs to:
    ///
    /// - nothing that parses: it is dropped;
    /// - what redaction keeps: another event by id from room version 3 on, and dropped, since nobody signed
    ///   it or it no longer says who should have;
    /// - the rest, which only the content hash covers: the redacted form of the same event, without the
    ///   change;
    /// - a signature that is needed: the same id, but dropped;
    /// - a signature that is not, such as the invited server's: nothing, since nobody looks at it.
    fn check(&self, event: &UnverifiedPdu, position: usize, bits: u8) {
        let mut bytes = event.claims().json().get().as_bytes().to_vec();
        bytes[position] ^= bits;
        let Ok(text) = String::from_utf8(bytes) else { return };
        let version = event.claims().version();
        let Ok(changed) = UnverifiedPdu::parse(&text, version, Limits::Waived) else { return };
        assert_ne!(changed.object(), event.object(), "a change that changes nothing: {text}");

        let result = changed.verify(&self.keys, &self.crypto);
        let what = format!("byte {position} of {}: {result:?}", event.event_id());
        if kept(&changed) != kept(event) {
            let same_id = changed.event_id() == event.event_id();
            assert!(!same_id || version.has_event_ids_on_the_wire(), "{what}");
            assert!(result.is_err(), "{what}");
        } else if without_signatures(&changed) != without_signatures(event) {
            let pdu = result.expect(&what);
            assert!(pdu.is_redacted(), "byte {position} of {}", event.event_id());
            assert_eq!(pdu.event_id(), event.event_id());
        } else if signatures_needed(event) == signatures_needed(&changed) {
            assert_eq!(result.expect(&what).event_id(), event.event_id());
        } else {
            assert!(is_bad_signature(&result), "{what}");
        }
    }
}

fn is_bad_signature<T>(result: &Result<T, PduError>) -> bool {
    matches!(result, Err(PduError::Signature { .. } | PduError::UnknownKey { .. }))
}

/// What ids and signatures cover.
fn kept(event: &UnverifiedPdu) -> CanonicalJsonObject {
    let rules = &event.claims().version().rules().redaction;
    let mut object = redact(event.object().clone(), rules, None).unwrap();
    object.remove("signatures");
    object
}

fn without_signatures(event: &UnverifiedPdu) -> CanonicalJsonObject {
    let mut object = event.object().clone();
    object.remove("signatures");
    object
}

/// The signatures that count, of the sender's server and of the one that allows a restricted join: server,
/// key and bytes, so that bits which base64 leaves unused don't matter.
fn signatures_needed(event: &UnverifiedPdu) -> Option<Vec<(OwnedServerName, String, Vec<u8>)>> {
    let authorised_by = event.claims().content_str("join_authorised_via_users_server");
    let authorised_by = authorised_by.and_then(|user| UserId::parse(user).ok());
    let servers =
        [Some(event.sender_server().to_owned()), authorised_by.map(|user| user.server_name().to_owned())];
    let all = event.object().get("signatures")?.as_object()?;
    let mut needed = Vec::new();
    for server in servers.into_iter().flatten() {
        for (key, value) in all.get(server.as_str())?.as_object()? {
            let signature = Base64::<Standard>::parse(value.as_str()?).ok()?;
            needed.push((server.clone(), key.clone(), signature.into_inner()));
        }
    }
    Some(needed)
}
