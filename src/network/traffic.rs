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

/// Tells servers what to answer instead of what they would.
pub trait Script {
    /// The answer that `server` is told to give to `asker` (names of servers in the scenario), if it is told one.
    fn answer(&self, server: &str, asker: &str, request: &Request<Bytes>) -> Option<Scripted>;
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
