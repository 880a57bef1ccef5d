//! Plays the scripted steps: events made to measure, single questions, answers that a server is made to give.

mod answer;
mod ask;
mod craft;
mod expect;
mod reference;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde_json::value::RawValue;

use super::{
    disturbances::{Disturbances, Turns},
    lies::{Liars, Twisted},
    player::Player,
    recorder::Recorder,
};
use crate::{
    homeserver::Homeserver,
    journal::What,
    matrix::endpoint::{Endpoint, EndpointName},
    network::traffic::{Disturbance, RequestId, Script, Scripted, Side},
};
use craft::id_of_crafted;
use expect::record_expectation;

/// Events that scripts made, and the answers that servers are told to give now.
pub(super) struct Scripts {
    crafted: RefCell<BTreeMap<OwnedEventId, Box<RawValue>>>,
    answers: RefCell<Vec<ScriptedAnswer>>,
    pub(super) disturbances: Disturbances,
    pub(super) liars: Liars,
    /// The servers that run, and the room, once there is one.
    pub(super) running: BTreeMap<String, RunningServer>,
    pub(super) room: RefCell<Option<OwnedRoomId>>,
    recorder: Rc<Recorder>,
}

/// One server, or nothing while it is down. Only lent: servers reach the scripts over their network, so to
/// hold them here would keep both for ever.
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

struct ScriptedAnswer {
    server: String,
    asker: Option<String>,
    endpoint: Endpoint,
    about: Option<String>,
    turns: Turns,
    /// Nothing: no answer ever comes.
    response: Option<(u16, Bytes)>,
}

impl Script for Scripts {
    fn answer(&self, server: &str, asker: &str, request: &Request<Bytes>) -> Option<Scripted> {
        let endpoint = EndpointName::in_path(request.uri().path()).known()?;
        let answers = self.answers.borrow();
        let fits = |scripted: &&ScriptedAnswer| {
            scripted.server == server
                && scripted.asker.as_ref().is_none_or(|only| only == asker)
                && scripted.endpoint == endpoint
                && scripted.about.as_ref().is_none_or(|id| self.recorder.events_named(request).contains(id))
                && !scripted.turns.are_over()
        };
        // The latest word counts.
        let scripted = answers.iter().rev().find(fits)?;
        if !scripted.turns.take() {
            return None;
        }
        let Some((status, body)) = &scripted.response else { return Some(Scripted::Hang) };
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
        let endpoint = EndpointName::in_path(path).known();
        let effects = self.disturbances.strike(side, (asker, server), endpoint);
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
    /// Plays a scripted step. One that can't be played is a mistake of the scenario, unless that says
    /// otherwise.
    pub(super) fn play_script(&mut self, step: usize, act: impl FnOnce(&mut Self) -> Result<(), String>) {
        match self.attempt(step, act) {
            Err(reason) if self.scenario.lenient => self.record_refusal(step, reason),
            Err(reason) => record_expectation(&self.recorder, None, step, Err(reason)),
            Ok(()) => {}
        }
    }
}
