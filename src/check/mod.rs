//! Whether a run went well: one invariant a file, each with the clause that it stands on, all judged from the
//! journal alone.
//!
//! A new invariant is a file and a line in [`ALL`]; `tests/checks.rs` then wants a journal that violates it.

pub mod evidence;
pub mod marks;
pub mod verdict;

mod finding;

mod acknowledged;
mod answers;
mod auth_rules;
mod bounded_work;
mod closed_history;
mod confidentiality;
mod expectations;
mod explained_state;
mod frontier;
mod idempotence;
mod integrity;
mod model;
mod needless_requests;
mod no_crash;
mod recovered_in_time;
mod redactions;
mod request_budget;
mod same_events;
mod same_extremities;
mod same_state;
mod signs_own_only;
mod verdicts_agree;

pub use same_extremities::{Agreement, extremities_agree};

use ruma_common::EventId;

use crate::journal::Violation;
use evidence::Evidence;
use finding::{Finding, kinds};

/// When an invariant must hold, which decides what its violation means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At any time of any run.
    Always,
    /// Once nothing is under way any more; nothing is said of a run that did not come to rest.
    AtRest,
    /// It is about how long and how much it took: its violation means that the servers did not recover.
    Recovery,
}

/// A property that every run must have.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// Its name: small letters and `-`.
    pub name: &'static str,
    /// The code under which real bugs are filed that violate it.
    pub code: &'static str,
    /// What it stands on.
    pub clause: &'static str,
    /// What must hold, in a sentence.
    pub holds: &'static str,
    /// When it must hold.
    pub when: When,
    /// The ways in which it may fail to. In a violation some of them are narrowed, as in `left-out:backfill`.
    pub kinds: &'static [&'static str],
    check: fn(&Evidence<'_>) -> Vec<Finding>,
}

impl Invariant {
    /// What speaks against it.
    pub fn check(&self, evidence: &Evidence<'_>) -> Vec<Violation> {
        (self.check)(evidence).into_iter().map(|finding| finding.violates(self.name)).collect()
    }
}

/// All invariants, in the order in which they are checked and shown: causes before what follows from them.
pub const ALL: &[Invariant] = &[
    expectations::INVARIANT,
    integrity::INVARIANT,
    signs_own_only::INVARIANT,
    answers::INVARIANT,
    verdicts_agree::INVARIANT,
    idempotence::INVARIANT,
    frontier::INVARIANT,
    same_events::INVARIANT,
    closed_history::INVARIANT,
    same_extremities::INVARIANT,
    same_state::INVARIANT,
    recovered_in_time::INVARIANT,
    request_budget::INVARIANT,
    no_crash::INVARIANT,
    confidentiality::INVARIANT,
    redactions::INVARIANT,
    auth_rules::INVARIANT,
    explained_state::INVARIANT,
    acknowledged::INVARIANT,
    needless_requests::INVARIANT,
    bounded_work::INVARIANT,
];

/// "a", "a and b", "a, b and c".
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match &names[..] {
        [] => "nobody".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// "1 event", "2 events".
fn count(number: usize, one: &str, several: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {several}") }
}

/// An event id as people can compare it: its beginning.
pub fn short(id: &EventId) -> String {
    const SHOWN: usize = 9;
    let text = id.as_str();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
