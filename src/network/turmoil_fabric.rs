//! HTTP/1.1 over turmoil's simulated TCP: real bytes through hyper, a connection for each request.
//!
//! Turmoil's own latency is a tick each way; the latency of a link is kept above it: a message carries the
//! time at which it arrives, and is held until then. So a message takes as long here as on any other fabric,
//! as long as no link is faster than the few ticks that the bytes need (the scenario format asks for 10 ms at
//! least).

use std::{future::pending, net::Ipv4Addr, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, client, server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use turmoil::net::{TcpListener, TcpStream};

use super::{
    Boot, Fabric, HostFailed,
    traffic::RequestId,
    world::{EPOCH_MS, HostSpec, Rules, Wire, World, start},
};
use crate::ports::{ANSWER_BYTES_MAX, NetworkError, Service};

/// The port of every server, as Matrix has it.
const PORT: u16 = 8448;
/// Names the request on the wire, so that both ends find it in the books of the run. Servers never see it.
const FLIGHT: &str = "x-backfire-flight";

/// A run on turmoil.
pub struct TurmoilFabric {
    sim: turmoil::Sim<'static>,
    world: Rc<World>,
}

impl TurmoilFabric {
    /// A network of `hosts`. `tick` is the grain of time.
    pub fn new(hosts: &[HostSpec], rules: Rules, boot: Boot, tick: Duration) -> (Self, Rc<World>) {
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
        let world = Rc::new(World::new(hosts, rules));
        for spec in hosts {
            let (world, boot, name) = (world.clone(), boot.clone(), spec.host.clone());
            sim.host(spec.host.as_str(), move || run_host(world.clone(), boot.clone(), name.clone()));
        }
        (Self { sim, world: world.clone() }, world)
    }
}

impl Fabric for TurmoilFabric {
    /// One tick.
    fn advance(&mut self, _until: u64) -> Result<(), HostFailed> {
        self.sim.step().map_err(|error| HostFailed(error.to_string()))?;
        let elapsed = u64::try_from(self.sim.elapsed().as_millis()).expect("runs are short");
        self.world.time().set_between_ticks(elapsed);
        Ok(())
    }

    fn crash(&mut self, host: &str) {
        self.sim.crash(host);
    }

    fn restart(&mut self, host: &str) {
        self.sim.bounce(host);
    }

    /// Connections really are refused, bytes on their way really are lost.
    fn cut(&mut self, from: &str, to: &str) {
        self.sim.partition_oneway(from, to);
    }

    fn heal(&mut self, from: &str, to: &str) {
        self.sim.repair_oneway(from, to);
    }
}

type HostResult = Result<(), Box<dyn std::error::Error>>;

async fn run_host(world: Rc<World>, boot: Boot, host: String) -> HostResult {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let (service, runner) = start(&world, Rc::new(Tcp), &boot, &host);
    let mut connections = JoinSet::new();
    let accept = async {
        loop {
            let (stream, _) = listener.accept().await?;
            connections.spawn_local(serve(stream, service.clone(), world.clone()));
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        biased;
        () = runner.run() => Ok(()),
        () = world.let_in(&host) => Ok(()),
        result = accept => result,
    }
}

async fn serve(stream: TcpStream, software: Rc<dyn Service>, world: Rc<World>) {
    let service = service_fn(move |request| answer(request, software.clone(), world.clone()));
    let connection = server::conn::http1::Builder::new()
        .auto_date_header(false)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // An asker that gave up closes the connection; that is its business.
    let _ = connection.await;
}

async fn answer(
    request: Request<Incoming>,
    service: Rc<dyn Service>,
    world: Rc<World>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (mut parts, body) = request.into_parts();
    let id = parts.headers.remove(FLIGHT).and_then(|id| id.to_str().ok()?.parse::<RequestId>().ok());
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let (Some(id), Ok(body)) = (id, body) else { return pending().await };
    let request = Request::from_parts(parts, body.to_bytes());
    match world.accept(id, request, &service).await {
        Ok(response) => Ok(response.map(Full::new)),
        Err(_) => pending().await,
    }
}

/// One exchange on a connection of its own, closed with it.
struct Tcp;

impl Wire for Tcp {
    fn exchange(
        &self,
        id: RequestId,
        to: Rc<str>,
        mut request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>> {
        request.headers_mut().insert(FLIGHT, HeaderValue::from(id));
        Box::pin(async move { exchange(&to, request).await })
    }
}

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
