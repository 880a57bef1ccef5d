//! The fabrics: what carries requests between servers, and the faults that all of them can play.
//!
//! A fabric moves bytes; when a request arrives, whether it arrives, and whether its answer does, is decided here,
//! above the transport, from the [`conditions::Conditions`] of the links. So a fault means the same on every fabric.

pub mod conditions;
pub mod streams;
pub mod traffic;
pub mod turmoil_fabric;

use std::rc::Rc;

use crate::homeserver::{
    Homeserver, Runner,
    ports::{Clock, Network},
};

/// Starts the software of a host: called by the fabric, on the host, at the start and after every crash.
pub type Boot = Rc<dyn Fn(&str, Rc<dyn Network>, Rc<dyn Clock>) -> (Rc<Homeserver>, Runner)>;
