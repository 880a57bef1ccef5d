//! Room versions: which are played, and the rules that ruma gives for each.

use std::{fmt, str::FromStr};

use ruma_common::{
    RoomVersionId,
    room_version_rules::{EventsReferenceFormatVersion, RoomVersionRules, StateResolutionV2Rules},
};
use serde::{Deserialize, Serialize};

/// A room version that Backfire plays: 2 to 12 (specification, "Room Versions").
///
/// Version 1 is refused: its state resolution (v1) is in no maintained library, and no server has made such
/// rooms since 2018.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomVersion(u8);

impl RoomVersion {
    /// Version 11, the default of scenarios.
    pub const V11: Self = Self(11);

    /// All versions, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (2..=12).map(Self)
    }

    /// The number of the version, 2 to 12.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The rules of this version, as ruma describes them.
    pub fn rules(self) -> &'static RoomVersionRules {
        static RULES: [RoomVersionRules; 11] = [
            RoomVersionRules::V2,
            RoomVersionRules::V3,
            RoomVersionRules::V4,
            RoomVersionRules::V5,
            RoomVersionRules::V6,
            RoomVersionRules::V7,
            RoomVersionRules::V8,
            RoomVersionRules::V9,
            RoomVersionRules::V10,
            RoomVersionRules::V11,
            RoomVersionRules::V12,
        ];
        &RULES[usize::from(self.0) - 2]
    }

    /// The rules of state resolution: v2.0, or v2.1 in room version 12.
    pub fn resolution(self) -> &'static StateResolutionV2Rules {
        self.rules().state_res.v2_rules().expect("only versions with resolution v2 can be named")
    }

    /// Whether events carry their id and refer to others as `[id, hashes]` (version 2).
    pub fn has_event_ids_on_the_wire(self) -> bool {
        self.rules().events_reference_format == EventsReferenceFormatVersion::V1
    }

    /// Whether the room id is the hash of the create event, which then carries none (version 12, MSC4291).
    pub fn has_hash_room_ids(self) -> bool {
        self.rules().authorization.room_create_event_id_as_room_id
    }

    /// Whether an event must be canonical JSON, without fractions and numbers beyond ±(2^53-1) (version 6,
    /// MSC2540).
    pub fn enforces_canonical_json(self) -> bool {
        self.0 >= 6
    }

    /// The largest `depth`: 2^53-1 from version 6 on, 2^63-1 before.
    pub fn max_depth(self) -> u64 {
        if self.enforces_canonical_json() { (1 << 53) - 1 } else { i64::MAX.unsigned_abs() }
    }
}

impl Default for RoomVersion {
    fn default() -> Self {
        Self::V11
    }
}

impl fmt::Display for RoomVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for RoomVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// A text that names no room version that can be played.
#[derive(Debug, thiserror::Error)]
pub enum RoomVersionError {
    /// Version 1.
    #[error("room version 1 is not played: it needs state resolution v1; use 2 to 12")]
    One,
    /// Anything else.
    #[error("`{0}` is not a room version; use 2 to 12")]
    Unknown(String),
}

impl FromStr for RoomVersion {
    type Err = RoomVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<u8>() {
            Ok(1) => Err(RoomVersionError::One),
            Ok(n @ 2..=12) if n.to_string() == text => Ok(Self(n)),
            _ => Err(RoomVersionError::Unknown(text.to_owned())),
        }
    }
}

impl TryFrom<String> for RoomVersion {
    type Error = RoomVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RoomVersion> for String {
    fn from(version: RoomVersion) -> Self {
        version.to_string()
    }
}

impl From<RoomVersion> for RoomVersionId {
    fn from(version: RoomVersion) -> Self {
        RoomVersionId::try_from(version.to_string()).expect("2 to 12 are room versions")
    }
}
