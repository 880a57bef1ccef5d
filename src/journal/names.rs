//! Which event and which server a person means: an id, the beginning of one, or a label; a name of the
//! scenario, or a Matrix name.

use std::collections::{BTreeMap, BTreeSet};

use super::{Journal, What};
use crate::scenario::suggest;

/// Why a question can't be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No event has this id or label.
    #[error("`{wanted}` is no event of this run: no id begins so, and no step has this label; {help}")]
    NoEvent {
        /// What was asked for.
        wanted: String,
        /// What there is.
        help: String,
    },
    /// Several events have ids that begin so.
    #[error("{} events of this run begin with `{wanted}`; write more of the one that you mean:\n  {}",
        found.len(), found.join("\n  "))]
    ManyEvents {
        /// What was asked for.
        wanted: String,
        /// The full ids.
        found: Vec<String>,
    },
    /// No server has this name.
    #[error("there is no server `{wanted}` in this run; {help}")]
    NoServer {
        /// What was asked for.
        wanted: String,
        /// What there is.
        help: String,
    },
}

/// The ids that a journal speaks of, and the labels that steps gave.
#[derive(Debug)]
pub struct Names<'a> {
    ids: BTreeSet<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

impl<'a> Names<'a> {
    /// Reads them.
    pub fn of(journal: &'a Journal) -> Self {
        let mut names = Self { ids: BTreeSet::new(), labels: BTreeMap::new() };
        for record in &journal.records {
            names.take(&record.what);
        }
        names
    }

    fn take(&mut self, what: &'a What) {
        let ids = &mut self.ids;
        match what {
            What::Received { event, .. } | What::Crafted { event, .. } | What::Judged { event, .. } => {
                ids.insert(event.as_str());
            }
            What::Dropped { event: Some(event), .. } => {
                ids.insert(event.as_str());
            }
            What::Waits { event, prev_events, auth_events } => {
                ids.insert(event.as_str());
                ids.extend(prev_events.iter().chain(auth_events).map(|id| id.as_str()));
            }
            What::GapOpened { missing, .. } => {
                ids.insert(missing.as_str());
            }
            What::Request { events, .. } | What::Answer { events, .. } => {
                ids.extend(events.iter().map(String::as_str).filter(|id| id.starts_with('$')));
            }
            What::Labelled { label, event } => {
                self.labels.insert(label, event.as_str());
            }
            What::End(end) => ids.extend(end.missing.iter().map(|id| id.as_str())),
            _ => {}
        }
    }

    /// The label of an event.
    pub fn label(&self, event: &str) -> Option<&'a str> {
        self.labels.iter().find(|(_, id)| **id == event).map(|(label, _)| *label)
    }

    /// The event that a person means. Ids may be cut short as reports show them.
    ///
    /// # Errors
    ///
    /// When there is none, or the beginning of an id fits several.
    pub fn event(&self, wanted: &str) -> Result<&'a str, LookupError> {
        if let Some(id) = self.labels.get(wanted).or_else(|| self.ids.get(wanted)) {
            return Ok(id);
        }
        let start = wanted.trim_end_matches('…').trim_start_matches('$');
        let found: Vec<&str> = match start {
            "" => Vec::new(),
            _ => self.ids.iter().filter(|id| id[1..].starts_with(start)).copied().collect(),
        };
        match found[..] {
            [only] => Ok(only),
            [] => Err(LookupError::NoEvent { wanted: wanted.to_owned(), help: self.label_help(wanted) }),
            _ => {
                let found = found.into_iter().map(str::to_owned).collect();
                Err(LookupError::ManyEvents { wanted: wanted.to_owned(), found })
            }
        }
    }

    fn label_help(&self, wanted: &str) -> String {
        let advice = suggest::advice(wanted, self.labels.keys().copied());
        advice.unwrap_or_else(|| "`backfire run FILE --verbose` shows the events of a run".to_owned())
    }
}

/// The server that a person means.
///
/// # Errors
///
/// When the run has no server of this name.
pub fn server<'a>(journal: &'a Journal, wanted: &str) -> Result<&'a str, LookupError> {
    let servers = match journal.records.first().map(|record| &record.what) {
        Some(What::Run { servers, .. }) => &servers[..],
        _ => &[],
    };
    let by = |name: fn(&(String, String)) -> &String| servers.iter().find(|pair| name(pair) == wanted);
    if let Some((host, _)) = by(|(host, _)| host).or_else(|| by(|(_, name)| name)) {
        return Ok(host);
    }
    let help = suggest::advice(wanted, servers.iter().map(|(host, _)| host.as_str()));
    let help = help.unwrap_or_else(|| "name one of its scenario".to_owned());
    Err(LookupError::NoServer { wanted: wanted.to_owned(), help })
}
