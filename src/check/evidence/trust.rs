//! Whose word is their own: who is told what to say, and who may have been deceived by that.

use std::collections::BTreeSet;

use ruma_common::EventId;

use super::{Evidence, Host};
use crate::scenario::{Action, RECOVERY_ENDPOINTS, Scenario};

/// Where servers tell states, and the events that they are made of.
const STATE_ENDPOINTS: [&str; 4] = ["send_join", "state_ids", "state", "event_auth"];

impl<'a> Evidence<'a> {
    /// Whether what a server answers by an endpoint is its own, and can be held against what it holds.
    pub fn answers_for_itself(&self, server: &str, endpoint: &str) -> bool {
        !self.is_guest(server) && !self.scripted.contains(&(server, endpoint))
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
            if STATE_ENDPOINTS.iter().any(|endpoint| self.scripted.contains(&(server, *endpoint))) {
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

pub(super) fn scripted(scenario: &Scenario) -> BTreeSet<(&str, &str)> {
    scenario.timeline.iter().flat_map(|step| scripted_endpoints(&step.action)).collect()
}

pub(super) fn scripted_events(scenario: &Scenario) -> Vec<(&str, Option<&str>)> {
    let actions = scenario.timeline.iter().map(|step| &step.action);
    let scripted = actions.filter_map(|action| match action {
        Action::Answer(answer) if answer.endpoint == "event" => {
            Some((answer.server.as_str(), answer.about.as_deref()))
        }
        Action::Lies(lies) if lies.endpoint.as_deref().is_none_or(|endpoint| endpoint == "event") => {
            Some((lies.server.as_str(), None))
        }
        _ => None,
    });
    scripted.collect()
}

fn scripted_endpoints(action: &Action) -> Vec<(&str, &str)> {
    match action {
        Action::Answer(answer) => vec![(answer.server.as_str(), answer.endpoint.as_str())],
        Action::Lies(lies) => match &lies.endpoint {
            Some(endpoint) => vec![(lies.server.as_str(), endpoint.as_str())],
            None => RECOVERY_ENDPOINTS.iter().map(|endpoint| (lies.server.as_str(), *endpoint)).collect(),
        },
        _ => Vec::new(),
    }
}
