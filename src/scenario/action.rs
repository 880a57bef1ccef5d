//! What a step of the timeline can do, grouped by who does it: people who talk, members who come and go,
//! people who read, and faults that happen to them all.

mod disturb;
mod fault;
mod lie;
mod member;
mod read;
mod script;
mod talk;

pub use disturb::*;
pub use fault::*;
pub use lie::*;
pub use member::*;
pub use read::*;
pub use script::*;
pub(super) use script::{is_label, labels};
pub use talk::*;

use super::check::World;
use super::mistake::Mistake;
use super::names::UserRef;
use super::time::SimDuration;

/// A value that can be wrong in ways that only the whole scenario shows.
pub(super) trait Checked {
    /// Finds the first mistake; its path starts at this value.
    fn check(&self, world: World<'_>) -> Result<(), Mistake>;
}

fn user(world: World<'_>, key: &str, user: &UserRef) -> Result<(), Mistake> {
    world.user(user).map_err(|mistake| mistake.under(key))
}

fn lasting(time: Option<SimDuration>) -> Result<(), Mistake> {
    match time {
        Some(SimDuration::ZERO) => Err(Mistake::at("for", "a fault that lasts no time does nothing")
            .help("write a longer time, or leave it out")),
        _ => Ok(()),
    }
}
