//! The keys of other servers: what they published, until when it holds, and the document that publishes one's
//! own.

use std::{collections::BTreeMap, rc::Rc};

use ruma_common::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedServerName, ServerName,
    canonical_json::CanonicalJsonObjectExt,
    serde::{Base64, base64::Standard},
};
use ruma_signatures::to_canonical_json_string_for_signing;
use serde_json::{Value, json};

use super::crypto::{Crypto, SigningKey};

/// How long a published key is believed at most, whatever it says itself: 7 days after it was fetched
/// (SS-API, "Publishing Keys").
pub const KEY_TRUST_MS: u64 = 7 * 24 * 3_600_000;

/// One public key of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The 32 bytes of the key.
    pub bytes: Vec<u8>,
    /// Until when signatures by it hold, in milliseconds since the epoch.
    pub valid_until: u64,
    /// Whether it is an old key, which verifies events but no requests.
    pub expired: bool,
}

/// The keys that a server knows of others.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    servers: BTreeMap<OwnedServerName, BTreeMap<String, PublicKey>>,
}

/// Why a key document was not believed.
#[derive(Debug, thiserror::Error)]
pub enum KeyDocumentError {
    /// A field is missing or has the wrong type.
    #[error("malformed key document: {0}")]
    Malformed(String),
    /// It speaks of another server.
    #[error("the key document is of `{0}`")]
    OtherServer(String),
    /// None of its own keys signed it.
    #[error("the key document is not signed by any key in it")]
    Unsigned,
}

impl KeyRing {
    /// Adds or replaces one key.
    pub fn insert(&mut self, server: &ServerName, key_id: &str, key: PublicKey) {
        self.servers.entry(server.to_owned()).or_default().insert(key_id.to_owned(), key);
    }

    /// Adds all keys of another ring.
    pub fn extend(&mut self, other: &Self) {
        for (server, keys) in &other.servers {
            self.servers.entry(server.clone()).or_default().extend(keys.clone());
        }
    }

    /// All keys: server, key id, key.
    pub fn iter(&self) -> impl Iterator<Item = (&ServerName, &str, &PublicKey)> {
        let of = |(server, keys)| {
            let keys: &BTreeMap<String, PublicKey> = keys;
            let server: &OwnedServerName = server;
            keys.iter().map(move |(id, key)| (&**server, id.as_str(), key))
        };
        self.servers.iter().flat_map(of)
    }

    /// A key, whenever it was valid.
    pub fn get(&self, server: &ServerName, key_id: &str) -> Option<&PublicKey> {
        self.servers.get(server)?.get(key_id)
    }

    /// A key for a request that arrives at `now`: current and valid.
    pub fn for_request(&self, server: &ServerName, key_id: &str, now: u64) -> Option<&PublicKey> {
        self.get(server, key_id).filter(|key| !key.expired && now <= key.valid_until)
    }

    /// Believes a `/key/v2/server` document that was fetched at `now` (SS-API, "Publishing Keys").
    ///
    /// # Errors
    ///
    /// When it is malformed, of another server, or not signed by one of its own `verify_keys`.
    pub fn learn(
        &mut self,
        server: &ServerName,
        document: &CanonicalJsonObject,
        now: u64,
        crypto: &Crypto,
    ) -> Result<(), KeyDocumentError> {
        let malformed = |error: ruma_common::canonical_json::CanonicalJsonFieldError| {
            KeyDocumentError::Malformed(error.to_string())
        };
        let name = document.get_as_required_string("server_name", "server_name").map_err(malformed)?;
        if name != server.as_str() {
            return Err(KeyDocumentError::OtherServer(name.to_owned()));
        }
        let valid_until = timestamp(document, "valid_until_ts")
            .ok_or_else(|| KeyDocumentError::Malformed("`valid_until_ts` is not a time".to_owned()))?
            .min(now.saturating_add(KEY_TRUST_MS));
        let current = document.get_as_required_object("verify_keys", "verify_keys").map_err(malformed)?;
        let old = document.get_as_object("old_verify_keys", "old_verify_keys").map_err(malformed)?;

        let current = read_keys(current)?;
        if !signed_by_one_of(server, document, &current, crypto) {
            return Err(KeyDocumentError::Unsigned);
        }
        for (key_id, bytes, _) in current {
            self.insert(server, &key_id, PublicKey { bytes, valid_until, expired: false });
        }
        for (key_id, bytes, expired_ts) in old.map(read_keys).transpose()?.unwrap_or_default() {
            let valid_until = expired_ts.unwrap_or_default();
            self.insert(server, &key_id, PublicKey { bytes, valid_until, expired: true });
        }
        Ok(())
    }
}

type ReadKey = (String, Vec<u8>, Option<u64>);

