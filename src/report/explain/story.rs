//! The way of an event to a server: every record that had a part in it, in order, in words.

use super::{Case, Moment};
use crate::{
    check::list,
    report::text::{seconds, shortened as short},
    room::graph::Standing,
    simulation::journal::{Because, From, Record, What},
};

impl<'a> Case<'a> {
    pub(super) fn story(&self, event: &str, server: &str) -> Vec<Moment> {
        let mut story = Vec::new();
        for record in &self.journal.records {
            let text = match record.server.as_deref() {
                Some(here) if here == server => self.here(record, event, server),
                Some(_) => self.elsewhere(record, event, server),
                None => None,
            };
            let request = match (&record.what, record.because) {
                (What::Request { id, .. }, _) => Some(*id),
                (_, Some(Because::Request(id))) => Some(id),
                _ => None,
            };
            if let Some(text) = text {
                put(&mut story, record.t, text, request);
            }
        }
        story
    }

    /// What happened on the server itself.
    fn here(&self, record: &'a Record, event: &str, server: &str) -> Option<String> {
        let ids = |list: &[ruma_common::OwnedEventId]| list.iter().map(|id| short(id.as_str())).collect();
        Some(match &record.what {
            What::Received { event: id, from, .. } if id == event => match from {
                From::User => format!("{server} makes it for its own user"),
                From::Store => format!("{server} takes its own copy, so far no part of its history"),
                From::Import => format!("{server} holds it: it was imported with the room"),
                From::Peer { server: peer, endpoint } => {
                    format!("{server} takes it from {peer}, by {endpoint}")
                }
            },
            What::Dropped { event: Some(id), from, reason } if id == event => {
                format!("{server} drops it{}: {reason}", sent(from))
            }
            What::Dropped { event: None, from, reason } if self.came_along(record, event) => {
                format!(
                    "{server} drops an event{} that is not readable as one, maybe this: {reason}",
                    sent(from)
                )
            }
            What::Waits { event: id, prev_events, auth_events } if id == event => {
                let (prev, auth): (Vec<String>, Vec<String>) = (ids(prev_events), ids(auth_events));
                let mut lacks = Vec::new();
                if !prev.is_empty() {
                    lacks.push(format!("the state after {}", list(prev.iter().map(String::as_str))));
                }
                if !auth.is_empty() {
                    lacks.push(format!("auth events {}", list(auth.iter().map(String::as_str))));
                }
                format!("{server} can't judge it yet for want of {}", lacks.join(" and of "))
            }
            What::Judged { event: id, verdict, reason } if id == event => {
                let word = match verdict {
                    Standing::Accepted => "accepts",
                    Standing::SoftFailed => "soft-fails",
                    _ => "rejects",
                };
                let reason = reason.as_ref().map(|reason| format!(": {reason}"));
                format!("{server} {word} it{}", reason.unwrap_or_default())
            }
            What::GapOpened { missing, wanted_by } if missing == event => {
                format!("{server} notices that it lacks it: {} cites it", short(wanted_by.as_str()))
            }
            What::GapStuck { missing, failures, retry_in_ms } if missing == event => {
                let again = seconds(*retry_in_ms);
                format!("{server} has failed to get it, attempt {failures}; the next in {again}")
            }
            What::GapClosed { missing } if missing == event => format!("{server} lacks it no more"),
            What::StateTaken { event: id, from, events } if id == event => {
                format!("{server} takes the state at it from {from}: {events} events")
            }
            What::Request { id, to, endpoint, cause, .. } => {
                let exchange = self.exchanges.get(id)?;
                let about = cause.ends_with(event);
                if !about && !exchange.gives(event) {
                    return None;
                }
                let purpose = match cause.split_once(" $") {
                    Some((what, _)) if about => format!("for it ({what})"),
                    Some((what, other)) => format!("({what} {})", short(&format!("${other}"))),
                    None => format!("({cause})"),
                };
                format!("{server} asks {to} {purpose}, {endpoint}: {}", exchange.told(event, &self.faults))
            }
            _ => return None,
        })
    }

    /// What others did that was for the server.
    fn elsewhere(&self, record: &'a Record, event: &str, server: &str) -> Option<String> {
        let other = record.server.as_deref()?;
        Some(match &record.what {
            What::Request { id, to, endpoint, events, .. } if to == server => {
                let exchange = self.exchanges.get(id).filter(|exchange| exchange.carries())?;
                if !events.iter().any(|id| id == event) {
                    return None;
                }
                let told = exchange.told(event, &self.faults);
                format!("{other} sends it to {server}, {endpoint}: {told}")
            }
            What::FellBehind { to, events, .. } if to == server && events.iter().any(|id| id == event) => {
                format!(
                    "{other} takes it out of its queue: {server} was away too long and gets only the newest"
                )
            }
            What::Undeliverable { to, event: id, reason } if to == server && id == event => {
                format!("{other} gives up sending it to {server}: {reason}")
            }
            _ => return None,
        })
    }

    /// Whether the request that a record follows from carried an event.
    fn came_along(&self, record: &Record, event: &str) -> bool {
        let Some(Because::Request(id)) = record.because else { return false };
        self.exchanges.get(&id).is_some_and(|exchange| {
            exchange.gives(event) || exchange.carries() && exchange.events.iter().any(|id| id == event)
        })
    }
}

fn sent(from: &From) -> String {
    match from {
        From::User | From::Store | From::Import => String::new(),
        From::Peer { server, endpoint } => format!(" that {server} sent by {endpoint}"),
    }
}

/// What repeats itself becomes one moment.
fn put(story: &mut Vec<Moment>, t: i64, text: String, request: Option<u64>) {
    if let Some(same) = story.iter_mut().find(|moment: &&mut Moment| moment.text == text) {
        same.times += 1;
        same.until = t;
        return;
    }
    story.push(Moment { t, until: t, times: 1, text, request });
}
