//! What a server answers: one file an endpoint, behind one gate that routes, reads bodies and checks
//! signatures.
//!
//! Every answer is JSON; every mistake of the asker is a 4xx with an `errcode` (SS-API, "API standards").

mod backfill;
mod event;
mod event_auth;
mod invite;
mod key;
mod make_join;
mod missing_events;
mod send;
mod send_join;
mod state;
mod version;

use std::{borrow::Cow, collections::BTreeMap, rc::Rc};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use ruma_common::{EventId, OwnedEventId, OwnedServerName, RoomId, ServerName};
use serde::{Deserialize, Serialize};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};

use super::{Homeserver, store::Durable};
use crate::{
    matrix::{
        canonical::Carried,
        endpoint::{Access, Endpoint, Open, Parameters, Signed},
        error::{MatrixError, json_response},
        request_auth::Credentials,
    },
    room::Room,
};

/// The largest body that is read: 50 events of the largest size, and some room for the rest.
pub(super) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

type Answer = Result<Box<RawValue>, MatrixError>;

/// An answer of 200 with this body.
fn answer(body: &impl Serialize) -> Answer {
    Ok(to_raw_value(body).expect("answers are JSON"))
}

/// A request that passed the gate.
struct Asked {
    origin: OwnedServerName,
    query: Vec<(String, String)>,
    body: Body,
}

/// An answer that holds events, with who gives it when.
#[derive(Serialize)]
struct Events<'a> {
    origin: &'a ServerName,
    origin_server_ts: u64,
    pdus: Vec<Cow<'a, RawValue>>,
}

/// The fields of a body, unread: an event in it is read as an event, and only once.
#[derive(Default)]
struct Body {
    fields: BTreeMap<String, Box<RawValue>>,
    /// The events of a body that needn't be read for them, and then is not.
    carried: Option<Carried>,
}

/// The endpoint that is asked, and the parameters in the path.
fn route(method: &Method, path: &str) -> Result<(Endpoint, Parameters), MatrixError> {
    let decoded = path.trim_start_matches('/').split('/').map(|it| percent_decode_str(it).decode_utf8());
    let segments = decoded.collect::<Result<Vec<_>, _>>();
    let segments = segments.map_err(|_| MatrixError::invalid_param("the path is not UTF-8 once decoded"))?;
    let found = Endpoint::at(&segments);
    let (endpoint, parameters) = found.ok_or_else(|| MatrixError::unrecognized_path("no such endpoint"))?;
    let expected = endpoint.method();
    if *method != expected {
        return Err(MatrixError::unrecognized_method(format!("this endpoint takes {expected}")));
    }
    Ok((endpoint, parameters))
}

impl Homeserver {
    /// Answers one request; never, if that takes the server down.
    pub async fn handle(self: &Rc<Self>, request: Request<Bytes>) -> Response<Bytes> {
        match self.clone().guard(self.answer(request)).await {
            Ok(body) => json_response(StatusCode::OK, &body),
            Err(error) => error.response(),
        }
    }

    async fn answer(self: &Rc<Self>, request: Request<Bytes>) -> Answer {
        let (endpoint, path) = route(request.method(), request.uri().path())?;
        match endpoint.access() {
            Access::Open(open) => self.answer_anybody(open, &path),
            Access::Signed(signed) => {
                let asked = self.let_in(&request).await?;
                self.answer_server(signed, asked, &path).await
            }
        }
    }

    fn answer_anybody(&self, endpoint: Open, path: &Parameters) -> Answer {
        match endpoint {
            Open::Key => match path.find("server") {
                None => answer(&self.key_document()),
                Some(server) => self.answer_key_query(server),
            },
            Open::Version => answer(&version::version()),
        }
    }

    async fn answer_server(self: &Rc<Self>, endpoint: Signed, asked: Asked, path: &Parameters) -> Answer {
        match endpoint {
            Signed::Send => self.answer_send(asked, path.get("transaction")).await,
            Signed::Backfill => self.answer_backfill(&asked, path.get("room")),
            Signed::GetMissingEvents => self.answer_missing_events(&asked, path.get("room")),
            Signed::Event => self.answer_event(&asked, path.get("event")),
            Signed::StateIds => self.answer_state_ids(&asked, path.get("room")),
            Signed::State => self.answer_state(&asked, path.get("room")),
            Signed::EventAuth => self.answer_event_auth(&asked, path.get("room"), path.get("event")),
            Signed::MakeJoin => self.answer_make_join(&asked, path.get("room"), path.get("user")),
            Signed::SendJoin => self.answer_send_join(asked, path.get("room"), path.get("event")).await,
            Signed::Invite => self.answer_invite(asked, path.get("room"), path.get("event")).await,
        }
    }

    /// The gate: reads the body and checks the signature.
    async fn let_in(&self, request: &Request<Bytes>) -> Result<Asked, MatrixError> {
        let body = Body::read(request)?;
        let origin = self.authenticate(request).await?;
        self.note_sign_of_life(&origin);
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        Ok(Asked { origin, query: query.into_owned().collect(), body })
    }

