//! What the hosts of one run share, on every fabric: the way of a request from the server that asks to the one that
//! answers, and of its answer back.
//!
//! A fabric only gives the bytes to the other host ([`Wire`]); when they are let in, and whether, is decided here.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::pending,
    rc::{Rc, Weak},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use ruma_common::ServerName;
use tokio::sync::oneshot;

use super::{
    Service,
    conditions::{Conditions, Departure},
    inbox::{Inbox, Place},
    time::RunTime,
    traffic::{Failure, RequestId, Script, Scripted, Traffic},
};
use crate::homeserver::ports::{Clock, Network, NetworkError};

/// The milliseconds since the epoch at which every run starts.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// One host of a run.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// Its name in the scenario.
    pub host: String,
    /// Its Matrix name.
    pub matrix_name: String,
    /// How far its clock is ahead, in milliseconds.
    pub clock_skew_ms: i64,
}

/// What decides the fate of messages, and who watches.
#[derive(Clone)]
pub struct Rules {
    /// The state of links and hosts.
    pub conditions: Rc<RefCell<Conditions>>,
    /// Who watches the traffic.
    pub traffic: Rc<dyn Traffic>,
    /// Who tells servers what to answer.
    pub script: Rc<dyn Script>,
    /// The time.
    pub time: Rc<RunTime>,
}

/// What the hosts of one run share.
pub struct World {
    rules: Rules,
    /// Names of servers in the scenario by their Matrix names.
    names: BTreeMap<String, String>,
    inboxes: BTreeMap<String, Inbox>,
    flights: RefCell<BTreeMap<RequestId, Flight>>,
    /// How many messages each link has carried.
    numbers: RefCell<BTreeMap<(String, String), u64>>,
    skew_ms: RefCell<BTreeMap<String, i64>>,
}

/// A request on its way.
#[derive(Clone, Debug)]
struct Flight {
    from: String,
    to: String,
    sent: u64,
    place: Place,
    /// When its answer left, and its place among what the asker gets; nothing if it vanished.
    answer: Option<(u64, Place)>,
}

/// Gives the bytes of a request to the host that it is for, at once or nearly so, and brings its answer.
pub(super) trait Wire {
    /// The answer; an error when the connection ends without one.
    fn exchange(
        &self,
        id: RequestId,
        to: String,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>>;
}

impl World {
    /// A world of hosts that nothing has happened in.
    pub(super) fn new(hosts: &[HostSpec], rules: Rules) -> Self {
        Self {
            rules,
            names: hosts.iter().map(|spec| (spec.matrix_name.clone(), spec.host.clone())).collect(),
            inboxes: hosts.iter().map(|spec| (spec.host.clone(), Inbox::default())).collect(),
            flights: RefCell::default(),
            numbers: RefCell::default(),
            skew_ms: RefCell::new(hosts.iter().map(|spec| (spec.host.clone(), spec.clock_skew_ms)).collect()),
        }
    }

    fn now(&self) -> u64 {
        self.rules.time.now()
    }

    /// The time of the run.
    pub(super) fn time(&self) -> &RunTime {
        &self.rules.time
    }

    /// Puts a host's clock forward or back.
    pub fn jump_clock(&self, host: &str, by_ms: i64) {
        *self.skew_ms.borrow_mut().entry(host.to_owned()).or_default() += by_ms;
    }

    /// Lets messages in at a host, as long as it runs.
    pub(super) async fn let_in(&self, host: &str) {
        let inbox = &self.inboxes[host];
        inbox.clear();
        inbox.let_in(&self.rules.time).await;
    }

    fn place(&self, from: &str, to: &str, at: u64) -> Place {
        let mut numbers = self.numbers.borrow_mut();
        let number = numbers.entry((from.to_owned(), to.to_owned())).or_default();
        *number += 1;
        Place { at, from: from.to_owned(), number: *number }
    }

    // --- At the server that asks.

