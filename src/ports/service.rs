//! The software of a host, as the network sees it: a homeserver of this house, or somebody else's.

use std::rc::Rc;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};

/// The software of a host: it answers requests.
pub trait Service {
    /// Answers one request.
    fn handle(self: Rc<Self>, request: Request<Bytes>) -> LocalBoxFuture<'static, Response<Bytes>>;
    /// Runs a task as long as the software runs; when the host goes down, it is gone.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);
    /// Whether its power is gone: what it says from now on was never said.
    fn has_lost_power(&self) -> bool;
}
