//! Who watches the traffic: the source of the other half of the journal.

use bytes::Bytes;
use http::{Request, Response};

/// Number of a request in its run, from 1.
pub type RequestId = u64;

/// Sees every request and what became of it.
pub trait Traffic {
    /// `from` sends a request to `to` (names of servers in the scenario). Gives it a number.
    fn sent(&self, from: &str, to: &str, request: &Request<Bytes>) -> RequestId;
    /// The request reached its server.
    fn arrived(&self, id: RequestId);
    /// Its answer reached the asker.
    fn answered(&self, id: RequestId, response: &Response<Bytes>);
    /// It came to nothing.
    fn failed(&self, id: RequestId, why: Failure);
}

/// Interferes with messages and answers: the faults and lies of a scenario.
pub trait Script {
    /// What becomes of a message that leaves now, of all that is wrong with its way.
    fn disturb(
        &self,
        id: RequestId,
        side: Side,
        asker_and_server: (&str, &str),
        path: &str,
    ) -> Vec<Disturbance>;
    /// The answer that `server` is told to give to `asker` (names of servers in the scenario), if it is told
    /// one.
    fn answer(&self, server: &str, asker: &str, request: &Request<Bytes>) -> Option<Scripted>;
    /// What `server` says to `asker` in place of its true answer; most often that answer.
    fn twist(
        &self,
        id: RequestId,
        server: &str,
        asker: &str,
        path: &str,
        truth: Response<Bytes>,
    ) -> Response<Bytes>;
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From the server that asks.
    Request,
    /// Back to it.
    Answer,
}

/// What can become of a message.
#[derive(Clone, Debug)]
pub enum Disturbance {
    /// It vanishes, and nobody is told.
    Lose,
    /// It takes so many milliseconds more.
    Delay(u64),
    /// A request arrives once more, so many milliseconds later.
    Duplicate(u64),
    /// Its body ends after so many bytes.
    Truncate(usize),
    /// The connection breaks before it is complete.
    Break,
    /// Something on the way answers this.
    Replace(Response<Bytes>),
    /// It trickles in, so many bytes a second.
    Drip(u32),
    /// The connection stays open and nothing comes.
    Hang,
}

/// A told answer.
#[derive(Clone, Debug)]
pub enum Scripted {
    /// This one.
    Answer(Response<Bytes>),
    /// None, ever: the connection stays open.
    Hang,
}

/// What became of a request that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection was refused: the way is cut, or the server is down.
    Refused,
    /// The request was lost on its way.
    RequestLost,
    /// It arrived, but its answer was lost on its way.
    AnswerLost,
    /// The connection broke, since the server crashed.
    Broken,
    /// The asker gave up waiting, or crashed.
    Abandoned,
}
