//! X-Matrix: how one server proves to another that a request is its own (SS-API, "Request Authentication").

use bytes::Bytes;
use http::{HeaderValue, Request, header::AUTHORIZATION, uri::PathAndQuery};
use ruma_common::{OwnedServerName, ServerName, serde::Base64};
use ruma_federation_api::authentication::XMatrix;

use super::{
    crypto::{Crypto, SigningKey},
    error::MatrixError,
    keys::KeyRing,
};

/// Signs a request from `origin` to `destination`: adds the `Authorization` header.
///
/// # Panics
///
/// If the request has a body that is not JSON.
pub fn sign(
    request: &mut Request<Bytes>,
    origin: &ServerName,
    destination: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) {
    let object = XMatrix::request_object(request, origin, destination).expect("own bodies are JSON");
    let message = serde_json::to_vec(&object).expect("canonical JSON serialises");
    seal(request, &message, (origin, destination), key, crypto);
}

/// The same for a request whose body is canonical as it is, such as a [`CanonicalBody`](super::canonical::CanonicalBody),
/// or empty.
pub fn sign_canonical(
    request: &mut Request<Bytes>,
    origin: &ServerName,
    destination: &ServerName,
    key: &SigningKey,
    crypto: &Crypto,
) {
    let message = message_as_it_is(request, origin, destination);
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

/// What is signed, if the body is canonical: the body as it is, between the other fields in canonical order.
fn message_as_it_is(request: &Request<Bytes>, origin: &ServerName, destination: &ServerName) -> Vec<u8> {
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
    match &request.body()[..] {
        [] => rest,
        body => [b"{\"content\":", body, b",", &rest[1..]].concat(),
    }
}

/// What a request's header says, before its signature is checked.
#[derive(Debug)]
pub struct Credentials(XMatrix);

impl Credentials {
    /// Reads the header of a request to `own_name`.
    ///
    /// # Errors
    ///
    /// 401 when it is missing, can't be read, or is meant for another server.
    pub fn read(request: &Request<Bytes>, own_name: &ServerName) -> Result<Self, MatrixError> {
        let header = XMatrix::extract_from_http_headers(request.headers())
            .map_err(|error| MatrixError::unauthorized(error.to_string()))?;
        if header.destination.as_deref().is_some_and(|destination| destination != own_name) {
            return Err(MatrixError::unauthorized("the request is signed for another destination"));
        }
        Ok(Self(header))
    }

    /// The server that says it sent the request.
    pub fn origin(&self) -> &ServerName {
        &self.0.origin
    }

    /// The id of the key that it says it signed with.
    pub fn key_id(&self) -> &str {
        self.0.key.as_str()
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
        let key = keys.for_request(&self.0.origin, self.key_id(), now).ok_or_else(|| {
            MatrixError::unauthorized(format!("no valid key `{}` of {} is known", self.0.key, self.0.origin))
        })?;
        let as_it_is = message_as_it_is(request, &self.0.origin, own_name);
        if crypto.remembers(&key.bytes, self.0.sig.as_bytes(), &as_it_is) {
            return Ok(self.0.origin.clone());
        }
        let object = XMatrix::request_object(request, &self.0.origin, own_name)
            .map_err(|error| MatrixError::not_json(error.to_string()))?;
        let message = serde_json::to_vec(&object).expect("canonical JSON serialises");
        if !crypto.verify(&key.bytes, self.0.sig.as_bytes(), &message) {
            return Err(MatrixError::unauthorized("the signature does not match the request"));
        }
        Ok(self.0.origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::canonical::CanonicalBody;

    #[test]
    fn a_canonical_body_is_signed_as_any_other() {
        let crypto = Crypto::default();
        let key = SigningKey::from_seed([1; 32], "k");
        let names = ["a.example", "b.example:8448"].map(|name| ServerName::parse(name).unwrap());
        let fields = CanonicalBody::fields().with("pdus", &[0; 0]).with("origin", &names[0]);
        let bodies = [Bytes::new(), fields.with("a \"quoted\" name", &"\u{7f}\n").body().into_bytes()];
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
}
