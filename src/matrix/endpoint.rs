//! The endpoints of federation: how each is asked, what is in a request to it and in its answer.
//!
//! One table, from which all who route, ask, answer, limit, lie, record and judge take what they know, so
//! that a new endpoint is a row here. It may not know who asks whom, nor what anybody makes of an answer.

mod name;
mod path;

use std::fmt;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

pub use name::EndpointName;
pub use path::{Parameters, RequestLine, encode};

use super::pdu::Limits;
use List::{Events, Ids};
use path::Template;

/// The table: `$with` is given a row for each endpoint, in groups by who may ask. A row has the endpoint, its
/// name, its method, its paths, and those of the [`Facts`] that are other than [`Facts::NONE`]. The first
/// path is the one that scripts ask; a parameter's name stands in braces.
macro_rules! endpoints {
    ($with:ident) => {
        $with! {
            /// An endpoint that answers those only who signed their request.
            Signed {
                /// `PUT /send/{txnId}`.
                Send send PUT ["/_matrix/federation/v1/send/{transaction}"] {
                    brings_events: true,
                }
                /// `GET /backfill/{roomId}`.
                Backfill backfill GET ["/_matrix/federation/v1/backfill/{room}"] {
                    events: Some(Events("pdus")),
                    is_recovery: true, gives_history: true, heeds_acl: true,
                    named_events: Some(Naming::All("v")), has_limit: true, pdu_limits: Limits::Waived,
                }
                /// `POST /get_missing_events/{roomId}`.
                GetMissingEvents get_missing_events POST
                ["/_matrix/federation/v1/get_missing_events/{room}"] {
                    events: Some(Events("events")),
                    is_recovery: true, gives_history: true, heeds_acl: true,
                    has_limit: true,
                }
                /// `GET /event/{eventId}`.
                Event event GET ["/_matrix/federation/v1/event/{event}"] {
                    events: Some(Events("pdus")),
                    is_recovery: true, gives_history: true,
                }
                /// `GET /state_ids/{roomId}`.
                StateIds state_ids GET ["/_matrix/federation/v1/state_ids/{room}"] {
                    events: Some(Ids("pdu_ids")), auth_chain: Some(Ids("auth_chain_ids")),
                    is_recovery: true, tells_state: true, heeds_acl: true,
                    named_events: Some(Naming::One("event_id")),
                }
                /// `GET /state/{roomId}`.
                State state GET ["/_matrix/federation/v1/state/{room}"] {
                    events: Some(Events("pdus")), auth_chain: Some(Events("auth_chain")),
                    is_recovery: true, tells_state: true, heeds_acl: true,
                    named_events: Some(Naming::One("event_id")),
                }
                /// `GET /event_auth/{roomId}/{eventId}`.
                EventAuth event_auth GET ["/_matrix/federation/v1/event_auth/{room}/{event}"] {
                    auth_chain: Some(Events("auth_chain")),
                    is_recovery: true, tells_state: true, heeds_acl: true,
                }
                /// `GET /make_join/{roomId}/{userId}`.
                MakeJoin make_join GET ["/_matrix/federation/v1/make_join/{room}/{user}"] {
                    heeds_acl: true,
                }
                /// `PUT /send_join/{roomId}/{eventId}`.
                SendJoin send_join PUT ["/_matrix/federation/v2/send_join/{room}/{event}"] {
                    events: Some(Events("state")), auth_chain: Some(Events("auth_chain")),
                    brings_events: true, tells_state: true, heeds_acl: true,
                }
                /// `PUT /invite/{roomId}/{eventId}`.
                Invite invite PUT ["/_matrix/federation/v2/invite/{room}/{event}"] {
                    brings_events: true, heeds_acl: true,
                }
            }
            /// An endpoint that answers everybody, since nobody's signature can be checked before.
            Open {
                /// `GET /_matrix/key/v2/server`.
                Key key GET ["/_matrix/key/v2/server", "/_matrix/key/v2/query/{server}"] {}
                /// `GET /_matrix/federation/v1/version`.
                Version version GET ["/_matrix/federation/v1/version"] {}
            }
        }
    };
}
pub(crate) use endpoints;

