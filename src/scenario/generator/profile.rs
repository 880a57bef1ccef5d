//! Profiles: what a campaign is about.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Family;
use crate::scenario::suggest;

/// What generated scenarios are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// People talk, and nothing fails.
    Calm,
    /// The network fails.
    Partitions,
    /// Servers crash.
    Crashes,
    /// Servers lie.
    Liars,
    /// Members come, go and lose their rights.
    Membership,
    /// 50 servers, 10,000 events.
    Large,
    /// All of it.
    #[default]
    Everything,
}

/// There is no such profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{wrong}`; {advice}")]
pub struct UnknownProfile {
    wrong: String,
    advice: String,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 7] = [
        Self::Calm,
        Self::Partitions,
        Self::Crashes,
        Self::Liars,
        Self::Membership,
        Self::Large,
        Self::Everything,
    ];

    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Partitions => "partitions",
            Self::Crashes => "crashes",
            Self::Liars => "liars",
            Self::Membership => "membership",
            Self::Large => "large",
            Self::Everything => "everything",
        }
    }

    /// Of how many in a hundred seeds a kind of this family is a part.
    pub(super) fn chance(self, family: Family) -> u32 {
        use Family::{Always, Clocks, Crashes, Lies, Links, Members, Readers, Rights, Talk};
        match (self, family) {
            (_, Always) => 100,
            (_, Talk) => 50,
            (Self::Calm, Rights | Readers) => 40,
            (Self::Partitions, Links) => 60,
            (Self::Partitions, Rights) => 15,
            (Self::Crashes, Crashes) => 70,
            (Self::Crashes, Links) => 20,
            (Self::Crashes, Clocks) => 50,
            (Self::Liars, Lies) => 50,
            (Self::Liars, Links) => 40,
            (Self::Liars, Readers) => 50,
            (Self::Liars, Members) => 20,
            (Self::Membership, Members) => 60,
            (Self::Membership, Rights | Links) => 40,
            (Self::Large, Links) => 30,
            (Self::Everything, _) => 35,
            _ => 0,
        }
    }

    /// The family of which at least one kind is always there.
    pub(super) fn family(self) -> Family {
        match self {
            Self::Calm | Self::Everything => Family::Talk,
            Self::Partitions | Self::Large => Family::Links,
            Self::Crashes => Family::Crashes,
            Self::Liars => Family::Lies,
            Self::Membership => Family::Members,
        }
    }

    /// How many servers there are.
    pub(super) fn servers(self) -> RangeInclusive<u64> {
        match self {
            Self::Large => 50..=50,
            Self::Liars => 3..=6,
            _ => 2..=7,
        }
    }

    /// For how many seconds things happen before the last words.
    pub(super) fn seconds(self) -> RangeInclusive<u64> {
        match self {
            Self::Large => 60..=120,
            _ => 8..=40,
        }
    }

    /// How many messages the plain talk of the scenario has, over all members.
    pub(super) fn messages(self) -> RangeInclusive<u64> {
        match self {
            Self::Large => 10_000..=10_000,
            _ => 10..=150,
        }
    }

    /// Whether there are servers that lie and otherwise keep still.
    pub(super) fn has_liars(self) -> bool {
        self.chance(Family::Lies) > 0
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == text);
        found.ok_or_else(|| UnknownProfile {
            wrong: text.to_owned(),
            advice: suggest::advice(text, Self::ALL.map(Self::name)).unwrap_or_default(),
        })
    }
}
