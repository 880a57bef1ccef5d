//! Plays the scripted steps: events made to measure, single questions, answers that a server is told to give.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::{Rc, Weak},
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, EventId, OwnedEventId, OwnedRoomId};
use serde_json::{Value, json, value::RawValue};

use super::{
    disturbances::{Disturbances, Turns},
    lies::{Liars, Twisted},
    player::Player,
    recorder::{Recorder, endpoint},
};
use crate::{
    homeserver::{
        Homeserver,
        client::{Told, encode},
    },
    journal::{Expectation, What},
    matrix::{
        draft::{Draft, hash_and_sign, place_and_sign_anyway},
        error::json_response,
        pdu::{Road, UnverifiedPdu},
        version::RoomVersion,
    },
    network::traffic::{Disturbance, RequestId, Script, Scripted, Side},
    room::Room,
    scenario::{Answer, AnswerExpected, Ask, Craft, EventRef, Push},
};

/// Events that scripts made, and the answers that servers are told to give now.
pub(super) struct Scripts {
    crafted: RefCell<BTreeMap<OwnedEventId, Box<RawValue>>>,
    answers: RefCell<Vec<ToldAnswer>>,
    pub(super) disturbances: Disturbances,
    pub(super) liars: Liars,
    /// The servers that run, and the room, once there is one.
    pub(super) running: BTreeMap<String, RunningServer>,
    pub(super) room: RefCell<Option<OwnedRoomId>>,
    recorder: Rc<Recorder>,
}

/// One server, or nothing while it is down. Only lent: servers reach the scripts over their network, so to hold them here
/// would keep both for ever.
pub(super) type RunningServer = Weak<RefCell<Option<Rc<Homeserver>>>>;

impl Scripts {
    pub(super) fn new(running: BTreeMap<String, RunningServer>, recorder: Rc<Recorder>) -> Self {
        Self {
            crafted: RefCell::default(),
            answers: RefCell::default(),
            disturbances: Disturbances::default(),
            liars: Liars::default(),
            running,
            room: RefCell::default(),
            recorder,
        }
    }

    fn twisted(&self, server: &str, asker: &str, path: &str, truth: &Response<Bytes>) -> Option<Twisted> {
        if self.liars.are_silent() {
            return None;
        }
        let room = self.room.borrow().clone()?;
        let liar = self.running.get(server)?.upgrade()?.borrow().clone()?;
        self.liars.twist((server, &liar), asker, &room, path, truth)
    }

    /// Writes down an event that was made, so that nobody takes it for an accident.
    fn record_crafted(&self, host: &str, pdu: Box<RawValue>) {
        let event = id_of_crafted(pdu.get(), self.recorder.version());
        self.recorder.record(Some(host), What::Crafted { event, pdu });
    }
}

struct ToldAnswer {
    server: String,
    asker: Option<String>,
    endpoint: String,
    about: Option<String>,
    turns: Turns,
    /// Nothing: no answer ever comes.
    response: Option<(u16, Bytes)>,
}

impl Script for Scripts {
    fn answer(&self, server: &str, asker: &str, request: &Request<Bytes>) -> Option<Scripted> {
        let answers = self.answers.borrow();
        let fits = |told: &&ToldAnswer| {
            told.server == server
                && told.asker.as_ref().is_none_or(|only| only == asker)
                && told.endpoint == endpoint(request.uri().path())
                && told.about.as_ref().is_none_or(|id| self.recorder.events_named(request).contains(id))
                && !told.turns.are_over()
        };
        // The latest word counts.
        let told = answers.iter().rev().find(fits)?;
        if !told.turns.take() {
            return None;
        }
        let Some((status, body)) = &told.response else { return Some(Scripted::Hang) };
        let mut response = Response::new(body.clone());
        *response.status_mut() = StatusCode::from_u16(*status).unwrap_or(StatusCode::IM_A_TEAPOT);
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        Some(Scripted::Answer(response))
    }

    fn disturb(
        &self,
        id: RequestId,
        side: Side,
        (asker, server): (&str, &str),
        path: &str,
    ) -> Vec<Disturbance> {
        if self.disturbances.are_over() {
            return Vec::new();
        }
        let effects = self.disturbances.strike(side, (asker, server), endpoint(path));
        let host = if side == Side::Request { asker } else { server };
        for (how, _) in &effects {
            self.recorder.record(Some(host), What::Disturbed { id, how: (*how).to_owned() });
        }
        effects.into_iter().map(|(_, effect)| effect).collect()
    }

