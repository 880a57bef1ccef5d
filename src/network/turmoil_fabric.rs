//! HTTP/1.1 over turmoil's simulated TCP: real bytes through hyper, a connection for each request.
//!
//! Turmoil's own latency is a tick each way; the latency of a link is kept above it: a message carries the time at
//! which it arrives, and is held until then. So a message takes as long here as on any other fabric, as long as no
//! link is faster than the few ticks that the bytes need (the scenario format asks for 10 ms at least).

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::pending,
    net::Ipv4Addr,
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client, server, service::service_fn};
use hyper_util::rt::TokioIo;
use ruma_common::ServerName;
use tokio::task::JoinSet;
use turmoil::net::{TcpListener, TcpStream};

use super::{
    Boot,
    conditions::{Conditions, Departure},
    traffic::{Failure, RequestId, Script, Scripted, Traffic},
};
use crate::homeserver::{
    Homeserver,
    client::ANSWER_BYTES_MAX,
    ports::{Clock, Network, NetworkError},
};

/// The port of every server, as Matrix has it.
const PORT: u16 = 8448;
/// Names the request on the wire, so that both ends find it in the books of this fabric. Servers never see it.
const FLIGHT: &str = "x-backfire-flight";
/// The milliseconds since the epoch at which every run starts.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// What the hosts of one run share.
struct World {
    conditions: Rc<RefCell<Conditions>>,
    traffic: Rc<dyn Traffic>,
    script: Rc<dyn Script>,
    /// Names of servers in the scenario by their Matrix names.
    hosts: BTreeMap<String, String>,
    flights: RefCell<BTreeMap<RequestId, Flight>>,
    skew_ms: RefCell<BTreeMap<String, i64>>,
    /// The time between two steps, when no host runs.
    between_steps: Cell<u64>,
}

/// A request on its way.
#[derive(Clone, Debug)]
struct Flight {
    from: String,
    to: String,
    sent: u64,
    arrives: u64,
    /// When its answer left, and when that arrives; nothing if it vanished.
    answer: Option<(u64, u64)>,
}

impl World {
    fn now(&self) -> u64 {
        turmoil::sim_elapsed().map_or(self.between_steps.get(), |elapsed| {
            u64::try_from(elapsed.as_millis()).expect("runs are shorter than 500 million years")
        })
    }

