//! Requests to other servers: signed, limited in time and size, counted against the peer's health.

use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, Response, StatusCode};
use ruma_common::{EventId, OwnedEventId, RoomId, ServerName};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::Homeserver;
use crate::{
    matrix::{
        canonical::CanonicalBody,
        endpoint::{Endpoint, RequestLine},
        request_auth,
    },
    ports::{ANSWER_BYTES_MAX, Cause, NetworkError},
};

/// How long an answer may take. Real servers wait 10 to 60 seconds; a simulated day is not cheaper for
/// waiting.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a question got no useful answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No answer.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No answer in time.
    #[error("no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
    /// An answer other than 200.
    #[error("{status} {errcode}")]
    Denied {
        /// The status.
        status: u16,
        /// The `errcode`, if there is one.
        errcode: String,
        /// `retry_after_ms`, if there is one.
        retry_after_ms: Option<u64>,
    },
    /// 200 with something that is not the JSON asked for.
    #[error("malformed answer: {0}")]
    Malformed(String),
}

impl AskError {
    /// Whether it speaks against the server as such, and not only against this question.
    pub fn is_the_servers_fault(&self) -> bool {
        match self {
            Self::Network(_) | Self::Timeout => true,
            Self::Denied { status, .. } => matches!(status, 401 | 429 | 500..),
            Self::Malformed(_) => false,
        }
    }
}

/// An answer with a list of events, each still as text: one that is malformed spoils no other.
#[derive(Debug, Deserialize)]
pub struct Pdus {
    /// The events.
    #[serde(alias = "events", alias = "auth_chain")]
    pub pdus: Vec<Box<RawValue>>,
}

/// The answer to `/state_ids`.
#[derive(Debug, Deserialize)]
pub struct StateIds {
    /// The state before the event.
    pub pdu_ids: Vec<OwnedEventId>,
    /// The auth chains of these.
    pub auth_chain_ids: Vec<OwnedEventId>,
}

/// The answer to `/state`, and most of the one to `send_join`.
#[derive(Debug, Deserialize)]
pub struct StatePdus {
    /// The state before the event.
    #[serde(alias = "state")]
    pub pdus: Vec<Box<RawValue>>,
    /// The auth chains of these.
    pub auth_chain: Vec<Box<RawValue>>,
    /// The join as the resident server signed it.
    #[serde(default)]
    pub event: Option<Box<RawValue>>,
}

/// The answer to `make_join`.
#[derive(Debug, Deserialize)]
pub struct JoinTemplate {
    /// The event to sign.
    pub event: Value,
    /// The room's version; 1 or 2 if absent.
    pub room_version: Option<String>,
}

/// A request that is sent as it is, good or bad.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// Its method and path.
    pub line: RequestLine,
    /// The body.
    pub body: Bytes,
    /// Whether it is signed.
    pub signed: bool,
    /// Why it is made.
    pub cause: Cause,
}

impl Homeserver {
    /// `GET /backfill/{room}?v=…&limit=…`
    pub async fn ask_backfill(
        &self,
        to: &ServerName,
        room: &RoomId,
        from: &[OwnedEventId],
        limit: usize,
        cause: &Cause,
    ) -> Result<Pdus, AskError> {
        let line = Endpoint::Backfill.line(&[room.as_str()]).query("limit", &limit.to_string());
        let line = from.iter().fold(line, |line, id| line.query("v", id.as_str()));
        self.ask(to, line, None, cause).await
    }

    /// `POST /get_missing_events/{room}`
    pub async fn ask_missing_events(
        &self,
        to: &ServerName,
        room: &RoomId,
        latest: &[OwnedEventId],
        earliest: &[OwnedEventId],
        limit: usize,
        cause: &Cause,
    ) -> Result<Pdus, AskError> {
        let line = Endpoint::GetMissingEvents.line(&[room.as_str()]);
        let body = CanonicalBody::fields()
            .with("latest_events", &latest)
            .with("earliest_events", &earliest)
            .with("limit", &limit)
            .with("min_depth", &0)
            .body();
        self.ask(to, line, Some(body), cause).await
    }

    /// `GET /event/{id}`
    pub async fn ask_event(&self, to: &ServerName, id: &EventId, cause: &Cause) -> Result<Pdus, AskError> {
        self.ask(to, Endpoint::Event.line(&[id.as_str()]), None, cause).await
    }

