//! What stands in the place of an endpoint's name, known or not: scripts and guests ask for what they like,
//! and the journal says what they asked for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Endpoint;

/// What a path asks for, as it is written down: an endpoint, or the word that stands where its name would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointName {
    /// One of the table.
    Known(Endpoint),
    /// Whatever else a script or a guest asks for.
    Unknown(String),
}

impl EndpointName {
    /// The name in a path, whether or not anybody would answer that: another version of an endpoint has its
    /// name too.
    pub fn in_path(path: &str) -> Self {
        // Nearly all of them are of this kind.
        if let Some(rest) = path.strip_prefix("/_matrix/federation/v1/") {
            return Self::from(rest.split('/').next().unwrap_or_default());
        }
        let mut parts = path.split('/').skip(2);
        match (parts.next(), parts.nth(1)) {
            (Some("key"), _) => Self::Known(Endpoint::Key),
            (_, Some(name)) => Self::from(name),
            _ => Self::from("?"),
        }
    }

    /// The endpoint, if it is one.
    pub fn known(&self) -> Option<Endpoint> {
        match self {
            Self::Known(endpoint) => Some(*endpoint),
            Self::Unknown(_) => None,
        }
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(endpoint) => endpoint.name(),
            Self::Unknown(name) => name,
        }
    }
}

impl From<&str> for EndpointName {
    fn from(name: &str) -> Self {
        Endpoint::named(name).map_or_else(|| Self::Unknown(name.to_owned()), Self::Known)
    }
}

impl From<Endpoint> for EndpointName {
    fn from(endpoint: Endpoint) -> Self {
        Self::Known(endpoint)
    }
}

impl PartialEq<Endpoint> for EndpointName {
    fn eq(&self, endpoint: &Endpoint) -> bool {
        self.known() == Some(*endpoint)
    }
}

impl fmt::Display for EndpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for EndpointName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EndpointName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_nobody_answers_have_names_too() {
        for (path, name) in [
            ("/_matrix/federation/v1/nothing/at?all", "nothing"),
            ("/_matrix/federation/v1/send_join/!a:b/$c", "send_join"),
            ("/_matrix/federation/v9/backfill", "backfill"),
            ("/_matrix/federation/unstable/org.example/extremities/!a:b", "org.example"),
            ("/_matrix/key/v9", "key"),
            ("/_matrix/federation/v1/", ""),
            ("/_matrix/federation/v1", "?"),
            ("/", "?"),
        ] {
            let found = EndpointName::in_path(path);
            assert_eq!(found.as_str(), name, "{path}");
            assert_eq!(found.known(), Endpoint::named(name), "{path}");
            let written = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<EndpointName>(&written).unwrap(), found, "{path}");
        }
    }
}
