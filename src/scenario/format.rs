//! The scenario itself: reading, checking and writing it.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::check::World;
use super::collect::{object, short_list, unique_map};
use super::error::ScenarioError;
use super::expect::{Expect, is_default};
use super::link::{self, LinkSettings, LinkSpeed, check_links};
use super::mistake::{Mistake, complaint, quote};
use super::names::{ServerName, UserRef};
use super::room::Room;
use super::serde_words::explain;
use super::server::{MAX_SERVERS, Server, check_servers};
use super::step::{Action, Actor, Step, check_timeline};
use super::time::SimDuration;
use crate::matrix::version::{RoomVersion, RoomVersionError};

/// The largest file that is read, in bytes: 8 MiB.
pub const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// The most steps that a timeline can have.
pub const MAX_STEPS: usize = 20_000;

/// Every direction between every two servers, both ways at once, and the default.
const MAX_LINKS: usize = MAX_SERVERS * MAX_SERVERS * 2;

/// Servers, links, a timeline of what users do and which faults happen, and what must hold at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Where editors find the schema of the format; not looked at.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What the scenario shows, in a sentence or two.
    pub why: String,
    /// The version of the room.
    #[serde(default, deserialize_with = "room_version", skip_serializing_if = "is_default")]
    #[schemars(schema_with = "room_version_schema")]
    pub room_version: RoomVersion,
    /// The servers by name, 1 to 64. Names are a small letter and up to 30 small letters, digits and `-`.
    #[serde(deserialize_with = "unique_map::<MAX_SERVERS, _, _>")]
    #[schemars(with = "std::collections::BTreeMap<ServerName, Server>")]
    pub servers: IndexMap<ServerName, Server>,
    /// The links: `default`, `a->b` for one direction, `a-b` for both. The most particular one decides.
    #[serde(
        default,
        deserialize_with = "unique_map::<MAX_LINKS, _, _>",
        skip_serializing_if = "IndexMap::is_empty"
    )]
    #[schemars(with = "std::collections::BTreeMap<String, LinkSettings>")]
    pub links: IndexMap<String, LinkSettings>,
    /// The room.
    pub room: Room,
    /// What happens, in the order of `at`; at most 20000 steps.
    #[serde(deserialize_with = "short_list::<MAX_STEPS, _, _>")]
    pub timeline: Vec<Step>,
    /// How long recovery may take after the last step and the final heal.
    #[serde(default = "minute", skip_serializing_if = "is_minute")]
    pub settle: SimDuration,
    /// Whether all faults of the network end, and crashed servers restart, after the last step.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub heal_at_end: bool,
    /// Whether scripted steps that can't be played, since what they name is not there, are left out, as those
    /// of users are. Otherwise they are mistakes. Who writes without knowing what the faults will leave can't
    /// promise more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lenient: bool,
    /// The seed that it is played with, unless another is asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub seed: u64,
    /// What must hold at the end.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "is_default")]
    pub expect: Expect,
    /// Where the scenario was read.
    #[serde(skip)]
    pub origin: Origin,
}

/// The file that a scenario was read from. Not a part of what the scenario says: all origins are equal.
#[derive(Debug, Clone, Default)]
pub struct Origin(pub PathBuf);

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

fn room_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoomVersion, D::Error> {
    deserializer.deserialize_str(RoomVersionText)
}

struct RoomVersionText;

impl de::Visitor<'_> for RoomVersionText {
    type Value = RoomVersion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a room version in quotes, such as \"11\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RoomVersion, E> {
        let help = "write \"2\" to \"12\"";
        text.parse().map_err(|error| match error {
            RoomVersionError::One => {
                complaint("room version 1 needs state resolution v1, which is not built", help)
            }
            RoomVersionError::Unknown(_) => {
                complaint(format_args!("there is no room version {}", quote(text)), help)
            }
        })
    }
}

