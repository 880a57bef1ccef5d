//! The way of an event to a server: every record that had a part in it, in order, in words.

use super::{Case, Moment, exchange::told};
use crate::{
    check::list,
    journal::{Because, Cause, Record, Source, What, exchange::Exchange},
    matrix::endpoint::Endpoint,
    report::text::{seconds, shortened as short},
    room::graph::Standing,
};

impl<'a> Case<'a> {
    pub(super) fn story(&self, event: &str, server: &str) -> Vec<Moment> {
        let mut story = Vec::new();
        let mut is_in_state = false;
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
            let text = match &record.what {
                What::State { changed } if record.server.as_deref() == Some(server) => {
                    self.slot_changed(changed, event, server, &mut is_in_state)
                }
                _ => text,
            };
            if let Some(text) = text {
                put(&mut story, record, text, request);
            }
            if record.server.as_deref() == Some(server) && judged(record, event) {
                let against = self.state_against(record, event);
                story.extend(against.map(|text| Moment {
                    t: record.t,
                    until: record.t,
                    times: 1,
                    text,
                    request,
                }));
            }
        }
        story
    }

    /// What happened on the server itself.
    fn here(&self, record: &'a Record, event: &str, server: &str) -> Option<String> {
        let ids = |list: &[ruma_common::OwnedEventId]| list.iter().map(|id| short(id.as_str())).collect();
        Some(match &record.what {
            What::Received { event: id, from, .. } if id == event => match from {
                Source::User => format!("{server} makes it for its own user"),
                Source::Store => format!("{server} takes its own copy, so far no part of its history"),
                Source::Import => format!("{server} holds it: it was imported with the room"),
                Source::Peer { server: peer, endpoint } => {
                    format!("{server} takes it from {peer}, by {endpoint}")
                }
            },
            What::Dropped { event: Some(id), from, reason, .. } if id == event => {
                format!("{server} drops it{}: {reason}", sent(from))
            }
            What::Dropped { event: None, from, reason, .. } if self.came_along(record, event) => {
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
            What::Judged { event: id, verdict: Standing::Accepted, .. }
                if self.redactions.get(id.as_str()).is_some_and(|redacted| redacted == event) =>
            {
                format!("{server} accepts {}, which redacts it", short(id.as_str()))
            }
            What::Judged { event: id, verdict, reason, .. } if id == event => {
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
            What::GapStuck { missing, retry_in_ms, .. } if missing == event => {
                format!("{server} has failed to get it; it tries again {} later", seconds(*retry_in_ms))
            }
            What::GapClosed { missing } if missing == event => format!("{server} lacks it no more"),
            What::StateTaken { event: id, from, events } if id == event => {
                format!("{server} takes the state at it from {from}: {events} events")
            }
            What::Request { id, to, endpoint, cause, .. } => {
                let exchange = self.exchanges.get(id)?;
                let is_after = cause.event().is_some_and(|id| id == event);
                if !is_after && !exchange.gives(event) {
                    return None;
                }
                let (wanted, end) = purpose(exchange, cause, event);
                let told = told(exchange, event, &self.faults);
                format!("{server} asks {to} {wanted} by {endpoint}{end}: {told}")
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
                let told = told(exchange, event, &self.faults);
                format!("{other} sends it to {server} by {endpoint}: {told}")
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

/// What a server asks for, as seen from an event, and what it wants that for.
fn purpose(exchange: &Exchange<'_>, cause: &Cause, event: &str) -> (String, String) {
    let named = |id: &str| if id == event { "it".to_owned() } else { short(id) };
    // The question may be about another event of the same gap.
    if let (Some(wanted), [asked]) = (cause.event(), exchange.events)
        && *exchange.endpoint == Endpoint::Event
        && *asked != *wanted
    {
        return (format!("for {}", named(asked)), format!(", to get to {}", named(wanted.as_str())));
    }
    let wanted = match cause {
        Cause::PageBack => "for what came before".to_owned(),
        Cause::Join => "to join".to_owned(),
        Cause::StateAt(id) => format!("for the state at {}", named(id.as_str())),
        Cause::AuthEvent(id) => format!("for {} as an auth event", named(id.as_str())),
        Cause::MissingEvent(id) => format!("for {}", named(id.as_str())),
        other => format!("({other})"),
    };
    (wanted, String::new())
}

fn sent(from: &Source) -> String {
    match from {
        Source::User | Source::Store | Source::Import => String::new(),
        Source::Peer { server, endpoint } => format!(" (from {server} by {endpoint})"),
    }
}

/// Whether a record is a verdict on an event, other than that it is accepted.
fn judged(record: &Record, event: &str) -> bool {
    matches!(&record.what, What::Judged { event: id, verdict, .. } if id == event && *verdict != Standing::Accepted)
}

/// What repeats itself becomes one moment. Attempts that fail are one, however long the pauses between them.
fn put(story: &mut Vec<Moment>, record: &Record, text: String, request: Option<u64>) {
    let t = record.t;
    let start = match &record.what {
        What::GapStuck { .. } => text.split(';').next().unwrap_or_default(),
        _ => text.as_str(),
    };
    let is_same = |moment: &&mut Moment| match record.what {
        What::GapStuck { .. } => moment.text.starts_with(start),
        _ => moment.text == text,
    };
    if let Some(same) = story.iter_mut().find(is_same) {
        same.times += 1;
        same.until = t;
        if let What::GapStuck { retry_in_ms, .. } = record.what {
            same.text = format!("{start}; after the last time it waits {}", seconds(retry_in_ms));
        }
        return;
    }
    story.push(Moment { t, until: t, times: 1, text, request });
}
