//! What one server can know about one room, as pure data.
//!
//! Everything here is a function of what was put in: no I/O, no clock, no randomness, no idea of who asks or
//! which fabric carried the events. So the servers, the checkers and the command line can share it.

pub mod graph;
pub mod walk;
