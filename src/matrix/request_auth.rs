//! X-Matrix: how one server proves to another that a request is its own (SS-API, "Request Authentication").

use bytes::Bytes;
use http::{HeaderValue, Request, header::AUTHORIZATION};
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
    let signature = Base64::new(crypto.sign(key, &message));
    let header = XMatrix::new(origin.to_owned(), destination.to_owned(), key.id().clone(), signature);
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from(&header));
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
        let object = XMatrix::request_object(request, &self.0.origin, own_name)
            .map_err(|error| MatrixError::not_json(error.to_string()))?;
        let message = serde_json::to_vec(&object).expect("canonical JSON serialises");
        if !crypto.verify(&key.bytes, self.0.sig.as_bytes(), &message) {
            return Err(MatrixError::unauthorized("the signature does not match the request"));
        }
        Ok(self.0.origin.clone())
    }
}
