//! The way to other servers. Who uses it can't tell which fabric is behind it.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use ruma_common::ServerName;

/// The most bytes of an answer that are read: room for 100 events of the largest size, and for a large room's
/// state.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

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
