//! X-Matrix: how one server proves to another that a request is its own (SS-API, "Request Authentication").
//!
//! Servers that hand their requests to each other in memory don't write that proof down: a request then
//! carries a seal, which names the key and what it was put under. It convinces whom the signature would
//! convince, and nobody else.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header::AUTHORIZATION, uri::PathAndQuery};
use ruma_common::{OwnedServerName, OwnedServerSigningKeyId, ServerName, serde::Base64};
use ruma_federation_api::authentication::XMatrix;

use super::{
    auth_header,
    canonical_text::canonical_text,
    crypto::{Crypto, SigningKey},
    error::MatrixError,
    keys::KeyRing,
};

/// Signs a request from `origin` to `destination`: adds the `Authorization` header.
///
/// # Panics
///
/// If the request has a body that is not JSON; [`can_sign`] tells.
pub fn sign(
    request: &mut Request<Bytes>,
    origin: &ServerName,
    destination: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) {
    if crypto.vouches() {
        return vouch(request, origin, destination, key);
    }
    let message = message(request, origin, destination).expect("own bodies are JSON");
    seal(request, &message, (origin, destination), key, crypto);
}

/// Whether the body of a request is something that can be signed: JSON, or nothing.
pub fn can_sign(request: &Request<Bytes>) -> bool {
    request.body().is_empty() || canonical_text(request.body()).is_ok()
}

/// The same for a request whose body is canonical as it is, such as a
/// [`CanonicalBody`](super::canonical::CanonicalBody), or empty.
pub fn sign_canonical(
    request: &mut Request<Bytes>,
    origin: &ServerName,
    destination: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) {
    if crypto.vouches() {
        return vouch(request, origin, destination, key);
    }
    let message = message_around(request.body(), request, origin, destination);
    seal(request, &message, (origin, destination), key, crypto);
}

fn seal(
    request: &mut Request<Bytes>,
    message: &[u8],
    (origin, destination): (&ServerName, &ServerName),
    key: &SigningKey,
    crypto: &Crypto,
) {
    let signature = Base64::new(crypto.sign(key, message));
    let header = XMatrix::new(origin.to_owned(), destination.to_owned(), key.id().clone(), signature);
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from(&header));
}

/// Stands for a signature where a request is handed over in memory.
#[derive(Clone, Debug)]
struct Seal {
    origin: OwnedServerName,
    destination: OwnedServerName,
    key_id: OwnedServerSigningKeyId,
    key: [u8; 32],
    method: Method,
    uri: Uri,
    body: Bytes,
}

fn vouch(request: &mut Request<Bytes>, origin: &ServerName, destination: &ServerName, key: &SigningKey) {
    let seal = Seal {
        origin: origin.to_owned(),
        destination: destination.to_owned(),
        key_id: key.id().clone(),
        key: key.public(),
        method: request.method().clone(),
        uri: request.uri().clone(),
        body: request.body().clone(),
    };
    request.extensions_mut().insert(seal);
}

impl Seal {
    /// Whether a request is the one that it was put under.
    fn is_of(&self, request: &Request<Bytes>) -> bool {
        self.method == request.method() && self.uri == *request.uri() && self.body == request.body()
    }
}

/// What is signed.
///
/// # Errors
///
/// When the body is not JSON.
fn message(
    request: &Request<Bytes>,
    origin: &ServerName,
    destination: &ServerName,
) -> Result<Vec<u8>, String> {
    let body = match &request.body()[..] {
        [] => String::new(),
        body => canonical_text(body)?,
    };
    Ok(message_around(body.as_bytes(), request, origin, destination))
}

/// What is signed, of a request with this canonical body: the body between the other fields in canonical
/// order.
fn message_around(
    body: &[u8],
    request: &Request<Bytes>,
    origin: &ServerName,
    destination: &ServerName,
) -> Vec<u8> {
    /// What follows the body.
    #[derive(serde::Serialize)]
    struct Rest<'a> {
        destination: &'a str,
        method: &'a str,
        origin: &'a str,
        uri: &'a str,
    }
    let rest = Rest {
        destination: destination.as_str(),
        method: request.method().as_str(),
        origin: origin.as_str(),
        uri: request.uri().path_and_query().map_or("", PathAndQuery::as_str),
    };
    let rest = serde_json::to_vec(&rest).expect("texts are JSON");
    match body {
        [] => rest,
        body => [b"{\"content\":", body, b",", &rest[1..]].concat(),
    }
}

/// The most headers of a request that are looked at: each may make this server ask for a key.
const HEADERS_MAX: usize = 4;

/// What a request's header says, before its signature is checked.
#[derive(Debug)]
pub struct Credentials(Proof);

#[derive(Debug)]
enum Proof {
    Header(XMatrix),
    Seal(Seal),
}

impl Credentials {
    /// Reads the headers of a request to `own_name`: a server with several keys may send one for each, and
    /// any of them will do. Gives those that can be read, at least one.
    ///
    /// # Errors
    ///
    /// 401 when there is none that can be read and is meant for this server.
    pub fn read(request: &Request<Bytes>, own_name: &ServerName) -> Result<Vec<Self>, MatrixError> {
        let mut read = Vec::new();
        let mut error = MatrixError::unauthorized("the request has no Authorization header");
        let headers = request.headers().get_all(AUTHORIZATION).iter().take(HEADERS_MAX);
        let headers = headers.map(|value| auth_header::read(value).map(Proof::Header));
        let seal = request.extensions().get::<Seal>().map(|seal| Ok(Proof::Seal(seal.clone())));
        for proof in seal.into_iter().chain(headers) {
            let proof = proof.map_err(MatrixError::unauthorized);
            match proof.and_then(|proof| Self::meant_for(own_name, proof)) {
                Ok(credentials) => read.push(credentials),
                Err(reason) => error = reason,
            }
        }
        if read.is_empty() { Err(error) } else { Ok(read) }
    }

