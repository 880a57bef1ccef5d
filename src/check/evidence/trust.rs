//! Whose word is their own: who is told what to say, and who may have been deceived by that.

use std::collections::BTreeSet;

use ruma_common::EventId;

use super::{Evidence, Host};
use crate::{
    journal::exchange::Exchange,
    matrix::endpoint::Endpoint,
    scenario::{Action, LieAction, Scenario},
};

impl<'a> Evidence<'a> {
    /// Whether a script tells who is asked what to answer.
    pub fn is_told(&self, asked: &Exchange<'_>) -> bool {
        asked.endpoint.known().is_some_and(|endpoint| self.scripted.contains(&(asked.to, endpoint)))
    }

    /// Whether what a server answers is its own, and can be held against what it holds.
    pub fn answers_for_itself(&self, asked: &Exchange<'_>) -> bool {
        !self.is_guest(asked.to) && !self.is_told(asked)
    }

    /// Whether a server is not Backfire's own.
    pub fn is_guest(&self, server: &str) -> bool {
        self.guests.contains(server)
    }

    /// Whether a server gives an event out under its own name as it would by itself: where all else fails,
    /// `/event` is how it is to be had.
    pub fn is_honest_about(&self, server: &str, id: &EventId) -> bool {
        let means =
            |about: &str| about == id || self.labels.get(about).is_some_and(|labelled| *labelled == id);
        !self.scripted_events.iter().any(|(scripted, about)| *scripted == server && about.is_none_or(means))
    }

    /// Whether what a server knows of the state may be the word of one that somebody tells what to say of
    /// states. One with a bug is honest: its failures are failures.
    pub fn may_be_deceived(&self, host: &Host<'_>) -> bool {
        *host.deceived.get_or_init(|| self.was_told_by_a_liar(host))
    }

    /// Whether what a server makes of an event may be a lie that it was told: it can't know better before it
    /// has all that is before the event.
    pub fn may_be_misled_about(&self, host: &Host<'_>, id: &EventId, at: usize) -> bool {
        self.may_be_deceived(host) && !self.knows_all_before(host, id, at)
    }

    fn was_told_by_a_liar(&self, host: &Host<'_>) -> bool {
        let mut asked = BTreeSet::new();
        let mut open: Vec<&str> = host.words().collect();
        while let Some(server) = open.pop() {
            if self.scripted.iter().any(|(told, endpoint)| *told == server && endpoint.tells_state()) {
                return true;
            }
            // Who was deceived deceives others and is honest.
            if asked.insert(server) {
                open.extend(self.hosts.get(server).into_iter().flat_map(Host::words));
            }
        }
        false
    }
}

pub(super) fn scripted(scenario: &Scenario) -> BTreeSet<(&str, Endpoint)> {
    scenario.timeline.iter().flat_map(|step| scripted_endpoints(&step.action)).collect()
}

pub(super) fn scripted_events(scenario: &Scenario) -> Vec<(&str, Option<&str>)> {
    let actions = scenario.timeline.iter().map(|step| &step.action);
    let scripted = actions.filter_map(|action| match action {
        Action::Lie(LieAction::Answer(answer)) if answer.endpoint == Endpoint::Event => {
            Some((answer.server.as_str(), answer.about.as_deref()))
        }
        Action::Lie(LieAction::Lies(lies))
            if lies.endpoint.is_none_or(|endpoint| endpoint == Endpoint::Event) =>
        {
            Some((lies.server.as_str(), None))
        }
        _ => None,
    });
    scripted.collect()
}

fn scripted_endpoints(action: &Action) -> Vec<(&str, Endpoint)> {
    match action {
        Action::Lie(LieAction::Answer(answer)) => vec![(&answer.server, answer.endpoint)],
        Action::Lie(LieAction::Lies(lies)) => {
            let endpoints = lies.endpoint.map_or_else(Endpoint::recovery, |endpoint| vec![endpoint]);
            endpoints.into_iter().map(|endpoint| (lies.server.as_str(), endpoint)).collect()
        }
        _ => Vec::new(),
    }
}
