//! How signatures are made and checked: ed25519 by ruma, or a stand-in for speed.
//!
//! One [`Crypto`] serves all servers of a run. It remembers what it has found good, and what it signed
//! itself, so that five servers that receive one event pay for one verification; a forged signature is never
//! in that memory.

use std::{cell::RefCell, fmt, str::FromStr};

use foldhash::fast::FixedState;
use indexmap::IndexSet;
use ruma_common::{OwnedServerSigningKeyId, SigningKeyAlgorithm};
use ruma_signatures::{Ed25519KeyPair, KeyPair, verify_canonical_json_bytes};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The kind of signature that a run uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Ed25519, as Matrix has it.
    #[default]
    Ed25519,
    /// A keyed hash in the shape of a signature: no security, but as good as the real one against the liars
    /// of a simulation, who only use keys that they hold.
    StandIn,
}

impl Scheme {
    /// The name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::StandIn => "stand-in",
        }
    }
}

impl FromStr for Scheme {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ed25519" => Ok(Self::Ed25519),
            "stand-in" => Ok(Self::StandIn),
            _ => Err(format!("`{text}` is no kind of signatures; use ed25519 or stand-in")),
        }
    }
}

/// A server's own signing key.
pub struct SigningKey {
    id: OwnedServerSigningKeyId,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// A PKCS#8 document of an ed25519 key up to the 32 bytes of its seed (RFC 8410).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl SigningKey {
    /// The key of a 32-byte seed, under the id `ed25519:name`.
    ///
    /// # Panics
    ///
    /// If `name` has other characters than letters, digits and `_`.
    pub fn from_seed(seed: [u8; 32], name: &str) -> Self {
        let document = [&PKCS8_PREFIX[..], &seed].concat();
        let pair = Ed25519KeyPair::from_der(&document, name.to_owned()).expect("any seed is an ed25519 key");
        let id = format!("ed25519:{name}").try_into().expect("key names are letters, digits and `_`");
        Self { id, seed, pair }
    }

    /// The seed that it was made from: what other software needs to sign with it.
    pub fn seed(&self) -> [u8; 32] {
        self.seed
    }

    /// The id, such as `ed25519:k1`.
    pub fn id(&self) -> &OwnedServerSigningKeyId {
        &self.id
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.pair.public_key()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.id).finish()
    }
}

/// Signs and verifies bytes; remembers good signatures.
#[derive(Debug, Default)]
pub struct Crypto {
    scheme: Scheme,
    /// Of real signatures only: a stand-in is made again as fast as it is looked up.
    known_good: RefCell<IndexSet<[u8; 32], FixedState>>,
    vouches: bool,
}

impl Crypto {
    /// With an empty memory.
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme, known_good: RefCell::default(), vouches: false }
    }

    /// For servers of which each hands its requests to the others in memory: they needn't sign them, since
    /// nobody else can have made them ([`request_auth`](super::request_auth)).
    #[must_use]
    pub fn vouching(self) -> Self {
        Self { vouches: true, ..self }
    }

    /// Whether requests are vouched for instead of being signed.
    pub(super) fn vouches(&self) -> bool {
        self.vouches
    }

    /// The kind of signatures.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Signs `message`.
    pub fn sign(&self, key: &SigningKey, message: &[u8]) -> Vec<u8> {
        let public = key.public();
        if self.scheme == Scheme::StandIn {
            return stand_in(&public, message).to_vec();
        }
        let signature = key.pair.sign(message).as_bytes().to_vec();
        self.known_good.borrow_mut().insert(fingerprint(&public, &signature, message));
        signature
    }

    /// Whether `signature` over `message` is by the holder of `public`.
    pub fn verify(&self, public: &[u8], signature: &[u8], message: &[u8]) -> bool {
        if self.scheme == Scheme::StandIn {
            return signature == stand_in(public, message);
        }
        let fingerprint = fingerprint(public, signature, message);
        if self.known_good.borrow().contains(&fingerprint) {
            return true;
        }
        let good =
            verify_canonical_json_bytes(&SigningKeyAlgorithm::Ed25519, public, signature, message).is_ok();
        if good {
            self.known_good.borrow_mut().insert(fingerprint);
        }
        good
    }

    /// Whether it was made here or found good before; says nothing of those that it does not know.
    pub fn remembers(&self, public: &[u8], signature: &[u8], message: &[u8]) -> bool {
        match self.scheme {
            Scheme::Ed25519 => self.known_good.borrow().contains(&fingerprint(public, signature, message)),
            Scheme::StandIn => signature == stand_in(public, message),
        }
    }
}

fn stand_in(public: &[u8], message: &[u8]) -> [u8; 64] {
    let half: [u8; 32] = Sha256::new().chain_update(public).chain_update(message).finalize().into();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&half);
    signature[32..].copy_from_slice(&half);
    signature
}

fn fingerprint(public: &[u8], signature: &[u8], message: &[u8]) -> [u8; 32] {
    let lengths = [public.len() as u64, signature.len() as u64];
    let mut hasher = Sha256::new();
    for length in lengths {
        hasher.update(length.to_le_bytes());
    }
    hasher.chain_update(public).chain_update(signature).chain_update(message).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_is_refused() {
        for scheme in [Scheme::Ed25519, Scheme::StandIn] {
            let crypto = Crypto::new(scheme);
            let key = SigningKey::from_seed([7; 32], "k");
            let signature = crypto.sign(&key, b"message");
            assert!(crypto.verify(&key.public(), &signature, b"message"), "{scheme:?}");
            for byte in 0..signature.len() {
                let mut forged = signature.clone();
                forged[byte] ^= 1;
                assert!(!crypto.verify(&key.public(), &forged, b"message"), "{scheme:?}, byte {byte}");
            }
            assert!(!crypto.verify(&key.public(), &signature, b"massage"), "{scheme:?}");
            let other = SigningKey::from_seed([8; 32], "k");
            assert!(!crypto.verify(&other.public(), &signature, b"message"), "{scheme:?}");
        }
    }
}
