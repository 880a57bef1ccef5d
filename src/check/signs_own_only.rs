//! A server speaks for its own users only.

use super::{Finding, Invariant, When, evidence::Evidence};
use crate::simulation::journal::From;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "signs-own-only",
    code: "SIGN-OWN",
    clause: "SS-API \"Signing Events\"; `send_join` and v1.18 `make_join`: a resident can't make others sign for it",
    holds: "an event that a server made itself is by a user of this server",
    when: When::Always,
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let own = evidence.seen.iter().filter(|(_, seen)| *seen.from == From::User);
    // What a script makes may be anything.
    for (id, seen) in own.filter(|(id, _)| !evidence.crafted.contains_key(*id)) {
        let (Ok(pdu), Some(host)) = (&seen.pdu, evidence.hosts.get(seen.server)) else { continue };
        if pdu.sender_server() != host.matrix_name {
            let message = format!("{} made an event in the name of {}", seen.server, pdu.claims().sender());
            findings.push(Finding::on(seen.server, message).about(id));
        }
    }
    findings
}
