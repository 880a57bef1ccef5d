//! A run for the tools of others: the room as a dump, its keys, and a trace on a timeline.

pub mod room;
pub mod trace;