    async fn send(
        &self,
        wire: &dyn Wire,
        id: RequestId,
        (from, to): (&str, &str),
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, NetworkError> {
        let sent = self.now();
        let departure = self.rules.conditions.borrow_mut().send_request(from, to, sent);
        let arrives = match departure {
            Departure::ArrivesAt(arrives) => arrives,
            Departure::Refused => return Err(NetworkError::Refused),
            Departure::Vanishes => {
                self.rules.traffic.failed(id, Failure::RequestLost);
                return pending().await;
            }
        };
        let place = self.place(from, to, arrives);
        let flight = Flight { from: from.into(), to: to.into(), sent, place, answer: None };
        self.flights.borrow_mut().insert(id, flight);

        let response = wire.exchange(id, to.to_owned(), request).await;
        let answer = self.flights.borrow().get(&id).and_then(|flight| flight.answer.clone());
        let went_down = self.rules.conditions.borrow().went_down_since(to, sent);
        match (response, answer) {
            (Ok(response), Some((left, place))) => {
                self.inboxes[from].wait_for(place).await;
                let lost = self.rules.conditions.borrow().was_lost(to, from, left);
                if lost {
                    self.rules.traffic.failed(id, Failure::AnswerLost);
                    return pending().await;
                }
                Ok(response)
            }
            // The connection ended without an answer: the host went down, and its kernel says so if the way is open.
            (_, _) if went_down => self.break_connection(from, to).await,
            // The way broke under the connection; TCP would resend until somebody gives up.
            (_, _) => pending().await,
        }
    }

    async fn break_connection(&self, from: &str, to: &str) -> Result<Response<Bytes>, NetworkError> {
        let now = self.now();
        let departure = self.rules.conditions.borrow_mut().send_answer(to, from, now);
        match departure {
            Departure::ArrivesAt(arrives) => {
                self.inboxes[from].wait_for(self.place(to, from, arrives)).await;
                Err(NetworkError::Lost)
            }
            Departure::Refused | Departure::Vanishes => pending().await,
        }
    }

    // --- At the server that answers.

    /// Takes in a request: held until it arrives, handled as a task of the server, which goes on even if the asker
    /// gives up. The answer comes by the channel; it ends without one when the host goes down.
    pub(super) fn accept(
        self: &Rc<Self>,
        id: RequestId,
        request: Request<Bytes>,
        service: &Rc<dyn Service>,
    ) -> oneshot::Receiver<Response<Bytes>> {
        let (tell, answer) = oneshot::channel();
        let (world, server) = (self.clone(), service.clone());
        service.spawn(Box::pin(async move {
            match world.serve(id, request, server).await {
                Some(response) => drop(tell.send(response)),
                // The connection stays open as long as the host is up.
                None => {
                    let _open = tell;
                    pending::<()>().await;
                }
            }
        }));
        answer
    }

    /// The answer to a request, if one leaves the host.
    async fn serve(
        &self,
        id: RequestId,
        request: Request<Bytes>,
        service: Rc<dyn Service>,
    ) -> Option<Response<Bytes>> {
        let Flight { from, to, sent, place, .. } = self.flights.borrow().get(&id).cloned()?;
        self.inboxes[&to].wait_for(place).await;
        let Rules { conditions, traffic, script, .. } = &self.rules;
        if conditions.borrow().was_lost(&from, &to, sent) {
            traffic.failed(id, Failure::RequestLost);
            return None;
        }
        traffic.arrived(id);
        let response = match script.answer(&to, &from, &request) {
            Some(Scripted::Answer(response)) => response,
            Some(Scripted::Hang) => return None,
            None => service.clone().handle(request).await,
        };
        if service.has_lost_power() {
            return None;
        }
        let now = self.now();
        let departure = conditions.borrow_mut().send_answer(&to, &from, now);
        let Departure::ArrivesAt(arrives) = departure else {
            traffic.failed(id, Failure::AnswerLost);
            return None;
        };
        let place = self.place(&to, &from, arrives);
        if let Some(flight) = self.flights.borrow_mut().get_mut(&id) {
            flight.answer = Some((now, place));
        }
        Some(response)
    }
}

/// One host's way to the others.
pub(super) struct HostNetwork {
    pub(super) host: String,
    pub(super) world: Rc<World>,
    pub(super) wire: Rc<dyn Wire>,
    /// The host's own software, once it runs.
    pub(super) service: RefCell<Option<Weak<dyn Service>>>,
}

impl HostNetwork {
    fn has_lost_power(&self) -> bool {
        let service = self.service.borrow().as_ref().and_then(Weak::upgrade);
        service.is_some_and(|service| service.has_lost_power())
    }
}

impl Network for HostNetwork {
    fn request(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>> {
        let powerless = self.has_lost_power();
        let (world, wire, from) = (self.world.clone(), self.wire.clone(), self.host.clone());
        let Some(to) = world.names.get(to.as_str()).cloned() else {
            return Box::pin(async { Err(NetworkError::Refused) });
        };
        Box::pin(async move {
            if powerless {
                return pending().await;
            }
            let traffic = world.rules.traffic.clone();
            let id = traffic.sent(&from, &to, &request);
            let mut open = OpenRequest { id, world: world.clone(), ended: false };
            let result = world.send(&*wire, id, (&from, &to), request).await;
            open.ended = true;
            match &result {
                Ok(response) => traffic.answered(id, response),
                Err(NetworkError::Refused) => traffic.failed(id, Failure::Refused),
                Err(NetworkError::Lost) => traffic.failed(id, Failure::Broken),
            }
            result
        })
    }
}

/// Closes the books on a request whose asker stops waiting.
struct OpenRequest {
    id: RequestId,
    world: Rc<World>,
    ended: bool,
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.world.flights.borrow_mut().remove(&self.id);
        if !self.ended {
            self.world.rules.traffic.failed(self.id, Failure::Abandoned);
        }
    }
}

/// One host's clock: the time of the run, and how wrong it is.
pub(super) struct HostClock {
    pub(super) host: String,
    pub(super) world: Rc<World>,
}

impl Clock for HostClock {
    fn now(&self) -> u64 {
        let skew = self.world.skew_ms.borrow().get(&self.host).copied().unwrap_or(0);
        (EPOCH_MS + self.world.now()).saturating_add_signed(skew)
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
