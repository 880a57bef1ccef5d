//! Once all faults are over, the servers become whole, and soon.

use super::{Finding, Invariant, When, evidence::Evidence, kinds};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "recovered-in-time",
    code: "LIVENESS",
    clause: "`expect.within`, counted from the last heal; `settle`, after which nothing may be under way",
    holds: "after the last heal the servers come to rest, as soon as the scenario asks for",
    when: When::Recovery,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    /// Events still wait to be judged.
    StillWaits "still-waits",
    /// Nothing waits, and something is under way all the same.
    StillBusy "still-busy",
    Late "late",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let restless: Vec<_> = evidence.restless().collect();
    if !restless.is_empty() {
        return restless.into_iter().map(|(name, end)| still_busy(name, end)).collect();
    }
    let Some(within) = evidence.expect.within else { return Vec::new() };
    let Some(late) = recovered_after_ms(evidence).filter(|taken| *taken > within.as_millis()) else {
        return Vec::new();
    };
    let seconds = |ms: u64| format!("{}.{:03} s", ms / 1000, ms % 1000);
    let message = format!(
        "the servers were whole {} after the last heal; {} were allowed",
        seconds(late),
        seconds(within.as_millis())
    );
    vec![Finding::new(Kind::Late, message).by(last_to_change(evidence))]
}

fn still_busy(name: &str, end: &crate::journal::End) -> Finding {
    let message = format!(
        "{name} has not come to rest: {} events wait for others, {} are missing",
        end.waiting.len(),
        end.missing.len()
    );
    let kind = if end.waiting.is_empty() { Kind::StillBusy } else { Kind::StillWaits };
    let finding = Finding::on(name, kind, message);
    match end.missing.first() {
        Some(missing) => finding.about(missing),
        None => finding,
    }
}

/// How long after the last heal the last event reached a server or was judged there; nothing if the servers
/// did not come to rest.
pub(super) fn recovered_after_ms(evidence: &Evidence<'_>) -> Option<u64> {
    if evidence.restless().next().is_some() {
        return None;
    }
    let healed = evidence.healed.unwrap_or(0);
    let last = evidence.agreeing().filter_map(|(_, host)| host.last_change).max()?;
    Some(u64::try_from(last - healed).unwrap_or(0))
}

fn last_to_change<'a>(evidence: &Evidence<'a>) -> Option<&'a str> {
    evidence.agreeing().max_by_key(|(_, host)| host.last_change).map(|(name, _)| name)
}
