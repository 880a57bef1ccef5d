//! Backfire: a deterministic simulation and fuzzing testbed for Matrix federation.
//!
//! Simulated homeservers exchange signed events over a simulated network; partitions, silence, crashes and
//! lying peers tear holes into their copies of a room; what they recover, and how, is judged from a journal
//! of all that happened. The same scenario and seed give the same run, byte for byte. The binary `backfire`
//! is what most people want; as a library it plays scenarios inside the tests of another crate.
//!
//! # A scenario in a test
//!
//! ```
//! use backfire::{Fabric, Scenario, play};
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
//! [`play_with_guests`] gives places of the scenario's servers to [`Guests`]: services that a test author
//! brings along, `tower` services over the types of `http`. `examples/own_homeserver.rs` has one that is
//! invited, joins, and recovers what it missed during a partition.
//!
//! What stands on this page is meant for tests of other crates, and keeps its shape. All else is public for
//! the command, the tests and the fuzz targets of Backfire itself, hidden here, and may change with any
//! release; `ARCHITECTURE.md` tells which rooms there are and what each is for.

#[doc(hidden)]
pub mod campaign;
#[doc(hidden)]
pub mod chance;
#[doc(hidden)]
pub mod check;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod homeserver;
#[doc(hidden)]
pub mod journal;
#[doc(hidden)]
pub mod matrix;
#[doc(hidden)]
pub mod network;
#[doc(hidden)]
pub mod ports;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod room;
#[doc(hidden)]
pub mod scenario;
#[doc(hidden)]
pub mod simulation;

#[doc(inline)]
pub use campaign::play::{PlayError, Played, play, play_with, play_with_guests};
#[doc(inline)]
pub use check::{ALL as INVARIANTS, Invariant, verdict::Judgement};
#[doc(inline)]
pub use journal::{Journal, Record, Violation, What};
#[doc(inline)]
pub use scenario::{Scenario, ScenarioError, Verdict};
#[doc(inline)]
pub use simulation::{
    Fabric, Options,
    guest::{GuestContext, Guests},
};
