//! Events that came from elsewhere, and the checks that make a [`Pdu`] of them: size, hash, signatures.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeSet,
    rc::Rc,
    sync::Arc,
};

use ruma_common::{
    CanonicalJsonObject, EventId, OwnedServerName, RoomId, ServerName,
    canonical_json::{RedactingSerializer, redact},
};
use ruma_signatures::required_server_signatures_to_verify_event;
use sha2::{Digest, Sha256};

use super::{Limits, Pdu, PduError, SignatureProblem, error::field};
use crate::matrix::{
    crypto::{Crypto, Scheme, SigningKey},
    keys::{KeyRing, decode, encode},
    numbers,
    version::RoomVersion,
};

/// An event as a peer sent it: well-formed, nothing more.
///
/// Copies are the same event: what one of them has worked out, all of them know.
#[derive(Clone, Debug)]
pub struct UnverifiedPdu(Rc<Parsed>);

/// By what a signature was found good: its kind, the server, the key's id and bytes.
type GoodBy = (Scheme, OwnedServerName, String, Vec<u8>);

/// A well-formed event, and what was worked out of it since.
#[derive(Debug)]
struct Parsed {
    pdu: Arc<Pdu>,
    object: CanonicalJsonObject,
    signers: OnceCell<Result<BTreeSet<OwnedServerName>, PduError>>,
    good_by: RefCell<Vec<GoodBy>>,
    hash_holds: OnceCell<bool>,
    with_content_checked: OnceCell<Result<Arc<Pdu>, PduError>>,
}

impl UnverifiedPdu {
    /// Checks an event's shape and size (step 1) and computes its id.
    ///
    /// # Errors
    ///
    /// [`PduError`], but never about signatures.
    pub fn parse(text: &str, version: RoomVersion, limits: Limits) -> Result<Self, PduError> {
        let object = numbers::read(text, version).map_err(PduError::NotCanonical)?;
        Self::from_object(object, version, limits)
    }