fn room_version_schema(_: &mut SchemaGenerator) -> Schema {
    let versions: Vec<String> = RoomVersion::all().map(|version| version.to_string()).collect();
    json_schema!({ "description": "The version of the room.", "type": "string", "enum": versions })
}

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    ///
    /// The first mistake: the file cannot be read, is larger than 8 MiB, is not JSON, or is not a scenario.
    pub fn read(path: &Path) -> Result<Self, ScenarioError> {
        let name = path.display().to_string();
        let bytes = read_at_most(path, MAX_FILE_BYTES)
            .map_err(|error| ScenarioError::unreadable(&name, error.to_string(), "check the path"))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(too_large(&name));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            ScenarioError::at_byte(&name, &text, valid, "this is not UTF-8", "save the file as UTF-8")
        })?;
        Self::parse(&text, &name)
    }

    /// Checks the text of a scenario; `file` names it in messages, and is what relative paths start from.
    ///
    /// # Errors
    ///
    /// The first mistake: the text is larger than 8 MiB, is not JSON, or is not a scenario.
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(too_large(file));
        }
        // The whole text first: once it is known to be JSON, every later mistake has a path, and every path a
        // place.
        if let Err(error) = serde_json::from_str::<&serde_json::value::RawValue>(text) {
            return Err(ScenarioError::not_json(file, text, &error));
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let read = object(tracked).map_err(|error| serde_path_to_error::Error::new(track.path(), error));
        let mut scenario: Self = read.map_err(|error| {
            if error.inner().is_data() {
                ScenarioError::of_mistake(file, text, explain(&error))
            } else {
                ScenarioError::not_json(file, text, error.inner())
            }
        })?;
        scenario.check().map_err(|mistake| ScenarioError::of_mistake(file, text, mistake))?;
        scenario.origin = Origin(PathBuf::from(file));
        Ok(scenario)
    }

    fn check(&self) -> Result<(), Mistake> {
        if self.why.trim().is_empty() {
            return Err(Mistake::at("why", "the sentence is empty").help("say what the scenario shows"));
        }
        check_servers(&self.servers).map_err(|mistake| mistake.under("servers"))?;
        check_links(&self.links, &self.servers).map_err(|mistake| mistake.under("links"))?;
        let world = World(&self.servers);
        self.room.check(world).map_err(|mistake| mistake.under("room"))?;
        check_timeline(&self.timeline, world).map_err(|mistake| mistake.under("timeline"))?;
        self.expect.check(world).map_err(|mistake| mistake.under("expect"))
    }

    /// The scenario's name: its file's without the ending, or `unnamed`.
    pub fn name(&self) -> &str {
        self.origin.0.file_stem().and_then(|stem| stem.to_str()).unwrap_or("unnamed")
    }

    /// The path of a file that the scenario names, such as an imported room.
    pub fn resolve(&self, relative: &str) -> PathBuf {
        self.origin.0.parent().unwrap_or(Path::new("")).join(relative)
    }

    /// The scenario as the text of a file, which parses to the same scenario. The same scenario, the same
    /// text.
    pub fn to_json(&self) -> String {
        // Writing to memory fails for maps with keys that are not strings only, and the format has none.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The speed of the link from one server to another at the start of the timeline.
    pub fn link(&self, from: &str, to: &str) -> LinkSpeed {
        link::speed(&self.links, from, to)
    }

    /// The Matrix name of a server; of a server that the scenario does not have, the name itself.
    pub fn matrix_name<'a>(&'a self, server: &'a str) -> &'a str {
        World(&self.servers).matrix_name(server)
    }

    /// The server that a user belongs to; nothing for users that a checked scenario cannot name.
    pub fn server_of(&self, user: &UserRef) -> Option<&str> {
        World(&self.servers).server_of(user)
    }

    /// The server on which an action happens, if it is one.
    pub fn server_acting(&self, action: &Action) -> Option<&str> {
        match action.actor()? {
            Actor::User(user) => self.server_of(user),
            Actor::Server(server) => self.servers.get_key_value(server).map(|(name, _)| name.as_str()),
        }
    }

    /// The full user id of a user.
    pub fn user_id(&self, user: &UserRef) -> String {
        World(&self.servers).user_id(user)
    }

    /// The users that join a created room during set-up, the creator first; none for an imported room.
    pub fn first_members(&self) -> Vec<UserRef> {
        let Room::Created(room) = &self.room else { return Vec::new() };
        let default = || self.servers.keys().map(|server| UserRef(server.clone())).collect();
        let others = room.members.clone().unwrap_or_else(default);
        let creator = self.user_id(&room.created_by);
        let others = others.into_iter().filter(|member| self.user_id(member) != creator);
        std::iter::once(room.created_by.clone()).chain(others).collect()
    }
}

fn read_at_most(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn too_large(file: &str) -> ScenarioError {
    ScenarioError::unreadable(file, "the file is larger than 8 MiB", "split the scenario")
}

fn minute() -> SimDuration {
    SimDuration::from_millis(60_000)
}

fn is_minute(settle: &SimDuration) -> bool {
    *settle == minute()
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}