    fn twist(
        &self,
        id: RequestId,
        server: &str,
        asker: &str,
        path: &str,
        truth: Response<Bytes>,
    ) -> Response<Bytes> {
        let Some(twisted) = self.twisted(server, asker, path, &truth) else { return truth };
        for pdu in twisted.forged {
            self.record_crafted(server, pdu);
        }
        let lies = twisted.lies.iter().map(|lie| lie.name().to_owned()).collect();
        self.recorder.record(Some(server), What::Lied { id, lies });
        twisted.response
    }
}

impl Player<'_> {
    // --- References.

    /// The ids that a list of references means, seen from a server.
    fn ids(&self, host: &str, refs: &[EventRef]) -> Result<Vec<String>, String> {
        let mut ids = Vec::new();
        for reference in refs {
            ids.extend(self.ids_of(host, reference)?);
        }
        Ok(ids)
    }

    pub(super) fn ids_of(&self, host: &str, reference: &str) -> Result<Vec<String>, String> {
        if reference.starts_with('$') {
            return Ok(vec![reference.to_owned()]);
        }
        if reference == "tips" {
            let tips = self.with_room(host, Room::forward_extremities)?;
            return Ok(tips.into_iter().map(|id| id.to_string()).collect());
        }
        if let Some(slot) = reference.strip_prefix("state:") {
            let (kind, key) = slot.split_once('/').unwrap_or((slot, ""));
            let found = self.with_room(host, |room| {
                let state = room.current_state();
                room.state_event(state, &kind.into(), key).map(|pdu| pdu.event_id().to_string())
            })?;
            return found.map(|id| vec![id]).ok_or_else(|| format!("`{reference}` is not in the state"));
        }
        let id = self.labels.get(reference).ok_or_else(|| format!("`{reference}` was never made"))?;
        Ok(vec![id.to_string()])
    }

    fn with_room<T>(&self, host: &str, read: impl FnOnce(&Room) -> T) -> Result<T, String> {
        let durable = self.nodes[host].store.read();
        let room = self.room.as_ref().and_then(|id| durable.rooms.get(id));
        room.map(read).ok_or_else(|| format!("{host} is not in the room"))
    }

    /// The JSON of an event, made by a script or held by any server.
    fn json_of(&self, id: &str) -> Result<Box<RawValue>, String> {
        let id = <&EventId>::try_from(id).map_err(|error| error.to_string())?;
        if let Some(json) = self.scripts.crafted.borrow().get(id) {
            return Ok(json.clone());
        }
        let room = self.room.as_ref().expect("set-up made the room");
        let held = |node: &super::player::Node| {
            let durable = node.store.read();
            durable.rooms.get(room)?.event(id).map(|pdu| pdu.json().to_owned())
        };
        self.nodes.values().find_map(held).ok_or_else(|| format!("{id} is held by nobody"))
    }

    fn jsons(&self, ids: &[String]) -> Result<Vec<Box<RawValue>>, String> {
        ids.iter().map(|id| self.json_of(id)).collect()
    }

    /// Plays a scripted step. One that can't be played is a mistake of the scenario, unless that says
    /// otherwise.
    pub(super) fn play_script(&mut self, step: usize, act: impl FnOnce(&mut Self) -> Result<(), String>) {
        match self.attempt(step, act) {
            Err(reason) if self.scenario.lenient => self.record_refusal(step, reason),
            Err(reason) => record_expectation(&self.recorder, None, step, Err(reason)),
            Ok(()) => {}
        }
    }

    // --- Crafted events.

    pub(super) fn craft(&mut self, step: usize, craft: &Craft) -> Result<(), String> {
        let host = craft.signed_by.clone().unwrap_or_else(|| self.host_of(&craft.by));
        let server = self.running(&host).ok_or("the server is down")?;
        let room = self.room.clone().expect("set-up made the room");
        let sender = self.user(&craft.by);
        let draft = Draft {
            kind: craft.event_type.clone(),
            state_key: craft.state_key.clone(),
            sender: sender.to_string(),
            content: Value::Object(craft.content.clone()),
            redacts: None,
        };
        let mut object = server.place_draft(&room, draft)?;
        for (field, refs) in [("prev_events", &craft.prev), ("auth_events", &craft.auth)] {
            if let Some(refs) = refs {
                let ids = self.ids(&host, refs)?;
                object.insert(field.to_owned(), self.references(&ids).into());
            }
        }
        if craft.prev.is_some() {
            let depth = self.depth_above(&host, &object);
            object.insert("depth".to_owned(), CanonicalJsonValue::Integer(depth));
        }
        put_fields(&mut object, &craft.fields)?;
        let (id, json) = self.sign_crafted(&server, object, &craft.tamper)?;
        self.recorder.record(Some(&host), What::Crafted { event: id.clone(), pdu: json.clone() });
        if craft.keep {
            server.keep_crafted(&room, &json)?;
        }
        self.scripts.crafted.borrow_mut().insert(id.clone(), json);
        if let Some(label) = &self.scenario.timeline[step].label {
            self.label(label, id);
        }
        Ok(())
    }

    fn references(&self, ids: &[String]) -> Vec<CanonicalJsonValue> {
        let reference = |id: &String| {
            let known = self
                .json_of(id)
                .ok()
                .and_then(|json| self.memory.reader.read(json.get(), self.version, Road::Backfill).ok());
            match known {
                Some(pdu) => pdu.claims().reference(),
                None if self.version.has_event_ids_on_the_wire() => {
                    CanonicalJsonValue::Array(vec![id.clone().into(), CanonicalJsonObject::new().into()])
                }
                None => id.clone().into(),
            }
        };
        ids.iter().map(reference).collect()
    }

    fn depth_above(&self, host: &str, object: &CanonicalJsonObject) -> js_int::Int {
        let id = |entry: &CanonicalJsonValue| {
            let first = entry.as_array().and_then(|pair| pair.first());
            first.unwrap_or(entry).as_str().map(str::to_owned)
        };
        let prev = object.get("prev_events").and_then(CanonicalJsonValue::as_array);
        let depth = |id: String| {
            let json = self.json_of(&id).ok()?;
            let pdu = self.memory.reader.read(json.get(), self.version, Road::Backfill).ok()?;
            Some(pdu.claims().depth())
        };
        let deepest = prev.into_iter().flatten().filter_map(id).filter_map(depth).max();
        let own = || self.with_room(host, |room| room.graph().len() as u64).unwrap_or(0);
        let depth = deepest.unwrap_or_else(own) + 1;
        js_int::Int::try_from(i64::try_from(depth).unwrap_or(i64::MAX)).unwrap_or(js_int::Int::MAX)
    }

    fn sign_crafted(
        &self,
        server: &Homeserver,
        object: CanonicalJsonObject,
        tamper: &serde_json::Map<String, Value>,
    ) -> Result<(OwnedEventId, Box<RawValue>), String> {
        let key = server.store().read().signing_key.clone();
        let text = match hash_and_sign(object.clone(), self.version, server.name(), &key, &self.memory.crypto)
        {
            Ok(pdu) => pdu.json().to_owned(),
            // What breaks the format on purpose is signed all the same.
            Err(_) => place_and_sign_anyway(object, self.version, server.name(), &key, &self.memory.crypto)
                .map_err(|error| error.to_string())?,
        };
        let mut value: Value = serde_json::from_str(text.get()).expect("it was just written");
        for (field, replacement) in tamper {
            put_field(&mut value, field, replacement);
        }
        let text = RawValue::from_string(value.to_string()).expect("it is JSON");
        Ok((id_of_crafted(text.get(), self.version), text))
    }

    pub(super) fn label(&mut self, label: &str, id: OwnedEventId) {
        self.recorder.record(None, What::Labelled { label: label.to_owned(), event: id.clone() });
        self.labels.insert(label.to_owned(), id);
    }

    // --- Questions.

    pub(super) fn push(&self, step: usize, push: &Push) -> Result<(), String> {
        let server = self.running(&push.from).ok_or("the server is down")?;
        let ids = self.ids(&push.from, &push.events)?;
        let body = json!({
            "origin": server.name(), "origin_server_ts": server.now(), "pdus": self.jsons(&ids)?
        });
        let expected = push.expect.as_ref().map(|expect| self.expected(&push.from, expect)).transpose()?;
        for to in push.to.iter() {
            let id = push.id.clone().unwrap_or_else(|| format!("s{step}-{to}"));
            let path = format!("/_matrix/federation/v1/send/{}", encode(&id));
            let body = Bytes::from(body.to_string());
            self.ask_and_compare(step, &server, to, (Method::PUT, path, body, true), expected.clone());
        }
        Ok(())
    }

    pub(super) fn ask(&self, step: usize, ask: &Ask) -> Result<(), String> {
        let server = self.running(&ask.from).ok_or("the server is down")?;
        let request = self.request_of(ask)?;
        let expected = ask.expect.as_ref().map(|expect| self.expected(&ask.from, expect)).transpose()?;
        self.ask_and_compare(step, &server, &ask.to, request, expected);
        Ok(())
    }

    fn request_of(&self, ask: &Ask) -> Result<(Method, String, Bytes, bool), String> {
        let events = self.ids(&ask.from, &ask.events)?;
        let room = ask.room.clone().unwrap_or_else(|| self.room.as_ref().expect("set up").to_string());
        let body_bytes = |body: &Value| match body {
            Value::String(text) => Bytes::from(text.clone()),
            other => Bytes::from(other.to_string()),
        };
        let mut body = ask.body.as_ref().map(body_bytes).unwrap_or_default();
        let (method, path) = match (&ask.endpoint, &ask.path) {
            (Some(endpoint), _) => {
                if endpoint == "get_missing_events" && body.is_empty() {
                    body = Bytes::from(self.missing_events_body(ask, &events)?.to_string());
                }
                if let ("send_join", true, [join]) = (endpoint.as_str(), body.is_empty(), &events[..]) {
                    body = Bytes::from(self.json_of(join)?.get().to_owned());
                }
                let method = match endpoint.as_str() {
                    "get_missing_events" => Method::POST,
                    "send_join" => Method::PUT,
                    _ => Method::GET,
                };
                (method, endpoint_path(endpoint, &room, &events, ask.limit.as_ref()))
            }
            (None, path) => {
                let method = if body.is_empty() { Method::GET } else { Method::POST };
                (method, self.fill_in(path.as_deref().unwrap_or_default(), &room))
            }
        };
        let method = match &ask.method {
            Some(name) => name.parse().map_err(|_| format!("`{name}` is not a method"))?,
            None => method,
        };
        Ok((method, path, body, ask.signed))
    }

    fn missing_events_body(&self, ask: &Ask, latest: &[String]) -> Result<Value, String> {
        let mut body = json!({
            "latest_events": latest, "earliest_events": self.ids(&ask.from, &ask.earliest)?
        });
        for (key, value) in [("limit", &ask.limit), ("min_depth", &ask.min_depth)] {
            if let Some(value) = value {
                body[key] = value.clone();
            }
        }
        Ok(body)
    }

    /// Puts ids in place of `{room}` and of labels in braces.
    fn fill_in(&self, path: &str, room: &str) -> String {
        let mut path = path.replace("{room}", &encode(room));
        for (label, id) in &self.labels {
            path = path.replace(&format!("{{{label}}}"), &encode(id.as_str()));
        }
        path
    }

    fn ask_and_compare(
        &self,
        step: usize,
        server: &Rc<Homeserver>,
        to: &str,
        (method, path, body, signed): (Method, String, Bytes, bool),
        expected: Option<Expected>,
    ) {
        let to = ruma_common::ServerName::parse(self.scenario.matrix_name(to)).expect("checked");
        let (recorder, version) = (self.recorder.clone(), self.version);
        let host = self.host_by_name(server.name());
        let told = Told { method, path, body, signed, cause: format!("script, step {step}") };
        server.ask_as_told(&to, told, move |answer| {
            let Some(expected) = expected else { return };
            let message = match answer {
                Ok((status, body)) => expected.compare(status, &body, version),
                Err(error) => Err(format!("no answer: {error}")),
            };
            record_expectation(&recorder, Some(&host), step, message);
        });
    }

    // --- Told answers.

    pub(super) fn tell_answer(&self, told: &Answer) -> Result<(), String> {
        let response = if told.hang { None } else { Some(self.told_body(told)?) };
        let about = told.about.as_ref().map(|reference| self.ids_of(&told.server, reference)).transpose()?;
        self.scripts.answers.borrow_mut().push(ToldAnswer {
            server: told.server.clone(),
            asker: told.to.clone(),
            endpoint: told.endpoint.clone(),
            about: about.and_then(|ids| ids.into_iter().next()),
            turns: Turns::new(told.skip, told.times),
            response,
        });
        Ok(())
    }

    fn told_body(&self, told: &Answer) -> Result<(u16, Bytes), String> {
        let status = told.status.unwrap_or(200);
        if let Some(body) = &told.body {
            let bytes = match body {
                Value::String(text) => Bytes::from(text.clone()),
                other => Bytes::from(other.to_string()),
            };
            return Ok((status, bytes));
        }
        let Some(events) = &told.events else {
            let error = json!({ "errcode": "M_UNKNOWN", "error": "told to answer so" });
            return Ok((status, Bytes::from(error.to_string())));
        };
        let ids = self.ids(&told.server, events)?;
        let auth = self.ids(&told.server, &told.auth)?;
        let body = match told.endpoint.as_str() {
            "get_missing_events" => json!({ "events": self.jsons(&ids)? }),
            "event_auth" => json!({ "auth_chain": self.jsons(&ids)? }),
            "state_ids" => json!({ "pdu_ids": ids, "auth_chain_ids": auth }),
            "state" => json!({ "pdus": self.jsons(&ids)?, "auth_chain": self.jsons(&auth)? }),
            _ => json!({
                "origin": self.scenario.matrix_name(&told.server),
                "origin_server_ts": 0,
                "pdus": self.jsons(&ids)?
            }),
        };
        Ok((status, json_response(StatusCode::OK, &body).into_body()))
    }

    fn expected(&self, host: &str, expect: &AnswerExpected) -> Result<Expected, String> {
        let ids = |list: &Option<Vec<EventRef>>| list.as_ref().map(|refs| self.ids(host, refs)).transpose();
        Ok(Expected {
            events: ids(&expect.events)?,
            in_order: ids(&expect.in_order)?,
            has: self.ids(host, &expect.has)?,
            lacks: self.ids(host, &expect.lacks)?,
            redacted: ids(&expect.redacted)?,
            errors: ids(&expect.errors)?,
            rest: expect.clone(),
        })
    }
}

