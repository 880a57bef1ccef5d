//! Nothing that comes from outside ends a server.

use super::{Finding, Invariant, When, evidence::Evidence};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "no-crash",
    code: "NO-CRASH",
    clause: "SS-API \"API standards\": what can't be used is answered with an error, or left out",
    holds: "no server's software panics, whatever others send it or answer",
    when: When::Always,
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let panics = evidence.panics.iter();
    panics
        .map(|panic| {
            let server = panic.server;
            Finding::on(server, format!("{server} panicked at {}: {}", panic.place, panic.message))
        })
        .collect()
}
