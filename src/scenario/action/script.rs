//! What no well-behaved server does by itself: events made to measure, single requests with their expected
//! answer, answers that a server is told to give. With these a scenario plays a peer that lies, or tests one
//! answer exactly.
//!
//! Events are named by reference: a label, `state:TYPE` or `state:TYPE/KEY` for an event of the current
//! state, `tips` for the forward extremities, or an id that begins with `$`.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::check::World;
use super::super::expect::is_default;
use super::super::mistake::Mistake;
use super::super::names::{ServerName, Servers, UserRef};
use super::{Checked, Content, user};
use crate::matrix::endpoint::Endpoint;

/// A reference to an event.
pub type EventRef = String;

/// An event is made to measure; nobody gets it until it is pushed or given as an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Craft {
    /// The user that it says it is from.
    pub by: UserRef,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its state key, for state events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_key: Option<String>,
    /// Its content.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    /// The events before it; by default the tips of the server that signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Vec<EventRef>>,
    /// The events that allow it; by default those that the rules select from the state of the server that
    /// signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Vec<EventRef>>,
    /// The server whose key signs it and whose view of the room it is made from; by default the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<ServerName>,
    /// Top-level fields to put in place before it is hashed and signed; `null` removes one.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub fields: Content,
    /// Top-level fields to put in place afterwards, so that hash or signature no longer hold.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub tamper: Content,
    /// Whether the server that signs keeps it as its own event, and so serves it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep: bool,
}

/// A server sends a transaction with these events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The server that sends.
    pub from: ServerName,
    /// The servers that it sends to.
    pub to: Servers,
    /// The events.
    pub events: Vec<EventRef>,
    /// The transaction's id; by default a fresh one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What the answers must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<AnswerExpected>,
}

/// A server asks another one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The server that asks.
    pub from: ServerName,
    /// The server that is asked.
    pub to: ServerName,
    /// The endpoint, such as `backfill`; for other requests write `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// The events that are asked for: `v`, `latest_events`, `event_id`, or the event in the path; of
    /// `send_join` the join.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventRef>,
    /// `earliest_events`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earliest: Vec<EventRef>,
    /// `limit`, as it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Value>,
    /// `min_depth`, as it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_depth: Option<Value>,
    /// The room in the path; by default the scenario's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The method of a request that is written out; by default GET, or POST with a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path with query of a request that is written out; `{room}` and `{label}` stand for their ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The body as it is sent; a string is sent as it stands, JSON or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Whether the request is signed.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub signed: bool,
    /// What the answer must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<AnswerExpected>,
}

/// What an answer must be; what is left out may be anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerExpected {
    /// Its status; by default 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its `errcode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errcode: Option<String>,
    /// Exactly these events, in any order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventRef>>,
    /// Exactly these events, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_order: Option<Vec<EventRef>>,
    /// These events among others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub has: Vec<EventRef>,
    /// None of these events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<EventRef>,
    /// Exactly these of its events are redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redacted: Option<Vec<EventRef>>,
    /// How many events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Of the answer to a transaction: the events that it reports an error for, and no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<EventRef>>,
    /// Top-level fields that it must have.
    #[serde(skip_serializing_if = "Content::is_empty")]
    pub fields: Content,
}

/// A server gives this answer instead of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The server that is told what to answer.
    pub server: ServerName,
    /// The endpoint, such as `get_missing_events`.
    pub endpoint: Endpoint,
    /// The server that asks; by default any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ServerName>,
    /// Only questions that name this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<EventRef>,
    /// How many questions are answered so; by default all from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many questions are answered truly before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip: u32,
    /// These events, in the form of the endpoint; for `state_ids` and `state` the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventRef>>,
    /// For `state_ids` and `state`: the auth chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auth: Vec<EventRef>,
    /// The status; by default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body, as it is sent; a string is sent as it stands, JSON or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// No answer at all: the connection stays open and nothing comes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hang: bool,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

impl Checked for Craft {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)?;
        match &self.signed_by {
            Some(server) => world.server(server).map_err(|mistake| mistake.under("signed_by")),
            None => Ok(()),
        }
    }
}

impl Checked for Push {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.server(&self.from).map_err(|mistake| mistake.under("from"))?;
        world.ends(&Servers::One(self.from.clone()), &self.to)
    }
}

impl Checked for Ask {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.server(&self.from).map_err(|mistake| mistake.under("from"))?;
        world.server(&self.to).map_err(|mistake| mistake.under("to"))?;
        match (&self.endpoint, &self.path) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(Mistake::here("a question has either an `endpoint` or a `path`").help("write one")),
        }
    }
}

impl Checked for Answer {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.server(&self.server).map_err(|mistake| mistake.under("server"))?;
        match &self.to {
            Some(to) => world.server(to).map_err(|mistake| mistake.under("to")),
            None => Ok(()),
        }
    }
}

/// The labels among references, each with the key that it stands under.
pub(in super::super) fn labels<'a>(
    lists: &[(&'static str, &'a [EventRef])],
) -> BTreeSet<(&'static str, usize, &'a str)> {
    lists
        .iter()
        .flat_map(|(key, list)| {
            list.iter().enumerate().map(move |(index, name)| (*key, index, name.as_str()))
        })
        .filter(|(_, _, name)| is_label(name))
        .collect()
}

/// Whether a reference is a label, which an earlier step must have given.
pub(in super::super) fn is_label(reference: &str) -> bool {
    !(reference.starts_with('$') || reference.starts_with("state:") || reference == "tips")
}
