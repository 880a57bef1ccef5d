//! The HTTP exchanges of a run and nothing else: the same hosts, tick, times and sizes on bare turmoil, with
//! bodies that mean nothing. What a run costs beyond this is Matrix and the journal.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use backfire::journal::{Journal, What};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client, server, service::service_fn};
use hyper_util::rt::TokioIo;
use turmoil::net::{TcpListener, TcpStream};

const PORT: u16 = 8448;
/// About as long as an `Authorization: X-Matrix` header with names, a key id and a signature.
const AUTHORIZATION_BYTES: usize = 190;
const ANSWER_BYTES: &str = "x-answer-bytes";

/// A request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    at_ms: u64,
    from: String,
    to: String,
    method: http::Method,
    path: String,
    request_bytes: usize,
    answer_bytes: usize,
}

/// All exchanges of a run.
pub(crate) fn exchanges(journal: &Journal) -> Vec<Exchange> {
    let start = journal.records[0].t;
    let mut open = BTreeMap::new();
    let mut answered = Vec::new();
    for record in &journal.records {
        match &record.what {
            What::Request { id, to, line, bytes, .. } => {
                let (method, path) = line.split_once(' ').expect("method and path");
                let exchange = Exchange {
                    at_ms: u64::try_from(record.t - start).expect("nothing is before the start"),
                    from: record.server.clone().expect("requests are of servers"),
                    to: to.clone(),
                    method: method.parse().expect("a method"),
                    path: path.to_owned(),
                    request_bytes: *bytes,
                    answer_bytes: 0,
                };
                open.insert(*id, exchange);
            }
            What::Answer { id, bytes, .. } => {
                let exchange = open.remove(id).expect("an answer has a request");
                answered.push(Exchange { answer_bytes: *bytes, ..exchange });
            }
            _ => {}
        }
    }
    answered
}

/// Plays the exchanges, each on a connection of its own as in a run, for as long as the run took.
pub(crate) fn play(hosts: &[String], exchanges: &[Exchange], tick: Duration, simulated_ms: u64) {
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(0)
        .tick_duration(tick)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(1))
        .tcp_capacity(65_536)
        .simulation_duration(Duration::MAX);
    let mut sim = builder.build();
    for host in hosts {
        let own: Vec<Exchange> =
            exchanges.iter().filter(|exchange| exchange.from == *host).cloned().collect();
        sim.host(host.as_str(), move || run_host(own.clone()));
    }
    while sim.elapsed() < Duration::from_millis(simulated_ms) {
        sim.step().expect("hosts don't fail");
    }
}

async fn run_host(exchanges: Vec<Exchange>) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    for exchange in exchanges {
        tokio::task::spawn_local(ask(exchange));
    }
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(async move {
            let connection = server::conn::http1::Builder::new()
                .auto_date_header(false)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            connection.await.expect("askers wait for their answers");
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let bytes = request.headers()[ANSWER_BYTES].to_str().expect("a number").parse().expect("a number");
    request.into_body().collect().await?;
    let response = Response::builder().header(http::header::CONTENT_TYPE, "application/json");
    Ok(response.body(zeros(bytes)).expect("well-formed"))
}

async fn ask(exchange: Exchange) {
    tokio::time::sleep(Duration::from_millis(exchange.at_ms)).await;
    let request = Request::builder()
        .method(exchange.method)
        .uri(&exchange.path)
        .header(http::header::HOST, &exchange.to)
        .header(http::header::AUTHORIZATION, "x".repeat(AUTHORIZATION_BYTES))
        .header(ANSWER_BYTES, exchange.answer_bytes)
        .body(zeros(exchange.request_bytes))
        .expect("well-formed");
    let stream = TcpStream::connect((exchange.to.as_str(), PORT)).await.expect("no link is cut");
    let (mut sender, connection) =
        client::conn::http1::handshake(TokioIo::new(stream)).await.expect("no link is cut");
    tokio::task::spawn_local(connection);
    let response = sender.send_request(request).await.expect("no link is cut");
    let body = response.into_body().collect().await.expect("no link is cut").to_bytes();
    assert_eq!(body.len(), exchange.answer_bytes);
}

fn zeros(bytes: usize) -> Full<Bytes> {
    Full::new(Bytes::from(vec![b'0'; bytes]))
}