    /// The same for an event that is an object already.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_object(
        mut object: CanonicalJsonObject,
        version: RoomVersion,
        limits: Limits,
    ) -> Result<Self, PduError> {
        // `unsigned` is the sender's gossip: neither hashed nor signed, so it is not kept either.
        object.remove("unsigned");
        let pdu = Arc::new(Pdu::read(&object, version, limits)?);
        Ok(Self(Rc::new(Parsed {
            pdu,
            object,
            signers: OnceCell::new(),
            good_by: RefCell::default(),
            hash_holds: OnceCell::new(),
            with_content_checked: OnceCell::new(),
        })))
    }

    /// The event's id: a hash of it, or in room version 2 what it says.
    pub fn event_id(&self) -> &EventId {
        &self.0.pdu.event_id
    }

    /// The room that the event says it is in.
    pub fn room_id(&self) -> &RoomId {
        &self.0.pdu.room_id
    }

    /// The server of the event's sender.
    pub fn sender_server(&self) -> &ServerName {
        self.0.pdu.sender.server_name()
    }

    /// The event's fields, which nobody has vouched for yet.
    pub fn claims(&self) -> &Pdu {
        &self.0.pdu
    }

    /// The event as a JSON object.
    pub fn object(&self) -> &CanonicalJsonObject {
        &self.0.object
    }

    /// Verifies signatures (step 2) and the content hash (step 3): a wrong hash gives the redacted event.
    ///
    /// # Errors
    ///
    /// [`PduError::Signature`], or [`PduError::UnknownKey`] when a key is missing to tell.
    pub fn verify(&self, keys: &KeyRing, crypto: &Crypto) -> Result<Arc<Pdu>, PduError> {
        let servers = self.required_signers()?;
        self.verify_signed_by(servers.iter().map(|server| &**server), keys, crypto)
    }

    /// The servers whose signatures it needs (SS-API, "Validating hashes and signatures on received events").
    ///
    /// # Errors
    ///
    /// When it doesn't say whose.
    pub fn required_signers(&self) -> Result<&BTreeSet<OwnedServerName>, PduError> {
        let servers = self.0.signers.get_or_init(|| {
            let rules = self.0.pdu.version.rules();
            required_server_signatures_to_verify_event(&self.0.object, &rules.signatures)
                .map_err(|error| field("content", error.to_string()))
        });
        servers.as_ref().map_err(PduError::clone)
    }

    /// The same, by the signatures of these servers, whoever should have signed.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_signed_by<'a>(
        &self,
        servers: impl IntoIterator<Item = &'a ServerName>,
        keys: &KeyRing,
        crypto: &Crypto,
    ) -> Result<Arc<Pdu>, PduError> {
        let message = OnceCell::new();
        for server in servers {
            self.verify_signature(server, &message, keys, crypto)?;
        }
        self.with_content_checked()
    }

    /// Takes an event on trust, signatures unseen: for dumps whose keys are not at hand. The content hash is
    /// checked as by [`verify`](Self::verify).
    ///
    /// # Errors
    ///
    /// When the redacted form can't be made.
    pub fn trust(&self) -> Result<Arc<Pdu>, PduError> {
        self.with_content_checked()
    }

    fn with_content_checked(&self) -> Result<Arc<Pdu>, PduError> {
        let checked = self.0.with_content_checked.get_or_init(|| {
            if self.hash_holds() {
                return Ok(self.0.pdu.clone());
            }
            outline(self.0.object.clone(), self.0.pdu.version)
        });
        checked.clone()
    }

    /// Notes what whoever has just hashed and signed an event needn't find out: that both are right.
    pub(in crate::matrix) fn note_made(&self, server: &ServerName, key: &SigningKey, crypto: &Crypto) {
        let by = (crypto.scheme(), server.to_owned(), key.id().to_string(), key.public().to_vec());
        self.0.good_by.borrow_mut().push(by);
        let _ = self.0.hash_holds.set(true);
    }

    /// An event that this server has just signed itself, which needs no verifying.
    pub(in crate::matrix) fn into_own(self) -> Arc<Pdu> {
        self.0.pdu.clone()
    }

    fn verify_signature(
        &self,
        server: &ServerName,
        message: &OnceCell<Result<String, PduError>>,
        keys: &KeyRing,
        crypto: &Crypto,
    ) -> Result<(), PduError> {
        let Parsed { pdu, object, good_by, .. } = &*self.0;
        let wrong = |problem| PduError::Signature { server: server.to_owned(), problem };
        let signatures = object
            .get("signatures")
            .and_then(|all| all.as_object()?.get(server.as_str())?.as_object())
            .filter(|signatures| !signatures.is_empty())
            .ok_or_else(|| wrong(SignatureProblem::Missing))?;
        let mut verified = false;
        for (key_id, signature) in signatures {
            let Some(key) = keys.get(server, key_id) else { continue };
            if pdu.version.rules().enforce_key_validity && pdu.timestamp() > key.valid_until {
                continue;
            }
            verified = true;
            let is_this = |(scheme, by, id, bytes): &GoodBy| {
                *scheme == crypto.scheme() && *by == server && id == key_id && *bytes == key.bytes
            };
            if good_by.borrow().iter().any(is_this) {
                continue;
            }
            let signature =
                signature.as_str().and_then(decode).ok_or_else(|| wrong(SignatureProblem::NotBase64))?;
            let message = message.get_or_init(|| signed_bytes(object, pdu.version));
            let message = message.as_ref().map_err(PduError::clone)?;
            if !crypto.verify(&key.bytes, &signature, message.as_bytes()) {
                return Err(wrong(SignatureProblem::Wrong));
            }
            let by = (crypto.scheme(), server.to_owned(), key_id.clone(), key.bytes.clone());
            good_by.borrow_mut().push(by);
        }
        if verified { Ok(()) } else { Err(PduError::UnknownKey { server: server.to_owned() }) }
    }

    /// Whether the content hash is that of the content: not so in a redacted copy.
    pub fn hash_holds(&self) -> bool {
        *self.0.hash_holds.get_or_init(|| {
            let claimed = self
                .0
                .object
                .get("hashes")
                .and_then(|hashes| decode(hashes.as_object()?.get("sha256")?.as_str()?));
            let actual = content_hash(&self.0.object, self.0.pdu.version);
            matches!((claimed, actual), (Some(claimed), Ok(actual)) if claimed == actual)
        })
    }
}