    /// Who sent the request, proven by its signature; asks the sender for its keys if they are not known.
    async fn authenticate(&self, request: &Request<Bytes>) -> Result<OwnedServerName, MatrixError> {
        let now = self.now();
        let mut refusal = None;
        for credentials in Credentials::read(request, &self.name)? {
            let knows = |server: &Self| {
                let durable = server.store.read();
                durable.keys.for_request(credentials.origin(), credentials.key_id(), now).is_some()
            };
            if !knows(self) {
                self.fetch_keys_at_once(credentials.origin()).await;
            }
            let durable = self.store.read();
            match credentials.verify(request, &self.name, &durable.keys, now, &self.crypto) {
                Ok(origin) => return Ok(origin),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.expect("there is at least one header"))
    }
}

impl Body {
    fn read(request: &Request<Bytes>) -> Result<Self, MatrixError> {
        let takes_body = matches!(*request.method(), Method::POST | Method::PUT);
        if request.body().len() > BODY_BYTES_MAX {
            return Err(MatrixError::too_large(format!("the body is larger than {BODY_BYTES_MAX} bytes")));
        }
        if !takes_body {
            return Ok(Self::default());
        }
        if let Some(carried) = Carried::by(request) {
            return Ok(Self { carried: Some(carried.clone()), ..Self::default() });
        }
        match serde_json::from_slice(request.body()) {
            Ok(fields) => Ok(Self { fields, carried: None }),
            Err(_) => Err(match serde_json::from_slice::<&RawValue>(request.body()) {
                Ok(_) => MatrixError::bad_json("the body must be an object"),
                Err(error) => MatrixError::not_json(error.to_string()),
            }),
        }
    }

    /// The events that it carries.
    fn pdus(&self) -> Result<Vec<&RawValue>, MatrixError> {
        match &self.carried {
            Some(carried) => Ok(carried.texts().collect()),
            None => self.list("pdus"),
        }
    }

    fn get(&self, name: &str) -> Option<&RawValue> {
        self.fields.get(name).map(|value| &**value)
    }

    fn required(&self, name: &str) -> Result<&RawValue, MatrixError> {
        self.get(name).ok_or_else(|| MatrixError::bad_json(format!("`{name}` is missing")))
    }

    /// A list.
    fn list<'a, T: Deserialize<'a>>(&'a self, name: &str) -> Result<Vec<T>, MatrixError> {
        serde_json::from_str(self.required(name)?.get())
            .map_err(|_| MatrixError::bad_json(format!("`{name}` must be an array")))
    }

    /// A list of event ids.
    fn event_ids(&self, name: &str) -> Result<Vec<OwnedEventId>, MatrixError> {
        let id = |entry: &Value| {
            let text = entry.as_str();
            let text = text.ok_or_else(|| MatrixError::bad_json(format!("`{name}` must hold strings")))?;
            event_id(text)
        };
        self.list::<Value>(name)?.iter().map(id).collect()
    }

    /// An integer, not negative.
    fn count(&self, name: &str, default: u64) -> Result<u64, MatrixError> {
        let Some(count) = self.get(name) else { return Ok(default) };
        match serde_json::from_str(count.get()) {
            Ok(Value::Number(number)) => number.as_u64().ok_or_else(|| {
                MatrixError::invalid_param(format!(
                    "`{name}` is {number}; it must be an integer, not negative"
                ))
            }),
            _ => Err(MatrixError::bad_json(format!("`{name}` must be an integer"))),
        }
    }
}

impl Asked {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, MatrixError> {
        self.parameter(name).ok_or_else(|| MatrixError::missing_param(format!("`{name}` is missing")))
    }
}

/// A room that `origin` may read: this server has it, the asker has a joined user in it and is not shut out
/// (SS-API, "Server Access Control Lists").
fn readable_room<'a>(durable: &'a Durable, room: &str, origin: &ServerName) -> Result<&'a Room, MatrixError> {
    let room = common_room(durable, room, origin)?;
    check_acl(room, origin)?;
    Ok(room)
}

/// A room that this server has and that `origin` has a joined user in.
fn common_room<'a>(durable: &'a Durable, room: &str, origin: &ServerName) -> Result<&'a Room, MatrixError> {
    let id = <&RoomId>::try_from(room)
        .map_err(|error| MatrixError::invalid_param(format!("`{room}` is not a room id: {error}")))?;
    let room = durable.rooms.get(id).filter(|room| room.is_joined(origin));
    room.ok_or_else(|| MatrixError::forbidden(format!("{origin} is not in {id}")))
}

fn check_acl(room: &Room, origin: &ServerName) -> Result<(), MatrixError> {
    if room.acl_allows(origin) {
        return Ok(());
    }
    Err(MatrixError::forbidden(format!("{origin} is shut out of {} by its ACL", room.room_id())))
}

fn event_id(text: &str) -> Result<OwnedEventId, MatrixError> {
    EventId::parse(text)
        .map_err(|error| MatrixError::invalid_param(format!("`{text}` is not an event id: {error}")))
}
