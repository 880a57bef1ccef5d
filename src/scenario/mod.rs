//! The scenario: everything that a run is told, in one JSON file.
//!
//! The generator, the fuzzer's bytes, the shrinker and people all write this one format, and one runner plays
//! it. This room reads, checks and writes scenarios; it may not know how they are played.

mod action;
mod check;
mod collect;
mod error;
mod expect;
mod format;
pub mod generator;
mod link;
mod locate;
mod mark;
mod mistake;
mod names;
mod planted;
mod room;
mod schema;
mod serde_words;
mod server;
mod step;
pub(crate) mod suggest;
mod time;

pub use action::*;
pub use error::{Place, ScenarioError};
pub use expect::{Expect, RequestLimits, Stands, Verdict};
pub use format::{MAX_FILE_BYTES, MAX_STEPS, Origin, Scenario};
pub use link::{LinkSettings, LinkSpeed};
pub use mark::Mark;
pub use names::{ServerName, Servers, UserRef};
pub use planted::PLANTED;
pub use room::{CreatedRoom, HistoryVisibility, Holdings, ImportedRoom, JoinRule, Room};
pub use schema::schema;
pub use server::{MAX_SERVERS, Server};
pub use step::{
    Action, Actor, Family, FaultAction, HealAction, LieAction, ScriptAction, SendAction, Step, UserAction,
};
pub use time::{MAX_DURATION_MS, SignedDuration, SimDuration, SimTime};
