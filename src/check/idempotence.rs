//! That an event comes twice changes nothing.

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::{Finding, Invariant, When, evidence::Evidence, kinds};
use crate::room::graph::Standing;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "idempotence",
    code: "IDEMP",
    clause: "SS-API \"Transactions\" and \"PDUs\": an event id appears once, however often it is delivered",
    holds: "an event is accepted once in each life of a server, unless it was judged otherwise in between",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    AcceptedAgain "accepted-again",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut last = IndexMap::<_, _, FixedState>::default();
    let mut findings = Vec::new();
    for judged in &evidence.judged {
        let before = last.insert((judged.server, judged.life, judged.event), judged.verdict);
        if before == Some(Standing::Accepted) && judged.verdict == Standing::Accepted {
            let message = format!("{} accepted the event again", judged.server);
            findings.push(Finding::on(judged.server, Kind::AcceptedAgain, message).about(judged.event));
        }
    }
    findings
}
