//! Backfire: a deterministic simulation and fuzzing testbed for Matrix federation.

pub mod campaign;
pub mod check;
pub mod cli;
pub mod fuzz;
pub mod homeserver;
pub mod matrix;
pub mod network;
pub mod report;
pub mod room;
pub mod scenario;
pub mod simulation;
