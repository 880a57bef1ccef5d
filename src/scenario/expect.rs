//! What must hold when a scenario has been played.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::World;
use super::collect::object;
use super::mark::Mark;
use super::mistake::Mistake;
use super::names::ServerName;
use super::time::SimDuration;
use crate::matrix::endpoint::{Endpoint, endpoints};

/// What must hold at the end; without it, that every invariant holds and all servers recover.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The verdict that the run must reach.
    #[serde(skip_serializing_if = "is_default")]
    pub verdict: Verdict,
    /// The longest simulated time from the last heal to recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<SimDuration>,
    /// The most requests that the whole run may make, by endpoint.
    #[serde(deserialize_with = "object", skip_serializing_if = "is_default")]
    pub requests: RequestLimits,
    /// The marks that the run must reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// How events must stand at the end, by server and reference: the label of an event, or a `$` id.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<ServerName, std::collections::BTreeMap<String, Stands>>")]
    pub events: IndexMap<ServerName, IndexMap<String, Stands>>,
    /// Servers that need not agree with the others at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differ: Vec<ServerName>,
}

/// How an event stands on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// It passed all checks.
    Accepted,
    /// It is kept but not built upon.
    SoftFailed,
    /// It is not allowed.
    Rejected,
    /// It is held for what it allows, not as history.
    Outlier,
    /// It can't be judged for want of others.
    Waiting,
    /// The server does not hold it.
    Absent,
    /// It is history: accepted or soft-failed.
    History,
    /// It did not become history: rejected, outlier, waiting or absent.
    NotHistory,
}

/// How a run can end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every invariant holds and the servers recovered in time.
    #[default]
    Holds,
    /// An invariant was violated.
    Violated,
    /// The servers did not recover in time.
    NotRecovered,
}

macro_rules! request_limits {
    ($($(#[$_about:meta])* $_access:ident {$(
        $(#[$doc:meta])* $variant:ident $name:ident $_method:ident $_paths:tt $_facts:tt
    )*})*) => {
        /// The most requests to each endpoint, over all servers; endpoints that are left out are not limited.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct RequestLimits {
            $($(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<u32>,
            )*)*
            /// All endpoints together.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub total: Option<u32>,
        }

        impl RequestLimits {
            /// The limits that are set, each with its endpoint.
            pub fn iter(&self) -> impl Iterator<Item = (Endpoint, u32)> {
                let limits = [$($((Endpoint::$variant, self.$name),)*)*];
                limits.into_iter().filter_map(|(endpoint, most)| Some((endpoint, most?)))
            }
        }
    };
}
endpoints!(request_limits);

impl Expect {
    pub(super) fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        for server in self.events.keys() {
            world.server(server).map_err(|mistake| mistake.under(server.as_str()).under("events"))?;
        }
        if self.differ.is_empty() {
            return Ok(());
        }
        world.list(&self.differ).map_err(|mistake| mistake.under("differ"))
    }
}

/// Whether a value can be left out when it is written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
