//! Nothing that comes from outside ends a server.

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, Panicked},
    kinds,
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "no-crash",
    code: "NO-CRASH",
    clause: "SS-API \"API standards\": what can't be used is answered with an error, or left out",
    holds: "no server's software panics, whatever others send it or answer",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    /// Of the place in the code.
    Panicked "panicked",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let panics = evidence.panics.iter();
    panics
        .map(|panic| {
            let Panicked { server, place, message, .. } = panic;
            Finding::on(server, Kind::Panicked, format!("{server} panicked at {place}: {message}")).of(place)
        })
        .collect()
}
