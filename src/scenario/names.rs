//! Who a step speaks of: servers and users by the names that a scenario gives them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name of a server inside a scenario: `[a-z][a-z0-9-]{0,30}`. Not always its Matrix name, see
/// [`Server::name`].
///
/// [`Server::name`]: super::Server::name
pub type ServerName = String;

/// A user: the name of a server, which means that server's default user `@user:server`, or a full user id
/// whose server part is the Matrix name of a server of the scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct UserRef(pub String);

impl UserRef {
    /// The text as it stands in the file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for UserRef {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One server or several: `"a"` or `["a", "b"]`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Servers {
    /// A single server, written as a string.
    One(ServerName),
    /// A list of servers.
    Many(Vec<ServerName>),
}

impl Servers {
    /// The servers in the order of the file.
    pub fn as_slice(&self) -> &[ServerName] {
        match self {
            Self::One(server) => std::slice::from_ref(server),
            Self::Many(servers) => servers,
        }
    }

    /// The same servers in order, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_slice().iter().map(String::as_str)
    }
}

impl Serialize for Servers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(server) => server.serialize(serializer),
            Self::Many(servers) => servers.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Servers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOrList)
    }
}

/// Not serde's untagged: that reads everything into a buffer first, and mistakes lose their place in the
/// file.
struct StringOrList;

impl<'de> de::Visitor<'de> for StringOrList {
    type Value = Servers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a server, or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Servers, E> {
        Ok(Servers::One(text.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Servers, A::Error> {
        let mut servers = Vec::new();
        while let Some(server) = list.next_element()? {
            servers.push(server);
        }
        Ok(Servers::Many(servers))
    }
}