/// Records whether a step got what it expects; a step that can't be played did not.
pub(super) fn record_expectation(
    recorder: &Recorder,
    host: Option<&str>,
    step: usize,
    outcome: Result<(), String>,
) {
    let expectation = Expectation { step, met: outcome.is_ok(), message: outcome.err().unwrap_or_default() };
    recorder.record(host, What::Expected(expectation));
}

/// What an answer must be, with references resolved.
#[derive(Clone)]
struct Expected {
    events: Option<Vec<String>>,
    in_order: Option<Vec<String>>,
    has: Vec<String>,
    lacks: Vec<String>,
    redacted: Option<Vec<String>>,
    errors: Option<Vec<String>>,
    rest: AnswerExpected,
}

impl Expected {
    fn compare(&self, status: u16, body: &[u8], version: RoomVersion) -> Result<(), String> {
        let value: Value = serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}"))?;
        let want = self.rest.status.unwrap_or(200);
        if status != want {
            return Err(format!("status {status} instead of {want}: {value}"));
        }
        if let Some(errcode) = &self.rest.errcode
            && value["errcode"] != errcode.as_str()
        {
            return Err(format!("`errcode` {} instead of {errcode}", value["errcode"]));
        }
        for (key, want) in &self.rest.fields {
            if value.get(key) != Some(want) {
                return Err(format!("`{key}` is {} instead of {want}", value[key]));
            }
        }
        self.compare_errors(&value)?;
        let events = events_in(&value, version);
        self.compare_events(&events)
    }

    fn compare_errors(&self, value: &Value) -> Result<(), String> {
        let Some(errors) = &self.errors else { return Ok(()) };
        let results = value["pdus"].as_object().cloned().unwrap_or_default();
        let with_error = results.iter().filter(|(_, result)| result.get("error").is_some());
        same_set("errors", &with_error.map(|(id, _)| id.clone()).collect::<Vec<_>>(), errors)
    }

    fn compare_events(&self, events: &[(String, bool)]) -> Result<(), String> {
        let ids: Vec<String> = events.iter().map(|(id, _)| id.clone()).collect();
        if let Some(want) = &self.events {
            same_set("events", &ids, want)?;
        }
        if let Some(want) = &self.in_order
            && ids != *want
        {
            return Err(format!("events {ids:?} instead of {want:?}"));
        }
        if let Some(id) = self.has.iter().find(|id| !ids.contains(id)) {
            return Err(format!("{id} is not in the answer"));
        }
        if let Some(id) = self.lacks.iter().find(|id| ids.contains(id)) {
            return Err(format!("{id} is in the answer"));
        }
        if let Some(want) = self.rest.count
            && ids.len() != want
        {
            return Err(format!("{} events instead of {want}", ids.len()));
        }
        if let Some(want) = &self.redacted {
            let redacted: Vec<String> =
                events.iter().filter(|(_, redacted)| *redacted).map(|(id, _)| id.clone()).collect();
            same_set("redacted events", &redacted, want)?;
        }
        Ok(())
    }
}

