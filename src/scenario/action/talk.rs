//! Events that members send.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::check::{World, event_json, event_object};
use super::super::mistake::{Mistake, quote};
use super::super::names::UserRef;
use super::super::room::{HistoryVisibility, JoinRule};
use super::super::time::SimDuration;
use super::script::EventRef;
use super::{Checked, user};

/// The content of an event, as it is sent.
pub type Content = serde_json::Map<String, serde_json::Value>;

/// A user sends messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The user that sends them.
    pub by: UserRef,
    /// How many, 1 to 10000.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 10_000))]
    pub count: u32,
    /// The time from one message to the next.
    #[serde(default, skip_serializing_if = "SimDuration::is_zero")]
    pub every: SimDuration,
    /// What they say; by default each says something of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A user sends a state event of any type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The user that sends it.
    pub by: UserRef,
    /// The type of the event, such as `m.room.name`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The state key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state_key: String,
    /// The content.
    pub content: Content,
}

/// A user sets the room's topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The user that sets it.
    pub by: UserRef,
    /// The topic.
    pub text: String,
}

/// A user changes power levels: the levels that the user's server knows, with what stands here put in their
/// place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerLevels {
    /// The user that changes them.
    pub by: UserRef,
    /// The new levels of these users; other users keep theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<UserRef, i64>,
    /// Other fields of the content, such as `ban` or `events_default`, as they are sent.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
}

/// A user changes who may join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinRuleChange {
    /// The user that changes it.
    pub by: UserRef,
    /// The new rule.
    pub rule: JoinRule,
    /// The conditions of a restricted rule, as they are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Content>>,
}

/// A user changes who may see earlier events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryVisibilityChange {
    /// The user that changes it.
    pub by: UserRef,
    /// The new visibility.
    pub to: HistoryVisibility,
}

/// A user sets the list of servers that may take part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerAcl {
    /// The user that sets it.
    pub by: UserRef,
    /// Matrix names of servers that may take part; `*` and `?` are wildcards. By default every server.
    #[serde(default = "everybody", skip_serializing_if = "is_everybody")]
    pub allow: Vec<String>,
    /// Matrix names of servers that may not, in the same form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Whether servers named by an IP address may take part.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub allow_ip_literals: bool,
}

/// A user redacts an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// The user that redacts.
    pub by: UserRef,
    /// The event: the label that an earlier step gave it with `as`, or `state:TYPE`.
    pub event: EventRef,
}

fn one() -> u32 {
    1
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

fn everybody() -> Vec<String> {
    vec!["*".to_owned()]
}

fn is_everybody(allow: &[String]) -> bool {
    allow == ["*"]
}

impl Checked for Message {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)?;
        match self.count {
            1..=10_000 => Ok(()),
            count => Err(Mistake::at("count", format!("{count} is out of range")).help("write 1 to 10000")),
        }
    }
}

impl Checked for State {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)?;
        for (key, text) in [("type", &self.event_type), ("state_key", &self.state_key)] {
            if text.len() > 255 {
                return Err(
                    Mistake::at(key, format!("{} is too long", quote(text))).help("255 bytes are the most")
                );
            }
        }
        if self.event_type.is_empty() {
            return Err(Mistake::at("type", "the type is empty").help("for example \"m.room.name\""));
        }
        event_object(&self.content).map_err(|mistake| mistake.under("content"))
    }
}

impl Checked for Topic {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)
    }
}

impl Checked for PowerLevels {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)?;
        for (name, level) in &self.users {
            let under = |mistake: Mistake| mistake.under(name.as_str()).under("users");
            user(world, name.as_str(), name).map_err(|mistake| mistake.under("users"))?;
            event_json(&(*level).into()).map_err(under)?;
        }
        if self.content.contains_key("users") {
            return Err(Mistake::at("users", "the levels of users stand outside of `content`")
                .help("move them to `users` of the step")
                .under("content"));
        }
        event_object(&self.content).map_err(|mistake| mistake.under("content"))
    }
}

impl Checked for JoinRuleChange {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)?;
        let mut conditions = self.allow.iter().flatten().enumerate();
        conditions.try_for_each(|(index, condition)| {
            event_object(condition).map_err(|mistake| mistake.entry(index).under("allow"))
        })
    }
}

impl Checked for HistoryVisibilityChange {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)
    }
}

impl Checked for ServerAcl {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)
    }
}

impl Checked for Redact {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)
    }
}
