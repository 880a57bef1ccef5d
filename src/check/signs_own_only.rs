//! A server speaks for its own users only, and only when they ask it to.

use std::collections::BTreeMap;

use super::{
    Finding, Invariant, When,
    evidence::{Evidence, OwnEvent},
    kinds,
};
use crate::{
    journal::Played,
    scenario::{Action, UserAction},
};

pub(super) const INVARIANT: Invariant = Invariant {
    name: "signs-own-only",
    code: "SIGN-OWN",
    clause: "SS-API \"Signing Events\"; `send_join` and v1.18 `make_join`: a resident can't make others sign for it",
    holds: "an event that a server made itself is by a user of this server, and a step of the scenario asked for it",
    when: When::Always,
    kinds: Kind::NAMES,
    check,
};

kinds! {
    InAnothersName "in-anothers-name",
    NotAskedFor "not-asked-for",
}

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut made: BTreeMap<&str, Made> = BTreeMap::new();
    let mut findings = Vec::new();
    for own in evidence.own_events() {
        let OwnEvent { server, pdu, .. } = own;
        let (kind, message) = if pdu.sender().server_name() != own.host.matrix_name {
            (Kind::InAnothersName, format!("{server} made an event in the name of {}", pdu.sender()))
        } else if own.t >= 0 && !was_asked_for(evidence, &own, made.entry(server).or_default()) {
            (Kind::NotAskedFor, format!("{server} made an event that nobody asked for"))
        } else {
            continue;
        };
        findings.push(Finding::on(server, kind, message).about(pdu.event_id()));
    }
    findings
}

/// What a server has made so far.
#[derive(Default)]
struct Made {
    events: usize,
    /// How many steps were played before the last of them, and how many of these asked for one.
    steps: usize,
    asked: usize,
}

/// Each step asks for one event; what set-up made is before the steps.
fn was_asked_for(evidence: &Evidence<'_>, own: &OwnEvent<'_>, made: &mut Made) -> bool {
    let since = evidence.steps[made.steps..].iter().take_while(|(at, _, _)| *at < own.at);
    for (_, server, step) in since {
        made.steps += 1;
        made.asked += usize::from(*server == own.server && asks_for_an_event(step));
    }
    made.events += 1;
    made.events <= made.asked
}

/// Whether a step asks the server on which it happens for an event. Of one that isn't known here it can't be
/// told, so that it may.
fn asks_for_an_event(step: &Played) -> bool {
    step.action().is_none_or(|action| match action {
        Action::Send(_) | Action::User(UserAction::Join(_) | UserAction::Invite(_)) => true,
        Action::User(UserAction::PageBack(_)) => false,
        Action::Fault(_) | Action::Heal(_) | Action::Script(_) | Action::Lie(_) => false,
    })
}