    fn meant_for(own_name: &ServerName, proof: Proof) -> Result<Self, MatrixError> {
        let destination = match &proof {
            Proof::Header(header) => header.destination.as_deref(),
            Proof::Seal(seal) => Some(&*seal.destination),
        };
        if destination.is_some_and(|destination| destination != own_name) {
            return Err(MatrixError::unauthorized("the request is signed for another destination"));
        }
        Ok(Self(proof))
    }

    /// The server that says it sent the request.
    pub fn origin(&self) -> &ServerName {
        match &self.0 {
            Proof::Header(header) => &header.origin,
            Proof::Seal(seal) => &seal.origin,
        }
    }

    /// The id of the key that it says it signed with.
    pub fn key_id(&self) -> &str {
        match &self.0 {
            Proof::Header(header) => header.key.as_str(),
            Proof::Seal(seal) => seal.key_id.as_str(),
        }
    }

    /// Checks the signature with the keys that are known at `now`; gives the origin, which is then proven.
    ///
    /// # Errors
    ///
    /// 401 when no valid key is known or the signature is not by it.
    pub fn verify(
        &self,
        request: &Request<Bytes>,
        own_name: &ServerName,
        keys: &KeyRing,
        now: u64,
        crypto: &Crypto,
    ) -> Result<OwnedServerName, MatrixError> {
        let (origin, key_id) = (self.origin(), self.key_id());
        let key = keys.for_request(origin, key_id, now).ok_or_else(|| {
            MatrixError::unauthorized(format!("no valid key `{key_id}` of {origin} is known"))
        })?;
        let matches = match &self.0 {
            Proof::Header(header) => signs(header, &key.bytes, request, own_name, crypto)?,
            Proof::Seal(seal) => key.bytes == seal.key && seal.is_of(request),
        };
        if matches {
            Ok(origin.to_owned())
        } else {
            Err(MatrixError::unauthorized("the signature does not match the request"))
        }
    }
}

/// Whether the signature in a header is by a key and of the request.
fn signs(
    header: &XMatrix,
    key: &[u8],
    request: &Request<Bytes>,
    own_name: &ServerName,
    crypto: &Crypto,
) -> Result<bool, MatrixError> {
    let as_it_is = message_around(request.body(), request, &header.origin, own_name);
    if crypto.remembers(key, header.sig.as_bytes(), &as_it_is) {
        return Ok(true);
    }
    let message = message(request, &header.origin, own_name).map_err(MatrixError::bad_json)?;
    Ok(crypto.verify(key, header.sig.as_bytes(), &message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{canonical::CanonicalBody, keys::PublicKey};

    #[test]
    fn a_canonical_body_is_signed_as_any_other() {
        let crypto = Crypto::default();
        let key = SigningKey::from_seed([1; 32], "k");
        let names = ["a.example", "b.example:8448"].map(|name| ServerName::parse(name).unwrap());
        let fields = CanonicalBody::fields().with("pdus", &[0; 0]).with("origin", &names[0]);
        let bodies = [Bytes::new(), fields.with("a \"quoted\" name", &"\u{7f}\n").body().text().clone()];
        for body in bodies {
            let request = || {
                let request = Request::builder().method("PUT").uri("/_matrix/federation/v1/send/1?a=%22");
                request.body(body.clone()).unwrap()
            };
            let (mut by_ruma, mut as_it_is) = (request(), request());
            sign(&mut by_ruma, &names[0], &names[1], &key, &crypto);
            sign_canonical(&mut as_it_is, &names[0], &names[1], &key, &crypto);
            assert_eq!(by_ruma.headers(), as_it_is.headers(), "{body:?}");
        }
    }

    #[test]
    fn a_seal_convinces_whom_a_signature_would() {
        let key = SigningKey::from_seed([1; 32], "k");
        let names = ["a.example", "b.example"].map(|name| ServerName::parse(name).unwrap());
        for crypto in [Crypto::default(), Crypto::default().vouching()] {
            let body = Bytes::from("{\"a\":1}");
            let mut signed = Request::builder().method("PUT").uri("/send/1").body(body).unwrap();
            sign(&mut signed, &names[0], &names[1], &key, &crypto);
            let verdict = |request: &Request<Bytes>, reader: usize, public: [u8; 32]| {
                let mut keys = KeyRing::default();
                let public = PublicKey { bytes: public.to_vec(), valid_until: 9, expired: false };
                keys.insert(&names[0], "ed25519:k", public);
                let credentials = Credentials::read(request, &names[reader])?.remove(0);
                credentials.verify(request, &names[reader], &keys, 5, &crypto)
            };
            assert_eq!(verdict(&signed, 1, key.public()).unwrap(), names[0]);
            assert!(verdict(&signed, 0, key.public()).is_err(), "for another");
            assert!(verdict(&signed, 1, [2; 32]).is_err(), "by another key");
            let mut changed = signed.clone();
            *changed.body_mut() = Bytes::from("{\"a\":2}");
            assert!(verdict(&changed, 1, key.public()).is_err(), "another body");
            *signed.uri_mut() = Uri::from_static("/send/2");
            assert!(verdict(&signed, 1, key.public()).is_err(), "another path");
        }
    }
}