    async fn wait_until(&self, time: u64) {
        let wait = time.saturating_sub(self.now());
        if wait > 0 {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
}

/// A run on turmoil.
pub struct TurmoilFabric {
    sim: turmoil::Sim<'static>,
    world: Rc<World>,
}

/// Why a run could not go on: a host's software failed.
#[derive(Debug, thiserror::Error)]
#[error("a host failed: {0}")]
pub struct HostFailed(String);

impl TurmoilFabric {
    /// A network of `hosts`, given as (name in the scenario, Matrix name, clock skew in milliseconds). `tick` is the
    /// grain of time.
    pub fn new(
        hosts: &[(String, String, i64)],
        conditions: Rc<RefCell<Conditions>>,
        traffic: Rc<dyn Traffic>,
        script: Rc<dyn Script>,
        boot: Boot,
        tick: Duration,
    ) -> Self {
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(0)
            .epoch(std::time::UNIX_EPOCH + Duration::from_millis(EPOCH_MS))
            .tick_duration(tick)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(1))
            .tcp_capacity(65_536)
            .simulation_duration(Duration::MAX);
        let mut sim = builder.build();
        let world = Rc::new(World {
            conditions,
            traffic,
            script,
            hosts: hosts.iter().map(|(host, name, _)| (name.clone(), host.clone())).collect(),
            flights: RefCell::default(),
            skew_ms: RefCell::new(hosts.iter().map(|(host, _, skew)| (host.clone(), *skew)).collect()),
            between_steps: Cell::new(0),
        });
        for (host, _, _) in hosts {
            let (world, boot, name) = (world.clone(), boot.clone(), host.clone());
            sim.host(host.as_str(), move || run_host(world.clone(), boot.clone(), name.clone()));
        }
        Self { sim, world }
    }

    /// Milliseconds since the start of the run.
    pub fn now(&self) -> u64 {
        self.world.between_steps.get()
    }

    /// One tick.
    ///
    /// # Errors
    ///
    /// When the software of a host fails or panics.
    pub fn step(&mut self) -> Result<(), HostFailed> {
        self.sim.step().map_err(|error| HostFailed(error.to_string()))?;
        let elapsed = u64::try_from(self.sim.elapsed().as_millis()).expect("runs are short");
        self.world.between_steps.set(elapsed);
        Ok(())
    }

    /// Stops a host at once. Call [`Conditions::take_down`] too.
    pub fn crash(&mut self, host: &str) {
        self.sim.crash(host);
    }

    /// Starts a host again. Call [`Conditions::bring_up`] too.
    pub fn restart(&mut self, host: &str) {
        self.sim.bounce(host);
    }

    /// Puts a host's clock forward or back.
    pub fn jump_clock(&self, host: &str, by_ms: i64) {
        *self.world.skew_ms.borrow_mut().entry(host.to_owned()).or_default() += by_ms;
    }

    /// Cuts turmoil's own link too, one way: connections really are refused, bytes on their way really are lost.
    pub fn cut(&mut self, from: &str, to: &str) {
        self.sim.partition_oneway(from, to);
    }

    /// Opens turmoil's own link again, one way.
    pub fn heal(&mut self, from: &str, to: &str) {
        self.sim.repair_oneway(from, to);
    }
}

struct HostClock {
    host: String,
    world: Rc<World>,
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

type HostResult = Result<(), Box<dyn std::error::Error>>;

async fn run_host(world: Rc<World>, boot: Boot, host: String) -> HostResult {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let network =
        Rc::new(HostNetwork { host: host.clone(), world: world.clone(), server: RefCell::default() });
    let clock = Rc::new(HostClock { host: host.clone(), world: world.clone() });
    let (server, runner) = boot(&host, network.clone(), clock);
    *network.server.borrow_mut() = Some(server.clone());
    let mut connections = JoinSet::new();
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await?;
            connections.spawn_local(serve(stream, server.clone(), world.clone()));
            while let Some(ended) = connections.try_join_next() {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = runner.run() => Ok(()),
        result = accept => result,
    }
}

async fn serve(stream: TcpStream, server: Rc<Homeserver>, world: Rc<World>) {
    let service = service_fn(move |request| answer(request, server.clone(), world.clone()));
    let connection = server::conn::http1::Builder::new()
        .auto_date_header(false)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // An asker that gave up closes the connection; that is its business.
    let _ = connection.await;
}

/// One request at the host that it was sent to: held until it arrives, answered, the answer given its own time.
async fn answer(
    request: Request<Incoming>,
    server: Rc<Homeserver>,
    world: Rc<World>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (mut parts, body) = request.into_parts();
    let id = parts.headers.remove(FLIGHT).and_then(|id| id.to_str().ok()?.parse::<RequestId>().ok());
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let (Some(id), Ok(body)) = (id, body) else { return pending().await };
    let Some(flight) = world.flights.borrow().get(&id).cloned() else { return pending().await };

    world.wait_until(flight.arrives).await;
    let lost = world.conditions.borrow().was_lost(&flight.from, &flight.to, flight.sent);
    if lost {
        world.traffic.failed(id, Failure::RequestLost);
        return pending().await;
    }
    world.traffic.arrived(id);
    let request = Request::from_parts(parts, body.to_bytes());
    let response = match world.script.answer(&flight.to, &flight.from, &request) {
        Some(Scripted::Answer(response)) => response,
        Some(Scripted::Hang) => return pending().await,
        None => server.handle(request).await,
    };
    if server.store().has_lost_power() {
        return pending().await;
    }
    let now = world.now();
    let departure = world.conditions.borrow_mut().send_answer(&flight.to, &flight.from, now);
    match departure {
        Departure::ArrivesAt(arrives) => {
            if let Some(flight) = world.flights.borrow_mut().get_mut(&id) {
                flight.answer = Some((now, arrives));
            }
            Ok(response.map(Full::new))
        }
        Departure::Refused | Departure::Vanishes => {
            world.traffic.failed(id, Failure::AnswerLost);
            pending().await
        }
    }
}

struct HostNetwork {
    host: String,
    world: Rc<World>,
    server: RefCell<Option<Rc<Homeserver>>>,
}

impl Network for HostNetwork {
    fn request(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>> {
        let powerless = self.server.borrow().as_ref().is_some_and(|server| server.store().has_lost_power());
        let (world, from) = (self.world.clone(), self.host.clone());
        let Some(to) = world.hosts.get(to.as_str()).cloned() else {
            return Box::pin(async { Err(NetworkError::Refused) });
        };
        Box::pin(async move {
            if powerless {
                return pending().await;
            }
            let id = world.traffic.sent(&from, &to, &request);
            let mut open = OpenRequest { id, world: world.clone(), ended: false };
            let result = send(&world, id, &from, &to, request).await;
            open.ended = true;
            match &result {
                Ok(response) => world.traffic.answered(id, response),
                Err(NetworkError::Refused) => world.traffic.failed(id, Failure::Refused),
                Err(NetworkError::Lost) => world.traffic.failed(id, Failure::Broken),
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
            self.world.traffic.failed(self.id, Failure::Abandoned);
        }
    }
}

async fn send(
    world: &Rc<World>,
    id: RequestId,
    from: &str,
    to: &str,
    mut request: Request<Bytes>,
) -> Result<Response<Bytes>, NetworkError> {
    let sent = world.now();
    let departure = world.conditions.borrow_mut().send_request(from, to, sent);
    let arrives = match departure {
        Departure::ArrivesAt(arrives) => arrives,
        Departure::Refused => return Err(NetworkError::Refused),
        Departure::Vanishes => {
            world.traffic.failed(id, Failure::RequestLost);
            return pending().await;
        }
    };
    let flight = Flight { from: from.into(), to: to.into(), sent, arrives, answer: None };
    world.flights.borrow_mut().insert(id, flight);
    request.headers_mut().insert(FLIGHT, HeaderValue::from(id));

    let response = exchange(to, request).await;
    let answer = world.flights.borrow().get(&id).and_then(|flight| flight.answer);
    let went_down = world.conditions.borrow().went_down_since(to, sent);
    match (response, answer) {
        (Ok(response), Some((left, arrives))) => {
            world.wait_until(arrives).await;
            let lost = world.conditions.borrow().was_lost(to, from, left);
            if lost {
                world.traffic.failed(id, Failure::AnswerLost);
                return pending().await;
            }
            Ok(response)
        }
        // The connection ended without an answer: the host went down, and its kernel says so if the way is open.
        (_, _) if went_down => broken(world, from, to).await,
        // The way broke under the connection; TCP would resend until somebody gives up.
        (_, _) => pending().await,
    }
}

async fn broken(world: &World, from: &str, to: &str) -> Result<Response<Bytes>, NetworkError> {
    let now = world.now();
    let departure = world.conditions.borrow_mut().send_answer(to, from, now);
    match departure {
        Departure::ArrivesAt(arrives) => {
            world.wait_until(arrives).await;
            Err(NetworkError::Lost)
        }
        Departure::Refused | Departure::Vanishes => pending().await,
    }
}

/// One exchange on a connection of its own, closed with it.
async fn exchange(to: &str, request: Request<Bytes>) -> Result<Response<Bytes>, NetworkError> {
    let lost = |_: hyper::Error| NetworkError::Lost;
    let stream = TcpStream::connect((to, PORT)).await.map_err(|_| NetworkError::Refused)?;
    let (mut sender, connection) =
        client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let mut driver = JoinSet::new();
    driver.spawn_local(connection);
    let response = sender.send_request(request.map(Full::new)).await.map_err(lost)?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX + 1).collect().await.map_err(|_| NetworkError::Lost)?;
    Ok(Response::from_parts(parts, body.to_bytes()))
}