fn read_keys(keys: &CanonicalJsonObject) -> Result<Vec<ReadKey>, KeyDocumentError> {
    let malformed = |id: &str| KeyDocumentError::Malformed(format!("key `{id}` can't be read"));
    keys.iter()
        .map(|(id, value)| {
            let object = value.as_object().ok_or_else(|| malformed(id))?;
            let key = object.get("key").and_then(CanonicalJsonValue::as_str).ok_or_else(|| malformed(id))?;
            let bytes = decode(key).filter(|bytes| bytes.len() == 32).ok_or_else(|| malformed(id))?;
            Ok((id.clone(), bytes, timestamp(object, "expired_ts")))
        })
        .collect()
}

fn timestamp(object: &CanonicalJsonObject, field: &str) -> Option<u64> {
    let value = object.get(field)?.as_integer()?;
    u64::try_from(i64::from(value)).ok()
}

fn signed_by_one_of(
    server: &ServerName,
    document: &CanonicalJsonObject,
    keys: &[ReadKey],
    crypto: &Crypto,
) -> bool {
    let Ok(message) = to_canonical_json_string_for_signing(document) else { return false };
    let signature = |key_id: &str| {
        let signatures = document.get("signatures")?.as_object()?.get(server.as_str())?.as_object()?;
        decode(signatures.get(key_id)?.as_str()?)
    };
    keys.iter().any(|(key_id, bytes, _)| {
        signature(key_id).is_some_and(|signature| crypto.verify(bytes, &signature, message.as_bytes()))
    })
}

/// Unpadded base64, padding accepted (appendices, "Unpadded Base64").
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    Base64::<Standard>::parse(text).ok().map(Base64::into_inner)
}

/// Unpadded base64 of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    Base64::<Standard, &[u8]>::new(bytes).encode()
}

/// A retired key of one's own: until when it was used, in milliseconds since the epoch.
#[derive(Clone, Debug)]
pub struct RetiredKey {
    /// The key.
    pub key: Rc<SigningKey>,
    /// Its `expired_ts`.
    pub expired_ts: u64,
}

/// The document that `/key/v2/server` answers with, signed by the current key.
pub fn key_document(
    server: &ServerName,
    current: &SigningKey,
    retired: &[RetiredKey],
    valid_until_ts: u64,
    crypto: &Crypto,
) -> Value {
    let old: serde_json::Map<_, _> = retired
        .iter()
        .map(|old| {
            let entry = json!({ "key": encode(&old.key.public()), "expired_ts": old.expired_ts });
            (old.key.id().to_string(), entry)
        })
        .collect();
    let document = json!({
        "server_name": server,
        "verify_keys": { current.id().as_str(): { "key": encode(&current.public()) } },
        "old_verify_keys": old,
        "valid_until_ts": valid_until_ts,
    });
    sign_json(server, document, current, crypto)
}

/// Adds the server's signature to a JSON object (appendices, "Signing JSON").
///
/// # Panics
///
/// If `value` is not an object of canonical JSON.
pub(crate) fn sign_json(server: &ServerName, mut value: Value, key: &SigningKey, crypto: &Crypto) -> Value {
    let object: CanonicalJsonObject = serde_json::from_value(value.clone()).expect("canonical JSON");
    let message = to_canonical_json_string_for_signing(&object).expect("canonical JSON");
    let signature = encode(&crypto.sign(key, message.as_bytes()));
    value["signatures"][server.as_str()][key.id().as_str()] = signature.into();
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> CanonicalJsonObject {
        let (name, key) = (<&ServerName>::try_from("b").unwrap(), SigningKey::from_seed([1; 32], "k"));
        let mut document = key_document(name, &key, &[], 5_000, &Crypto::default());
        change(&mut document);
        serde_json::from_value(document).unwrap()
    }

    #[test]
    fn only_a_document_signed_by_its_own_key_and_of_the_asked_server_is_believed() {
        let name = <&ServerName>::try_from("b").unwrap();
        let learn = |document| KeyRing::default().learn(name, &document, 1_000, &Crypto::default());
        assert!(learn(document(|_| {})).is_ok());
        assert!(learn(document(|d| d["server_name"] = "c".into())).is_err());
        assert!(learn(document(|d| d["valid_until_ts"] = 6_000.into())).is_err());
        assert!(learn(document(|d| d["verify_keys"] = json!({}))).is_err());
        assert!(learn(document(|d| d["verify_keys"] = json!([]))).is_err());
        assert!(learn(document(|d| d["signatures"] = json!({}))).is_err());
    }

    #[test]
    fn a_key_serves_requests_only_while_it_is_valid() {
        let name = <&ServerName>::try_from("b").unwrap();
        let mut ring = KeyRing::default();
        ring.learn(name, &document(|_| {}), 1_000, &Crypto::default()).unwrap();
        assert!(ring.for_request(name, "ed25519:k", 5_000).is_some());
        assert!(ring.for_request(name, "ed25519:k", 5_001).is_none());
        assert!(ring.for_request(name, "ed25519:x", 5_000).is_none());
    }
}