    /// `GET /event_auth/{room}/{id}`
    pub async fn ask_event_auth(
        &self,
        to: &ServerName,
        room: &RoomId,
        id: &EventId,
        cause: &Cause,
    ) -> Result<Pdus, AskError> {
        let line = Endpoint::EventAuth.line(&[room.as_str(), id.as_str()]);
        self.ask(to, line, None, cause).await
    }

    /// `GET /state_ids/{room}?event_id=…`
    pub async fn ask_state_ids(
        &self,
        to: &ServerName,
        room: &RoomId,
        id: &EventId,
        cause: &Cause,
    ) -> Result<StateIds, AskError> {
        let line = Endpoint::StateIds.line(&[room.as_str()]).query("event_id", id.as_str());
        self.ask(to, line, None, cause).await
    }

    /// `GET /state/{room}?event_id=…`
    pub async fn ask_state(
        &self,
        to: &ServerName,
        room: &RoomId,
        id: &EventId,
        cause: &Cause,
    ) -> Result<StatePdus, AskError> {
        let line = Endpoint::State.line(&[room.as_str()]).query("event_id", id.as_str());
        self.ask(to, line, None, cause).await
    }

    /// One request: signs it, waits for the answer, notes how the peer does.
    pub(super) async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        to: &ServerName,
        line: RequestLine,
        body: Option<CanonicalBody>,
        cause: &Cause,
    ) -> Result<T, AskError> {
        let result = self.ask_bytes(to, line, body, cause).await;
        match &result {
            Err(error) if error.is_the_servers_fault() => self.note_failure(to, error),
            _ => self.note_success(to),
        }
        serde_json::from_slice(&result?).map_err(|error| AskError::Malformed(error.to_string()))
    }

    /// Sends one request as it is told, and hands on the answer, good or bad.
    pub fn ask_raw(
        self: &Rc<Self>,
        to: &ServerName,
        raw: RawRequest,
        then: impl FnOnce(Result<(u16, Bytes), AskError>) + 'static,
    ) {
        let (server, to) = (self.clone(), to.to_owned());
        self.spawn_busy(async move {
            let RawRequest { line, body, signed, cause } = raw;
            let mut request = request(&to, line, body, &cause);
            // A body that is not JSON can't be signed; scripts send such ones to see what comes back.
            if signed && request_auth::can_sign(&request) {
                let key = server.store.read().signing_key.clone();
                request_auth::sign(&mut request, &server.name, &to, &key, &server.crypto);
            }
            let answer = server.exchange(&to, request).await;
            then(answer.map(|response| (response.status().as_u16(), response.into_body())));
        });
    }

    async fn ask_bytes(
        &self,
        to: &ServerName,
        line: RequestLine,
        body: Option<CanonicalBody>,
        cause: &Cause,
    ) -> Result<Bytes, AskError> {
        let text = body.as_ref().map(|body| body.text().clone()).unwrap_or_default();
        let mut request = request(to, line, text, cause);
        if let Some(carried) = body.and_then(CanonicalBody::carried) {
            request.extensions_mut().insert(carried);
        }
        let key = self.store.read().signing_key.clone();
        request_auth::sign_canonical(&mut request, &self.name, to, &key, &self.crypto);
        let response = self.exchange(to, request).await?;
        if response.body().len() > ANSWER_BYTES_MAX {
            return Err(AskError::Malformed(format!("more than {ANSWER_BYTES_MAX} bytes")));
        }
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        let error: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        Err(AskError::Denied {
            status: response.status().as_u16(),
            errcode: error["errcode"].as_str().unwrap_or_default().to_owned(),
            retry_after_ms: error["retry_after_ms"].as_u64(),
        })
    }

    async fn exchange(&self, to: &ServerName, request: Request<Bytes>) -> Result<Response<Bytes>, AskError> {
        let answer = self.network.request(to, request);
        match select(answer, self.clock.sleep(REQUEST_TIMEOUT)).await {
            Either::Left((answer, _)) => Ok(answer?),
            Either::Right(_) => Err(AskError::Timeout),
        }
    }
}

fn request(to: &ServerName, line: RequestLine, body: Bytes, cause: &Cause) -> Request<Bytes> {
    let mut request = Request::builder()
        .method(line.method)
        .uri(line.path)
        .header(http::header::HOST, to.as_str())
        .extension(cause.clone())
        .body(body)
        .expect("own requests are well-formed");
    if !request.body().is_empty() {
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(http::header::CONTENT_TYPE, json);
    }
    request
}
