//! Why an event is not allowed: by what it was judged, and the rule that it breaks.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::by_rules::BrokenRule;

/// Why an event is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// By what it was judged.
    pub by: Against,
    /// The rule that it breaks, in the words of whoever knows the rules.
    pub rule: String,
}

/// By what an event is judged (SS-API, "Checks performed on receipt of a PDU", steps 4 to 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Against {
    /// The rules that need no state: which auth events an event may list.
    AuthEventList,
    /// What its auth events allow.
    AuthEvents,
    /// The state before it.
    StateBefore,
    /// The current state of the room.
    CurrentState,
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthEventList => "auth events",
            Self::AuthEvents => "not allowed by its auth events",
            Self::StateBefore => "not allowed by the state before it",
            Self::CurrentState => "not allowed by the current state",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, rule } = self;
        write!(f, "{by}: {rule}")
    }
}

impl From<BrokenRule> for Refusal {
    fn from(broken: BrokenRule) -> Self {
        match broken {
            BrokenRule::OfList(rule) => Self { by: Against::AuthEventList, rule },
            BrokenRule::OfEvents(rule) => Self { by: Against::AuthEvents, rule },
        }
    }
}