macro_rules! define {
    ($(
        $(#[$about:meta])*
        $access:ident {$(
            $(#[$doc:meta])*
            $variant:ident $name:ident $method:ident [$($path:literal),+] { $($fact:ident: $value:expr),* $(,)? }
        )*}
    )*) => {
        /// An endpoint of federation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
        #[schemars(rename_all = "snake_case")]
        pub enum Endpoint {
            $($($(#[$doc])* $variant,)*)*
        }

        /// Who may ask an endpoint.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Access {
            $($(#[$about])* $access($access),)*
        }

        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub enum $access {
                $($(#[$doc])* $variant,)*
            }
        )*

        impl Endpoint {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$variant,)*)*];
            /// Their names.
            const NAMES: &[&str] = &[$($(stringify!($name),)*)*];

            /// Its name in scenarios and journals, which is that in its path.
            pub fn name(self) -> &'static str {
                match self {
                    $($(Self::$variant => stringify!($name),)*)*
                }
            }

            /// The method by which it is asked.
            pub fn method(self) -> Method {
                match self {
                    $($(Self::$variant => Method::$method,)*)*
                }
            }

            /// Who may ask it.
            pub fn access(self) -> Access {
                match self {
                    $($(Self::$variant => Access::$access($access::$variant),)*)*
                }
            }

            fn templates(self) -> &'static [Template] {
                match self {
                    $($(Self::$variant => &[$(Template($path)),+],)*)*
                }
            }

            fn facts(self) -> Facts {
                match self {
                    $($(Self::$variant => Facts { $($fact: $value,)* ..Facts::NONE },)*)*
                }
            }
        }
    };
}
endpoints!(define);

/// A list in an answer, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Of events.
    Events(&'static str),
    /// Of their ids.
    Ids(&'static str),
}

/// A parameter of a query that names events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// One event.
    One(&'static str),
    /// Any number, one each time that it stands there.
    All(&'static str),
}

/// What the table says of an endpoint, beside how it is asked.
struct Facts {
    events: Option<List>,
    auth_chain: Option<List>,
    brings_events: bool,
    is_recovery: bool,
    gives_history: bool,
    tells_state: bool,
    heeds_acl: bool,
    named_events: Option<Naming>,
    has_limit: bool,
    pdu_limits: Limits,
}

impl Facts {
    const NONE: Self = Self {
        events: None,
        auth_chain: None,
        brings_events: false,
        is_recovery: false,
        gives_history: false,
        tells_state: false,
        heeds_acl: false,
        named_events: None,
        has_limit: false,
        pdu_limits: Limits::Hold,
    };
}

impl Endpoint {
    /// Those by which a server gets the events that it lacks.
    pub fn recovery() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|endpoint| endpoint.is_recovery()).collect()
    }

    /// The list in its answer that is asked for: of events, or where there is none, of what allows one.
    pub fn list(self) -> Option<List> {
        self.events().or(self.auth_chain())
    }

    /// The events in its answer: history, or a state.
    pub fn events(self) -> Option<List> {
        self.facts().events
    }

    /// The auth chain in its answer.
    pub fn auth_chain(self) -> Option<List> {
        self.facts().auth_chain
    }

    /// Whether a request itself brings events to who is asked.
    pub fn brings_events(self) -> bool {
        self.facts().brings_events
    }

    /// Whether servers ask it to get the events that they lack.
    pub fn is_recovery(self) -> bool {
        self.facts().is_recovery
    }

    /// Whether it gives history: each event by itself, as the asker may have it.
    pub fn gives_history(self) -> bool {
        self.facts().gives_history
    }

    /// Whether it tells a state, or the events that one is made of.
    pub fn tells_state(self) -> bool {
        self.facts().tells_state
    }

    /// Whether it answers nothing to a server that the ACL of the room shuts out (SS-API, "Server Access
    /// Control Lists"). `/event` is not among them, and `/send` decides for each event by itself.
    pub fn heeds_acl(self) -> bool {
        self.facts().heeds_acl
    }

    /// How its query names events.
    pub fn named_events(self) -> Option<Naming> {
        self.facts().named_events
    }

    /// Whether the asker says how many events it wants at most.
    pub fn has_limit(self) -> bool {
        self.facts().has_limit
    }

    /// Whether the limits on what an event cites hold for those in its answer.
    pub fn pdu_limits(self) -> Limits {
        self.facts().pdu_limits
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|endpoint| endpoint.name() == name)
    }

    /// The names of the parameters in its path.
    pub fn parameters(self) -> impl Iterator<Item = &'static str> {
        self.templates()[0].parameters()
    }

    /// What asks it, with these values of the parameters in its path, in their order.
    ///
    /// # Panics
    ///
    /// If it has no path with so many parameters.
    pub fn line(self, values: &[&str]) -> RequestLine {
        let path = self.templates().iter().find_map(|template| template.filled(values));
        let path = path.unwrap_or_else(|| panic!("{self} has no path with {values:?}"));
        RequestLine { method: self.method(), path }
    }

    /// The endpoint that a path asks for, given by its decoded segments, with the values of the parameters.
    pub fn at(path: &[impl AsRef<str>]) -> Option<(Self, Parameters)> {
        Self::ALL.iter().find_map(|endpoint| {
            let parameters = endpoint.templates().iter().find_map(|template| template.read(path));
            Some((*endpoint, parameters?))
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::named(&name).ok_or_else(|| D::Error::unknown_variant(&name, Self::NAMES))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for endpoint in Endpoint::ALL {
            let written = format!("\"{endpoint}\"");
            assert_eq!(serde_json::to_string(endpoint).unwrap(), written);
            assert_eq!(serde_json::from_str::<Endpoint>(&written).unwrap(), *endpoint);
            assert_eq!(serde_json::from_str::<EndpointName>(&written).unwrap(), *endpoint);
            assert!(schemars::schema_for!(Endpoint).to_value().to_string().contains(&written), "{endpoint}");
        }
    }

    #[test]
    fn every_path_leads_to_its_endpoint_and_no_other() {
        let mut lines = BTreeSet::new();
        for endpoint in Endpoint::ALL {
            for template in endpoint.templates() {
                let names: Vec<&str> = template.parameters().collect();
                let RequestLine { method, path } = endpoint.line(&names);
                let segments: Vec<&str> = path.split('/').skip(1).collect();
                let (found, values) = Endpoint::at(&segments).unwrap();
                assert_eq!(found, *endpoint, "{path}");
                assert!(names.iter().all(|name| values.get(name) == *name), "{path}");
                assert_eq!(EndpointName::in_path(&path), *endpoint, "{path}");
                assert!(lines.insert((method.to_string(), path.clone())), "{path} stands there twice");
                assert_eq!(Endpoint::at(&segments[1..]), None, "{path}");
                assert_eq!(Endpoint::at(&[&segments[..], &[""]].concat()), None, "{path}/");
            }
        }
    }

    #[test]
    fn the_facts_do_not_contradict_each_other() {
        for endpoint in Endpoint::ALL {
            let is_open = matches!(endpoint.access(), Access::Open(_));
            let tells = endpoint.list().is_some();
            let parameters: Vec<_> = endpoint.parameters().collect();
            assert!(!(is_open && tells), "{endpoint} gives events to anybody");
            assert!(tells || !endpoint.is_recovery(), "{endpoint} gives nothing to recover from");
            assert!(tells || !endpoint.tells_state(), "{endpoint} tells no state");
            assert!(!(endpoint.gives_history() && endpoint.tells_state()), "{endpoint} does both");
            assert!(parameters.contains(&"room") || !endpoint.heeds_acl(), "{endpoint} knows no room");
        }
    }
}
