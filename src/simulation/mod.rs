//! Plays one scenario with one seed: hosts, timeline, journal.

pub mod journal;
pub mod recorder;
