//! Scenarios of the repository that a tape can begin with: what took somebody thought to set up, a fuzzer
//! need not find once more by chance. Tapes name them by their place, so new ones come last.

use backfire::scenario::{Action, Scenario, ScriptAction};

macro_rules! scripts {
    ($($name:literal,)*) => {
        /// Names and texts.
        const SCRIPTS: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../scenarios/", $name, ".json")))),*];
    };
}

scripts! {
    "zoo/acl-checks-only-transport-origin",
    "zoo/backfill-past-create",
    "zoo/backfill-stuck-on-bad-extremity",
    "zoo/backfilled-event-marked-outlier",
    "zoo/batch-fetch-one-failure-spoils-all",
    "zoo/create-event-redactable",
    "zoo/cross-room-auth-events",
    "zoo/dropped-auth-event-left-in-map",
    "zoo/earliest-skipped-not-barrier",
    "zoo/empty-backfill-answer-crash",
    "zoo/event-fetch-storm",
    "zoo/frontier-trusts-new-snapshot",
    "zoo/gme-skips-signature-check",
    "zoo/gme-truncates-wrong-end",
    "zoo/incomplete-auth-event-rules",
    "zoo/min-depth-zero-is-falsy",
    "zoo/missing-auth-means-rejected",
    "zoo/missing-event-livelock",
    "zoo/nan-infinity-and-floats",
    "zoo/no-power-levels-takeover",
    "zoo/outlier-child-kills-extremity",
    "zoo/poison-transaction-blocks-queue",
    "zoo/redaction-arrives-before-target",
    "zoo/redaction-cycle",
    "zoo/rejected-event-re-enters-state",
    "zoo/send-join-unsigned",
    "zoo/signer-is-origin-not-sender",
    "zoo/soft-fail-empties-frontier",
    "zoo/state-before-instead-of-after",
    "zoo/state-ids-404-wedges-room",
    "zoo/state-served-for-outlier",
    "zoo/state-served-for-rejected",
    "zoo/timestamp-horizon",
    "zoo/unknown-prev-uses-current-state",
    "membership",
    "leaves-and-comes-back",
    "late-joiner-pages-back",
    "key-rotation",
    "lost-backfill-answer",
    "auth-chain-in-pieces",
    "every-lie",
    "every-disturbance",
    "liar-about-the-state",
    "lies-by-chosen-ids",
    "state-as-a-whole",
    "malformed-requests",
    "regressions/join-by-ones-own-help",
    "regressions/join-with-the-residents-time",
    "regressions/newest-event-below-ones-own-join",
    "regressions/no-questions-about-a-room-that-was-left",
    "regressions/pages-of-two-users",
    "regressions/what-stood-on-a-claimed-outlier-is-judged-anew",
    "regressions/who-pages-back-asks-at-every-break",
    "redactions-by-right",
}

/// The scenario at a place; nothing if there are not so many.
pub(super) fn at(place: u8) -> Option<Scenario> {
    let (name, text) = SCRIPTS.get(usize::from(place))?;
    let scenario = Scenario::parse(text, &format!("{name}.json"));
    Some(scenario.unwrap_or_else(|error| panic!("{error}")))
}

/// All names without their folders, in their order.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SCRIPTS.iter().map(|(name, _)| name.rsplit('/').next().unwrap_or(name))
}

/// Puts the bug that is hunted, if any, in place of those of a scenario; where it had none, every server has
/// it.
pub(super) fn plant(scenario: &mut Scenario, bug: Option<&str>) {
    let anywhere = scenario.servers.values().all(|server| server.planted.is_empty());
    for server in scenario.servers.values_mut() {
        let chosen = anywhere || !server.planted.is_empty();
        server.planted = bug.filter(|_| chosen).map(str::to_owned).into_iter().collect();
    }
}

/// Takes away what a scenario expects beyond what must always hold: of what else is made to happen it knows
/// nothing.
pub(super) fn expect_less(scenario: &mut Scenario) {
    scenario.expect.events.clear();
    for step in &mut scenario.timeline {
        match &mut step.action {
            Action::Script(ScriptAction::Ask(ask)) => ask.expect = None,
            Action::Script(ScriptAction::Push(push)) => push.expect = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::SCRIPTS;
    use backfire::homeserver::planted;

    #[test]
    fn every_scenario_of_the_zoo_is_in_the_list() {
        let listed: BTreeSet<&str> =
            SCRIPTS.iter().filter_map(|(name, _)| name.strip_prefix("zoo/")).collect();
        let zoo: BTreeSet<&str> = planted::ALL.iter().map(|planted| planted.id).collect();
        assert_eq!(listed, zoo);
    }
}
