//! What stands between a host's software and the world that it runs in: what the software may ask of the
//! world, and what the world asks of it.
//!
//! A homeserver knows no fabric and a fabric no homeserver; both know this room. Of Matrix it knows names and
//! ids, and why a request is made; nothing of rooms or of what is in an event.

mod cause;
mod clock;
mod network;
pub mod panic;
mod runner;
mod service;

pub use cause::Cause;
pub use clock::Clock;
pub use network::{ANSWER_BYTES_MAX, Network, NetworkError};
pub use panic::Panic;
pub use runner::{Runner, Tasks};
pub use service::Service;
