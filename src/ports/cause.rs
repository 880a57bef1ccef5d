//! Why a request is made: travels with it as an extension, so that whoever watches the network can tell.

use std::fmt;

use ruma_common::{EventId, OwnedEventId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a request is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Events are sent on.
    Push,
    /// The keys of a server are not known, or no longer good.
    Keys,
    /// An own user joins a room.
    Join,
    /// An own user invites one of another server.
    Invite,
    /// An own user scrolls back.
    PageBack,
    /// An event that another is built on is missing.
    MissingEvent(OwnedEventId),
    /// An event that allows another is missing.
    AuthEvent(OwnedEventId),
    /// The state at an event is asked for, where what is before it can't be had.
    StateAt(OwnedEventId),
    /// A step of the scenario asks; the server would not.
    Script {
        /// Its place in the timeline.
        step: usize,
    },
    /// In the words of software that is not Backfire's, empty where it says nothing.
    Other(String),
}

impl Cause {
    /// Reads the words that [`Display`](fmt::Display) writes.
    pub fn read(words: &str) -> Self {
        let cause = match words {
            "push" => Some(Self::Push),
            "keys" => Some(Self::Keys),
            "join" => Some(Self::Join),
            "invite" => Some(Self::Invite),
            "page back" => Some(Self::PageBack),
            _ => Self::read_about(words),
        };
        cause.unwrap_or_else(|| Self::Other(words.to_owned()))
    }

    fn read_about(words: &str) -> Option<Self> {
        let (why, about) = words.rsplit_once(' ')?;
        let event = || EventId::parse(about).ok();
        match why {
            "gap at" => event().map(Self::MissingEvent),
            "auth event" => event().map(Self::AuthEvent),
            "state at" => event().map(Self::StateAt),
            "script, step" => about.parse().ok().map(|step| Self::Script { step }),
            _ => None,
        }
    }

    /// The event that the server is after.
    pub fn event(&self) -> Option<&EventId> {
        match self {
            Self::MissingEvent(id) | Self::AuthEvent(id) | Self::StateAt(id) => Some(id),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push => f.write_str("push"),
            Self::Keys => f.write_str("keys"),
            Self::Join => f.write_str("join"),
            Self::Invite => f.write_str("invite"),
            Self::PageBack => f.write_str("page back"),
            Self::MissingEvent(id) => write!(f, "gap at {id}"),
            Self::AuthEvent(id) => write!(f, "auth event {id}"),
            Self::StateAt(id) => write!(f, "state at {id}"),
            Self::Script { step } => write!(f, "script, step {step}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|words| Self::read(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_read_back_from_its_words() {
        let id = EventId::parse("$event7:a").unwrap();
        let causes = [
            (Cause::Push, "push"),
            (Cause::Keys, "keys"),
            (Cause::Join, "join"),
            (Cause::Invite, "invite"),
            (Cause::PageBack, "page back"),
            (Cause::MissingEvent(id.clone()), "gap at $event7:a"),
            (Cause::AuthEvent(id.clone()), "auth event $event7:a"),
            (Cause::StateAt(id), "state at $event7:a"),
            (Cause::Script { step: 3 }, "script, step 3"),
            (Cause::Other(String::new()), ""),
            (Cause::Other("gap at nothing".to_owned()), "gap at nothing"),
            (Cause::Other("a whim".to_owned()), "a whim"),
        ];
        for (cause, words) in causes {
            assert_eq!(cause.to_string(), words);
            assert_eq!(Cause::read(words), cause);
        }
    }
}