/// What a redaction leaves of an event. The limits were checked on the whole event; this is read by the wider
/// ones.
pub(super) fn outline(object: CanonicalJsonObject, version: RoomVersion) -> Result<Arc<Pdu>, PduError> {
    let redacted = redact(object, &version.rules().redaction, None)
        .map_err(|error| field("content", error.to_string()))?;
    let mut pdu = Pdu::read(&redacted, version, Limits::Waived)?;
    pdu.redacted = true;
    Ok(Arc::new(pdu))
}

/// The bytes that a server signs: the redacted event without signatures (SS-API, "Signing Events").
pub(crate) fn signed_bytes(object: &CanonicalJsonObject, version: RoomVersion) -> Result<String, PduError> {
    RedactingSerializer::new()
        .rules(&version.rules().redaction)
        .custom_redacted_root_fields(&["signatures", "unsigned"])
        .serialize(object)
        .map(|text| numbers::written(text, version))
        .map_err(|error| field("content", error.to_string()))
}

/// The largest text that ruma hashes.
const MAX_HASHED_BYTES: usize = 65_535;

/// The hash of what an event says (SS-API, "Calculating the content hash for an event").
pub(in crate::matrix) fn content_hash(
    object: &CanonicalJsonObject,
    version: RoomVersion,
) -> Result<[u8; 32], PduError> {
    let text = RedactingSerializer::new()
        .custom_redacted_root_fields(&["hashes", "signatures", "unsigned"])
        .serialize(object)
        .map_err(|error| field("content", error.to_string()))?;
    hash(&numbers::written(text, version))
}

/// The hash by which others refer to an event (SS-API, "Calculating the reference hash for an event"), in the
/// alphabet of the room version.
pub(super) fn reference_hash(object: &CanonicalJsonObject, version: RoomVersion) -> Result<String, PduError> {
    let hash = encode(&hash(&signed_bytes(object, version)?)?);
    let has_url_safe_ids = version.number() >= 4;
    Ok(if has_url_safe_ids { hash.replace('+', "-").replace('/', "_") } else { hash })
}

fn hash(text: &str) -> Result<[u8; 32], PduError> {
    if text.len() > MAX_HASHED_BYTES {
        return Err(field("content", format!("PDU is larger than maximum of {MAX_HASHED_BYTES} bytes")));
    }
    Ok(Sha256::digest(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{
        crypto::SigningKey,
        draft::{Draft, Place, hash_and_sign},
        keys::PublicKey,
    };

    /// A create event of `version`, made at `timestamp` and signed by a key that was valid until 1,000.
    fn verified(version: RoomVersion, timestamp: u64) -> Result<Arc<Pdu>, PduError> {
        let (key, crypto) = (SigningKey::from_seed([3; 32], "k"), Crypto::default());
        let name = <&ServerName>::try_from("a").unwrap();
        let place = Place {
            version,
            room_id: (!version.has_hash_room_ids()).then_some("!room:a"),
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            timestamp,
            chosen_id: version.has_event_ids_on_the_wire().then_some("$event:a"),
        };
        let content = serde_json::json!({ "room_version": version.to_string(), "creator": "@u:a" });
        let event = Draft::state("m.room.create", "@u:a", content).place(place).unwrap();
        let own = hash_and_sign(event, version, name, &key, &crypto).unwrap();
        let mut keys = KeyRing::default();
        let public = PublicKey { bytes: key.public().to_vec(), valid_until: 1_000, expired: true };
        keys.insert(name, "ed25519:k", public);
        UnverifiedPdu::parse(own.json().get(), version, Limits::Hold).unwrap().verify(&keys, &crypto)
    }

    #[test]
    fn from_room_version_5_on_a_key_must_have_been_valid_when_the_event_was_made() {
        for version in RoomVersion::all() {
            assert!(verified(version, 1_000).is_ok(), "version {version}, in time");
            let late = verified(version, 1_001);
            assert_eq!(late.is_ok(), version.number() < 5, "version {version}, too late");
            assert!(version.number() < 5 || matches!(late, Err(PduError::UnknownKey { .. })));
        }
    }
}
