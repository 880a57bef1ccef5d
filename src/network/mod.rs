//! The fabrics: what carries requests between servers, and the faults that all of them can play.
//!
//! A fabric moves bytes; when a request arrives, whether it arrives, and whether its answer does, is decided
//! here, above the transport, from the [`conditions::Conditions`] of the links. So a fault means the same on
//! every fabric.

pub mod conditions;
pub mod direct_fabric;
mod inbox;
pub mod time;
pub mod traffic;
pub mod turmoil_fabric;
pub mod world;

use std::rc::Rc;

use crate::ports::{Clock, Network, Runner, Service};

/// Starts the software of a host: called by the fabric, on the host, at the start and after every crash.
pub type Boot = Rc<dyn Fn(&str, Rc<dyn Network>, Rc<dyn Clock>) -> (Rc<dyn Service>, Runner)>;

/// Carries the requests of one run, and lets its time pass.
pub trait Fabric {
    /// Lets time pass, up to `until` in milliseconds of the run and no further; at least a moment of it.
    ///
    /// # Errors
    ///
    /// When the software of a host fails or panics.
    fn advance(&mut self, until: u64) -> Result<(), HostFailed>;
    /// Stops a host at once. Call [`Conditions::take_down`](conditions::Conditions::take_down) too.
    fn crash(&mut self, host: &str);
    /// Starts a host again. Call [`Conditions::bring_up`](conditions::Conditions::bring_up) too.
    fn restart(&mut self, host: &str);
    /// Cuts the transport's own link too, one way, if it has one.
    fn cut(&mut self, _from: &str, _to: &str) {}
    /// Opens the transport's own link again, one way, if it has one.
    fn heal(&mut self, _from: &str, _to: &str) {}
}

/// Why a run could not go on: a host's software failed.
#[derive(Debug, thiserror::Error)]
#[error("a host failed: {0}")]
pub struct HostFailed(pub(crate) String);