fn same_set(what: &str, are: &[String], want: &[String]) -> Result<(), String> {
    let (set, wanted): (BTreeSet<_>, BTreeSet<_>) = (are.iter().collect(), want.iter().collect());
    if set == wanted && are.len() == want.len() {
        return Ok(());
    }
    Err(format!("{what}: {are:?} instead of {want:?}"))
}

/// The ids in an answer, each with whether the event is a redacted copy: its content hash no longer holds.
fn events_in(value: &Value, version: RoomVersion) -> Vec<(String, bool)> {
    if let Some(ids) = value["pdu_ids"].as_array() {
        return ids.iter().filter_map(|id| Some((id.as_str()?.to_owned(), false))).collect();
    }
    let lists = ["pdus", "events", "auth_chain"].map(|key| value[key].as_array());
    let Some(list) = lists.into_iter().flatten().next() else { return Vec::new() };
    list.iter()
        .map(|pdu| match UnverifiedPdu::parse(&pdu.to_string(), version, Road::Backfill) {
            Ok(pdu) => (pdu.event_id().to_string(), !pdu.hash_holds()),
            Err(_) => ("?".to_owned(), false),
        })
        .collect()
}

fn endpoint_path(endpoint: &str, room: &str, events: &[String], limit: Option<&Value>) -> String {
    let room = encode(room);
    let first = events.first().map(|id| encode(id)).unwrap_or_default();
    let v1 = "/_matrix/federation/v1";
    match endpoint {
        "backfill" => {
            let mut query: Vec<String> = events.iter().map(|id| format!("v={}", encode(id))).collect();
            query.extend(limit.map(|limit| match limit {
                Value::String(text) => format!("limit={}", encode(text)),
                other => format!("limit={other}"),
            }));
            format!("{v1}/backfill/{room}?{}", query.join("&"))
        }
        "get_missing_events" => format!("{v1}/get_missing_events/{room}"),
        "event" => format!("{v1}/event/{first}"),
        "event_auth" => format!("{v1}/event_auth/{room}/{first}"),
        "state_ids" | "state" if events.is_empty() => format!("{v1}/{endpoint}/{room}"),
        "state_ids" | "state" => format!("{v1}/{endpoint}/{room}?event_id={first}"),
        "send_join" => format!("/_matrix/federation/v2/send_join/{room}/{first}"),
        "key" => "/_matrix/key/v2/server".to_owned(),
        other => format!("{v1}/{other}"),
    }
}

fn put_fields(
    object: &mut CanonicalJsonObject,
    fields: &serde_json::Map<String, Value>,
) -> Result<(), String> {
    for (field, value) in fields {
        match value {
            Value::Null => drop(object.remove(field)),
            value => {
                let value = CanonicalJsonValue::try_from(value.clone());
                object.insert(field.clone(), value.map_err(|error| format!("`{field}`: {error}"))?);
            }
        }
    }
    Ok(())
}

fn put_field(value: &mut Value, field: &str, replacement: &Value) {
    match replacement {
        Value::Null => {
            value.as_object_mut().map(|object| object.remove(field));
        }
        replacement => value[field] = replacement.clone(),
    }
}

fn id_of_crafted(text: &str, version: RoomVersion) -> OwnedEventId {
    let id = UnverifiedPdu::parse(text, version, Road::Backfill).map(|pdu| pdu.event_id().to_owned());
    id.unwrap_or_else(|_| unparsable_id(text))
}

/// A name for what has no id, since it is not a well-formed event: scripts can still speak of it.
fn unparsable_id(text: &str) -> OwnedEventId {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    EventId::parse(format!("$unparsable-{hex}")).expect("it begins with a sigil")
}
