//! Who takes an event keeps it: the sender forgets what was acknowledged.

use ruma_common::EventId;

use super::{Finding, Invariant, When, evidence::Evidence, kinds};
use crate::matrix::endpoint::Endpoint;

pub(super) const INVARIANT: Invariant = Invariant {
    name: "acknowledged",
    code: "NO-LOSS",
    clause: "SS-API \"Transactions\": the sender retries until a 200; an event without an `error` in it was taken",
    holds: "an event that a server took in a transaction is still there at the end",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    Lost "lost",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for asked in
        evidence.requests.values().filter(|asked| *asked.endpoint == Endpoint::Send && !asked.is_spoilt())
    {
        let Some(answer) = asked.answer.as_ref().filter(|answer| answer.status == 200) else { continue };
        let is_own = evidence.answers_for_itself(asked);
        let end = evidence.hosts.get(asked.to).filter(|_| is_own).and_then(|host| host.end);
        let Some(end) = end else { continue };
        let taken = asked.events.iter().filter(|id| !answer.refused.contains(id));
        for id in taken.filter_map(|id| <&EventId>::try_from(id.as_str()).ok()) {
            let is_held = end.events.binary_search_by(|(held, _)| (**held).cmp(id)).is_ok();
            if !is_held && !end.waiting.iter().any(|waiting| waiting == id) {
                let message = format!("{} took the event from {} and has lost it", asked.to, asked.from);
                findings.push(Finding::on(asked.to, Kind::Lost, message).about(id));
            }
        }
    }
    findings
}
