//! The current state of a server's room, as far as it explains an event: the state that it was judged by, and
//! whether it is itself in it.

use std::collections::BTreeMap;

use ruma_common::OwnedEventId;
use serde_json::Value;

use super::Case;
use crate::{
    check::list,
    journal::{Against, End, Record, What},
    report::text::shortened as short,
};

/// A place in the state: type and state key.
type Slot = (String, String);

impl<'a> Case<'a> {
    /// Of a verdict by the current state: what that state had to say of the sender.
    pub(super) fn state_against(&self, verdict: &'a Record, event: &str) -> Option<String> {
        let What::Judged { kind: Some(Against::CurrentState), .. } = &verdict.what else { return None };
        let server = verdict.server.as_deref()?;
        let sender = self.pdus.get(event)?["sender"].as_str()?;
        let state = self.state_before(verdict, server);
        let said: Vec<String> = [("m.room.member", sender), ("m.room.power_levels", "")]
            .into_iter()
            .filter_map(|(kind, key)| {
                let id = state.get(&(kind.to_owned(), key.to_owned()))?;
                Some(self.slot_said(kind, key, id))
            })
            .collect();
        let said = list(said.iter().map(String::as_str));
        (!said.is_empty()).then(|| format!("the current state of {server} then: {said}"))
    }

    /// The current state of a server right before a record, by what it told of its changes.
    fn state_before(&self, until: &Record, server: &str) -> BTreeMap<Slot, &'a str> {
        let mut state = BTreeMap::new();
        let before = self.journal.records.iter().take_while(|record| !std::ptr::eq(*record, until));
        for record in before.filter(|record| record.server.as_deref() == Some(server)) {
            let What::State { changed } = &record.what else { continue };
            for (kind, key, id) in changed {
                let slot = (kind.clone(), key.clone());
                match id {
                    Some(id) => state.insert(slot, id.as_str()),
                    None => state.remove(&slot),
                };
            }
        }
        state
    }

    /// What fills a place of the state, with what it says of a member.
    fn slot_said(&self, kind: &str, key: &str, id: &str) -> String {
        let membership = self.pdus.get(id).and_then(|pdu| pdu["content"]["membership"].as_str());
        match membership {
            Some(membership) => format!("{key} has the membership `{membership}` by {}", self.named(id)),
            None => format!("{kind} is {}", self.named(id)),
        }
    }

    /// When the event comes into the current state, or another takes its place.
    pub(super) fn slot_changed(
        &self,
        changed: &[(String, String, Option<OwnedEventId>)],
        event: &str,
        server: &str,
        is_in: &mut bool,
    ) -> Option<String> {
        let own = self.slot(event)?;
        let (.., now) = changed.iter().find(|(kind, key, _)| *kind == own.0 && *key == own.1)?;
        let now = now.as_deref().map(|id| id.as_str());
        let was_in = std::mem::replace(is_in, now == Some(event));
        (was_in || *is_in).then(|| match now {
            Some(id) if id == event => format!("it is in the current state of {server} now"),
            Some(id) => format!("the current state of {server} has {} in its place now", self.named(id)),
            None => format!("the current state of {server} has nothing in its place now"),
        })
    }

    /// Whether an event is in the state with which each server ends, in words; nothing if it is no state
    /// event.
    pub(super) fn in_state(&self, event: &str, server: &str) -> Option<String> {
        let (kind, key) = self.slot(event)?;
        let mut having = Vec::new();
        let mut own = None;
        for (name, end) in self.ends().filter(|(_, end)| end.joined) {
            let is_slot =
                |(other, own_key, _): &&(String, String, OwnedEventId)| *other == kind && *own_key == key;
            let there = end.state.iter().find(is_slot).map(|(.., id)| id.as_str());
            if there == Some(event) {
                having.push(name);
            } else if name == server {
                own = Some(there);
            }
        }
        let with = match having[..] {
            [] => "in the state of no server at the end".to_owned(),
            _ => format!("in the state of {} at the end", list(having)),
        };
        Some(match own {
            None => with,
            Some(None) => format!("{with}; that of {server} has nothing in its place"),
            Some(Some(id)) => format!("{with}; that of {server} has {} in its place", self.named(id)),
        })
    }

    pub(super) fn ends(&self) -> impl Iterator<Item = (&'a str, &'a End)> + use<'a> {
        self.journal.records.iter().filter_map(|record| match &record.what {
            What::End(end) => Some((record.server.as_deref()?, end)),
            _ => None,
        })
    }

    /// The place in the state that an event fills, if it is a state event.
    fn slot(&self, event: &str) -> Option<Slot> {
        let pdu: &Value = self.pdus.get(event)?;
        Some((pdu["type"].as_str()?.to_owned(), pdu["state_key"].as_str()?.to_owned()))
    }

    /// An event as people know it: by its label, if it has one.
    fn named(&self, id: &str) -> String {
        self.names.label(id).map_or_else(|| short(id), str::to_owned)
    }
}
