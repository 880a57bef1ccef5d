//! What the hosts of one run share, on every fabric: the way of a request from the server that asks to the
//! one that answers, and of its answer back.
//!
//! A fabric only gives the bytes to the other host (`Wire`); when they are let in, and whether, is decided
//! here.

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
    Boot,
    conditions::{Conditions, Departure},
    inbox::{Inbox, Place},
    time::RunTime,
    traffic::{Disturbance, Failure, RequestId, Script, Scripted, Side, Traffic},
};
use crate::ports::{Clock, Network, NetworkError, Runner, Service};

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
    names: BTreeMap<String, Rc<str>>,
    inboxes: BTreeMap<String, Inbox>,
    flights: RefCell<BTreeMap<RequestId, Flight>>,
    /// How many messages each link has carried.
    numbers: RefCell<BTreeMap<Way, u64>>,
    skew_ms: RefCell<BTreeMap<String, i64>>,
}

/// From which host to which.
type Way = (Rc<str>, Rc<str>);

/// A request on its way.
#[derive(Clone, Debug)]
struct Flight {
    from: Rc<str>,
    to: Rc<str>,
    sent: u64,
    place: Place,
    /// Whether the server takes it and never looks at it.
    hangs: bool,
    /// After how many milliseconds it arrives once more.
    copies: Vec<u64>,
    /// What was sent back; nothing if it vanished.
    answer: Option<Back>,
}

/// An answer on its way.
#[derive(Clone, Debug)]
struct Back {
    left: u64,
    place: Place,
    /// The connection breaks before the answer is complete.
    breaks: bool,
}

/// All that is wrong with the way of one message.
#[derive(Default)]
struct Trouble {
    lost: bool,
    hangs: bool,
    breaks: bool,
    delay_ms: u64,
    copies: Vec<u64>,
    body_ends_at: Option<usize>,
    replaced_by: Option<Response<Bytes>>,
}

impl Trouble {
    fn of(disturbances: Vec<Disturbance>, bytes: usize) -> Self {
        let mut trouble = Self::default();
        for disturbance in disturbances {
            match disturbance {
                Disturbance::Lose => trouble.lost = true,
                Disturbance::Delay(ms) => trouble.delay_ms += ms,
                Disturbance::Duplicate(after) => trouble.copies.push(after),
                Disturbance::Truncate(end) => trouble.body_ends_at = Some(end),
                Disturbance::Break => trouble.breaks = true,
                Disturbance::Replace(response) => trouble.replaced_by = Some(response),
                Disturbance::Drip(a_second) => trouble.delay_ms += bytes as u64 * 1000 / u64::from(a_second),
                Disturbance::Hang => trouble.hangs = true,
            }
        }
        trouble
    }

    fn cut(&self, body: &Bytes) -> Bytes {
        body.slice(..self.body_ends_at.map_or(body.len(), |end| end.min(body.len())))
    }
}

