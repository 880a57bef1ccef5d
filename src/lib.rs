//! Backfire: a deterministic simulation and fuzzing testbed for Matrix federation.
//!
//! Simulated homeservers exchange signed events over a simulated network; partitions, silence, crashes and lying peers
//! tear holes into their copies of a room; what they recover, and how, is judged from a journal of all that happened.
//! The same scenario and seed give the same run, byte for byte. The binary `backfire` is what most people want; as a
//! library it plays scenarios inside the tests of another crate.
//!
//! # A scenario in a test
//!
//! ```
//! use backfire::{campaign::play::play, scenario::Scenario, simulation::Fabric};
//!
//! let scenario = Scenario::parse(
//!     r#"{
//!         "why": "Two sides of a cut go on talking, and find together again.",
//!         "servers": { "a": {}, "b": {} },
//!         "room": { "created_by": "a" },
//!         "timeline": [
//!             { "at": "1s", "partition": { "groups": [["a"], ["b"]], "for": "3s" } },
//!             { "at": "2s", "message": { "by": "a", "count": 5, "every": "100ms" } },
//!             { "at": "2s", "message": { "by": "b", "count": 5, "every": "100ms" } },
//!             { "at": "5s", "message": { "by": "a" } }
//!         ]
//!     }"#,
//!     "two-sides.json",
//! )?;
//! let played = play(&scenario, 7, Fabric::Direct)?;
//! assert!(played.judgement.is_as_expected(), "{:?}", played.judgement.violations);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`campaign::play::play_with_guests`] gives places of the scenario's servers to [guests](simulation::guest): services that a test
//! author brings along, `tower` services over the types of `http`. `examples/own_homeserver.rs` has one that is invited, joins,
//! and recovers what it missed during a partition.
//!
//! # The rooms of the house
//!
//! From the lowest to the highest; lower ones never know upper ones.
//!
//! - [`matrix`]: events, keys, signatures, request authentication.
//! - [`room`]: one room as one server has it: graph, verdicts, states, and the walks behind the endpoints.
//! - [`chance`]: named streams of random numbers, each from the seed.
//! - [`ports`]: what a server needs of the world, and the world of a server.
//! - [`homeserver`]: one server: what it answers, what it sends, how it recovers.
//! - [`network`]: the fabrics that carry requests, and the faults that all of them play.
//! - [`scenario`]: the format: reading, checking, writing.
//! - [`journal`]: what happened in a run, record by record.
//! - [`simulation`]: plays a scenario and writes its journal.
//! - [`check`]: the invariants, judged from the journal alone.
//! - [`campaign`]: many runs: played and judged.
//! - [`report`], and `cli`, which is a feature: what people look at and type.

pub mod campaign;
pub mod chance;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod homeserver;
pub mod journal;
pub mod matrix;
pub mod network;
pub mod ports;
pub mod report;
pub mod room;
pub mod scenario;
pub mod simulation;
