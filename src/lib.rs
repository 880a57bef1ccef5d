//! Backfire: a deterministic simulation and fuzzing testbed for Matrix federation.

pub mod cli;
pub mod homeserver;
pub mod matrix;
pub mod network;
pub mod room;
pub mod scenario;
pub mod simulation;
