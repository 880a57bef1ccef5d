//! Backfire: a deterministic simulation and fuzzing testbed for Matrix federation.

pub mod cli;
pub mod matrix;
pub mod room;
