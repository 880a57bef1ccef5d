//! The room that a scenario plays in: created by its users, or imported from a dump of a real one.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::action::Content;
use super::check::{World, event_object};
use super::collect::{object, unique_map};
use super::expect::is_default;
use super::mistake::{Mistake, Target, complaint, quote};
use super::names::{ServerName, UserRef};
use super::server::MAX_SERVERS;

/// Where the room comes from.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged)]
pub enum Room {
    /// The scenario's users create it during set-up.
    Created(CreatedRoom),
    /// It was dumped from real servers, and the scenario's servers hold parts of it.
    Imported(ImportedRoom),
}

/// A room that is created, and joined by its first members, during set-up: before time 0 of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatedRoom {
    /// The user that creates the room.
    pub created_by: UserRef,
    /// The users that join during set-up, the creator among them; by default the default user of every
    /// server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<UserRef>>,
    /// Who may join without being invited.
    #[serde(default, skip_serializing_if = "is_default")]
    pub join_rule: JoinRule,
    /// Who may see earlier events.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history_visibility: HistoryVisibility,
    /// Fields that replace those of the power levels that the room would begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_levels: Option<Content>,
}

/// A room that was dumped from real servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportedRoom {
    /// The dump, one event a line; the path is relative to the scenario's file.
    pub import: String,
    /// The keys that the events are signed with; the path is relative to the scenario's file.
    pub keys: String,
    /// What each server holds of the room at the start; servers that are left out hold all of it.
    #[serde(
        default,
        deserialize_with = "unique_map::<MAX_SERVERS, _, _>",
        skip_serializing_if = "IndexMap::is_empty"
    )]
    #[schemars(with = "std::collections::BTreeMap<ServerName, Holdings>")]
    pub holdings: IndexMap<ServerName, Holdings>,
}

/// The part of an imported room that a server holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Holdings {
    /// Every event of the dump.
    All,
    /// The last events of the dump in its order, this many (1 or more), and the state before them.
    Last(u32),
}

/// Who may join a room without being invited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JoinRule {
    /// Everybody.
    #[default]
    Public,
    /// Nobody.
    Invite,
    /// Nobody, but they may knock; room versions 7 and later.
    Knock,
    /// Members of other rooms; room versions 8 and later.
    Restricted,
    /// Members of other rooms, and others may knock; room versions 10 and later.
    KnockRestricted,
    /// Reserved by the specification, and the same as `invite`.
    Private,
}

/// Who may see a room's earlier events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryVisibility {
    /// Everybody.
    WorldReadable,
    /// Members, also what was sent before they joined.
    #[default]
    Shared,
    /// Members, from their invitation on.
    Invited,
    /// Members, from their joining on.
    Joined,
}

/// Both kinds of room in one: which kind it is shows only once all keys were read, and reading them straight
/// keeps the place of every mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "room")]
struct RoomFields {
    created_by: Option<UserRef>,
    members: Option<Vec<UserRef>>,
    join_rule: Option<JoinRule>,
    history_visibility: Option<HistoryVisibility>,
    power_levels: Option<Content>,
    import: Option<String>,
    keys: Option<String>,
    #[serde(default, deserialize_with = "some_holdings")]
    holdings: Option<IndexMap<ServerName, Holdings>>,
}

fn some_holdings<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<IndexMap<ServerName, Holdings>>, D::Error> {
    unique_map::<MAX_SERVERS, _, _>(deserializer).map(Some)
}

impl RoomFields {
    fn kind(self) -> Result<Room, (&'static str, &'static str)> {
        let only_created = self.members.is_some()
            || self.join_rule.is_some()
            || self.history_visibility.is_some()
            || self.power_levels.is_some();
        let only_imported = self.keys.is_some() || self.holdings.is_some();
        match (self.created_by, self.import) {
            (Some(_), Some(_)) => {
                Err(("a room is either created or imported", "remove `created_by` or `import`"))
            }
            (None, None) => {
                Err(("the room comes from nowhere", "add \"created_by\": \"a\", or `import` and `keys`"))
            }
            (Some(_), None) if only_imported => {
                Err(("`keys` and `holdings` belong to imported rooms", "remove them, or write `import`"))
            }
            (None, Some(_)) if only_created => Err((
                "`members`, `join_rule`, `history_visibility` and `power_levels` belong to created rooms",
                "remove them: an imported room brings its own",
            )),
            (Some(created_by), None) => Ok(Room::Created(CreatedRoom {
                created_by,
                members: self.members,
                join_rule: self.join_rule.unwrap_or_default(),
                history_visibility: self.history_visibility.unwrap_or_default(),
                power_levels: self.power_levels,
            })),
            (None, Some(import)) => {
                let Some(keys) = self.keys else {
                    return Err((
                        "the key `keys` is missing",
                        "add \"keys\": \"keys.json\", the keys of the servers",
                    ));
                };
                Ok(Room::Imported(ImportedRoom { import, keys, holdings: self.holdings.unwrap_or_default() }))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::<RoomFields, D>(deserializer)?.kind().map_err(|(what, help)| complaint(what, help))
    }
}

impl Serialize for Room {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Created(room) => room.serialize(serializer),
            Self::Imported(room) => room.serialize(serializer),
        }
    }
}

impl Room {
    pub(super) fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        match self {
            Self::Created(room) => room.check(world),
            Self::Imported(room) => room.check(world),
        }
    }
}

impl CreatedRoom {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.user(&self.created_by).map_err(|mistake| mistake.under("created_by"))?;
        if let Some(content) = &self.power_levels {
            event_object(content).map_err(|mistake| mistake.under("power_levels"))?;
        }
        let Some(members) = &self.members else { return Ok(()) };
        // Ids, because one user can be named in two ways.
        let mut seen = BTreeSet::new();
        for (index, member) in members.iter().enumerate() {
            world.user(member).map_err(|mistake| mistake.entry(index).under("members"))?;
            if !seen.insert(world.user_id(member)) {
                let mistake =
                    Mistake::here(format!("{} is named twice", quote(member.as_str()))).help("remove one");
                return Err(mistake.entry(index).under("members"));
            }
        }
        if seen.contains(&world.user_id(&self.created_by)) {
            return Ok(());
        }
        let creator = quote(self.created_by.as_str());
        Err(Mistake::at("members", format!("{creator}, who creates the room, is not among its members"))
            .help(format!("add {creator}")))
    }
}

impl ImportedRoom {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        for (key, path) in [("import", &self.import), ("keys", &self.keys)] {
            if path.is_empty() {
                return Err(Mistake::at(key, "the path is empty").help("write a path relative to this file"));
            }
        }
        for (server, holdings) in &self.holdings {
            world
                .server(server)
                .map_err(|mistake| mistake.under(server).under("holdings").shown_at(Target::Key))?;
            if *holdings == Holdings::Last(0) {
                return Err(Mistake::at("last", "a server in the room holds at least one event")
                    .help("write 1 or more")
                    .under(server)
                    .under("holdings"));
            }
        }
        Ok(())
    }
}
