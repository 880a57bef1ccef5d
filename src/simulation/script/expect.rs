//! What a script expects of an answer, held against what came.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    journal::{Expectation, What},
    matrix::{
        endpoint::{Endpoint, List},
        pdu::{Limits, UnverifiedPdu},
        version::RoomVersion,
    },
    scenario::{AnswerExpected, EventRef},
    simulation::{player::Player, recorder::Recorder},
};

impl Player<'_> {
    pub(super) fn expected(&self, host: &str, expect: &AnswerExpected) -> Result<Expected, String> {
        let ids = |list: &Option<Vec<EventRef>>| list.as_ref().map(|refs| self.ids(host, refs)).transpose();
        Ok(Expected {
            events: ids(&expect.events)?,
            in_order: ids(&expect.in_order)?,
            has: self.ids(host, &expect.has)?,
            lacks: self.ids(host, &expect.lacks)?,
            redacted: ids(&expect.redacted)?,
            errors: ids(&expect.errors)?,
            rest: expect.clone(),
        })
    }
}

/// Records whether a step got what it expects; a step that can't be played did not.
pub(super) fn record_expectation(
    recorder: &Recorder,
    host: Option<&str>,
    step: usize,
    outcome: Result<(), String>,
) {
    let expectation = Expectation { step, met: outcome.is_ok(), message: outcome.err().unwrap_or_default() };
    recorder.record(host, What::Expected(expectation));
}

/// What an answer must be, with references resolved.
#[derive(Clone)]
pub(super) struct Expected {
    events: Option<Vec<String>>,
    in_order: Option<Vec<String>>,
    has: Vec<String>,
    lacks: Vec<String>,
    redacted: Option<Vec<String>>,
    errors: Option<Vec<String>>,
    rest: AnswerExpected,
}

impl Expected {
    pub(super) fn compare(
        &self,
        endpoint: Option<Endpoint>,
        status: u16,
        body: &[u8],
        version: RoomVersion,
    ) -> Result<(), String> {
        let value: Value = serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}"))?;
        let want = self.rest.status.unwrap_or(200);
        if status != want {
            return Err(format!("status {status} instead of {want}: {value}"));
        }
        if let Some(errcode) = &self.rest.errcode
            && value["errcode"] != errcode.as_str()
        {
            return Err(format!("`errcode` {} instead of {errcode}", value["errcode"]));
        }
        for (key, want) in &self.rest.fields {
            if value.get(key) != Some(want) {
                return Err(format!("`{key}` is {} instead of {want}", value[key]));
            }
        }
        self.compare_errors(&value)?;
        let list = endpoint.and_then(Endpoint::list);
        let events = list.map(|list| events_in(&value, list, version)).unwrap_or_default();
        self.compare_events(&events)
    }

    fn compare_errors(&self, value: &Value) -> Result<(), String> {
        let Some(errors) = &self.errors else { return Ok(()) };
        let results = value["pdus"].as_object().cloned().unwrap_or_default();
        let with_error = results.iter().filter(|(_, result)| result.get("error").is_some());
        same_set("errors", &with_error.map(|(id, _)| id.clone()).collect::<Vec<_>>(), errors)
    }

    fn compare_events(&self, events: &[(String, bool)]) -> Result<(), String> {
        let ids: Vec<String> = events.iter().map(|(id, _)| id.clone()).collect();
        if let Some(want) = &self.events {
            same_set("events", &ids, want)?;
        }
        if let Some(want) = &self.in_order
            && ids != *want
        {
            return Err(format!("events {ids:?} instead of {want:?}"));
        }
        if let Some(id) = self.has.iter().find(|id| !ids.contains(id)) {
            return Err(format!("{id} is not in the answer"));
        }
        if let Some(id) = self.lacks.iter().find(|id| ids.contains(id)) {
            return Err(format!("{id} is in the answer"));
        }
        if let Some(want) = self.rest.count
            && ids.len() != want
        {
            return Err(format!("{} events instead of {want}", ids.len()));
        }
        if let Some(want) = &self.redacted {
            let redacted: Vec<String> =
                events.iter().filter(|(_, redacted)| *redacted).map(|(id, _)| id.clone()).collect();
            same_set("redacted events", &redacted, want)?;
        }
        Ok(())
    }
}

fn same_set(what: &str, are: &[String], want: &[String]) -> Result<(), String> {
    let (set, wanted): (BTreeSet<_>, BTreeSet<_>) = (are.iter().collect(), want.iter().collect());
    if set == wanted && are.len() == want.len() {
        return Ok(());
    }
    Err(format!("{what}: {are:?} instead of {want:?}"))
}

/// The ids in a list of an answer, each with whether the event is a redacted copy: its content hash no longer
/// holds.
fn events_in(answer: &Value, list: List, version: RoomVersion) -> Vec<(String, bool)> {
    let entries = |key: &str| answer[key].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let event = |pdu: &Value| match UnverifiedPdu::parse(&pdu.to_string(), version, Limits::Waived) {
        Ok(pdu) => (pdu.event_id().to_string(), !pdu.hash_holds()),
        Err(_) => ("?".to_owned(), false),
    };
    match list {
        List::Events(key) => entries(key).map(event).collect(),
        List::Ids(key) => entries(key).filter_map(|id| Some((id.as_str()?.to_owned(), false))).collect(),
    }
}
