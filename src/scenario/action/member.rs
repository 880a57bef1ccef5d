//! Members who come and go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::check::World;
use super::super::mistake::Mistake;
use super::super::names::{ServerName, UserRef};
use super::{Checked, user};

/// A user joins the room, with the help of a server that is in it if the user's own is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The user that joins.
    pub by: UserRef,
    /// The server that helps.
    pub via: ServerName,
}

/// A user invites another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// The user that invites.
    pub by: UserRef,
    /// The user that is invited.
    pub user: UserRef,
}

/// A user leaves the room, or declines an invitation to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// The user that leaves.
    pub by: UserRef,
}

/// A user removes another from the room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kick {
    /// The user that kicks.
    pub by: UserRef,
    /// The user that is removed.
    pub user: UserRef,
}

/// A user bans another from the room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ban {
    /// The user that bans.
    pub by: UserRef,
    /// The user that is banned.
    pub user: UserRef,
}

/// A user lifts the ban of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unban {
    /// The user that lifts the ban.
    pub by: UserRef,
    /// The user that was banned.
    pub user: UserRef,
}

/// A member changes their name: another membership event, still joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The user that changes it.
    pub by: UserRef,
    /// The new name.
    pub displayname: String,
}

impl Checked for Join {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)?;
        world.server(&self.via).map_err(|mistake| mistake.under("via"))
    }
}

impl Checked for Leave {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)
    }
}

impl Checked for Profile {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        user(world, "by", &self.by)
    }
}

macro_rules! check_by_and_user {
    ($($action:ty),*) => {
        $(
            impl Checked for $action {
                fn check(&self, world: World<'_>) -> Result<(), Mistake> {
                    user(world, "by", &self.by)?;
                    user(world, "user", &self.user)
                }
            }
        )*
    };
}

check_by_and_user!(Invite, Kick, Ban, Unban);
