//! What a homeserver needs of the world: a network, a clock, somebody who watches. It can't tell which fabric is
//! behind them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use ruma_common::ServerName;

use super::happening::Happening;

/// Carries requests to other servers.
pub trait Network {
    /// Sends one request and waits for the whole answer. It may never come: the caller limits the time.
    fn request(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>>;
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Nobody listens there, or the way is cut in a way that the network tells at once.
    #[error("connection refused")]
    Refused,
    /// The connection broke before the answer was complete.
    #[error("connection lost")]
    Lost,
}

/// A server's own clock, which may be wrong.
pub trait Clock {
    /// Milliseconds since the epoch, as this server believes.
    fn now(&self) -> u64;
    /// Milliseconds since some moment, never put forward or back: for how long something is left alone. The same as
    /// [`now`](Self::now) where nobody puts the clock.
    fn steady(&self) -> u64 {
        self.now()
    }
    /// Waits.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;
}

/// Watches a server. What it does with what it sees is none of the server's business.
pub trait Observer {
    /// Something happened.
    fn see(&self, happening: Happening);
}

/// Why a request is made: travels with it as an extension, so that whoever watches the network can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause(pub String);