/// Gives the bytes of a request to the host that it is for, at once or nearly so, and brings its answer.
pub(super) trait Wire {
    /// The answer; an error when the connection ends without one.
    fn exchange(
        &self,
        id: RequestId,
        to: Rc<str>,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>>;
}

impl World {
    /// A world of hosts that nothing has happened in.
    pub(super) fn new(hosts: &[HostSpec], rules: Rules) -> Self {
        Self {
            rules,
            names: hosts.iter().map(|spec| (spec.matrix_name.clone(), spec.host.as_str().into())).collect(),
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

    /// The time by a host's clock, in milliseconds since the epoch.
    pub fn clock_of(&self, host: &str) -> u64 {
        let skew = self.skew_ms.borrow().get(host).copied().unwrap_or(0);
        (EPOCH_MS + self.now()).saturating_add_signed(skew)
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

    fn place(&self, from: &Rc<str>, to: &Rc<str>, at: u64) -> Place {
        let mut numbers = self.numbers.borrow_mut();
        let number = numbers.entry((from.clone(), to.clone())).or_default();
        *number += 1;
        Place { at, from: from.clone(), number: *number }
    }

    // --- At the server that asks.

    async fn send(
        &self,
        wire: &dyn Wire,
        id: RequestId,
        (from, to): (&Rc<str>, &Rc<str>),
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, NetworkError> {
        let Rules { conditions, traffic, script, .. } = &self.rules;
        let sent = self.now();
        let departure = conditions.borrow_mut().send_request(from, to, sent);
        let arrives = match departure {
            Departure::ArrivesAt(arrives) => arrives,
            Departure::Refused => return Err(NetworkError::Refused),
            Departure::Vanishes => {
                traffic.failed(id, Failure::RequestLost);
                return pending().await;
            }
        };
        let bytes = request.body().len();
        let trouble = Trouble::of(script.disturb(id, Side::Request, (from, to), request.uri().path()), bytes);
        if trouble.lost {
            traffic.failed(id, Failure::RequestLost);
            return pending().await;
        }
        let arrives = arrives + trouble.delay_ms;
        if trouble.breaks || trouble.replaced_by.is_some() {
            return self.turned_back(from, to, arrives, trouble.replaced_by).await;
        }
        let flight = Flight {
            from: from.clone(),
            to: to.clone(),
            sent,
            place: self.place(from, to, arrives),
            hangs: trouble.hangs,
            copies: trouble.copies.clone(),
            answer: None,
        };
        self.flights.borrow_mut().insert(id, flight);

        let response = wire.exchange(id, to.clone(), request.map(|body| trouble.cut(&body))).await;
        let answer = self.flights.borrow().get(&id).and_then(|flight| flight.answer.clone());
        let went_down = conditions.borrow().went_down_since(to, sent);
        match (response, answer) {
            (Ok(response), Some(Back { left, place, breaks })) => {
                self.inboxes[&**from].wait_for(place).await;
                let lost = conditions.borrow().was_lost(to, from, left);
                if lost {
                    traffic.failed(id, Failure::AnswerLost);
                    return pending().await;
                }
                if breaks { Err(NetworkError::Lost) } else { Ok(response) }
            }
            // The connection ended without an answer: the host went down, and its kernel says so if the way
            // is open.
            (_, _) if went_down => self.turned_back(from, to, self.now(), None).await,
            // The way broke under the connection; TCP would resend until somebody gives up.
            (_, _) => pending().await,
        }
    }

    /// Something that is not the server answers at `time`, or closes the connection.
    async fn turned_back(
        &self,
        from: &Rc<str>,
        to: &Rc<str>,
        time: u64,
        answer: Option<Response<Bytes>>,
    ) -> Result<Response<Bytes>, NetworkError> {
        let departure = self.rules.conditions.borrow_mut().send_answer(to, from, time);
        match departure {
            Departure::ArrivesAt(arrives) => {
                self.inboxes[&**from].wait_for(self.place(to, from, arrives)).await;
                answer.ok_or(NetworkError::Lost)
            }
            Departure::Refused | Departure::Vanishes => pending().await,
        }
    }

    // --- At the server that answers.

    /// Takes in a request: held until it arrives, handled as a task of the server, which goes on even if the
    /// asker gives up. The answer comes by the channel; it ends without one when the host goes down.
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
        let flight = self.flights.borrow().get(&id).cloned()?;
        let (from, to) = (&flight.from, &flight.to);
        self.inboxes[&**to].wait_for(flight.place).await;
        let Rules { conditions, traffic, script, .. } = &self.rules;
        if conditions.borrow().was_lost(from, to, flight.sent) {
            traffic.failed(id, Failure::RequestLost);
            return None;
        }
        traffic.arrived(id);
        if flight.hangs {
            return None;
        }
        for after in flight.copies {
            let (again, service) = (request.clone(), service.clone());
            service.clone().spawn(Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                // Nobody waits for this answer.
                drop(service.handle(again).await);
            }));
        }
        let path = request.uri().path().to_owned();
        let response = match script.answer(to, from, &request) {
            Some(Scripted::Answer(response)) => response,
            Some(Scripted::Hang) => return None,
            None => {
                let truth = service.clone().handle(request).await;
                script.twist(id, to, from, &path, truth)
            }
        };
        if service.has_lost_power() {
            return None;
        }
        self.send_back(id, (from, to), &path, response)
    }

    /// Sends an answer on its way, unless it vanishes.
    fn send_back(
        &self,
        id: RequestId,
        (from, to): (&Rc<str>, &Rc<str>),
        path: &str,
        response: Response<Bytes>,
    ) -> Option<Response<Bytes>> {
        let Rules { conditions, traffic, script, .. } = &self.rules;
        let left = self.now();
        let departure = conditions.borrow_mut().send_answer(to, from, left);
        let bytes = response.body().len();
        let trouble = Trouble::of(script.disturb(id, Side::Answer, (from, to), path), bytes);
        let arrives = match departure {
            Departure::ArrivesAt(arrives) if !trouble.lost => arrives + trouble.delay_ms,
            _ => {
                traffic.failed(id, Failure::AnswerLost);
                return None;
            }
        };
        if trouble.hangs {
            return None;
        }
        let place = self.place(to, from, arrives);
        if let Some(flight) = self.flights.borrow_mut().get_mut(&id) {
            flight.answer = Some(Back { left, place, breaks: trouble.breaks });
        }
        let response = response.map(|body| trouble.cut(&body));
        Some(trouble.replaced_by.unwrap_or(response))
    }
}

/// Starts the software of a host, on the host.
pub(super) fn start(
    world: &Rc<World>,
    wire: Rc<dyn Wire>,
    boot: &Boot,
    host: &str,
) -> (Rc<dyn Service>, Runner) {
    let network =
        Rc::new(HostNetwork { host: host.into(), world: world.clone(), wire, service: RefCell::default() });
    let clock = Rc::new(HostClock { host: host.to_owned(), world: world.clone() });
    let (service, runner) = boot(host, network.clone(), clock);
    *network.service.borrow_mut() = Some(Rc::downgrade(&service));
    (service, runner)
}

/// One host's way to the others.
struct HostNetwork {
    host: Rc<str>,
    world: Rc<World>,
    wire: Rc<dyn Wire>,
    /// The host's own software, once it runs.
    service: RefCell<Option<Weak<dyn Service>>>,
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
struct HostClock {
    host: String,
    world: Rc<World>,
}

impl Clock for HostClock {
    fn now(&self) -> u64 {
        self.world.clock_of(&self.host)
    }

    fn steady(&self) -> u64 {
        self.world.now()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
