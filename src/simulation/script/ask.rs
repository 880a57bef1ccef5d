//! Single questions and transactions that a script has a server send, and what it expects of the answers.

use std::rc::Rc;

use bytes::Bytes;
use http::Method;
use ruma_common::ServerName;
use serde_json::{Value, json};

use super::expect::{Expected, record_expectation};
use crate::{
    homeserver::{Homeserver, client::RawRequest},
    matrix::endpoint::{Endpoint, EndpointName, Naming, RequestLine, encode},
    ports::Cause,
    scenario::{Ask, Push},
    simulation::player::Player,
};

impl Player<'_> {
    pub(in crate::simulation) fn push(&self, step: usize, push: &Push) -> Result<(), String> {
        let server = self.running(&push.from).ok_or("the server is down")?;
        let ids = self.ids(&push.from, &push.events)?;
        let body = json!({
            "origin": server.name(), "origin_server_ts": server.now(), "pdus": self.jsons(&ids)?
        });
        let expected = push.expect.as_ref().map(|expect| self.expected(&push.from, expect)).transpose()?;
        for to in push.to.iter() {
            let id = push.id.clone().unwrap_or_else(|| format!("s{step}-{to}"));
            let (line, body) = (Endpoint::Send.line(&[&id]), Bytes::from(body.to_string()));
            self.ask_and_compare(step, &server, to, (line, body, true), expected.clone());
        }
        Ok(())
    }

    pub(in crate::simulation) fn ask(&self, step: usize, ask: &Ask) -> Result<(), String> {
        let server = self.running(&ask.from).ok_or("the server is down")?;
        let request = self.request_of(ask)?;
        let expected = ask.expect.as_ref().map(|expect| self.expected(&ask.from, expect)).transpose()?;
        self.ask_and_compare(step, &server, &ask.to, request, expected);
        Ok(())
    }

    fn request_of(&self, ask: &Ask) -> Result<(RequestLine, Bytes, bool), String> {
        let events = self.ids(&ask.from, &ask.events)?;
        let room = ask.room.clone().unwrap_or_else(|| self.room.as_ref().expect("set up").to_string());
        let body_bytes = |body: &Value| match body {
            Value::String(text) => Bytes::from(text.clone()),
            other => Bytes::from(other.to_string()),
        };
        let mut body = ask.body.as_ref().map(body_bytes).unwrap_or_default();
        let mut line = match (ask.endpoint, &ask.path) {
            (Some(endpoint), _) => {
                if endpoint == Endpoint::GetMissingEvents && body.is_empty() {
                    body = Bytes::from(self.missing_events_body(ask, &events)?.to_string());
                }
                if let (Endpoint::SendJoin, true, [join]) = (endpoint, body.is_empty(), &events[..]) {
                    body = Bytes::from(self.json_of(join)?.get().to_owned());
                }
                line_of(endpoint, &room, &events, ask.limit.as_ref())
            }
            (None, path) => {
                let method = if body.is_empty() { Method::GET } else { Method::POST };
                RequestLine { method, path: self.fill_in(path.as_deref().unwrap_or_default(), &room) }
            }
        };
        if let Some(name) = &ask.method {
            line.method = name.parse().map_err(|_| format!("`{name}` is not a method"))?;
        }
        Ok((line, body, ask.signed))
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
        (line, body, signed): (RequestLine, Bytes, bool),
        expected: Option<Expected>,
    ) {
        let to = ServerName::parse(self.scenario.matrix_name(to)).expect("checked");
        let (recorder, version) = (self.recorder.clone(), self.version);
        let host = self.host_by_name(server.name());
        let endpoint = EndpointName::in_path(line.path.split('?').next().unwrap_or_default()).known();
        let raw = RawRequest { line, body, signed, cause: Cause::Script { step } };
        server.ask_raw(&to, raw, move |answer| {
            let Some(expected) = expected else { return };
            let message = match answer {
                Ok((status, body)) => expected.compare(endpoint, status, &body, version),
                Err(error) => Err(format!("no answer: {error}")),
            };
            record_expectation(&recorder, Some(&host), step, message);
        });
    }
}

/// How a question is asked: in the path there is room for the first event, in the query for one or all.
fn line_of(endpoint: Endpoint, room: &str, events: &[String], limit: Option<&Value>) -> RequestLine {
    let first = events.first().map(String::as_str).unwrap_or_default();
    let parameters = endpoint.parameters().map(|name| match name {
        "room" => room,
        "event" => first,
        _ => "",
    });
    let line = endpoint.line(&parameters.collect::<Vec<_>>());
    let (name, named) = match endpoint.named_events() {
        Some(Naming::All(name)) => (name, events),
        Some(Naming::One(name)) => (name, &events[..events.len().min(1)]),
        None => ("", &[][..]),
    };
    let line = named.iter().fold(line, |line, id| line.query(name, id));
    let limit = limit.filter(|_| endpoint.has_limit() && line.method == Method::GET);
    match limit {
        Some(Value::String(text)) => line.query("limit", text),
        Some(other) => line.query("limit", &other.to_string()),
        None => line,
    }
}
